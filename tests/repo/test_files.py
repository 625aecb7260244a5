"""What counts as a file of a commit and of a folder, and who wrote its lines."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from reconciler.core.problem import Refused
from reconciler.repo import FolderFiles, GitRepo, best_files, blob_id

MakeGit = Callable[..., Any]


def test_a_commit_lists_its_files_with_gits_own_ids_and_reads_them_without_a_checkout(make_git: MakeGit) -> None:
    git = make_git()
    git.commit("first", a_dot_yaml="one\n", users__ada_dot_yaml="two\n")
    files = GitRepo(git.folder).files()
    (git.folder / "a.yaml").write_text("edited, never read\n")
    assert dict(files.paths()) == {
        "a.yaml": git("rev-parse", "HEAD:a.yaml"),
        "users/ada.yaml": git("rev-parse", "HEAD:users/ada.yaml"),
    }
    assert files.read("a.yaml") == b"one\n"
    assert files.commit.subject == "first" and files.commit.author == "Ada"
    assert files.commit.tree == git("rev-parse", "HEAD^{tree}")


def test_links_and_submodules_are_left_out_of_commits_and_folders(make_git: MakeGit, tmp_path: Path) -> None:
    inner = make_git("inner")
    inner.commit("inner", x_dot_yaml="x\n")
    git = make_git()
    (git.folder / "link.yaml").symlink_to("/etc/passwd")
    git("-c", "protocol.file.allow=always", "submodule", "add", "-q", str(inner.folder), "sub")
    git.commit("all", real_dot_yaml="r\n")
    assert set(GitRepo(git.folder).files().paths()) == {".gitmodules", "real.yaml"}
    assert set(FolderFiles(git.folder).paths()) == {".gitmodules", "real.yaml"}


def test_a_file_that_is_not_there_is_a_key_error(make_git: MakeGit) -> None:
    git = make_git()
    git.commit("first", a_dot_yaml="one\n")
    for files in (GitRepo(git.folder).files(), FolderFiles(git.folder)):
        with pytest.raises(KeyError):
            files.read("b.yaml")
        with pytest.raises(KeyError):
            files.read("../../etc/passwd")


def test_sizes_are_known_without_reading(make_git: MakeGit) -> None:
    """Loose and packed objects, a delta among them, and the folder."""
    git = make_git()
    git.commit("first", a_dot_txt="x" * 5000, b_dot_txt="")
    git.commit("second", a_dot_txt="x" * 5000 + "y")
    for words in ((), ("repack", "-adq")):
        if words:
            git(*words)
        files = GitRepo(git.folder).files()
        assert {path: files.size(path) for path in files.paths()} == {"a.txt": 5001, "b.txt": 0}
    folder = FolderFiles(git.folder)
    assert (folder.size("a.txt"), folder.size("b.txt")) == (5001, 0)
    for one in (files, folder):
        with pytest.raises(KeyError):
            one.size("c.txt")


def test_a_plain_folder_is_read_as_it_lies_there(tmp_path: Path) -> None:
    (tmp_path / "f" / "sub").mkdir(parents=True)
    (tmp_path / "f" / "sub" / "b.yaml").write_bytes(b"\xff\x00")
    (tmp_path / "f" / "a.yaml").write_text("")
    (tmp_path / "f" / "out.yaml").symlink_to("/etc/passwd")
    files = FolderFiles(tmp_path / "f")
    assert list(files.paths()) == ["a.yaml", "sub/b.yaml"]
    assert files.paths()["a.yaml"] == "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391"  # Git's id of the empty file
    assert files.read("sub/b.yaml") == b"\xff\x00"
    assert files.commit.id == "" and files.author("a.yaml", 1).id == ""


def test_a_checkout_shows_what_git_would_add_and_not_what_it_ignores(make_git: MakeGit) -> None:
    git = make_git()
    git.commit("first", _dot_gitignore="*.bak\nbuild/\n", a_dot_yaml="one\n", gone_dot_yaml="g\n")
    git.write("a.yaml", "edited\n")
    git.write("new/b.yaml", "new\n")
    git.write("a.yaml.bak", "ignored\n")
    git.write("build/c.yaml", "ignored\n")
    (git.folder / "gone.yaml").unlink()
    files = FolderFiles(git.folder)
    assert list(files.paths()) == [".gitignore", "a.yaml", "new/b.yaml"]
    assert files.paths()["a.yaml"] == git("hash-object", "a.yaml") == blob_id(b"edited\n")


def test_a_tracked_file_counts_even_when_a_pattern_ignores_it(make_git: MakeGit) -> None:
    git = make_git()
    git.write(".gitignore", "*.yaml\n")
    git.write("kept.yaml", "k\n")
    git("add", "-f", "kept.yaml")
    git.commit("forced")
    assert "kept.yaml" in FolderFiles(git.folder).paths()


def test_a_file_with_a_name_that_is_not_utf8_can_be_listed_and_read(make_git: MakeGit) -> None:
    git = make_git()
    (git.folder / b"caf\xe9.txt".decode("utf-8", "surrogateescape")).write_text("x")
    git.commit("odd name")
    files = GitRepo(git.folder).files()
    [name] = files.paths()
    name.encode("utf-8")
    assert files.read(name) == b"x"


# ---------------------------------------------------------------- best_files


def test_a_clean_checkout_is_read_at_its_head_and_an_edited_one_as_it_lies_there(make_git: MakeGit) -> None:
    git = make_git()
    head = git.commit("first", a_dot_yaml="one\n")
    assert best_files(git.folder).commit.id == head
    git.write("b.yaml", "new\n")
    edited = best_files(git.folder)
    assert edited.commit.id == "" and edited.commit.short == "not committed"
    assert set(edited.paths()) == {"a.yaml", "b.yaml"}
    assert best_files(git.folder, "HEAD").commit.id == head


def test_a_folder_inside_a_checkout_is_a_fleet_of_its_own(make_git: MakeGit) -> None:
    git = make_git()
    git.commit("first", readme="r\n", fleet__a_dot_yaml="one\n", fleet__users__b_dot_yaml="two\n")
    files = best_files(git.folder / "fleet")
    assert list(files.paths()) == ["a.yaml", "users/b.yaml"] and files.read("users/b.yaml") == b"two\n"
    assert files.commit.id and files.author("a.yaml", 1).subject == "first"
    git.write("readme", "an edit elsewhere doesn't matter\n")
    assert best_files(git.folder / "fleet").commit.id
    git.write("fleet/a.yaml", "edited\n")
    assert best_files(git.folder / "fleet").commit.id == ""
    assert best_files(git.folder / "fleet").read("a.yaml") == b"edited\n"


def test_a_folder_that_the_checkout_around_it_ignores_is_a_plain_folder(make_git: MakeGit) -> None:
    git = make_git()
    git.commit("first", _dot_gitignore="/tmp\n")
    git.write("tmp/a.yaml", "one\n")
    assert list(best_files(git.folder / "tmp").paths()) == ["a.yaml"]


@pytest.mark.parametrize("rev", ["", "HEAD"])
def test_a_folder_that_is_not_there_is_said_so(tmp_path: Path, rev: str) -> None:
    with pytest.raises(Refused) as refused:
        best_files(tmp_path / "nowhere", rev)
    assert refused.value.problems[0].code == "repo-no-path"


def test_a_plain_folder_has_no_revisions(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="no Git repository"):
        best_files(tmp_path, "HEAD")


def test_an_unborn_checkout_is_read_as_it_lies_there(make_git: MakeGit) -> None:
    git = make_git()
    git.write("a.yaml", "one\n")
    assert list(best_files(git.folder).paths()) == ["a.yaml"]


# ---------------------------------------------------------------- blame


def test_each_line_has_the_commit_that_gave_it(make_git: MakeGit) -> None:
    git = make_git()
    git.commit("made", a_dot_yaml="1\n2\n3\n")
    git.commit("edited", author="Bo", a_dot_yaml="1\ntwo\n3\nfour\n")
    files = GitRepo(git.folder).files()
    assert [files.author("a.yaml", line).author for line in (1, 2, 3, 4)] == ["Ada", "Bo", "Ada", "Bo"]
    assert files.author("nowhere.yaml", 1).id == ""
    assert FolderFiles(git.folder).author("a.yaml", 2).author == "Bo"
    git.write("a.yaml", "edited\n")
    assert FolderFiles(git.folder).author("a.yaml", 1).id == ""


def test_the_author_is_as_git_blame_says_through_merges_and_reverts(make_git: MakeGit) -> None:
    git = make_git()
    git.commit("made", a="1\n2\n3\n", b="b\n", c="c\n")
    git("checkout", "-q", "-b", "side")
    git.commit("on the side", author="Bo", a="1\nside\n3\n", b="side\n", d="new on the side\n")
    git("checkout", "-q", "main")
    git.commit("on main", author="Cy", a="1\n2\n3\nmain\n", b="main\n")
    git("merge", "-q", "--no-commit", "--no-ff", "side", check=False)
    git.write("b", "main\n")  # the side's change is thrown away
    git.commit("merged", author="Di")
    git.commit("away", author="Ed", c="other\n")
    git.commit("back again", author="Fy", c="c\n")
    for number in range(3):
        git.commit(f"later {number}", **{f"x{number}": "x"})
    files = GitRepo(git.folder).files()
    for path in files.paths():
        blamed = [line.split()[0] for line in git("blame", "-l", "--root", "HEAD", "--", path).splitlines()]
        ours = [files.author(path, number).id for number in range(1, len(blamed) + 1)]
        assert ours == blamed, path
