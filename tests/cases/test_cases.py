"""Every page of kinds/*/cases is a case and is run: none is listed by hand, so none can be forgotten."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from reconciler.core.kind import Kinds
from reconciler.kinds import folders
from reconciler.manifests import load_kinds

sys.path.insert(0, str(Path(__file__).parent))
from book import BadPage, Impossible, bless, compare, parse, run

BLESS = os.environ.get("TRUEUP_BLESS") == "1"
LEAST = 8
"""Cases of a kind."""

PAGES = sorted(page for folder in folders().values() for page in folder.glob("cases/*.md"))


@cache
def kinds() -> Kinds:
    return load_kinds()


@pytest.mark.parametrize("path", PAGES, ids=lambda path: f"{path.parts[-3]}/{path.stem}")
def test_case(path: Path) -> None:
    page = parse(path)
    told = run(page, kinds())
    if BLESS:
        bless(page, told)
    else:
        wrong = compare(page, told)
        assert not wrong, f"{page.title}\n\n" + "\n".join(wrong)


def test_every_file_in_a_cases_folder_is_a_page() -> None:
    """A case with another ending would never be read."""
    others = [
        path
        for folder in folders().values()
        for path in folder.glob("cases/**/*")
        if path.is_file() and path not in PAGES
    ]
    assert not others


def test_every_kind_has_its_cases() -> None:
    few = {
        folder.name: len(list(folder.glob("cases/*.md")))
        for folder in folders().values()
        if len(list(folder.glob("cases/*.md"))) < LEAST
    }
    assert not few, f"at least {LEAST} cases are needed of each kind"


def test_no_two_pages_tell_of_the_same_behaviour() -> None:
    titles: dict[str, Path] = {}
    for path in PAGES:
        title = f"{path.parts[-3]}: {parse(path).title}"
        assert title not in titles, f"{path.name} and {titles[title].name}"
        titles[title] = path


# ---------------------------------------------------------------- the runner itself can fail

GOOD = """# A group that is not there is made

Because a plan that makes nothing would be no plan.

```yaml manifests
apiVersion: trueup.dev/v1
kind: Group
metadata: {name: ops}
spec: {hosts: web-1, gid: 2001}
```

```yaml observed
- {host: web-1, kind: Group, name: ops, absent: true}
```
"""

PLAN = "\n```text plan\nnot this\n```\n"


@pytest.fixture
def page(tmp_path: Path) -> Callable[[str], Path]:
    def write(text: str) -> Path:
        path = tmp_path / "page.md"
        path.write_text(text)
        return path

    return write


def test_a_blessed_page_holds_and_a_changed_one_fails(page: Callable[[str], Path]) -> None:
    path = page(GOOD)
    assert compare(parse(path), run(parse(path), kinds())), "a page without its plan must fail"
    bless(parse(path), run(parse(path), kinds()))
    blessed = path.read_text()
    assert "+ web-1  Group ops" in blessed
    assert not compare(parse(path), run(parse(path), kinds()))
    path.write_text(blessed.replace("2001", "2002", 1))
    assert compare(parse(path), run(parse(path), kinds()))
    bless(parse(path), run(parse(path), kinds()))
    assert path.read_text() == blessed.replace("2001", "2002")


def test_blessing_twice_changes_nothing(page: Callable[[str], Path]) -> None:
    path = page(GOOD + PLAN)
    bless(parse(path), run(parse(path), kinds()))
    once = path.read_text()
    bless(parse(path), run(parse(path), kinds()))
    assert path.read_text() == once


@pytest.mark.parametrize(
    ("spoilt", "why"),
    [
        (GOOD.replace("# A group", "A group"), "begins with"),
        (GOOD.replace("Because a plan that makes nothing would be no plan.", ""), "says why"),
        (GOOD.replace("yaml observed", "yaml observd"), "is none of"),
        (GOOD.replace("```yaml observed", "```"), "is none of"),
        (GOOD + PLAN + PLAN, "stands twice"),
        (GOOD.replace("yaml manifests", "yaml past"), "no fence `yaml manifests`"),
        (GOOD.rstrip("`\n"), "has no end"),
        (GOOD.replace("2001}\n```\n", "2001}\n"), "before"),
    ],
)
def test_a_page_that_is_no_case_fails(page: Callable[[str], Path], spoilt: str, why: str) -> None:
    with pytest.raises(BadPage, match=why):
        parse(page(spoilt))


@pytest.mark.parametrize(
    ("state", "why"),
    [
        ("state: {gid: many}", "impossible-state"),
        ("state: {gidd: 2}", "impossible-state"),
        ("state: {gid: 1, gid: 2}", "duplicate-field"),
        ("absent: true, absent: true", "duplicate-field"),
        ("state: {}, absent: true", "bad-observed"),
    ],
)
def test_a_world_that_cannot_exist_is_impossible(page: Callable[[str], Path], state: str, why: str) -> None:
    with pytest.raises(Impossible, match=why):
        run(parse(page(GOOD.replace("absent: true", state))), kinds())


def test_a_doubled_key_in_manifests_is_told(page: Callable[[str], Path]) -> None:
    told = run(parse(page(GOOD.replace("gid: 2001", "gid: 2001, gid: 2001"))), kinds())
    assert "error[duplicate-field]" in told.golden["text problems"]


PAST = "\n```yaml past\n- {host: web-1, kind: Group, name: ops, spec: {gid: 2001}}\n```\n"


@pytest.mark.parametrize("spoilt", [PAST.replace("gid: 2001", "gid: x"), PAST.replace("spec:", "age: 3, spec:")])
def test_a_past_that_cannot_be_is_impossible(page: Callable[[str], Path], spoilt: str) -> None:
    run(parse(page(GOOD + PAST)), kinds())
    with pytest.raises(Impossible):
        run(parse(page(GOOD + spoilt)), kinds())
