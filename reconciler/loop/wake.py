"""What wakes the daemon: a push (seen by inotify), the clock, a fetch that brought something, somebody's `sync`.

All of them put a word into one queue. The word is for people; the round is the same for each.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from watchdog.events import FileSystemEvent, FileSystemEventHandler
from watchdog.observers import Observer
from watchdog.observers.api import BaseObserver

from ..core.problem import Refused


class Wakes:
    """The one queue. Words that come while a round runs are kept together for the next one: ten pushes are one look."""

    def __init__(self) -> None:
        self._words: dict[str, float] = {}
        self._changed = threading.Condition()

    def wake(self, word: str) -> None:
        """Safe from any thread, and from a signal handler's helper; never waits for a round."""
        with self._changed:
            self._words.setdefault(word, time.monotonic())
            self._changed.notify_all()

    def wait(self, timeout: float) -> tuple[str, ...]:
        """All words since the last call, in the order they came; empty when none came within `timeout` seconds."""
        with self._changed:
            self._changed.wait_for(lambda: bool(self._words), timeout)
            words, self._words = tuple(self._words), {}
            return words


class Heads:
    """Calls `moved` when a branch came, moved or went that isn't the followed one: content may be shown from it."""

    def __init__(self, branches: Callable[[], Mapping[str, str]], followed: str, moved: Callable[[], None]) -> None:
        self._branches = branches
        self._followed = followed
        self._moved = moved
        self._seen = self._others()

    def look(self) -> None:
        now = self._others()
        if now is not None and now != self._seen:
            self._seen = now
            self._moved()

    def _others(self) -> Mapping[str, str] | None:
        try:
            return {name: id for name, id in self._branches().items() if name != self._followed}
        except Refused:
            return None  # the watch of the followed branch says so


class RefWatch:
    """Calls `moved` when the branch of a repository on this machine moves: pushed to, forced back, deleted, packed.

    inotify tells within milliseconds. Where it can't be had (too many watches, a network file system without it),
    `trouble` says so and the branch is read every `poll` seconds instead. It is read every 5 seconds in any case:
    on some file systems inotify is silent about what another machine writes. `also` is called whenever it was.
    """

    SLOW = 5.0

    def __init__(
        self,
        git_dir: Path,
        tip: Callable[[], str],
        moved: Callable[[], None],
        trouble: Callable[[str], None],
        *,
        also: Callable[[], None] = lambda: None,
        poll: float = 0.5,
        observer: Callable[[], BaseObserver] = Observer,
    ) -> None:
        self._git_dir = git_dir
        self._tip = tip
        self._moved = moved
        self._trouble = trouble
        self._also = also
        self._poll = poll
        self._make_observer = observer
        self._observer: BaseObserver | None = None
        self._look = threading.Event()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="refs", daemon=True)
        self._every = self.SLOW
        self._seen = self._read()

    def start(self) -> None:
        observer = self._make_observer()
        handler = _Handler(self._look.set)
        try:
            # HEAD and packed-refs are replaced in the folder itself; a branch is a file under refs/heads.
            observer.schedule(handler, str(self._git_dir), recursive=False)
            observer.schedule(handler, str(self._git_dir / "refs" / "heads"), recursive=True)
            observer.start()
            self._observer = observer
        except OSError as error:
            self._every = self._poll
            self._trouble(
                f"pushes can't be watched ({error}): the branch is read every {self._poll:g} s instead. "
                "Raise fs.inotify.max_user_instances and max_user_watches (sysctl) and restart trueup"
            )
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._look.set()
        if self._observer is not None:
            self._observer.stop()
            self._observer.join(2)
        if self._thread.is_alive():
            self._thread.join(2)

    def _follow(self) -> None:
        while not self._stop.is_set():
            self._look.wait(self._every)
            self._look.clear()
            if self._stop.is_set():
                return
            now = self._read()
            if now != self._seen:
                self._seen = now
                self._moved()
            self._also()

    def _read(self) -> str:
        try:
            return self._tip()
        except Refused:
            return self._seen if hasattr(self, "_seen") else ""


class _Handler(FileSystemEventHandler):
    """Any event but of a lock file or of reading: the branch is read again, which is the only thing that counts."""

    def __init__(self, look: Callable[[], None]) -> None:
        self._call = look

    def on_any_event(self, event: FileSystemEvent) -> None:
        if event.event_type in ("opened", "closed_no_write"):
            return
        if str(event.src_path).endswith(".lock") and not str(getattr(event, "dest_path", "")):
            return
        self._call()


class Aside:
    """Work over the network in a thread of its own, at a rhythm and when somebody asks: a server that hangs must not hold
    up a round. `run` ends soon after `_stop` is set."""

    def __init__(self, name: str, run: Callable[[], None]) -> None:
        self._asked = threading.Event()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=run, name=name, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        # Not joined for long: what hangs ends by its own limit, and holds nothing that the end needs.
        self._stop.set()
        self._asked.set()
        if self._thread.is_alive():
            self._thread.join(0.5)


class Poller(Aside):
    """Fetches a remote every `every` seconds.

    `fetch` says whether the tip moved; `done(moved, asked, trouble)` is called after each: `asked` the number of the last
    `now` before it began, 0 when nobody asked since the one before; `trouble` why a fetch was refused, and the next step.
    """

    def __init__(self, fetch: Callable[[], bool], done: Callable[[bool, int, str], None], every: float) -> None:
        super().__init__("fetch", self._run)
        self._last = 0
        """The number of the last asking."""
        self._counting = threading.Lock()
        self._fetch = fetch
        self._done = done
        self._every = every

    def now(self) -> int:
        """Fetch without waiting for the time to come; gives the number of this asking."""
        with self._counting:
            self._last += 1
            self._asked.set()
            return self._last

    def _run(self) -> None:
        while not self._stop.is_set():
            with self._counting:
                asked = self._last if self._asked.is_set() else 0
                self._asked.clear()
            moved, trouble = False, ""
            try:
                moved = self._fetch()
            except Refused as refused:
                trouble = " ".join(f"{problem.message}: {problem.hint}".rstrip(": ") for problem in refused.problems)
            except Exception as error:
                trouble = f"{type(error).__name__}: {error}"
            if self._stop.is_set():
                return
            self._done(moved, asked, trouble)
            self._asked.wait(self._every)


__all__ = ["Heads", "Poller", "RefWatch", "Wakes"]
