"""What a manifest has from outside the repository: real repositories through the real keeper, no network in a reading."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from reconciler import manifests
from reconciler.core.kind import Kind, Kinds, Resolving
from reconciler.core.model import Key, State
from reconciler.inputs import plan_from
from reconciler.outside.keeper import Sources
from reconciler.outside.once import Once
from reconciler.settings import Settings
from reconciler.store import DuckStore
from tests.gits import Git
from tests.gits import docs as docs
from tests.gits import make_git as make_git
from tests.gits import own_git_world as own_git_world

from .repo import MemoryFiles, fleet, manifest

NOW = 1_800_000_000.0


class Bringing(Kind):
    """Holds what its source came to. Counts how often it is resolved."""

    name = "Bringing"
    resolved = 0

    def brings(self, name: str, spec: State) -> Iterable[State]:
        yield spec["from"]

    def resolve(self, name: str, spec: State, ask: Resolving) -> State:
        type(self).resolved += 1
        brought = ask.outside(spec["from"])
        texts = {path: brought.read(path).decode() for path in brought.files}
        return {**spec, "texts": texts, "version": brought.version}


@pytest.fixture
def bringing(kinds: Kinds) -> Iterator[Kinds]:
    one = Bringing()
    one.fields = ("texts", "version")
    fields = {"from": {"type": "object", "x-state": False}, "texts": {"type": "object"}, "version": {"type": "string"}}
    schema = {
        "description": "x",
        "spec": {"type": "object", "additionalProperties": False, "properties": fields},
        "state": {"type": "object"},
        "onRemove": {"values": ["delete"], "default": "delete"},
    }
    yield replace(
        kinds,
        by_name={**kinds.by_name, "Bringing": one},
        schemas={**kinds.schemas, "Bringing": schema},
        probes={**kinds.probes, "Bringing": ""},
    )
    Bringing.resolved = 0


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    (tmp_path / "state").mkdir()
    return Settings(state_dir=tmp_path / "state", content_from=(str(tmp_path),))


@pytest.fixture
def outside(settings: Settings) -> Callable[[], Once]:
    return lambda: Once.of(settings)  # each is as another process


def of(docs: Git, ref: str = "main") -> MemoryFiles:
    said = manifest("Bringing", "x", f"from: {{git: {docs.folder}, ref: {ref}}}", hosts="role=web")
    return fleet({"x.yaml": said})


def seen(reading: manifests.Reading) -> State:
    assert reading.desired is not None, reading.problems
    found = reading.desired.get(Key("web-1", "Bringing", "x"))
    assert found is not None
    return found.spec


def test_it_is_asked_once_by_whoever_reads_first_and_never_again(
    docs: Git, bringing: Kinds, outside: Callable[[], Once], settings: Settings
) -> None:
    first = docs.commit("one", a="1")
    told: list[str] = []
    reading = manifests.read(of(docs), bringing, outside=Once.of(settings, told.append))
    assert seen(reading)["texts"] == {"a": "1"} and seen(reading)["version"] == f"git:{first}"
    assert told == [f"asking {docs.folder}"] and reading.sources == ({"git": str(docs.folder), "ref": "main"},)
    docs.commit("two", a="2")
    shutil.move(docs.folder, docs.folder.with_name("away"))
    again = manifests.read(of(docs), bringing, outside=outside())
    assert seen(again) == seen(reading) and again.moment == reading.moment != ""


def test_it_is_resolved_anew_when_what_it_came_to_has_changed_and_only_then(
    docs: Git, bringing: Kinds, outside: Callable[[], Once], settings: Settings
) -> None:
    docs.commit("one", a="1")
    cache: dict[str, object] = {}

    def texts() -> State:
        return seen(manifests.read(of(docs), bringing, cache=cache, outside=outside()))["texts"]  # type: ignore[no-any-return]

    assert texts() == {"a": "1"} and Bringing.resolved == 1
    Sources.of(settings).refresh([{"git": str(docs.folder)}])
    assert texts() == {"a": "1"} and Bringing.resolved == 1
    docs.commit("two", a="2", b="3")
    assert texts() == {"a": "1"} and Bringing.resolved == 1, "nobody asked yet"
    Sources.of(settings).refresh([{"git": str(docs.folder)}])
    assert texts() == {"a": "2", "b": "3"} and Bringing.resolved == 2


def test_one_that_cannot_be_had_is_an_error_at_its_line_until_it_can(
    docs: Git, bringing: Kinds, outside: Callable[[], Once], settings: Settings
) -> None:
    docs.commit("one", a="1")
    cache: dict[str, object] = {}
    wrong = manifests.read(of(docs, "next"), bringing, cache=cache, outside=outside())
    assert wrong.desired is None
    [problem] = wrong.problems
    assert (problem.place, problem.code) == ("x.yaml:7:9", "repo-rev") and "'next' is no branch" in problem.message
    docs("branch", "next")
    assert manifests.read(of(docs, "next"), bringing, cache=cache, outside=outside()).problems == (problem,)
    # A daemon tries again in its time; who runs a command may just have mended it.
    told: list[str] = []
    insistent = Once.of(settings, told.append, again=True)
    for _ in range(2):
        assert manifests.read(of(docs, "next"), bringing, cache=cache, outside=insistent).problems == ()
    assert len(told) == 1
    assert seen(manifests.read(of(docs, "next"), bringing, cache=cache, outside=outside()))["texts"] == {"a": "1"}


@pytest.mark.parametrize(
    ("said", "code", "words"),
    [
        ("{git: /etc}", "source-not-allowed", "contentFrom doesn't name it"),
        ("{git: 'https://user:pass@example.org/x'}", "source-spec", "a login has no place"),
        ("{zip: x}", "source-spec", "one of git, archive or bucket"),
        ("{git: 'https://[::1', ref: ..}", "source-spec", "ref must be"),
    ],
)
def test_what_is_no_source_is_an_error_at_its_line(
    bringing: Kinds, outside: Callable[[], Once], said: str, code: str, words: str
) -> None:
    files = fleet({"x.yaml": manifest("Bringing", "x", f"from: {said}")})
    problems = manifests.read(files, bringing, outside=outside()).problems
    [problem] = [one for one in problems if one.severity == "error"]
    assert (problem.place, problem.code) == ("x.yaml:7:9", code) and words in problem.message and problem.hint


def test_without_anybody_who_knows_it_is_said_so(docs: Git, bringing: Kinds) -> None:
    [problem] = manifests.read(of(docs), bringing).problems
    assert (problem.place, problem.code) == ("x.yaml:7:9", "no-outside")


def test_another_process_that_remembers_resolves_only_what_changed(
    docs: Git, bringing: Kinds, outside: Callable[[], Once], settings: Settings, tmp_path: Path
) -> None:
    docs.commit("one", a="1")
    files = of(docs)
    reading = manifests.read(files, bringing, outside=outside())
    store = DuckStore(tmp_path / "state.duckdb", bringing)
    try:
        assert reading.desired is not None
        ground = manifests.ground_of("")

        def key() -> str:
            return manifests.key_of(files, "", outside().moment())

        store.keep_reading(key(), reading.desired, (), NOW, (ground, reading.told))
        assert store.kept_reading(key(), files.commit) is not None and Bringing.resolved == 1
        docs.commit("two", a="2")
        Sources.of(settings).refresh(reading.sources)
        assert store.kept_reading(key(), files.commit) is None, "what is outside is another moment now"
        older = store.older_reading(ground, files.commit)
        assert older is not None
        changed = manifests.read(
            files, bringing, cache=manifests.recalled(older[1], older[0], files), outside=outside()
        )
        assert seen(changed)["texts"] == {"a": "2"} and Bringing.resolved == 2
        assert changed.desired is not None
        assert plan_from(store, bringing, changed.desired, NOW).commit == files.commit
    finally:
        store.close()


def test_who_may_not_write_in_the_state_has_a_cache_of_his_own_that_does_not_grow_old(
    docs: Git, bringing: Kinds, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    elsewhere = Settings(state_dir=tmp_path / "not there", content_from=(str(tmp_path),), content_every=3600.0)
    docs.commit("one", a="1")
    assert seen(manifests.read(of(docs), bringing, outside=Once.of(elsewhere)))["texts"] == {"a": "1"}
    assert (tmp_path / "cache" / "trueup" / "content.git").is_dir() and not (tmp_path / "not there").exists()
    docs.commit("two", a="2")
    assert seen(manifests.read(of(docs), bringing, outside=Once.of(elsewhere)))["texts"] == {"a": "1"}
    impatient = replace(elsewhere, content_every=1e-6)
    assert seen(manifests.read(of(docs), bringing, outside=Once.of(impatient)))["texts"] == {"a": "2"}


def test_nothing_is_looked_up_where_there_is_nothing(tmp_path: Path, settings: Settings) -> None:
    assert Once.of(settings).moment() == "" and list((tmp_path / "state").iterdir()) == []
