"""The file of `trueup plan --observed`."""

from __future__ import annotations

import pytest

from reconciler.core.kind import Kinds
from reconciler.core.model import Absent, Desired, Key, Present, Unknown
from reconciler.manifests import observed, read

from .repo import fleet, manifest


@pytest.fixture(scope="module")
def desired(kinds: Kinds) -> Desired:
    reading = read(fleet({"a.yaml": manifest("Group", "g", "gid: 7000\n", hosts="role=web")}), kinds)
    assert reading.desired is not None
    return reading.desired


def told(text: str, kinds: Kinds, desired: Desired) -> list[str]:
    _, _, problems = observed.read(text.encode(), "seen.yaml", kinds, desired)
    return [f"{found.place} {found.code}" for found in problems]


def test_what_is_not_listed_is_absent_and_not_owned(kinds: Kinds, desired: Desired) -> None:
    text = b"- {host: web-1, kind: Group, name: g, state: {gid: 7000}}\n- {host: db-1, kind: Group, name: old, unknown: no answer}\n"
    seen, owned, problems = observed.read(text, "seen.yaml", kinds, desired)
    assert problems == ()
    assert seen == {
        Key("web-1", "Group", "g"): Present({"gid": 7000}),
        Key("web-2", "Group", "g"): Absent(),
        Key("db-1", "Group", "old"): Unknown("no answer"),
    }
    assert set(owned) == {Key("web-1", "Group", "g"), Key("db-1", "Group", "old")}
    right = desired.get(Key("web-1", "Group", "g"))
    assert right is not None
    assert owned[Key("web-1", "Group", "g")].digest == right.meaning.digest, "what is right was applied as it is"


def test_what_differs_was_applied_as_it_is(kinds: Kinds, desired: Desired) -> None:
    text = b"- {host: web-1, kind: Group, name: g, state: {gid: 6000}, origin: found}\n"
    _, owned, problems = observed.read(text, "seen.yaml", kinds, desired)
    assert problems == ()
    (only,) = owned.values()
    assert (dict(only.spec), only.origin.value) == ({"gid": 6000}, "found")


def test_ownership_can_be_said(kinds: Kinds, desired: Desired) -> None:
    text = (
        b"- {host: web-1, kind: Group, name: g, state: {gid: 6000}, owned: false}\n"
        b"- {host: web-2, kind: Group, name: g, absent: true, owned: true}\n- {host: db-1, kind: Group, name: g, absent: true}\n"
    )
    _, owned, problems = observed.read(text, "seen.yaml", kinds, desired)
    assert problems == ()
    assert set(owned) == {Key("web-2", "Group", "g")}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: 1\n", ["seen.yaml:1:1 bad-observed"]),
        ("- nope\n", ["seen.yaml:1:3 bad-observed"]),
        ("- {host: a, kind: Group, name: g}\n", ["seen.yaml:1:3 bad-observed"]),
        ("- {host: a, kind: Group, state: {}}\n", ["seen.yaml:1:3 bad-observed"]),
        ("- {host: a, kind: Group, name: g, state: {}, absent: true}\n", ["seen.yaml:1:3 bad-observed"]),
        ("- {host: a, kind: Group, name: g, absent: maybe}\n", ["seen.yaml:1:43 bad-observed"]),
        ("- {host: a, kind: Group, name: g, absent: true, owmed: true}\n", ["seen.yaml:1:49 bad-observed"]),
        ("- {host: a, kind: Grup, name: g, absent: true}\n", ["seen.yaml:1:19 bad-observed"]),
        ("- {host: a, kind: Group, name: g, absent: true, origin: made}\n", ["seen.yaml:1:57 bad-observed"]),
        ("- &x {host: a, kind: Group, name: g, absent: true}\n- *x\n", ["seen.yaml:1:35 bad-observed"]),
        ("- {host: a, kind: Group, name: g, state: {gid: x}}\n", ["seen.yaml:1:48 impossible-state"]),
        ("- {host: a, kind: Group, name: g, state: {gidd: 1}}\n", ["seen.yaml:1:43 impossible-state"]),
        ("- {host: a, kind: Group, name: g, state: 3}\n", ["seen.yaml:1:42 impossible-state"]),
        ("- {host: a, kind: Group, name: g, state: 3\n", ["seen.yaml:1:3 yaml-syntax"]),
    ],
)
def test_what_is_wrong_has_its_place(text: str, said: list[str], kinds: Kinds, desired: Desired) -> None:
    assert told(text, kinds, desired) == said
