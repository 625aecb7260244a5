"""A site whose files come from elsewhere is judged as one of the repository; what is wrong in them is told at `from`."""

from __future__ import annotations

from pathlib import Path

from reconciler import manifests
from reconciler.core.model import Key
from reconciler.manifests import load_kinds
from reconciler.outside.once import Once
from reconciler.settings import Settings
from tests.gits import Git
from tests.gits import docs as docs
from tests.gits import make_git as make_git
from tests.gits import own_git_world as own_git_world
from tests.manifests.repo import fleet, manifest

KINDS = load_kinds()
PAGES = {"index_dot_html": "<a href=/there>x</a>", "there_dot_html": "there"}


def read(docs: Git, tmp_path: Path, more: str = "") -> manifests.Reading:
    (tmp_path / "state").mkdir(exist_ok=True)
    outside = Once.of(Settings(state_dir=tmp_path / "state", content_from=(str(tmp_path),)))
    said = manifest("Site", "docs", f"domains: [docs.example.com]\nfrom: {{git: {docs.folder}}}\n{more}", "web-1")
    return manifests.read(fleet({"docs.yaml": said}), KINDS, outside=outside)


def told(reading: manifests.Reading, docs: Git) -> list[str]:
    short = docs("rev-parse", "HEAD")[:7]
    return [f"{one.place} {one.severity} {one.code}: {one.message.replace(short, 'HEAD')}" for one in reading.problems]


def test_its_release_has_the_files_the_rules_and_the_version(docs: Git, tmp_path: Path) -> None:
    commit = docs.commit("one", **PAGES, _redirects="/old /there 302\n")
    reading = read(docs, tmp_path)
    assert told(reading, docs) == [] and reading.desired is not None
    site = reading.desired.get(Key("web-1", "Site", "docs"))
    assert site is not None and site.spec["version"] == f"git:{commit}"
    assert [line.split(" ")[1] for line in site.spec["tree"].splitlines()] == ["index.html", "there.html"]
    assert "/there" in site.spec["config"] and list(site.spec["texts"]) == ["_redirects"]


def test_an_error_in_its_rules_stands_at_from_with_the_file_in_words(docs: Git, tmp_path: Path) -> None:
    docs.commit("one", **PAGES, _redirects="# moved\n/old /there 999\n")
    reading = read(docs, tmp_path)
    [problem] = told(reading, docs)
    assert reading.desired is None
    assert problem.startswith("docs.yaml:8:9 error ") and ": _redirects:2 of git:HEAD: " in problem


def test_of_many_findings_the_first_are_told_and_how_many_there_are(docs: Git, tmp_path: Path) -> None:
    links = "".join(f'<a href="/gone-{number}">x</a>\n' for number in range(14))
    docs.commit("one", page_dot_html=links)
    found = told(read(docs, tmp_path, "redirects: [{from: /, to: /page}]"), docs)
    assert found[0].startswith("docs.yaml:8:9 warning dead-link: 4 more of these")
    assert len(found) == 11 and all(": page.html:" in line and " of git:HEAD: " in line for line in found[1:])


def test_without_a_front_page_it_says_which_version_has_none(docs: Git, tmp_path: Path) -> None:
    docs.commit("one", page_dot_html="x")
    assert told(read(docs, tmp_path), docs) == ["docs.yaml:8:9 warning no-front-page: git:HEAD has no index.html"]
