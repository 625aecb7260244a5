"""Content from outside, asked beside the rounds: what changed wakes one, what hangs holds up none, trouble is told once."""

from __future__ import annotations

import io
import itertools
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from reconciler.core.model import State
from reconciler.loop import Log
from reconciler.loop import contents as contents_
from reconciler.loop.contents import Contents
from reconciler.loop.wake import Heads
from reconciler.outside.keeper import UNNAMED
from reconciler.outside.once import Once
from reconciler.repo import GitRepo
from reconciler.settings import Settings
from tests.gits import Git
from tests.gits import make_git as make_git
from tests.gits import own_git_world as own_git_world
from tests.outside.test_tidying import long_ago


@pytest.fixture
def docs(make_git: Callable[..., Git]) -> Git:
    made = make_git("docs")
    made.commit("one", a="1")
    return made


class Asked:
    """Contents of one repository, and what came of asking."""

    def __init__(self, folder: Path, docs: Git, *named: State, every: float = 3600.0) -> None:
        (folder / "state").mkdir(exist_ok=True)
        self.settings = Settings(
            state_dir=folder / "state", content_from=(str(folder),), repo=str(docs.folder), content_every=every
        )
        self.named: tuple[State, ...] = named or ({"git": str(docs.folder)},)
        self.changes = 0
        self.changed = threading.Event()
        self.log = io.StringIO()
        self.contents = Contents(self.settings, lambda: self.named, self._changed, Log(stream=self.log))

    def _changed(self) -> None:
        self.changes += 1
        self.changed.set()

    def version(self, told: State) -> str:
        found = Once.of(self.settings).known(told)
        return found.digest.partition(":")[2] if found is not None else ""


def test_a_round_is_woken_when_a_source_changed_and_only_then(docs: Git, tmp_path: Path) -> None:
    asked = Asked(tmp_path, docs)
    for number, act in enumerate([lambda: None, lambda: docs.commit("two", a="2")], 1):
        act()
        for _ in range(2):
            asked.contents.ask()
        assert asked.changes == number


def test_trouble_is_told_once_and_that_it_is_over(docs: Git, tmp_path: Path) -> None:
    asked = Asked(tmp_path, docs)
    asked.contents.ask()
    docs.folder.rename(tmp_path / "away")
    for _ in range(3):
        asked.contents.ask()
    assert asked.log.getvalue().count("content-failed") == 1 and "holds" in asked.log.getvalue()
    assert asked.changes == 1, "what it was holds"
    (tmp_path / "away").rename(docs.folder)
    asked.contents.ask()
    assert asked.log.getvalue().count("content-well") == 1


@pytest.mark.parametrize("every", [0.05, 3600.0])
def test_it_is_asked_at_its_rhythm_and_at_once_when_somebody_says_so(docs: Git, tmp_path: Path, every: float) -> None:
    asked = Asked(tmp_path, docs, every=every)
    asked.contents.start()
    try:
        if every > 1:
            asked.contents.now()
        assert asked.changed.wait(30), asked.log.getvalue()
    finally:
        asked.contents.stop()


def test_a_fault_of_its_own_ends_nothing(docs: Git, tmp_path: Path) -> None:
    asked = Asked(tmp_path, docs, every=0.02)
    named, tries = asked.named, []

    def faulty() -> tuple[State, ...]:
        tries.append(1)
        if len(tries) < 3:
            raise ValueError("a fault")
        return named

    asked.contents._named = faulty
    asked.contents.start()
    try:
        assert asked.changed.wait(30)
    finally:
        asked.contents.stop()
    assert asked.log.getvalue().count("content-crashed") == 2


def test_where_a_branch_moved_only_what_is_of_the_fleet_s_own_repository_is_asked(docs: Git, tmp_path: Path) -> None:
    other, own = {"git": str(docs.folder)}, {"folder": ".", "ref": "next"}
    docs("branch", "next")
    asked = Asked(tmp_path, docs, other, own)
    asked.contents.ask(own=True)
    assert asked.version(own) and not asked.version(other)
    asked.contents.ask()
    assert asked.version(other)


def test_every_branch_but_the_followed_one_is_looked_at(docs: Git) -> None:
    seen: list[Callable[[], str]] = []
    heads = Heads(GitRepo(docs.folder).branches, "main", lambda: seen.append(lambda: "moved"))
    moves = [
        (lambda: None, 0), (lambda: docs.commit("two", a="2"), 0), (lambda: docs("branch", "next"), 1),
        (lambda: docs("branch", "-f", "next", "main~1"), 2), (lambda: docs("branch", "-D", "next"), 3),
    ]  # fmt: skip
    for act, count in moves:
        act()
        heads.look()
        assert len(seen) == count


def test_asking_holds_up_nobody_who_reads(docs: Git, tmp_path: Path) -> None:
    """A server that never answers is asked in the thread: what is known is read meanwhile, and the end comes before an answer."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/docs.git"
        asked = Asked(tmp_path, docs)
        asked.contents.ask()
        asked.named = (*asked.named, {"git": url})
        object.__setattr__(asked.settings, "content_from", (str(tmp_path), url))
        asked.contents = Contents(asked.settings, lambda: asked.named, asked._changed, Log(stream=asked.log))
        asked.contents.start()
        asked.contents.now()
        line, _ = silent.accept()
        with line:
            assert asked.version({"git": str(docs.folder)})
            asked.contents.stop()
            assert asked.contents._thread.is_alive(), "it is still asking, and nobody waits for it"


def test_branches_that_move_all_the_time_keep_nobody_from_asking_the_others(docs: Git, tmp_path: Path) -> None:
    asked = Asked(tmp_path, docs, every=0.3)
    asked.contents.start()
    try:
        while not asked.changed.is_set():
            asked.contents.now(own=True)
            time.sleep(0.01)
        assert asked.version({"git": str(docs.folder)})
    finally:
        asked.contents.stop()


def test_what_nobody_names_any_more_goes_when_all_that_is_named_is_known_and_no_round_runs(
    docs: Git, tmp_path: Path
) -> None:
    asked = Asked(tmp_path, docs)
    told = {"git": str(docs.folder)}
    whole, rests = [False], [False]

    left: list[bool] = []

    @contextmanager
    def resting() -> Iterator[Iterable[str] | None]:
        yield () if rests[0] else None
        left.append(bool(asked.version(told)))

    asked.contents = Contents(
        asked.settings, lambda: asked.named, asked._changed, Log(stream=asked.log), lambda: whole[0], resting
    )
    asked.contents.ask()
    asked.named = ()
    long_ago(asked.settings.state_dir, 2 * UNNAMED)
    asked.contents.ask()
    assert asked.version(told), "the tip is not read yet: it may name it"
    whole[0] = True
    asked.contents.ask()
    assert asked.version(told), "a round may have it in its hands"
    rests[0] = True
    asked.contents.ask()
    assert not asked.version(told) and "content-tidied" in asked.log.getvalue()
    assert left == [True, False], "rounds may begin when it has lost its name"
    assert not asked.contents._sources.due()


def test_who_says_that_something_moved_is_heard_but_not_more_often_than_is_fair(
    docs: Git, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(contents_, "LEAST", 1.0)
    asked, times = Asked(tmp_path, docs), []
    ask = asked.contents.ask

    def counted(*, own: bool) -> None:
        assert not own
        times.append(time.monotonic())
        ask(own=own)

    asked.contents.ask = counted  # type: ignore[method-assign,assignment]
    asked.contents.start()
    try:
        assert asked.contents.soon() == 0.0 and asked.changed.wait(30), asked.log.getvalue()
        asked.changed.clear()
        version = docs.commit("two", a="2")
        waits = []
        while not asked.changed.is_set():
            waits.append(asked.contents.soon())
            time.sleep(0.01)
        assert asked.version(asked.named[0]) == version
        assert len(waits) > 20 and max(waits) > 0.5
    finally:
        asked.contents.stop()
    assert all(later - before > 0.9 for before, later in itertools.pairwise(times)), times
    assert len(times) <= 3
