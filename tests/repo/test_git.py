"""Revisions, the line of first parents, who may read, what is in quarantine."""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pygit2
import pytest

from reconciler.core.problem import Refused
from reconciler.repo import GitRepo, open_repo
from reconciler.repo.troubles import CODES, TABLE, problem, redacted

MakeGit = Callable[..., Any]


def test_every_spelling_of_a_revision_names_its_commit(make_git: MakeGit) -> None:
    git = make_git()
    first = git.commit("first", a_dot_yaml="1\n")
    second = git.commit("second", a_dot_yaml="2\n")
    git("tag", "-a", "-m", "annotated", "v1", first)
    git("branch", "side/one", first)
    repo = GitRepo(git.folder)
    for rev in (first, first[:7], "HEAD~1", "HEAD^", "main~1", "v1", "side/one", "refs/heads/side/one", ":/first"):
        assert repo.files(rev).commit.id == first, rev
    assert repo.tip() == repo.files().commit.id == second


@pytest.mark.parametrize(
    "rev", ["nothere", "deadbeef", "HEAD~9", "-x", "a..b", "HEAD:a.yaml", "\x1b[31m", "@{-1}", "^{/"]
)
def test_a_revision_that_names_no_commit_is_refused_with_its_name(make_git: MakeGit, rev: str) -> None:
    git = make_git()
    git.commit("first", a_dot_yaml="1\n")
    with pytest.raises(Refused) as refused:
        GitRepo(git.folder).files(rev)
    [told] = refused.value.problems
    assert told.code == "repo-rev" and told.hint and "\x1b" not in told.message


def test_a_branch_without_a_commit_has_no_tip(make_git: MakeGit) -> None:
    repo = GitRepo(make_git().folder)
    assert repo.tip() == ""
    with pytest.raises(Refused, match="no commit yet"):
        repo.files()


def test_the_line_goes_by_first_parents_only(make_git: MakeGit) -> None:
    git = make_git()
    base = git.commit("base")
    git("checkout", "-q", "-b", "side")
    side = git.commit("side", s="s")
    git("checkout", "-q", "main")
    main = git.commit("main", m="m")
    git("merge", "-q", "--no-ff", "-m", "merge", "side")
    repo = GitRepo(git.folder)
    line = list(repo.first_parents(repo.tip()))
    assert line[1:] == [main, base] and side not in line
    assert len(list(repo.first_parents(repo.tip(), limit=2))) == 2
    assert repo.is_on_line(main) and not repo.is_on_line(side)


def test_packed_refs_and_a_pack_that_came_while_the_repository_was_open_are_seen(make_git: MakeGit) -> None:
    git = make_git()
    git.commit("first")
    repo = GitRepo(git.folder)
    repo.tip()
    second = git.commit("second", a="a")
    git("pack-refs", "--all", "--prune")
    git("gc", "-q", "--prune=now")
    assert repo.tip() == second and repo.files().read("a") == b"a"


def test_the_log_can_be_of_one_file(make_git: MakeGit) -> None:
    git = make_git()
    git.commit("one", a="1")
    git.commit("two", b="1")
    git.commit("three", a="2")
    repo = GitRepo(git.folder)
    assert [commit.subject for commit in repo.log()] == ["three", "two", "one"]
    assert [commit.subject for commit in repo.log(path="a")] == ["three", "one"]
    assert [commit.subject for commit in repo.log(limit=1)] == ["three"]


def test_objects_in_quarantine_are_seen_only_with_gits_variables(make_git: MakeGit, tmp_path: Path) -> None:
    bare = make_git("bare.git", "--bare")
    work = make_git()
    work.commit("first", a_dot_yaml="1\n")
    work("push", "-q", str(bare.folder), "main")
    quarantine = tmp_path / "incoming"
    quarantine.mkdir()
    variables = {
        "GIT_QUARANTINE_PATH": str(quarantine),
        "GIT_OBJECT_DIRECTORY": str(quarantine),
        "GIT_ALTERNATE_OBJECT_DIRECTORIES": str(bare.folder / "objects"),
    }
    second = work.commit("second", a_dot_yaml="2\n")
    pack = tmp_path / "pack"
    wanted = f"{second}\n^{second}~1\n".encode()
    packing = ["git", "-C", str(work.folder), "pack-objects", "--revs", "--stdout", "-q"]
    pack.write_bytes(subprocess.run(packing, input=wanted, capture_output=True, check=True).stdout)
    os.system(
        f"cd {bare.folder} && GIT_OBJECT_DIRECTORY={quarantine} GIT_ALTERNATE_OBJECT_DIRECTORIES={bare.folder}/objects git unpack-objects -q < {pack}"
    )
    assert GitRepo(bare.folder, environ=variables).files(second).read("a.yaml") == b"2\n"
    with pytest.raises(Refused):
        GitRepo(bare.folder, environ={}).files(second)


def test_a_damaged_object_is_a_problem_and_no_traceback(make_git: MakeGit) -> None:
    git = make_git()
    git.commit("first", a_dot_yaml="1\n")
    blob = git("rev-parse", "HEAD:a.yaml")
    place = git.folder / ".git/objects" / blob[:2] / blob[2:]
    place.chmod(0o644)
    place.write_bytes(b"garbage")
    with pytest.raises(Refused) as refused:
        GitRepo(git.folder).files().read("a.yaml")
    assert refused.value.problems[0].code == "repo-broken"
    place.unlink()
    with pytest.raises(Refused) as refused:
        GitRepo(git.folder).files().read("a.yaml")
    assert refused.value.problems[0].code == "repo-broken"


def test_a_repository_of_another_user_is_named_with_the_command_that_allows_it(
    make_git: MakeGit, monkeypatch: pytest.MonkeyPatch
) -> None:
    git = make_git("bare.git", "--bare")
    if os.getuid() != 0:
        pytest.fail("the tests run as root")
    for folder, _, names in os.walk(git.folder):
        os.chown(folder, 12345, 12345)
        for name in names:
            os.chown(os.path.join(folder, name), 12345, 12345)
    with pytest.raises(Refused) as refused:
        GitRepo(git.folder)
    [told] = refused.value.problems
    assert told.code == "repo-owner" and f"safe.directory {git.folder}" in told.hint
    with pytest.raises(Refused):
        open_repo(git.folder)


def test_a_folder_without_a_repository_is_named(tmp_path: Path) -> None:
    for place in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(Refused) as refused:
            GitRepo(place)
        assert refused.value.problems[0].code == "repo-missing"
    assert open_repo(tmp_path) is None


def test_a_sha256_repository_is_named_as_such(make_git: MakeGit) -> None:
    git = make_git("sha256.git", "--bare", "--object-format=sha256")
    with pytest.raises(Refused) as refused:
        GitRepo(git.folder)
    assert refused.value.problems[0].code == "repo-format"


def test_several_threads_read_one_repository(make_git: MakeGit) -> None:
    git = make_git()
    git.commit("first", **{f"f{number}": str(number) * 1000 for number in range(50)})
    repo = GitRepo(git.folder)
    files = repo.files()
    wrong: list[object] = []

    def read() -> None:
        try:
            for _ in range(5):
                for path in files.paths():
                    assert files.read(path)[:1] == path[1:2].encode()
                    files.author(path, 1)
        except BaseException as error:
            wrong.append(error)

    threads = [threading.Thread(target=read) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not wrong


# ---------------------------------------------------------------- the table


def test_every_exception_of_pygit2_has_a_row() -> None:
    own = {
        thing
        for name in dir(pygit2)
        if isinstance(thing := getattr(pygit2, name), type) and issubclass(thing, BaseException)
    }
    assert own, "pygit2 has exceptions"
    known = {row.exception for row in TABLE}
    assert own <= known, f"no row for {sorted(one.__name__ for one in own - known)}"
    for exception in own:
        told = problem(exception() if exception is pygit2.Passthrough else exception("some words"), "reading")
        assert told.code in CODES and told.hint and told.message.startswith("reading: ")


def test_every_row_leads_to_a_code_that_the_manual_lists() -> None:
    assert {row.code for row in TABLE} <= set(CODES)


def test_digits_of_a_file_s_name_are_no_answer_of_a_server() -> None:
    full = pygit2.GitError("cannot extend packfile '/x/pack_git2_243b9d4c03e3401c': No space left on device")
    assert problem(full, "fetch").code == "repo-full"
    assert problem(pygit2.GitError("unexpected http status code: 403"), "fetch").code == "repo-login"


def test_a_token_in_a_url_is_never_shown() -> None:
    assert (
        redacted("fetch of https://bot:s3cret@git.example.org/fleet.git")
        == "fetch of https://git.example.org/fleet.git"
    )
    assert redacted("ssh://bot:s3cret@git.example.org/f") == "ssh://git.example.org/f"
    assert redacted("ssh://git@git.example.org/f") == "ssh://git@git.example.org/f", (
        "another user's place is another place"
    )
