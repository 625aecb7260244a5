"""How the daemon itself is: ready or not, and why (/readyz), and its numbers (/metrics).

Ready means that trueup does its work, not that the fleet is well: a failed host is no failure of trueup.
"""

from __future__ import annotations

import os
import platform
import resource
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from .. import __version__
from ..acts.standing import Standing
from ..core.model import Json
from ..door import looking
from ..settings import Settings
from ..tell.metrics import Family, Sample, by_label, gauge, histogram, text
from ..world import World
from .pulse import BUCKETS, Pulse

SILENT = 60.0
"""Seconds after which a loop that beats every second counts as hung; a loaded machine may hold it up for a while."""
LATE = 3.0
"""How many intervals of looking may pass without a round that ended."""
LEAST = 900.0
"""Seconds without a round that are always allowed: rounds that were refused are tried again every 5 minutes."""
EVERY = 600.0
"""Seconds between looks while nothing says otherwise."""


@dataclass(frozen=True, kw_only=True)
class Part:
    """One condition of being ready."""

    check: str
    ok: bool
    says: str

    def json(self) -> dict[str, Json]:
        return {"check": self.check, "ok": self.ok, "says": self.says}


@dataclass(frozen=True, kw_only=True)
class Health:
    """Asked by the page's server, from any thread."""

    world: World
    pulse: Pulse
    stands: Callable[[], Standing | None]
    fetch_trouble: Callable[[], str]
    now: Callable[[], float] = time.time

    def ready(self) -> tuple[Part, ...]:
        """The three conditions: the loop turns, the state can be written, a round ended lately."""
        return (self._loop(), state_part(self.world.settings), self._round())

    def _loop(self) -> Part:
        silent = self.pulse.silent
        if silent > SILENT:
            said = "has not turned yet" if silent == float("inf") else f"has not turned for {silent:.0f} s"
            return Part(check="loop", ok=False, says=said)
        return Part(check="loop", ok=True, says="turns")

    def _round(self) -> Part:
        rounds = self.pulse.rounds()
        limit = max(LEAST, LATE * self._every())
        if not rounds.outcome:
            return Part(check="round", ok=False, says="none has ended yet")
        age = self.now() - (rounds.began_at or rounds.ended_at)
        if rounds.began_at:
            limit = max(limit, 2 * self.world.settings.visit_limit)
        verb = "runs since" if rounds.began_at else "ended"
        told = f"the last one {verb} {age:.0f} s ago: {rounds.outcome}"
        if age > limit:
            return Part(check="round", ok=False, says=told)
        if rounds.outcome in ("crashed", "refused") and not rounds.began_at:
            why = self.world.refusal[0].message if self.world.refusal else "the log says why"
            return Part(check="round", ok=False, says=f"{told}; {why}")
        return Part(check="round", ok=True, says=told)

    def _every(self) -> float:
        return self.world.settings.observe_every or EVERY

    # ---- numbers

    def metrics(self) -> str:
        """All of it in Prometheus' text format. A fleet that can't be read now has no `trueup_hosts`, the rest stays."""
        return text([*self._own(), *self._rounds(), *self._fleet(), *process(time.time)])

    def _own(self) -> Iterator[Family]:
        version = platform.python_version()
        yield gauge("trueup_build_info", "What runs; always 1.", 1, version=__version__, python=version)
        for part in self.ready():
            name = f"trueup_ready_{part.check}"
            yield gauge(name, f"1 while the condition `{part.check}` of /readyz holds.", part.ok)
        database = self.world.settings.database
        size = sum(place.stat().st_size for place in (database, Path(f"{database}.wal")) if place.exists())
        yield gauge("trueup_state_bytes", "Size of the state file and its log of writes.", size)
        yield gauge(
            "trueup_fetch_failing", "1 while the remote repository can't be fetched.", bool(self.fetch_trouble())
        )

    def _rounds(self) -> Iterator[Family]:
        rounds = self.pulse.rounds()
        yield by_label("counter", "trueup_rounds_total", "Rounds that ended, by outcome.", "outcome", rounds.by_outcome)
        yield histogram(
            "trueup_round_duration_seconds",
            "How long rounds took.",
            BUCKETS,
            rounds.within,
            rounds.count,
            rounds.seconds,
        )
        yield gauge("trueup_round_running", "1 while a round is walked.", bool(rounds.began_at))
        yield gauge(
            "trueup_last_round_timestamp_seconds", "When the last round ended; 0 before the first.", rounds.ended_at
        )
        yield gauge(
            "trueup_last_success_timestamp_seconds",
            "When the last round ended that left nothing to do on hosts that answer; 0 before the first.",
            rounds.success_at,
        )

    def _fleet(self) -> Iterator[Family]:
        stands = self.stands()
        if stands is not None:
            yield gauge("trueup_changes_pending", "Changes still to be done after the last round.", stands.pending)
            yield gauge("trueup_guards_waiting", "Guards that wait for a person's approval.", len(stands.guards))
            yield gauge("trueup_backoffs", "Resources that failed and wait for their next try.", stands.backoffs)
            yield gauge("trueup_hosts_away", "Hosts that did not answer in the last round.", stands.away)
            refused = bool(stands.tip) and stands.commit != stands.tip
            yield gauge("trueup_tip_refused", "1 while the branch's tip has errors and an older commit holds.", refused)
        desired = looking.in_force(self.world)
        if desired is None:
            return
        _, stood = looking.stand(self.world, desired)
        counts = stood.all.counts
        oldest, _, never = stood.all.seen
        counted = {word.lower(): float(many) for word, many in counts.items()}
        yield by_label("gauge", "trueup_hosts", "Hosts by verdict.", "verdict", counted)
        yield gauge("trueup_hosts_never_seen", "Hosts that nobody looked at yet.", never)
        yield gauge(
            "trueup_oldest_look_timestamp_seconds",
            "When the host that was not looked at for longest was last seen; 0 where none was.",
            oldest or 0.0,
        )
        paused = len(looking.store_of(self.world).pauses(self.world.now()))
        yield gauge("trueup_pauses", "Pauses in force.", paused)
        back = len(desired.rolled_back)
        yield gauge("trueup_rollbacks", "Resources that are put back against Git's word.", back)


def state_part(settings: Settings) -> Part:
    """Whether the folders of the state and of its database take a write now: full and read-only file systems show only
    then."""
    for folder in dict.fromkeys((settings.state_dir, settings.database.parent)):
        try:
            with tempfile.TemporaryFile(dir=folder) as probe:
                probe.write(b"\0" * 4096)
                probe.flush()
                os.fsync(probe.fileno())
        except OSError as error:
            return Part(check="state", ok=False, says=f"{folder} can't be written: {error.strerror}")
    return Part(check="state", ok=True, says="can be written")


def process(now: Callable[[], float]) -> Iterator[Family]:
    """What client libraries of Prometheus tell of every process, from proc(5) and getrusage(2)."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    cpu = used.ru_utime + used.ru_stime
    yield Family(
        name="process_cpu_seconds_total", kind="counter", help="User and system CPU time.", samples=(Sample(value=cpu),)
    )
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
        ticks = int(Path("/proc/self/stat").read_text(encoding="utf-8").rsplit(")", 1)[1].split()[19])
        up = float(Path("/proc/uptime").read_text(encoding="ascii").split()[0])
        handles = len(os.listdir("/proc/self/fd"))
    except (OSError, ValueError, IndexError):
        return
    yield gauge("process_resident_memory_bytes", "Resident memory.", pages * os.sysconf("SC_PAGE_SIZE"))
    yield gauge("process_open_fds", "Open file descriptors.", handles)
    started = now() - up + ticks / os.sysconf("SC_CLK_TCK")
    yield gauge("process_start_time_seconds", "When the process started.", round(started, 2))


__all__ = ["Health", "Part", "state_part"]
