"""Previews of branches: which there are, what they are called, and that no branch can hold up the fleet."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from reconciler import manifests
from reconciler.core.model import Key, State
from reconciler.manifests import load_kinds
from reconciler.outside.keeper import Sources
from reconciler.outside.once import Once
from reconciler.repo import GitRepo
from reconciler.settings import Settings
from reconciler.systems.sites.kinds.site.previews import labels
from tests.gits import Git
from tests.gits import own_git_world as own_git_world
from tests.manifests.repo import fleet, manifest

KINDS = load_kinds()


@pytest.fixture
def make_git(tmp_path: Path) -> Callable[[str], Git]:
    def make(name: str) -> Git:
        made = Git(tmp_path / name)
        made.folder.mkdir()
        made("init", "-q", "-b", "main")
        made.commit("one", public__index_dot_html="one")
        return made

    return make


def branch(git: Git, name: str, **files: str) -> str:
    git("checkout", "-q", "-b", name, "main")
    made = git.commit(name, **files)
    git("checkout", "-q", "main")
    return made


class Reader:
    """Reads one Site as a daemon would."""

    def __init__(self, folder: Path, git: Git) -> None:
        (folder / "state").mkdir(exist_ok=True)
        self.settings = Settings(
            state_dir=folder / "state", content_from=(str(folder),), repo=str(git.folder), branch="main"
        )
        self.cache: dict[str, object] = {}
        self.named: tuple[State, ...] = ()

    def __call__(self, from_: str, more: str = "previews: {}", *, acts: bool = True, **files: str) -> manifests.Reading:
        said = manifest("Site", "docs", f"domains: [docs.example.com]\nfrom: {from_}\n{more}", "web-1")
        reading = manifests.read(
            fleet({"docs.yaml": said, "public/index.html": "own", **files}),
            KINDS,
            cache=self.cache,
            outside=Once.of(self.settings),
            acts=acts,
        )
        self.named = reading.sources
        return reading

    def refresh(self) -> None:
        Sources.of(self.settings).refresh(self.named)


def sites(reading: manifests.Reading) -> dict[str, list[str]]:
    assert reading.desired is not None, reading.problems
    found = [one for one in reading.desired.resources() if one.key.kind == "Site"]
    return {one.key.name: one.spec["domains"] for one in found}


def told(reading: manifests.Reading) -> list[str]:
    return [f"{one.place} {one.severity} {one.code}: {one.message}" for one in reading.problems]


@pytest.mark.parametrize("own", [False, True])
def test_a_branch_has_a_site_beside_the_site_for_as_long_as_it_is_there(
    make_git: Callable[[str], Git], tmp_path: Path, own: bool
) -> None:
    git = make_git("docs")
    read = Reader(tmp_path, git)
    from_ = "{folder: public}" if own else f"{{git: {git.folder}, folder: public}}"
    assert sites(read(from_)) == {"docs": ["docs.example.com"]}
    commit = branch(git, "feature/Login", public__index_dot_html="login")
    assert list(sites(read(from_))) == ["docs"], "nobody asked yet"
    read.refresh()
    reading = read(from_)
    assert told(reading) == []
    assert sites(reading)["docs--feature-login"] == ["feature-login.docs.example.com"]
    assert reading.desired is not None
    preview = reading.desired.get(Key("web-1", "Site", "docs--feature-login"))
    assert preview is not None
    assert preview.spec["version"] == f"git:{commit}" and preview.spec["preview"] == "feature/Login"
    assert preview.spec["noindex"] is True and "previews" not in preview.spec
    assert preview.source.path == "docs.yaml" and preview.source.line == 1
    packages = [one.key for one in reading.desired.resources() if one.key.kind == "Package"]
    assert packages == [Key("web-1", "Package", "nginx")]
    git("branch", "-q", "-D", "feature/Login")
    read.refresh()
    assert list(sites(read(from_))) == ["docs"]


def test_a_branch_of_any_name_that_git_takes_has_a_preview(make_git: Callable[[str], Git], tmp_path: Path) -> None:
    git = make_git("docs")
    read = Reader(tmp_path, git)
    from_ = f"{{git: {git.folder}, folder: public}}"
    for name in ("issue-#12", "größe", "fix(menu)"):
        branch(git, name, public__index_dot_html=name)
    read(from_)
    read.refresh()
    assert sorted(sites(read(from_))) == ["docs", "docs--fix-menu", "docs--gr-e", "docs--issue-12"]


def test_the_branch_that_is_served_has_no_preview_and_patterns_and_max_say_which_have(
    make_git: Callable[[str], Git], tmp_path: Path
) -> None:
    git = make_git("docs")
    for name in ("next", "a-1", "a-2", "a-3", "b"):
        git("branch", name)
    read = Reader(tmp_path, git)
    from_ = f"{{git: {git.folder}, ref: next, folder: public}}"
    names = {"docs", "docs--a-1", "docs--a-2", "docs--a-3", "docs--b", "docs--main"}
    assert sites(read(from_)).keys() == names
    some = read(from_, "previews: {branches: [a-*], max: 2}")
    assert list(sites(some)) == ["docs", "docs--a-1", "docs--a-2"]
    assert told(some) == ["docs.yaml:9:13 warning previews-left-out: 1 more branch would have a preview: a-3"]


def test_a_branch_with_a_fault_has_no_preview_and_stops_nothing(make_git: Callable[[str], Git], tmp_path: Path) -> None:
    git = make_git("docs")
    branch(git, "bad", public___redirects="/old /new 999\n")
    git("checkout", "-q", "--orphan", "empty")
    git("rm", "-rqf", ".")
    git.commit("nothing of it", other="x")
    git("checkout", "-q", "main")
    reading = Reader(tmp_path, git)(f"{{git: {git.folder}, folder: public}}")
    assert list(sites(reading)) == ["docs"]
    [said] = told(reading)
    assert (
        said.startswith("docs.yaml:8:9 warning bad-redirect: ")
        and "Site/docs--bad is left out: _redirects:1 of git:" in said
    )


def test_no_branch_takes_the_domain_or_the_name_of_another_site(make_git: Callable[[str], Git], tmp_path: Path) -> None:
    git = make_git("docs")
    git("branch", "staging")
    git("branch", "second")
    others = manifest("Site", "stage", "domains: [staging.docs.example.com]\nfrom: {folder: public}", "web-1")
    named = manifest("Site", "docs--second", "domains: [x.example.com]\nfrom: {folder: public}", "web-1")
    reading = Reader(tmp_path, git)(f"{{git: {git.folder}, folder: public}}", **{"a.yaml": others, "z.yaml": named})
    assert sites(reading) == {
        "docs": ["docs.example.com"], "stage": ["staging.docs.example.com"], "docs--second": ["x.example.com"],
    }  # fmt: skip
    assert told(reading) == [
        "docs.yaml:4:9 warning gave-way: Site/docs--second is left out: Site/docs--second is taken by Site/docs--second, at z.yaml:1",
        "docs.yaml:4:9 warning gave-way: Site/docs--staging is left out: domain staging.docs.example.com:80 is taken by Site/stage, at a.yaml:1",
    ]


def test_a_preview_has_tls_as_the_site_has_by_its_own_names(make_git: Callable[[str], Git], tmp_path: Path) -> None:
    git = make_git("docs")
    git("branch", "next")
    reading = Reader(tmp_path, git)("{folder: public}", "previews: {}\ntls: {selfSigned: true}")
    assert told(reading) == [] and reading.desired is not None
    preview = reading.desired.get(Key("web-1", "Site", "docs--next"))
    assert preview is not None and "listen 443 ssl" in preview.spec["config"]
    assert "server_name next.docs.example.com" in preview.spec["config"]
    assert preview.spec["pem"] != reading.desired.get(Key("web-1", "Site", "docs")).spec["pem"]  # type: ignore[union-attr]


def test_what_has_no_branches_or_no_domain_has_no_previews(make_git: Callable[[str], Git], tmp_path: Path) -> None:
    read = Reader(tmp_path, make_git("docs"))
    [said] = told(read("{bucket: 's3://x'}"))
    assert "site-previews: a bucket has no branches" in said
    wild = manifest("Site", "wild", 'domains: ["*.example.com"]\nfrom: {folder: public}\npreviews: {}', "web-1")
    assert any("every domain is a wildcard" in line for line in told(read("{folder: public}", **{"w.yaml": wild})))


def test_that_the_branches_can_t_be_asked_here_is_said(make_git: Callable[[str], Git], tmp_path: Path) -> None:
    """A plan would show their previews as removed, without a word."""
    read = Reader(tmp_path, make_git("docs"))
    read.settings = Settings(state_dir=tmp_path / "state", repo=str(tmp_path / "gone"), branch="main")
    [said] = told(read("{folder: public}", acts=False))
    assert "warning previews-unknown: the branches can't be asked here: " in said and "gone" in said
    assert sites(read("{folder: public}", acts=False)) == {"docs": ["docs.example.com"]}


def test_who_acts_takes_no_branch_for_gone_because_nobody_can_be_asked(
    make_git: Callable[[str], Git], tmp_path: Path
) -> None:
    """Another `max` makes another question, which nobody has answered yet."""
    git = make_git("docs")
    branch(git, "new-page", public__index_dot_html="two")
    read, there = Reader(tmp_path, git), f"{{git: {git.folder}, folder: public}}"
    assert set(sites(read(there))) == {"docs", "docs--new-page"}
    git.folder.rename(tmp_path / "away")
    assert set(sites(read(there))) == {"docs", "docs--new-page"}, "what was had once holds"
    reading = read(there, "previews: {max: 3}")
    assert reading.desired is None and any(" error repo-missing: " in line for line in told(reading)), told(reading)
    (tmp_path / "away").rename(git.folder)
    read.refresh()
    assert set(sites(read(there, "previews: {max: 3}"))) == {"docs", "docs--new-page"}


def test_a_label_is_one_branch_s_alone() -> None:
    made = labels(["feature-x", "feature/x", "Feature.X", "fix", "日本", "a" * 60, "a" * 60 + "b"])
    assert made["feature-x"] == "feature-x" and made["fix"] == "fix"
    assert len(set(made.values())) == len(made)
    for label in made.values():
        assert len(label) <= 40 and label.strip("-") == label and label.replace("-", "").isalnum() and label.isascii()
    assert labels(["feature/x"]) == {"feature/x": "feature-x"}


def test_the_followed_branch_of_the_fleet_is_never_a_preview(make_git: Callable[[str], Git], tmp_path: Path) -> None:
    git = make_git("docs")
    assert GitRepo(git.folder).branches().keys() == {"main"}
    git("branch", "x")
    assert list(sites(Reader(tmp_path, git)("{folder: public}"))) == ["docs", "docs--x"]
