"""Other Git repositories: what a ref is there, what is taken of it, and who is shown a login."""

from __future__ import annotations

import hashlib
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pygit2
import pytest

from reconciler.outside.keeper import Sources
from reconciler.outside.names import Limits
from reconciler.outside.trust import Trust
from reconciler.repo import Credentials
from reconciler.repo.remote import Mirror
from tests import gits
from tests.webs import Web, serve

from .conftest import PAGES, contents, refusal, tarred

Make = Callable[..., Sources]


class Git(gits.Git):
    """A repository with one branch, main."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        folder.mkdir()
        self("init", "-q", "-b", "main")


@pytest.fixture
def git(tmp_path: Path) -> Git:
    return Git(tmp_path / "docs")


# ---------------------------------------------------------------- refs


def test_a_branch_is_followed_and_its_folder_is_a_tree_of_ours(git: Git, make_sources: Make) -> None:
    first = git.commit(**{name.replace("/", "__"): data.decode() for name, data in PAGES.items()}, README="no")
    sources = make_sources(str(git.folder))
    whole = {"git": f"file://{git.folder}"}
    found = sources.resolve(whole)
    assert contents(sources, found.files) == {**PAGES, "README": b"no"} and found.digest == f"git:{first}"
    part = sources.resolve({"git": str(git.folder), "folder": "about"})
    assert contents(sources, part.files) == {"index.html": b"about\n"}
    second = git.commit(about__index_html="", about__more="more\n")
    assert sources.known(whole) == found, "nothing moves until it is asked"
    assert sources.refresh([whole]) == ()
    assert sources.known(whole).digest == f"git:{second}"  # type: ignore[union-attr]
    assert [one.digest for one in sources.before(whole)] == [f"git:{first}"]


def test_a_tree_of_git_and_of_an_archive_are_one(git: Git, make_sources: Make, tmp_path: Path) -> None:
    git.commit(**{name.replace("/", "__"): data.decode() for name, data in PAGES.items()})
    (git.folder / "css/site.css").chmod(0o755)
    git.commit()
    sources = make_sources(str(git.folder), str(tmp_path))
    (tmp_path / "site.tgz").write_bytes(data := tarred(PAGES))
    packed = sources.resolve({"archive": f"{tmp_path}/site.tgz", "sha256": hashlib.sha256(data).hexdigest()})
    assert packed.tree == sources.resolve({"git": str(git.folder)}).tree


@pytest.mark.parametrize("here", [True, False])
def test_tags_whole_refs_and_commits_of_any_branch(git: Git, web: Web, make_sources: Make, here: bool) -> None:
    first = git.commit(a="1")
    git("tag", "-a", "v1", "-m", "one")
    git("tag", "light")
    second = git.commit(a="2")
    git("branch", "side")
    third = git.commit(a="3")
    git("tag", "side2", second)
    git("update-ref", "refs/pull/7/head", second)
    git("checkout", "-q", "--detach")
    orphan = git.commit(a="4")
    git("tag", "apart")
    git("checkout", "-q", "main")
    git("checkout", "-q", "--detach")
    back = git.commit(a="taken back")
    git("checkout", "-q", "main")
    place = str(git.folder) if here else serve(web, git)
    sources = make_sources(place)
    for ref, commit in {
        "main": third, "v1": first, "light": first, "side": second, "refs/pull/7/head": second, "refs/tags/v1": first,
        "apart": orphan, first: first, second: second, orphan: orphan,
    }.items():  # fmt: skip
        assert sources.resolve({"git": place, "ref": ref}).digest == f"git:{commit}", ref
    git("branch", "v1", second)
    assert sources.resolve({"git": place, "ref": "v1"}).digest == f"git:{second}", "a branch comes first"
    for ref in ("nothing", "0" * 40, back, third[:7]):
        told = refusal(lambda ref=ref: sources.resolve({"git": place, "ref": ref}))  # type: ignore[misc]
        assert told.code == "repo-rev" and ref in told.message


def test_one_on_this_machine_is_read_where_it_lies(git: Git, make_sources: Make, tmp_path: Path) -> None:
    first = git.commit(a__b="1", big=os.urandom(100_000).hex())
    git("rm", "-q", "big")
    git.commit(a__b="2")
    git("clone", "-q", "--bare", str(git.folder), str(tmp_path / "docs.git"))
    sources = make_sources(str(tmp_path), size=50_000)
    for place in (git.folder, tmp_path / "docs.git", f"file://{git.folder}"):
        found = sources.resolve({"git": str(place)})
        assert contents(sources, found.files) == {"a/b": b"2"}
        assert sources.resolve({"git": str(place), "ref": first, "folder": "a"}).digest == f"git:{first}"
    assert not (tmp_path / "state/outside/mirrors").exists()
    # A folder of somebody's checkout is no repository that was meant.
    for place in (git.folder / "a", tmp_path / "nowhere"):
        told = refusal(lambda place=place: sources.resolve({"git": str(place)}))  # type: ignore[misc]
        assert told.code == "repo-missing" and str(place) in told.message
    git("symbolic-ref", "HEAD", "refs/heads/unborn")
    git("symbolic-ref", "refs/remotes/origin/HEAD", "refs/remotes/origin/gone")
    assert sources.refresh([{"git": str(git.folder)}]) == ()


def test_over_http_only_the_last_commit_comes_and_nothing_when_nothing_moved(
    git: Git, web: Web, make_sources: Make, tmp_path: Path
) -> None:
    for number in range(5):
        git.commit(a=str(number), **{f"f{number}": os.urandom(2000).hex()})
    first = git.commit(a="last")
    sources = make_sources(web.url)
    told = {"git": serve(web, git)}
    assert sources.resolve(told).digest == f"git:{first}"
    mirror = next((tmp_path / "state/outside/mirrors").glob("*.git"))
    assert (mirror / "shallow").read_text().split() == [first]
    web.asked.clear()
    assert sources.refresh([told, dict(told)]) == ()
    assert len(web.asked) == 1, "one look at the refs, for a source that is named twice"
    second = git.commit(a="newer")
    git("commit", "-q", "--amend", "-m", "pushed with force")
    second = git("rev-parse", "HEAD")
    assert sources.refresh([told]) == () and sources.known(told).digest == f"git:{second}"  # type: ignore[union-attr]
    assert sources.resolve({**told, "ref": first}).digest == f"git:{first}"


def test_links_and_submodules_are_left_out_and_told(git: Git, make_sources: Make) -> None:
    git.commit(a="1")
    (git.folder / "link").symlink_to("/etc/shadow")
    git("update-index", "--add", "--cacheinfo", f"160000,{'1' * 40},sub/module")
    git("add", "link")
    git("commit", "-q", "-m", "odd")
    found = make_sources(str(git.folder)).resolve({"git": str(git.folder)})
    assert list(found.files) == ["a"] and found.left_out == ("link", "sub/module")


def test_a_folder_that_is_missing_a_file_or_empty_is_said(git: Git, make_sources: Make) -> None:
    git.commit(a="1", b__c="2")
    sources = make_sources(str(git.folder))
    for folder in ("nothing", "a", "b/c/d"):
        told = refusal(lambda folder=folder: sources.resolve({"git": str(git.folder), "folder": folder}))  # type: ignore[misc]
        assert told.code == "repo-rev" and folder in told.message
    git("rm", "-q", "-r", ".")
    git.commit()
    assert refusal(lambda: sources.resolve({"git": str(git.folder)})).code == "source-folder"


def test_names_that_no_site_can_have_are_refused_in_git_too(git: Git, make_sources: Make) -> None:
    git.commit(a="1")
    (git.folder / "back\\slash").write_text("x")
    git.commit()
    told = refusal(lambda: make_sources(str(git.folder)).resolve({"git": str(git.folder)}))
    assert told.code == "source-member" and "backslash" in told.message


# ---------------------------------------------------------------- too much


def test_a_tree_that_names_itself_a_million_times_is_not_walked(git: Git, make_sources: Make) -> None:
    """The Git bomb: ten trees, each naming the next ten times over, stand for ten thousand million files."""
    blob = subprocess.run(
        ["git", "-C", git.folder, "hash-object", "-w", "--stdin"], input=b"x", capture_output=True, check=True
    )
    entry = f"100644 blob {blob.stdout.decode().strip()}"
    for _ in range(10):
        lines = "".join(f"{entry}\tf{number}\n" for number in range(10))
        made = subprocess.run(
            ["git", "-C", git.folder, "mktree"], input=lines.encode(), capture_output=True, check=True
        )
        entry = f"040000 tree {made.stdout.decode().strip()}"
    commit = git("commit-tree", entry.split()[-1], "-m", "bomb")
    git("update-ref", "refs/heads/main", commit)
    told = refusal(lambda: make_sources(str(git.folder)).resolve({"git": str(git.folder)}))
    assert told.code == "repo-too-big" and "100,000 entries" in told.message


def test_a_file_that_unpacks_to_too_much_is_not_read(git: Git, make_sources: Make) -> None:
    git.commit(a="\0" * 3_000_000)
    told = refusal(lambda: make_sources(str(git.folder), size=2_000_000).resolve({"git": str(git.folder)}))
    assert told.code == "repo-too-big" and "2,000,000 bytes" in told.message


def test_a_repository_that_sends_too_much_is_cut_off(git: Git, web: Web, make_sources: Make) -> None:
    git.commit(a=os.urandom(1_000_000).hex())
    told = refusal(lambda: make_sources(web.url, size=100_000).resolve({"git": serve(web, git)}))
    assert told.code == "repo-too-big"


# ---------------------------------------------------------------- trust


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("/srv/fleet.git", "on the controller itself"), ("file:///srv/fleet.git", "on the controller itself"),
        ("http://git.example.org/a.git", "not encrypted"), ("git://git.example.org/a.git", "not encrypted"),
        ("ssh://git@git.example.org/a.git", "own login"), ("git@git.example.org:a.git", "own login"),
        ("https://127.0.0.1/a.git", "not a public address"), ("https://localhost:1/a.git", "not a public address"),
        ("https://[::1]/a.git", "not a public address"), ("https://169.254.169.254/a.git", "not a public address"),
        ("https://[::ffff:10.0.0.1]/a.git", "not a public address"), ("https://2130706433/a.git", "not a public address"),
    ],
)  # fmt: skip
def test_what_the_settings_do_not_name_is_asked_as_a_stranger_would(url: str, why: str, make_sources: Make) -> None:
    told = refusal(lambda: make_sources("https://elsewhere.example/").resolve({"git": url}))
    assert told.code == "source-not-allowed" and why in told.message and "contentFrom" in told.message + told.hint


def test_a_path_on_the_controller_is_taken_as_it_is_written(git: Git, make_sources: Make, tmp_path: Path) -> None:
    git.commit(a="1")
    named = tmp_path / "named"
    named.mkdir()
    refusal(lambda: make_sources(str(named)).resolve({"git": f"{named}/%2e%2e/docs"}))
    odd = Git(named / "a%2fb")
    odd.commit(a="2")
    sources = make_sources(str(named))
    assert contents(sources, sources.resolve({"git": str(odd.folder)}).files) == {"a": b"2"}


def test_a_link_below_a_named_folder_leads_to_no_other_repository(git: Git, make_sources: Make, tmp_path: Path) -> None:
    git.commit(a="1")
    folder = tmp_path / "named"
    folder.mkdir()
    (folder / "link").symlink_to(git.folder)
    for place in (f"{folder}/link", f"file://{folder}/link"):
        told = refusal(lambda place=place: make_sources(str(folder)).resolve({"git": place}))  # type: ignore[misc]
        assert told.code == "source-not-allowed" and f"leads to {git.folder}" in told.message
    both = make_sources(str(folder), str(git.folder))
    assert contents(both, both.resolve({"git": f"{folder}/link"}).files) == {"a": b"1"}


def test_only_servers_that_the_settings_name_are_shown_the_token(
    git: Git, web: Web, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    git.commit(a="1")
    token = tmp_path / "token"
    token.write_text("s3cret\n")
    url = serve(web, git, "git:s3cret")
    mine = Credentials(token_file=token)

    def sources(*prefixes: str) -> Sources:
        return Sources(tmp_path / "state", Trust(prefixes), Limits(spare=0), mine)

    assert sources(web.url).resolve({"git": url}).digest.startswith("git:")
    # As if it were a stranger's at a public address: only the look at the place is taken away.
    monkeypatch.setattr(Trust, "judge", lambda *_, **__: None)
    monkeypatch.setattr(Trust, "addresses", lambda *_: [])
    web.headers.clear()
    told = refusal(lambda: sources(web.url + "/other").resolve({"git": url}))
    assert told.code == "source-not-allowed" and "login" in told.message
    assert web.headers and not any("Authorization" in headers for headers in web.headers)


def test_a_server_that_leads_to_another_is_not_followed_there(
    git: Git, tls_web: Web, make_sources: Make, tmp_path: Path
) -> None:
    first = git.commit(a="1")
    pygit2.settings.set_ssl_cert_locations(str(tmp_path / "web.crt"), None)
    sources = make_sources("https://localhost", tls_web.url)
    assert sources.resolve({"git": serve(tls_web, git)}).digest == f"git:{first}"
    other = tls_web.url.replace("localhost", "127.0.0.1")
    tls_web.leads("/moved.git/info/refs", f"{other}/docs.git/info/refs?service=git-upload-pack", 301)
    tls_web.asked.clear()
    told = refusal(lambda: sources.resolve({"git": f"{tls_web.url}/moved.git"}))
    assert told.code == "repo-moved" and "127.0.0.1" in told.message
    assert len(tls_web.asked) == 1, "the other server was asked nothing"
    plain = other.replace("https", "http")
    tls_web.leads("/plain.git/info/refs", f"{plain}/docs.git/info/refs?service=git-upload-pack", 301)
    refusal(lambda: sources.resolve({"git": f"{tls_web.url}/plain.git"}))
    assert len(tls_web.asked) == 2


def test_the_fleets_own_mirror_goes_on_following_renames(git: Git, web: Web, tmp_path: Path) -> None:
    first = git.commit(a="1")
    serve(web, git)
    web.leads("/moved.git/info/refs", f"{web.url}/docs.git/info/refs?service=git-upload-pack", 301)
    mirror = Mirror(f"{web.url}/moved.git", tmp_path / "cache", Credentials())
    mirror.fetch()
    assert mirror.refs()["refs/heads/main"] == first
