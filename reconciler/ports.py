"""The Protocols that line.py talks through, named as their rooms. Fakes of them run the line in tests."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Protocol

from .core.model import (
    Applied,
    Approval,
    Backoff,
    Commit,
    Desired,
    Host,
    HostPast,
    Json,
    Key,
    Outcome,
    Owned,
    Pause,
    Plan,
    Report,
    Rollback,
    Row,
    Untold,
    Visit,
    WaveRun,
)
from .core.outside import Resolved, Trouble
from .core.problem import Problem


class Files(Protocol):
    """The files of one commit, or of a folder that no commit holds yet."""

    commit: Commit

    def paths(self) -> Mapping[str, str]:
        """Every file's path → blob id (Git's own hash of the content), sorted by path. Links and submodules are left out."""
        ...

    def read(self, path: str) -> bytes:
        """Raises KeyError when there is no such file."""
        ...

    def size(self, path: str) -> int:
        """Its bytes, counted without reading them all. Raises KeyError as `read` does."""
        ...

    def author(self, path: str, line: int) -> Commit:
        """The commit that last touched the line (blame); an empty Commit when nobody has."""
        ...


class Outside(Protocol):
    """Content from outside the repository: known from disk, asked over the network only by `ready` and `renew`."""

    def ready(self, wanted: Iterable[Mapping[str, Json]]) -> None:
        """Ask those of these sources that nobody asked before, within limits, and remember what came of it. Never raises."""
        ...

    def renew(self, wanted: Iterable[Mapping[str, Json]]) -> None:
        """Ask these sources now, whatever is known of them; the same otherwise."""
        ...

    def known(self, told: Mapping[str, Json]) -> Resolved | None:
        """What a source came to when it was asked last; None when it was never had. Raises Refused (source-spec) when
        `told` says no source."""
        ...

    def trouble(self, told: Mapping[str, Json]) -> Trouble | None:
        """Why it could not be asked last time, and since when; None when it could."""
        ...

    def blob(self, id: str) -> bytes:
        """The bytes of a file of something that is known. Raises Refused when it isn't here."""
        ...

    def size(self, id: str) -> int:
        """Its bytes, without reading them. Raises Refused likewise."""
        ...

    def lacks(self, ids: Iterable[str]) -> Sequence[str]:
        """Those of these contents that aren't here."""
        ...

    def moment(self) -> str:
        """A digest of all that is known of all sources: with an equal one nothing has changed. Empty while there are none."""
        ...


class Repo(Protocol):
    """A Git repository, read from its object store."""

    def tip(self) -> str:
        """The id of the commit at the tip of the followed branch; empty when there is none yet."""
        ...

    def files(self, rev: str = "") -> Files:
        """The files of `rev`, the tip when empty. Raises Refused when the revision is unknown."""
        ...

    def has(self, id: str) -> bool:
        """Whether the object of this id is here."""
        ...

    def first_parents(self, rev: str, limit: int = 1000) -> Iterator[str]:
        """Commit ids from `rev` back on the first-parent line, `rev` first."""
        ...

    def fetch(self) -> bool:
        """Follow the remote, if there is one; True when the tip moved. Raises Refused with what is wrong."""
        ...


class Trip(Protocol):
    """Visits to hosts: ops and probes out, outcomes and readings back."""

    def go(
        self, visits: Sequence[Visit], on_report: Callable[[Report], None], on_event: Callable[[str, str], None]
    ) -> None:
        """Make all visits, in parallel within the trip's own limits; call `on_report` once for each host, as it ends,
        with a Trouble where the visit did not get through. `on_event(host, words)` is for progress only.
        Never raises for what happens on a host."""
        ...

    def unpin(self, host: str) -> int:
        """Forget the key that was pinned for `host` at a first visit; how many there were."""
        ...

    def close(self) -> None:
        """End the connections that were kept for the next visit."""
        ...


class Past(Protocol):
    """What a plan needs to know of the past, gathered in one go."""

    @property
    def rows(self) -> tuple[Row, ...]: ...

    @property
    def owned_by_kind(self) -> Mapping[str, int]: ...

    @property
    def owned_by_host(self) -> Mapping[str, int]: ...

    @property
    def hosts(self) -> Mapping[str, HostPast]: ...

    @property
    def pauses(self) -> tuple[Pause, ...]: ...

    @property
    def approvals(self) -> tuple[Approval, ...]: ...

    @property
    def backoffs(self) -> tuple[Backoff, ...]: ...

    @property
    def wave_runs(self) -> tuple[WaveRun, ...]:
        """Waves of rounds for this commit in which something failed that has not succeeded since."""
        ...

    @property
    def unmanaged(self) -> int: ...

    @property
    def observed_at(self) -> float | None: ...


class Store(Protocol):
    """The memory: DuckDB behind it, one process's at a time."""

    def past(self, desired: Desired) -> Past:
        """Join `desired` with what is observed and owned; rows only for keys that don't obviously agree. Reads only."""
        ...

    def rows_for(self, desired: Desired, keys: Sequence[Key]) -> tuple[Row, ...]:
        """Rows of these keys, whether they agree or not. Reads only."""
        ...

    def owned_on(self, hosts: Sequence[str]) -> Mapping[str, tuple[Owned, ...]]:
        """What is owned on each of these hosts (hosts without any are left out)."""
        ...

    def untold(self, hosts: Sequence[str]) -> Mapping[str, Untold]:
        """What is owned on each of these hosts, or was let go of there, and its own file did not say so at the last visit
        (hosts without any are left out)."""
        ...

    def past_of_hosts(self) -> Mapping[str, HostPast]:
        """What is remembered of every host that was ever tried."""
        ...

    def took(self, report: Report, desired: Desired, now: float) -> None:
        """Keep what a visit brought back: readings (with history), outcomes, facts, the host's trouble. One transaction."""
        ...

    def own(self, owned: Iterable[Owned], disowned: Iterable[Key], now: float) -> None:
        """Record ownership; called after the host's own file has it."""
        ...

    def open_round(self, plan: Plan, now: float) -> str:
        """Write a round down before its first trip; gives its id."""
        ...

    def close_round(self, round_id: str, outcome: str, now: float) -> None: ...

    def unfinished(self) -> tuple[str, tuple[str, ...]] | None:
        """The round that a crash left open and the hosts it may have touched; None when there is none."""
        ...

    def holding(
        self, commit: Commit, desired_id: str, problems: Sequence[Problem], now: float, *, runs: bool = True
    ) -> None:
        """Remember that `commit` was read: refused with its errors, waiting as Stopped when it does not `runs`
        (a guard stops its plan), else held from now on."""
        ...

    def keep_reading(
        self,
        key: str,
        desired: Desired,
        problems: Sequence[Problem],
        now: float,
        memory: tuple[str, Callable[[], str]] | None = None,
    ) -> bool:
        """Remember what the files of `key` came to, in place of the reading before; False when that was known.

        `memory` is a key of what that rests on beside the files, and what makes the text of what each file came to."""
        ...

    def machines(self) -> Mapping[str, str]:
        """Host → machine-id, where it is known."""
        ...

    def rename(self, before: str, after: str) -> bool:
        """The memory of host `before` follows it to the name `after`; False when that can't be."""
        ...

    def forget(self, host: str, now: float) -> None:
        """Nothing is owned on `host` any more and nothing is known of it; its history stays."""
        ...

    def approve(self, approval: Approval) -> None:
        """Remember a human's yes to a guard."""
        ...

    def pause(self, asked: Pause, now: float) -> int:
        """Remember a pause; its number."""
        ...

    def resume(self, selector: str, who: str, now: float) -> int:
        """End the pauses given with exactly this selector (all when empty); how many ended."""
        ...

    def pauses(self, now: float) -> tuple[Pause, ...]:
        """Pauses that hold at `now`."""
        ...

    def rollbacks(self) -> tuple[Rollback, ...]:
        """Those that nobody ended."""
        ...

    def meant(self, desired: Desired) -> Desired:
        """`desired` with what was put back in place of Git's word (core.rollback.meant), also of what it gave before."""
        ...

    def applied(self, kind: str, name: str) -> tuple[Applied, ...]:
        """Every version of a resource that was applied on any host, and is remembered."""
        ...

    def roll_back(self, asked: Rollback, now: float) -> int:
        """Remember it, in place of one of the same resource that holds; gives its number."""
        ...

    def end_rollbacks(self, numbers: Iterable[int], by: str, now: float) -> int:
        """End these; how many held until now."""
        ...

    def held(self) -> str:
        """The commit that the fleet is held to; empty before the first."""
        ...

    def close(self) -> None: ...


class Opener(Protocol):
    """Turns what a spec may say in place of bytes into bytes, at the last moment, inside a trip."""

    def open(self, host: str, value: Mapping[str, Json]) -> bytes:
        """The plaintext of `{"sealed": HMAC}`, the content of `{"blob": id, …}`. Raises Refused when it can't be had."""
        ...


class Tell(Protocol):
    """Where a round says how it goes: terminal, push, page."""

    def say(self, event: str, **facts: Json) -> None: ...


__all__ = ["Files", "Host", "Opener", "Outcome", "Outside", "Past", "Repo", "Store", "Tell", "Trip"]
