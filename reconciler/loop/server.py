"""One fleet being served: its rounds, what may be asked of it, and what wakes it."""

from __future__ import annotations

import math
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any

from .. import line
from ..acts.outside import resting
from ..acts.standing import Standing, nothing_valid, standing
from ..core.model import HostPast
from ..core.problem import Refused
from ..door import names, wire
from ..door.asks import ASKS
from ..door.looking import text
from ..manifests import selector
from ..repo import GitRepo
from ..world import World
from .bus import Bus
from .clock import next_look
from .contents import Contents
from .daemon import Daemon, Reasons, of_a_commit, told_elsewhere
from .health import Health
from .log import Log
from .systemd import Notify
from .tidy import Tidy
from .waiting import LIMIT, wait
from .wake import Heads, Poller, RefWatch

UNSETTLED = (1.0, 5.0, 30.0, 60.0, 300.0)
"""Seconds until the next round while rounds end with work left over (what was stale, what a re-read found otherwise)."""
AT_LEAST = 1.0
"""Seconds between two rounds that only the clock asks for."""


class Server:
    """One fleet being served: what the door and the signals may ask of it."""

    def __init__(self, world: World, bus: Bus, log: Log, notify: Notify, stop_limit: float = 60.0) -> None:
        self.world = world
        self.bus = bus
        self.log = log
        self.daemon = Daemon(walk=self._walk, next_look=self._next_look, log=log, notify=notify, stop_limit=stop_limit)
        self._asked: set[str] = set()
        self._asking = threading.Lock()
        self._force: line.Look | None = None
        """Of the commit in force, after the last round: another than the newest while a guard stops that one."""
        self._stands: Standing | None = None
        self._unsettled = 0
        self._begun = self._ended = 0
        """Rounds that began, and how many had begun when the last one ended."""
        self._fetches: deque[tuple[int, int]] = deque(maxlen=16)
        """Fetches that somebody asked for: the number of the last asking, and the first round after it."""
        self._tidy = Tidy(world)
        world.looks_again = True
        self._poller: Poller | None = None
        changed = partial(self.daemon.wakes.wake, "content")
        self._contents = Contents(
            world.settings, world.sources, changed, log, world.knows_sources, lambda: resting(world)
        )
        self.health = Health(
            world=world,
            pulse=self.daemon.pulse,
            stands=lambda: self._stands,
            fetch_trouble=lambda: self.world.fetch_trouble,
        )

    # ---- a round

    def _walk(self, reasons: Reasons) -> str:
        self._begun += 1
        try:
            came_of_it = self._round(reasons)
            if self._begun == 1:
                self._contents.now()  # what it was may be as old as the last stop
            self._tidy.after_round()
            self.world.refusal = ()
            return came_of_it
        except Refused as refused:
            self.world.refusal = () if told_elsewhere(refused) else refused.problems
            raise
        finally:
            self._ended = self._begun

    def _round(self, reasons: Reasons) -> str:
        world = self.world
        with world.turn:
            tip = world.repo.tip()
            try:
                newest = line.reconcile(world, self._hosts_asked(reasons))
            except Refused as refused:
                if of_a_commit(refused):
                    self._stands = nothing_valid(tip, world.store.held(), world.now())
                raise
            acted = newest.plan is not None and newest.plan.changes
            last = line.look(world, newest.commit.id) if acted else newest
            held = world.held()
            self._force = last if held in ("", last.commit.id) else line.look(world, held)
            if newest.desired is not None:
                names.write(world.settings.socket, newest.desired.hosts, world.kinds.by_name)
            self._stands = standing(tip, world.store.held(), last, world.now())
            now_runs = self._stands if self._force is last else standing(tip, held, self._force, world.now())
        self._unsettled = self._unsettled + 1 if now_runs.outcome == "running" else 0
        facts = {name: value for name, value in self._stands.json().items() if name not in ("why", "guards", "at")}
        self.bus.publish({"event": "standing", **facts})
        return self._stands.outcome

    def _hosts_asked(self, reasons: Reasons) -> tuple[str, ...]:
        with self._asking:
            asked, self._asked = self._asked, set()
        if not reasons.again:
            return tuple(sorted(asked))
        desired = self.world.read(self.world.newest())[1].desired
        every = tuple(sorted(desired.hosts)) if desired is not None else ()
        return tuple(host for host in every if host in asked) if asked else every

    def _next_look(self) -> float:
        world = self.world
        desired = self._force.desired if self._force else None
        if desired is None:
            return world.settings.observe_every or 600.0
        known = world.store.past_of_hosts()
        wait_for = next_look(
            [known.get(host, HostPast()) for host in desired.hosts],
            self._force.plan if self._force else None,
            [pause.until for pause in world.store.pauses(world.now())],
            world.now(),
            world.settings.observe_every or desired.policy.observe_every,
        )
        if self._unsettled:
            wait_for = min(wait_for, UNSETTLED[min(self._unsettled, len(UNSETTLED)) - 1])
        return max(AT_LEAST, wait_for)

    # ---- what may be asked

    def sync(self, args: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Fetch, if the repository is remote, and look at the hosts of `selector` (all by default) now. Comes back at once."""
        asked = text(args or {}, "selector")
        if asked:
            desired = self.world.read(self.world.newest())[1].desired
            picked = selector.hosts(asked, desired.hosts if desired is not None else {})
            with self._asking:
                self._asked |= set(picked)
        # Counted before it is woken: the round may begin, and end, before this line is left. One that runs now began
        # before this: what was asked for is done when the one after it has ended.
        running, caused, told = self._ended < self._begun, self._begun + 1, self.bus.last_id
        self._contents.now()
        fetch = 0
        if self._poller is not None:
            fetch = self._poller.now()
        else:
            self.daemon.wakes.wake("sync")
        tip = self.world.repo.tip()
        return {"format": 1, "tip": tip, "running": running, "round": caused, "fetch": fetch, "event": told}

    def contents(self, args: Mapping[str, Any]) -> dict[str, Any]:
        """Ask what comes from outside the repository whether it changed; who says so never says what. Comes back at once."""
        return {"format": 1, "seconds": self._contents.soon()}

    def wait(self, args: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
        """Events until the verdict on `commit` (the tip's, when empty), for `limit` seconds at most; with `round` and
        `fetch` and `event`, as `sync` gave them, not before that round has ended, nor the first one after that fetch."""
        repo = self.world.repo
        assert isinstance(repo, GitRepo)
        limit, after, fetch = _number(args, "limit", LIMIT), _number(args, "round", 0), _number(args, "fetch", 0)
        return wait(
            repo,
            self.bus,
            lambda: self._stands if self._ended >= max(after, self._after(fetch)) else None,
            lambda: self.daemon.running,
            text(args, "commit"),
            limit,
            after=int(_number(args, "event", 0)) if after or fetch else None,
            fetch_trouble=lambda: self.world.fetch_trouble if fetch else "",
        )

    def _after(self, fetch: float) -> float:
        """The first round after a fetch that was asked for; infinite while that one is under way."""
        return next((first for asked, first in list(self._fetches) if asked >= fetch), math.inf) if fetch else 0

    def standing(self, args: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """What the daemon is about, and how the fleet stood after the last round."""
        stands = self._stands.json() if self._stands else None
        return {
            "format": 1,
            "running": self.daemon.running,
            "standing": stands,
            "fetchTrouble": self.world.fetch_trouble,
        }

    def doctor(self, args: Mapping[str, Any]) -> dict[str, Any]:
        """What `trueup doctor` finds, of this machine or of the way to `host`. Raises Refused for a host nobody declares."""
        from ..doctor.asked import made

        return {"format": 1, "checks": [finding.json() for finding in made(self.world.settings, text(args, "host"))]}

    def waking(self, name: str) -> Callable[[Mapping[str, Any]], Mapping[str, Any]]:
        """The act `name`, and then a round at once: after it hosts are due that were not when the daemon went to sleep."""

        def act(args: Mapping[str, Any]) -> Mapping[str, Any]:
            answer = ASKS[name](self.world, args)
            if answer.get("done", True):
                self.daemon.wakes.wake(name)
            return answer

        return act

    def observe(self, args: Mapping[str, Any]) -> Mapping[str, Any]:
        """What only a whole look finds would be forgotten by the next one: what is to be done about it is done at once."""
        answer = ASKS["observe"](self.world, args)
        if args.get("whole") and answer["changes"]:
            self.daemon.wakes.wake("observe")
        return answer

    def stop(self) -> None:
        self.world.stopping = True
        self.daemon.stop()

    # ---- what wakes

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Follow the repository while the block runs, by inotify here, by fetching a remote; and what is outside of it."""
        self._contents.start()
        try:
            with self._following():
                yield
        finally:
            self._contents.stop()

    @contextmanager
    def _following(self) -> Iterator[None]:
        repo = self.world.repo
        assert isinstance(repo, GitRepo)
        heads = Heads(repo.branches, repo.branch, lambda: self._contents.now(own=True))
        if repo.remote:
            self._poller = Poller(repo.fetch, partial(self._fetched, heads), self.world.settings.poll_every)
            self._poller.start()
            try:
                yield
            finally:
                self._poller.stop()
            return
        watch = RefWatch(
            repo.git_dir,
            repo.tip,
            lambda: self.daemon.wakes.wake("push"),
            lambda text: self.log.say("watch-failed", level="warning", text=text),
            also=heads.look,
        )
        watch.start()
        try:
            yield
        finally:
            watch.stop()

    def _fetched(self, heads: Heads, moved: bool, asked: int, trouble: str) -> None:
        if trouble != self.world.fetch_trouble:
            self.world.fetch_trouble = trouble
            if trouble:
                self.log.say("fetch-failed", level="error", text=trouble)
            else:
                self.log.say("fetch-well", text="the remote answers again")
        heads.look()
        if asked:
            self._fetches.append((asked, self._begun + 1))
        if moved or asked:
            self.daemon.wakes.wake("push" if moved and not asked else "sync")


def _number(args: Mapping[str, Any], name: str, default: float) -> float:
    value = args.get(name) or default
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < 1e9:
        raise wire.refused("door-bad-argument", f"{name} must be a number, not {str(value)[:40]!r}")
    return float(value)


__all__ = ["Server"]
