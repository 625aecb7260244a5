"""`DuckStore`: ports.Store on a DuckDB file, and the questions of pages and commands."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path

from .. import __version__
from ..clock import moment
from ..core.kind import Kinds
from ..core.model import (
    Applied,
    Approval,
    Commit,
    Desired,
    HostPast,
    Key,
    Owned,
    Pause,
    Plan,
    Report,
    Rollback,
    Row,
    Untold,
    digest,
)
from ..core.model.observed import OLDER_PROBE
from ..core.problem import Problem, Refused
from . import bodies, copying, kept, owning, past, people, retention, rollbacks, rounds, troubles, verifying
from .commits import LastRound
from .db import Db, migrations
from .meant import Meant
from .names import Names
from .queue import Queue
from .sheet import KEPT, Sheet, Sheets
from .terms import PRESENT, UNKNOWN
from .view import Asked, Stand, View


class DuckStore:
    """The memory behind the line. Every method may raise Refused with a `state-…` problem (troubles.py).

    `took` and `own` may be held back a moment, to be written together (queue.py); whatever reads, opens or closes a
    round writes them first, so nobody can tell.
    """

    def __init__(self, path: Path, kinds: Kinds, clock: Callable[[], float] = time.monotonic) -> None:
        self.kinds = kinds
        self.db = Db(path)
        with ExitStack() as failing:
            failing.callback(self.db.close)
            self.names = Names(self.db)
            self.sheets = Sheets(self.db, self.names)
            self.last_round = LastRound(self.db)
            history = [name for name, kind in kinds.by_name.items() if kind.rolls_back]
            self._queue = Queue(self.db, self.names, self.sheets, bodies.Eyes(kinds), clock, history)
            self._meant = Meant(self.db, self.names, kinds)
            self._round = 0
            self._round_began: float | None = None
            self._views: dict[str, View] = {}
            self._viewed: View | None = None
            self._new_probes()
            failing.pop_all()

    @classmethod
    def open(cls, path: Path, kinds: Kinds) -> DuckStore:
        """The same as calling the class."""
        return cls(path, kinds)

    def close(self) -> None:
        """Write what waits, fold the log into the file, let go of it."""
        with suppress(Refused):
            self.flush()
        self.db.close()

    # ---- intake

    def took(self, report: Report, desired: Desired, now: float) -> None:
        """Keep what a visit brought back."""
        self._queue.took(report, desired, now, self._round)

    def own(self, owned: Iterable[Owned], disowned: Iterable[Key], now: float) -> None:
        """Record ownership, after the hosts' own files have it."""
        self._queue.own(owned, disowned, now)

    def flush(self) -> None:
        """Write what waits, in one transaction. When that fails it goes on waiting, and Refused says why."""
        self._queue.flush()

    # ---- planning

    def past(self, desired: Desired) -> past.PastOf:
        """What a plan needs of the past; reads only."""
        self.flush()
        return past.past(self.db, self.names, self.sheets, desired)

    def rows_for(self, desired: Desired, keys: Sequence[Key]) -> tuple[Row, ...]:
        """Rows of these keys, whether they agree or not; reads only."""
        self.flush()
        return past.rows_for(self.db, self.names, self.sheets, desired, keys)

    def owned_on(self, hosts: Sequence[str]) -> Mapping[str, tuple[Owned, ...]]:
        """What is owned on each of these hosts; hosts without any are left out."""
        self.flush()
        return owning.owned_on(self.db, self.names, hosts)

    def untold(self, hosts: Sequence[str]) -> Mapping[str, Untold]:
        """What is owned on each of these hosts, or was let go of there, and its own file did not say so when it was heard
        last; hosts without any are left out."""
        self.flush()
        return owning.untold(self.db, self.names, hosts)

    def keep_reading(
        self,
        key: str,
        desired: Desired,
        problems: Sequence[Problem],
        now: float,
        memory: tuple[str, Callable[[], str]] | None = None,
    ) -> bool:
        """Write down what the files of `key` came to, in place of the reading before, and, by the key of what it rests on
        beside the files, what it came to piece by piece; False when it was there already."""
        self.flush()
        try:
            return kept.keep(self.db, self.names, key, desired, problems, now, memory)
        except BaseException:
            self.names.forget_unsaved()
            raise

    def kept_reading(self, key: str, commit: Commit) -> kept.Kept | None:
        """What the files of `key` came to, said of `commit`; None when it isn't at hand. Reads only. Of use as long as
        nothing else is kept in its place: ask for each plan anew."""
        found = kept.find(self.db, self.names, key, commit)
        if found is not None:
            self.sheets.put(found.sheet)
        return found

    def older_reading(self, ground: str, commit: Commit) -> tuple[Desired, str] | None:
        """What the reading that is kept came to, as if of `commit`, and its memory piece by piece (keep_reading); None when
        it is of another `ground`. What comes of it is good while nothing else is kept in its place. Reads only."""
        found = kept.older(self.db, self.names, ground, commit)
        return None if found is None else (found[0].desired, found[1])

    def sheet(self, desired: Desired) -> Sheet:
        """`desired` as tables, for this room's queries."""
        self.flush()
        return self.sheets.of(desired)

    # ---- reading for people

    def view(self, desired: Desired) -> View:
        """Queries over how hosts stand against `desired`. While something is being written they are over what was
        written before: who only looks doesn't wait for a round."""
        last = self._viewed
        if not self.db.lock.acquire(blocking=last is None or last.sheet.desired is not desired):
            assert last is not None
            return last
        try:
            sheet = self.sheet(desired)
            kept = self._views.get(sheet.want)
            if kept is None or kept.sheet is not sheet:
                kept = View(self.db, self.kinds, sheet)
                self._views[sheet.want] = kept
                for old in list(self._views)[:-KEPT]:
                    self._views.pop(old).drop()
            self._viewed = kept
            return kept
        finally:
            self.db.lock.release()

    def stand(self, desired: Desired, now: float, paused: Mapping[str, Pause], every: float, limit: float) -> Stand:
        """How the fleet stands, by the readings that are written; the hosts that a write was about, or that time has
        reached, are judged anew."""
        view = self.view(desired)
        asked = Asked(
            now=now,
            observe_every=every,
            paused=paused,
            held=people.hold(self.db, self.names, desired, now),
            running=self._being_changed(),
            running_since=self._round_began,
            running_limit=limit,
        )
        return view.stand(asked)

    def _being_changed(self) -> frozenset[int]:
        if not self._round:
            return frozenset()
        rows = self.db.rows(
            "SELECT DISTINCT c.host_id FROM change c WHERE c.round_id = $round AND c.host_id NOT IN "
            "(SELECT o.host_id FROM outcome o WHERE o.round_id = $round)",
            {"round": self._round},
        )
        return frozenset(row[0] for row in rows)

    def past_of_host(self, host: str) -> HostPast | None:
        """What is remembered of one host; None when it was never tried. By what is written: it waits for nobody."""
        return past.hosts(self.db, host).get(host)

    def past_of_hosts(self) -> Mapping[str, HostPast]:
        """What is remembered of every host that was ever tried."""
        self.flush()
        return past.hosts(self.db)

    # ---- the journal

    def open_round(self, plan: Plan, now: float) -> str:
        """Write a round down before its first trip; gives its id."""
        self.flush()
        try:
            self._round = rounds.open_round(self.db, self.names, self.kinds, plan, now)
        except BaseException:
            self.names.forget_unsaved()
            raise
        self._round_began = now
        return str(self._round)

    def close_round(self, round_id: str, outcome: str, now: float) -> None:
        """The round is over; its readings are written by now."""
        self.flush()
        rounds.close_round(self.db, int(round_id), outcome, now)
        if int(round_id) == self._round:
            self._round = 0
        self.db.checkpoint()

    def unfinished(self) -> tuple[str, tuple[str, ...]] | None:
        """The round that a crash left open and the hosts it may have touched; None when there is none."""
        return rounds.unfinished(self.db, self.names)

    def holding(
        self, commit: Commit, desired_id: str, problems: Sequence[Problem], now: float, *, runs: bool = True
    ) -> None:
        """Remember that `commit` was read: refused with its problems, or stopped by a guard (not `runs`), else held."""
        rounds.holding(self.db, commit, desired_id, problems, now, runs=runs)

    def held(self) -> str:
        """The commit that the fleet is held to; empty before the first."""
        return rounds.held(self.db)

    # ---- people

    def pause(self, asked: Pause, now: float) -> int:
        """Remember a pause; gives its number."""
        return people.pause(self.db, asked, now)

    def resume(self, selector: str, who: str, now: float) -> int:
        """End the pauses of exactly this selector (all when empty); gives how many."""
        return people.resume(self.db, selector, who, now)

    def pauses(self, now: float) -> tuple[Pause, ...]:
        """Pauses that hold at `now`."""
        return tuple(one for one in people.pauses(self.db) if one.until > now)

    def approve(self, given: Approval) -> None:
        """Remember a human's yes to one guard of one commit."""
        people.approve(self.db, given)

    # ---- what was applied before

    def rollbacks(self) -> tuple[Rollback, ...]:
        """Those that nobody ended."""
        return self._meant.rollbacks()

    def meant(self, desired: Desired) -> Desired:
        """`desired` with what was put back in place of Git's word."""
        return self._meant.of(desired)

    def applied(self, kind: str, name: str) -> tuple[Applied, ...]:
        """Every version of a resource that was applied on any host, and is remembered."""
        self.flush()
        return rollbacks.applied(self.db, self.names, self.kinds, kind, name)

    def roll_back(self, asked: Rollback, now: float) -> int:
        """Remember it, in place of one of the same resource that holds; gives its number."""
        self.flush()
        try:
            return rollbacks.roll_back(self.db, self.names, asked, now)
        except BaseException:
            self.names.forget_unsaved()
            raise

    def end_rollbacks(self, numbers: Iterable[int], by: str, now: float) -> int:
        """End these; gives how many held until now."""
        return rollbacks.end(self.db, numbers, by, now)

    # ---- the file itself

    def belongs_to(self, fleet: str) -> None:
        """Remember whose state this is (a digest of the fleet's key), so that a backup is not given back to another."""
        if self.db.rows("SELECT value FROM meta WHERE name = 'fleet'") != [(fleet,)]:
            with self.db.writing() as con:
                con.execute("DELETE FROM meta WHERE name = 'fleet'")
                con.execute("INSERT INTO meta VALUES ('fleet', ?)", [fleet])

    def backup(self, target: Path, progress: copying.Progress) -> Mapping[str, int]:
        """A copy of the file as it is at this moment, at `target`; rows by table. Writers don't wait for it."""
        self.flush()
        with troubles.told(self.db.path), self.db.cursor() as cursor:
            return copying.copy(cursor, target, progress)

    def verify(self) -> list[verifying.Finding]:
        """Whether the file holds together."""
        self.flush()
        with troubles.told(self.db.path), self.db.cursor() as cursor:
            return verifying.verify(cursor, migrations())

    def retire(self, before: float) -> Mapping[str, int]:
        """Delete history that ended before `before`, seconds since 1970; rows gone by table. DuckDB uses their room
        again, the file doesn't shrink."""
        self.flush()
        with self.db.writing() as con:
            gone = retention.retire(con, before)
        self.db.checkpoint()
        return gone

    # ---- hosts that leave, come back, or were never there

    def forget(self, host: str, now: float) -> None:
        """Nothing is owned on `host` any more and nothing is known of it (it was cleaned, or is another machine now).
        Its history stays."""
        self.flush()
        host_id = self.names.hosts.get(host)
        if host_id is None:
            return
        at = moment(now)
        with self.db.writing() as con:
            con.execute(
                "INSERT INTO observed_past SELECT host_id, res_id, status, state, right_then, why, valid_from, ? "
                "FROM observed WHERE host_id = ? AND valid_from < ?",
                [at, host_id, at],
            )
            con.execute(
                "INSERT INTO watched SELECT host_id, watched_from, seen_at FROM host "
                "WHERE host_id = ? AND seen_at IS NOT NULL",
                [host_id],
            )
            for table in ("observed", "moment", "owned", "let_go", "backoff"):
                con.execute(f"DELETE FROM {table} WHERE host_id = ?", [host_id])
            con.execute(
                "UPDATE host SET seen_at = NULL, tried_at = NULL, watched_from = NULL, trouble = '', trouble_code = '', "
                "trouble_next = '', trouble_since = NULL, machine_id = '', on_commit = '', facts = '{}', "
                "facts_at = NULL WHERE host_id = ?",
                [host_id],
            )

    def rename(self, before: str, after: str) -> bool:
        """The host `before` is called `after` now (metadata.previousName): its memory follows the name.
        False, and nothing is done, when `before` is not known, or `after` was seen as a host of its own."""
        self.flush()
        if before not in self.names.hosts:
            return False
        with self.db.writing() as con:
            seen = con.execute("SELECT seen_at IS NOT NULL FROM host WHERE name = ?", [after]).fetchall()
            if seen and seen[0][0]:
                return False
            # Tried under its new name, and sent nothing: there is no memory to lose.
            con.execute("DELETE FROM host WHERE name = ?", [after])
            con.execute("UPDATE host SET name = ? WHERE name = ?", [after, before])
        self.names.forget_unsaved()
        return True

    def machines(self) -> Mapping[str, str]:
        """Host → machine-id, where it is known."""
        return dict(self.db.rows("SELECT name, machine_id FROM host WHERE machine_id <> '' ORDER BY name"))

    # ---- readings of another probe

    def _new_probes(self) -> None:
        """A reading is only worth what its probe was: when a kind's probe is another one than it was, all its readings
        are Unknown until the next look."""
        known = dict(self.db.rows("SELECT name, value FROM meta"))
        if known.get("trueup") != __version__:
            # Another version may see states otherwise: no row is passed over until it was looked at again.
            with self.db.writing() as con:
                con.execute("DELETE FROM meta WHERE name = 'trueup'")
                con.execute("INSERT INTO meta VALUES ('trueup', ?)", [__version__])
                con.execute("UPDATE observed SET seen_as = 0")
        for kind, source in sorted(self.kinds.probes.items()):
            name, is_now = f"probe {kind}", digest(source)
            if known.get(name) == is_now:
                continue
            with self.db.writing() as con:
                con.execute("DELETE FROM meta WHERE name = ?", [name])
                con.execute("INSERT INTO meta VALUES (?, ?)", [name, is_now])
                if name in known:
                    con.execute(
                        f"UPDATE observed SET status = {UNKNOWN}, seen_as = 0, right_then = NULL, "
                        "why = ? FROM resource r "
                        f"WHERE r.res_id = observed.res_id AND r.kind = ? AND status = {PRESENT}",
                        [OLDER_PROBE.why, kind],
                    )
                    con.execute(
                        "DELETE FROM moment USING resource r WHERE r.res_id = moment.res_id AND r.kind = ?", [kind]
                    )


__all__ = ["DuckStore"]
