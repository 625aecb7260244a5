"""Strategy `plain`: the exported playbook, run by Ansible task by task; then one look at each host."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from ..core.model import Change, Json, Key, Outcome, Report, Result, Trouble, Visit
from ..core.predict import owned_after
from ..core.problem import Refused
from . import playbook, private, run, ssh, troubles, yamltext
from .batch import Batch, OnReport, OnWords


class Plain:
    """One plain run over hosts that change; looks, and the host's own file, go by way of `batch`."""

    def __init__(self, batch: Batch, visits: Sequence[Visit], on_words: OnWords) -> None:
        self.batch, self.on_words = batch, on_words
        self.settings = batch.settings
        self.visits = {visit.host.name: visit for visit in visits}
        self.started = time.time()
        self.judged: dict[str, dict[Key, Outcome]] = {}
        """What the judging visit decided already."""
        self.troubles: dict[str, Trouble] = {}
        self.failed: dict[str, dict[str, tuple[str, str]]] = {name: {} for name in self.visits}
        """Host → ref → (task, message)."""
        self.ran: dict[str, dict[str, bool]] = {name: {} for name in self.visits}
        """Host → ref → whether anything changed; only refs of which a task ran."""

    def go(self, on_report: OnReport) -> None:
        """Judge by way of `batch` what is still as planned, run the playbook, look again and write down."""
        judged: dict[str, Report] = {}
        self.batch.go(
            list(self.visits.values()),
            lambda report: judged.__setitem__(report.host, report),
            self.on_words,
            adds=lambda _: {"judge": True},
        )
        for name, report in judged.items():
            if report.trouble is not None:
                on_report(report)
                del self.visits[name]
                continue
            self.judged[name] = {o.key: o for o in report.outcomes if o.result is not Result.SKIPPED}
            left = tuple(c for c in self.visits[name].changes if c.key not in self.judged[name])
            self.visits[name] = replace(self.visits[name], changes=left)
        if self.visits:
            with private.folder(self.settings) as at:
                self._play(at)
            self._look(on_report)

    def _look(self, on_report: OnReport) -> None:
        outcomes = {name: self._outcomes(visit) for name, visit in self.visits.items()}
        looks, settled = [], {}
        for name, visit in self.visits.items():
            well = {outcome.key for outcome in outcomes[name] if outcome.result is Result.OK}
            made = [
                (change, owned_after(change, change.source.commit)) for change in visit.changes if change.key in well
            ]
            own = tuple(mine for _, mine in made if mine is not None)
            gone = tuple(change.key for change, mine in made if mine is None)
            settled[name] = [[c.key.kind, c.key.name, c.want.spec.get("loaded") if c.want else None] for c, _ in made]
            looks.append(replace(visit, changes=(), ops={}, own=(*visit.own, *own), disown=(*visit.disown, *gone)))

        def ended(report: Report) -> None:
            trouble = self.troubles.get(report.host) or report.trouble
            on_report(replace(report, trouble=trouble, outcomes=outcomes[report.host], started=self.started))

        self.batch.go(looks, ended, self.on_words, adds=lambda visit: {"settled": settled[visit.host.name]})

    # ---- the run

    def _play(self, at: Path) -> None:
        secrets = playbook.Secrets()
        usable, inventory = [], {}
        (at / "ssh").mkdir(mode=0o700)
        strict = ssh.strict_run(self.settings, (bool(visit.machine_id) for visit in self.visits.values()))
        ways = ssh.Ways(self.settings, at / "ssh", strict)
        pipe = None
        try:
            password = run.become_password(self.settings)
            for name, visit in self.visits.items():
                try:
                    args = ways.args(visit.host, bool(visit.machine_id))
                except ssh.BadAddress as error:
                    self.troubles[name] = troubles.trouble("bad-address", visit.host, str(error))
                    continue
                inventory[name] = {"ansible_host": name, "ansible_ssh_args": args, "ansible_become_method": "sudo"}
                usable.append(visit)
            made = playbook.plays(usable, self.batch.kinds, secrets)
            if not made:
                return
            if secrets.names:
                path = at / "secrets.json"
                pipe = private.Pipe(path, json.dumps(self._values(secrets)).encode())
            said = run.play(
                at,
                self.settings,
                yamltext.document(made),
                inventory,
                self._event,
                password=password,
                extra=str(at / "secrets.json") if pipe else "",
            )
        except (OSError, ValueError) as error:
            for name, visit in self.visits.items():
                self.troubles.setdefault(name, troubles.trouble("become-password", visit.host, str(error)))
            return
        except Refused as refused:
            why = "; ".join(problem.message for problem in refused.problems)
            for name, visit in self.visits.items():
                self.troubles.setdefault(name, troubles.trouble("secret", visit.host, why))
            return
        finally:
            if pipe is not None:
                pipe.close()
        if said:
            for name, visit in self.visits.items():
                if not self.ran[name]:
                    self.troubles.setdefault(name, troubles.trouble("runner", visit.host, said.strip()[-300:]))

    def _values(self, secrets: playbook.Secrets) -> dict[str, Json]:
        """Secret variables with their values. Raises Refused."""
        opener = self.batch.opener
        values = {}
        for name, (host, value) in secrets.names.items():
            text = opener.open(host, value).decode("utf-8", "surrogateescape")
            values[name] = {"__ansible_unsafe": text}  # not a template, whatever it holds
        return values

    def _event(self, event: run.Event) -> None:
        data = event.get("event_data") or {}
        name, task = data.get("host"), str(data.get("task") or "")
        if name not in self.visits:
            return
        visit, res = self.visits[name], data.get("res") or {}
        change = _change_of(visit, task)
        match event.get("event"):
            case "runner_on_unreachable":
                connect = self.settings.connect_timeout
                self.troubles[name] = troubles.told(str(res.get("msg") or ""), visit.host, connect)
            case "runner_on_start":
                self.on_words(name, task)
            case "runner_on_ok" if change is not None:
                ran = self.ran[name]
                ran[str(change.key.ref)] = ran.get(str(change.key.ref), False) or bool(res.get("changed"))
            case "runner_on_failed" if change is not None:
                trouble = troubles.login(str(res.get("msg") or ""), visit.host, self.settings.connect_timeout)
                if trouble is not None:
                    self.troubles[name] = trouble
                self.ran[name].setdefault(str(change.key.ref), False)
                self.failed[name].setdefault(str(change.key.ref), (task, _message(res)))

    def _outcomes(self, visit: Visit) -> tuple[Outcome, ...]:
        name = visit.host.name
        if name in self.troubles and not self.ran[name]:
            return ()
        return (*self.judged[name].values(), *(self._outcome(change, name) for change in visit.changes))

    def _outcome(self, change: Change, name: str) -> Outcome:
        ref = str(change.key.ref)
        if ref in self.failed[name]:
            task, message = self.failed[name][ref]
            changed = self.ran[name].get(ref, False)
            return Outcome(key=change.key, result=Result.FAILED, message=message, op=task, changed=changed)
        if any(str(key.ref) in self.failed[name] for key in change.after):
            return Outcome(key=change.key, result=Result.SKIPPED, message="what comes first did not go well")
        if name in self.troubles:
            return Outcome(key=change.key, result=Result.LOST, message=self.troubles[name].why)
        if ref not in self.ran[name]:
            return Outcome(key=change.key, result=Result.SKIPPED, message="it was not reached")
        return Outcome(key=change.key, result=Result.OK, changed=self.ran[name][ref])


def _change_of(visit: Visit, task: str) -> Change | None:
    """The change that a task belongs to, by its name: `Kind/name: …`; the longest that fits, as names may hold colons."""
    fits = [change for change in visit.changes if task.startswith(playbook.title(f"{change.key.ref}:"))]
    return max(fits, key=lambda change: len(change.key.name), default=None)


def _message(res: Mapping[str, Json]) -> str:
    words = [str(res.get(name) or "").strip() for name in ("msg", "stderr")]
    return troubles.clean(": ".join(dict.fromkeys(word for word in words if word)), 2000)
