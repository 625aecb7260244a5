"""Strategy `batch`: one trip a host carries probes, ops and everything they need, and brings one answer back."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from queue import SimpleQueue

from ..core.kind import Kinds
from ..core.model import Host, Json, Report, Trouble, Visit
from ..ports import Opener
from ..settings import Settings
from . import cargo, private, run, ssh, start, troubles, wire
from .bundler import Bundler, CannotBundle, boot
from .pack import Pack
from .warm import Warm

OnReport = Callable[[Report], None]
OnWords = Callable[[str, str], None]
Adds = Callable[[Visit], Mapping[str, Json]]


def _nothing(visit: Visit) -> Mapping[str, Json]:
    return {}


PLAY = json.dumps(
    [
        {
            "name": "Visit",
            "hosts": "all",
            "gather_facts": False,
            "tasks": [{"name": "Visit", "trueup.host.visit": {"order": "{{ trueup_order }}"}}],
        }
    ]
)


class Pythons:
    """Which Python each host has, from its last answer: its magic number decides what code it is sent."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            known = json.loads(path.read_text(encoding="utf-8"))
            self._known = {str(host): str(magic) for host, magic in known.items()}
        except (OSError, ValueError, AttributeError):
            self._known = {}
        self._dirty = False

    def of(self, host: str) -> str:
        return self._known.get(host, "")

    def learn(self, host: str, magic: Json) -> None:
        if isinstance(magic, str) and 0 < len(magic) <= 16 and magic.isalnum() and self._known.get(host) != magic:
            self._known[host] = magic
            self._dirty = True

    def save(self) -> None:
        if self._dirty:
            part = self._path.with_suffix(".part")
            part.write_text(json.dumps(self._known, sort_keys=True), encoding="utf-8")
            part.rename(self._path)
            self._dirty = False


@dataclass(frozen=True, kw_only=True)
class Batch:
    kinds: Kinds
    settings: Settings
    opener: Opener
    bundler: Bundler
    pythons: Pythons
    warm: Warm
    behind: run.Behind

    def go(self, visits: Sequence[Visit], on_report: OnReport, on_words: OnWords, *, adds: Adds = _nothing) -> None:
        """All visits in one run. `on_report` once for each host, as it ends; `adds` adds to a visit's order. Comes back
        with the last report; what Ansible still does then goes on `behind`, and raises at the next run or at the close."""
        if visits:
            self.behind.settle(run.Behind.MOST)
            with ExitStack() as ends:
                at = ends.enter_context(private.folder(self.settings))
                _Run(self, at, visits, on_report, on_words, adds).go(ends)


class _Run:
    """One run under way."""

    def __init__(
        self, batch: Batch, at: Path, visits: Sequence[Visit], on_report: OnReport, on_words: OnWords, adds: Adds
    ) -> None:
        self.batch, self.at, self.visits, self.adds = batch, at, visits, adds
        self.on_report, self.on_words = on_report, on_words
        self.settings = batch.settings
        self.memory = private.MemoryFile("orders")
        self.orders: dict[str, wire.Order] = {}
        """By the name in Ansible's inventory, `h1`, so that no host's name can mean anything to Ansible."""
        self.started = time.time()
        self.begun: dict[str, float] = {}
        self.open: set[str] = set()
        self.loads: dict[str, cargo.Load] = {}
        """Of the hosts whose visit has cargo, by the same name."""
        self.events: SimpleQueue[run.Event | None] = SimpleQueue()
        self.jumps: dict[str, Trouble] = {}
        """Jump host → what is wrong with it."""

    def go(self, ends: ExitStack) -> None:
        """`ends` closes what the run stands on."""
        ends.callback(self.memory.close)
        try:
            password = self._password()
            inventory = {} if password is None else self._inventory()
            self.open = set(inventory)
            said = ""
            if self.loads:
                ends.callback(self._depot().close)
            if inventory:
                said = run.play(
                    self.at, self.settings, PLAY, inventory, self._event, warm=self.batch.warm, password=password or "",
                    enough=lambda: not self.open, behind=self.batch.behind, ends=ends,
                    events=self.events,
                )  # fmt: skip
            for alias in sorted(self.open):
                self._end(alias, troubles.trouble("runner", self.orders[alias].visit.host, said.strip()[-300:]))
        finally:
            self.batch.pythons.save()

    def _password(self) -> str | None:
        if not any(visit.host.become for visit in self.visits):
            return ""
        try:
            return run.become_password(self.settings)
        except (OSError, ValueError) as error:
            for visit in self.visits:
                trouble = troubles.trouble("become-password", visit.host, str(error))
                self.on_report(self._report(visit, trouble=trouble))
            return None

    def _depot(self) -> cargo.Depot:
        """Has the contents that the hosts lack."""
        first = next(iter(self.loads.values())).host.name

        def read(blob: str) -> bytes:
            return self.batch.opener.open(first, {"blob": blob})

        def words(alias: str, text: str) -> None:
            self.events.put({"event": "cargo", "event_data": {"host": alias, "words": text}})

        pack = Pack(self.at / "cargo.pack", self.settings.state_dir / "cache" / "packed", read)
        return cargo.Depot(self.at, pack, self.loads, self.memory.add, words, at_once=self.settings.forks)

    # ---- making ready

    def _inventory(self) -> dict[str, dict[str, Json]]:
        """Every host's variables; who can't be made ready is reported and left out."""
        ways_folder = self.at / "ssh"
        ways_folder.mkdir(mode=0o700)
        strict = ssh.strict_run(self.settings, (bool(visit.machine_id) for visit in self.visits))
        ways = ssh.Ways(self.settings, ways_folder, strict)
        program = boot()
        head = self.memory.add(b"%d\n" % len(program) + program)
        inventory: dict[str, dict[str, Json]] = {}
        for number, visit in enumerate(self.visits, 1):
            alias = f"h{number}"
            try:
                inventory[alias] = self._host(alias, visit, ways, head)
            except ssh.BadAddress as error:
                self.on_report(self._report(visit, trouble=troubles.trouble("bad-address", visit.host, str(error))))
            except (CannotBundle, OSError) as error:
                self.on_report(self._report(visit, trouble=troubles.trouble("runner", visit.host, str(error))))
        return inventory

    def _host(self, alias: str, visit: Visit, ways: ssh.Ways, head: tuple[str, int, int]) -> dict[str, Json]:
        batch, host = self.batch, visit.host
        args = ways.args(host, bool(visit.machine_id))
        order = wire.order(
            visit, batch.kinds, self.settings, batch.opener, batch.bundler.core_version, adds=self.adds(visit)
        )
        kinds = frozenset(look.key.kind for look in visit.looks)
        bundle = batch.bundler.bundle(order.modules, kinds, batch.pythons.of(host.name))
        sizes = self.memory.add(b"%d %d %d\n" % (bundle.index, bundle.blob, len(order.payload)))
        payload = self.memory.add(order.payload)
        path = self.at / f"{alias}.order"
        answer = self.at / f"{alias}.answer"
        wanted = cargo.freight(visit)
        if wanted:
            self.loads[alias] = cargo.Load(host, wanted, answer, self.settings.look_limit + self._given(visit))
        path.write_text(
            json.dumps(
                {
                    "command": start.command(host.bootstrap),
                    "parts": [head, sizes, (str(bundle.path), bundle.offset, bundle.index + bundle.blob), payload],
                    "answer": str(answer),
                    "limit": self.limit(visit),
                    "cargo": str(self.at) if wanted else "",
                    "alias": alias,
                }
            ),
            encoding="utf-8",
        )
        self.orders[alias] = order
        become = {"ansible_become": True, "ansible_become_method": "sudo", "ansible_become_user": host.become_user}
        return {
            "ansible_host": host.name,
            "ansible_ssh_args": args,
            "trueup_order": str(path),
            **(become if host.become else {}),
        }

    def limit(self, visit: Visit) -> float:
        """Seconds that this visit may take: a change may install for long, who is only looked at answers soon."""
        if visit.changes or visit.own:  # with what is owned now a command may run that an earlier visit left due
            return self.settings.visit_limit
        return min(self.settings.look_limit + self._given(visit), self.settings.visit_limit)

    def _given(self, visit: Visit) -> float:
        """Who has never shown a Python may have to be given one first: seconds for that."""
        return start.LIMIT if visit.host.bootstrap and not self.batch.pythons.of(visit.host.name) else 0

    # ---- hearing

    def _event(self, event: run.Event) -> None:
        data = event.get("event_data") or {}
        alias = data.get("host")
        if alias not in self.open:
            return
        visit = self.orders[alias].visit
        match event.get("event"):
            case "runner_on_start":
                self.begun[alias] = time.time()
                self.on_words(visit.host.name, f"changes: {len(visit.changes)}" if visit.changes else "looking")
            case "cargo":
                self.on_words(visit.host.name, data["words"])
            case "runner_on_ok" | "runner_on_failed" | "runner_on_unreachable":
                self._heard(alias, data.get("res") or {})

    def _heard(self, alias: str, res: Mapping[str, Json]) -> None:
        order, host = self.orders[alias], self.orders[alias].visit.host
        connect, limit = self.settings.connect_timeout, float(res.get("limit") or self.limit(order.visit))
        load = self.loads.get(alias)
        if load is not None and load.trouble is not None:
            self._end(alias, load.trouble)
            return
        path = self.at / f"{alias}.answer"
        try:
            if path.stat().st_size > wire.MOST_SAID:
                raise wire.BadAnswer("it is too big")
            answer = wire.unframe(path.read_text(encoding="ascii", errors="replace"), order.mark)
            report = wire.report(order.visit, answer, time.time(), connect)
            report = replace(report, outcomes=(*report.outcomes, *start.installed(host, str(res.get("msg") or ""))))
            self.batch.pythons.learn(host.name, answer.get("magic"))
        except (OSError, wire.BadAnswer) as error:
            said = str(res.get("msg") or "")
            if res.get("hung"):
                trouble = troubles.trouble("hang", host, "", connect, limit)
            elif res.get("rc") == 0:
                trouble = troubles.trouble("bad-answer", host, str(error), connect)
            elif res.get("rc") == 98:
                trouble = troubles.trouble("closed", host, "while it was sent", connect)
            else:
                trouble = self._on_the_way(host, troubles.told(said, host, connect, limit))
            self._end(alias, trouble)
            return
        finally:
            path.unlink(missing_ok=True)
        self._end(alias, report=report)

    def _on_the_way(self, host: Host, found: Trouble) -> Trouble:
        """With a kept connection, ssh throws away what the jump host's ssh says: ask it once more, for its words alone."""
        if not host.proxy_jump or found.code not in ("too-many", "jump-failed", "closed"):
            return found
        if host.proxy_jump not in self.jumps:
            said = ssh.words(self.at / "ssh" / f"{host.name}.conf", host, self.settings.connect_timeout)
            told = troubles.told(said, host, self.settings.connect_timeout)
            self.jumps[host.proxy_jump] = replace(told, why=f"on the way, at {host.proxy_jump}: {told.why}")
        return self.jumps[host.proxy_jump]

    def _end(self, alias: str, trouble: Trouble | None = None, report: Report | None = None) -> None:
        self.open.discard(alias)
        load = self.loads.get(alias)
        sent = load is None or load.sent
        self.on_report(self._report(self.orders[alias].visit, trouble, report, self.begun.get(alias), sent))

    def _report(
        self,
        visit: Visit,
        trouble: Trouble | None = None,
        report: Report | None = None,
        started: float | None = None,
        sent: bool = True,
    ) -> Report:
        """`sent`: it may have begun on the host what is to be done there."""
        if report is None:
            report = Report(host=visit.host.name, trouble=trouble)
        told = report.trouble
        if sent and told is not None and troubles.BY_CODE[told.code].sent and not report.outcomes:
            report = replace(report, outcomes=wire.lost(visit, told.why))
        return replace(report, started=started or self.started, ended=time.time())


def kind_ops(folders: Mapping[str, Path]) -> dict[str, str]:
    """Folder of a kind → source of its op.py, for the kinds that have one; `FOLDER.op_x` → that of each op_x.py beside
    it, which op.py imports by `from . import op_x`."""
    found = {}
    for kind, folder in folders.items():
        if (folder / "op.py").exists():
            found[kind] = (folder / "op.py").read_text(encoding="utf-8")
            found |= {
                f"{kind}.{path.stem}": path.read_text(encoding="utf-8") for path in sorted(folder.glob("op_*.py"))
            }
    return found
