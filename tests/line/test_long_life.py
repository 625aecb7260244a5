"""A daemon that lives for months: what it keeps of commits long gone, and of what was asked over its socket."""

from __future__ import annotations

import gc
import sys
from pathlib import Path

import pytest

from reconciler.core.codec import decode
from reconciler.core.model import Change, Desired
from reconciler.core.problem import Refused
from reconciler.manifests.kinds import load_kinds
from reconciler.readings import COMMITS
from reconciler.secrets import FleetKey, Sealer
from reconciler.settings import Settings
from reconciler.world import World

sys.path.insert(0, str(Path(__file__).parent))
from fakes import FakeRepo, FakeStore, FakeTrip

FLEET = """\
apiVersion: trueup.dev/v1
kind: Fleet
metadata: {name: prod}
spec: {mode: enforce}
---
apiVersion: trueup.dev/v1
kind: Host
metadata: {name: web-1}
spec: {address: 192.0.2.1}
"""


def files(password: int) -> dict[str, str]:
    return {
        "trueup.yaml": FLEET,
        "ada.yaml": "apiVersion: trueup.dev/v1\nkind: User\nmetadata: {name: ada}\n"
        f'spec: {{hosts: all, passwordHash: "$6$salt${password:086d}"}}\n',
        "motd.yaml": "apiVersion: trueup.dev/v1\nkind: File\nmetadata: {name: /etc/motd}\n"
        f'spec: {{hosts: all, template: true, content: "{{{{ host }}}} {password}"}}\n',
    }


@pytest.fixture
def world() -> World:
    kinds = load_kinds()
    return World(
        settings=Settings(),
        kinds=kinds,
        repo=FakeRepo(),
        store=FakeStore(kinds),
        trip=FakeTrip(kinds),
        sealer=Sealer(FleetKey(b"k" * 32)),
    )


def secret(desired: Desired | None) -> dict[str, str]:
    assert desired is not None
    found = [one.meaning("web-1").spec.get("passwordHash") for one in desired.on_host("web-1")]
    return next(value for value in found if value)  # type: ignore[no-any-return]


def test_secrets_of_commits_long_gone_are_forgotten_and_the_others_open(world: World) -> None:
    repo = world._repo
    assert isinstance(repo, FakeRepo)
    commits = [repo.push(files(number)) for number in range(COMMITS + 6)]
    under_way = world.read(commits[0])[1].desired
    gone = secret(world.read(commits[1])[1].desired)
    for commit in commits[2:]:
        world.read(commit)
    gc.collect()
    for number, commit in list(enumerate(commits))[-COMMITS:]:
        sealed = secret(world.read(commit)[1].desired)
        assert world.sealer.open("web-1", sealed) == b"$6$salt$%086d" % number
    assert world.sealer.open("web-1", secret(under_way)) == b"$6$salt$%086d" % 0, "a trip of it may be under way"
    with pytest.raises(Refused):
        world.sealer.open("web-1", gone)


def test_a_commit_with_errors_leaves_no_secret(world: World) -> None:
    repo = world._repo
    assert isinstance(repo, FakeRepo)
    good = secret(world.read(repo.push(files(1)))[1].desired)
    bad = files(2) | {"bad.yaml": "apiVersion: trueup.dev/v1\nkind: Usr\nmetadata: {name: x}\nspec: {}\n"}
    assert world.read(repo.push(bad))[1].desired is None
    gc.collect()
    assert sorted(len(one.plain) for one in world.sealer._readings) == [0, 1]
    assert world.sealer.open("web-1", good).endswith(b"1")


def test_what_is_parsed_is_that_of_the_last_reading(world: World) -> None:
    repo = world._repo
    assert isinstance(repo, FakeRepo)

    def size() -> tuple[int, ...]:
        resolved = world._readings._parsed["resolved"]
        return len(world._readings._parsed["files"]), len(resolved.items), len(resolved.specs)

    world.read(repo.push(files(0)))
    first = size()
    for number in range(1, 8):
        world.read(repo.push(files(number)))
    assert size() == first
    assert len(world._readings.all()) == COMMITS


def test_what_is_nested_too_deeply_is_no_plan() -> None:
    deep: list[object] = []
    for _ in range(20_000):
        deep = [deep]
    with pytest.raises(ValueError, match="too deeply"):
        decode(Change, {"action": deep})
