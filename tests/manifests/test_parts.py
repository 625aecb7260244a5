"""Manifests that other manifests need: one resource however many need it, and an error where they disagree."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import pytest

from reconciler import manifests
from reconciler.core.kind import Finding, Kind, Kinds, Part, Resolving
from reconciler.core.model import Key, State

from .repo import fleet, manifest


class Needy(Kind):
    """Needs a package and a file, of what its spec says."""

    name = "Needy"

    def parts(self, name: str, spec: State) -> Iterable[Part]:
        yield Part("Package", "nginx", {"state": "present"})
        yield Part("File", "/etc/needy", {"content": spec.get("text", "one\n"), "mode": spec.get("mode", "0644")})

    def resolve(self, name: str, spec: State, ask: Resolving) -> State:
        return {**spec, "seen": ask.tree(spec["folder"])} if "folder" in spec else spec

    def examine(self, name: str, spec: State, ask: Resolving) -> Iterable[Finding]:
        if "folder" in spec:
            for path in ask.tree(spec["folder"]):
                if b"bad" in ask.file(f"{spec['folder']}/{path}")[0]:
                    yield Finding(code="bad", message=f"{path} is bad", path=f"{spec['folder']}/{path}", line=3)


@pytest.fixture(scope="module")
def needy(kinds: Kinds) -> Kinds:
    one = Needy()
    fields = {"text": {"type": "string"}, "mode": {"type": "string"}, "folder": {"type": "string"}}
    one.fields = tuple(fields)
    spec = {"type": "object", "additionalProperties": False, "properties": fields}
    schema = {
        "description": "x",
        "spec": spec,
        "state": {"type": "object"},
        "onRemove": {"values": ["delete"], "default": "delete"},
    }
    return replace(
        kinds,
        by_name={**kinds.by_name, "Needy": one},
        schemas={**kinds.schemas, "Needy": schema},
        probes={**kinds.probes, "Needy": ""},
    )


def read(kinds: Kinds, cache: dict[str, object] | None = None, **files: str) -> manifests.Reading:
    all_files = {path + ".yaml": text for path, text in files.items()}
    return manifests.read(fleet(all_files), kinds, cache=cache)


def told(reading: manifests.Reading) -> list[str]:
    return [f"{one.path}:{one.line}: {one.code}: {one.message}" for one in reading.problems]


def test_what_is_needed_is_a_resource_at_the_place_of_who_needs_it(needy: Kinds) -> None:
    reading = read(needy, x="# why\n" + manifest("Needy", "x", "", hosts="role=web"))
    assert told(reading) == []
    assert reading.desired is not None
    resource = reading.desired.get(Key("web-1", "Package", "nginx"))
    assert resource is not None and resource.source.path == "x.yaml" and resource.source.line == 2
    assert reading.desired.get(Key("db-1", "Package", "nginx")) is None


def test_needed_by_two_it_is_one_and_gone_with_the_last(needy: Kinds) -> None:
    x, y = manifest("Needy", "x", "", hosts="role=web"), manifest("Needy", "y", "", hosts="all")
    both = read(needy, x=x, y=y)
    assert told(both) == [] and both.desired is not None
    keys = [one.key for one in both.desired.resources() if one.key.kind == "Package"]
    assert sorted(keys) == [Key(host, "Package", "nginx") for host in ("db-1", "web-1", "web-2")]
    one = read(needy, y=y)
    assert one.desired is not None and one.desired.get(Key("web-1", "Package", "nginx")) is not None
    assert read(needy).desired is not None and not read(needy).desired.spreads  # type: ignore[union-attr]


def test_declared_by_hand_as_well_it_is_that_one(needy: Kinds) -> None:
    reading = read(
        needy,
        h=manifest("Package", "nginx", "state: present", hosts="web-1"),
        x=manifest("Needy", "x", "", hosts="role=web"),
    )
    assert told(reading) == [] and reading.desired is not None
    found = {host: reading.desired.get(Key(host, "Package", "nginx")) for host in ("web-1", "web-2")}
    assert {host: one.source.path for host, one in found.items() if one} == {"web-1": "h.yaml", "web-2": "x.yaml"}


def test_two_that_disagree_are_an_error_with_both_places(needy: Kinds) -> None:
    reading = read(needy, x=manifest("Needy", "x", ""), y=manifest("Needy", "y", "text: two"))
    assert told(reading) == [
        "y.yaml:4: same-key: File//etc/needy, which Needy/y needs: File//etc/needy is declared twice on db-1 and 2 more hosts, first at x.yaml:1"
    ]


def test_what_its_schema_refuses_is_told_of_who_asked_for_it(needy: Kinds) -> None:
    reading = read(needy, x=manifest("Needy", "x", 'mode: "99999"'))
    assert reading.desired is None
    assert any("x.yaml" in line and "File//etc/needy, which Needy/x needs: " in line for line in told(reading)), told(
        reading
    )


def test_a_folder_is_read_again_when_a_file_of_it_comes_or_changes(needy: Kinds) -> None:
    cache: dict[str, object] = {}
    x = manifest("Needy", "x", "folder: site")
    files: dict[str, str | bytes] = {"x.yaml": x, "site/a.html": "a"}

    def seen() -> object:
        reading = manifests.read(fleet(files), needy, cache=cache)
        assert reading.desired is not None, told(reading)
        return reading.desired.get(Key("web-1", "Needy", "x")).spec["seen"]  # type: ignore[union-attr]

    first = seen()
    assert seen() == first
    files["site/b.html"] = "b"
    assert sorted(seen()) == ["a.html", "b.html"]  # type: ignore[call-overload]
    files["site/b.html"] = "bad"
    assert told(manifests.read(fleet(files), needy, cache=cache)) == ["site/b.html:3: bad: b.html is bad"]
    del files["site/a.html"]
    del files["site/b.html"]
    assert any("no-such-file" in line for line in told(manifests.read(fleet(files), needy, cache=cache)))
