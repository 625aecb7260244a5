"""Visits to hosts: ops and probes out, outcomes and readings back. The only home of Ansible.

__init__   AnsibleTrip, the door            ssh        the way in to a host, and who vouches for its key
batch      one trip a host (the default)    wire       what travels, and what may come back
plain      the exported playbook            bundler    code that travels
run        one run of ansible_runner        troubles   every way in which a visit can fail
warm       Ansible, imported once           host/      what runs on a host
forget     a host leaves the fleet          collection/  what Ansible loads, or imports it
"""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Callable, Iterable, Sequence
from functools import cached_property

from ..core.kind import Kinds
from ..core.model import Host, Report, Visit
from ..kinds import folders
from ..ports import Opener
from ..settings import Settings
from . import ssh
from .batch import Batch, Pythons, kind_ops
from .bundler import Bundler
from .plain import Plain
from .run import Behind
from .warm import Warm


class AnsibleTrip:
    """Implements ports.Trip."""

    def __init__(self, kinds: Kinds, settings: Settings, opener: Opener) -> None:
        self.kinds = kinds
        self.settings = settings
        self.opener = opener
        self.behind = Behind()

    @cached_property
    def warm(self) -> Warm:
        return Warm(self.settings)

    @cached_property
    def batch(self) -> Batch:
        cache = self.settings.state_dir / "bundles"
        cache.mkdir(mode=0o700, parents=True, exist_ok=True)
        bundler = Bundler(cache, self.kinds.probes, kind_ops(folders()))
        pythons = Pythons(self.settings.state_dir / "pythons.json")
        return Batch(
            kinds=self.kinds,
            settings=self.settings,
            opener=self.opener,
            bundler=bundler,
            pythons=pythons,
            warm=self.warm,
            behind=self.behind,
        )

    def go(
        self, visits: Sequence[Visit], on_report: Callable[[Report], None], on_event: Callable[[str, str], None]
    ) -> None:
        """Make all visits; see ports.Trip."""
        if self.settings.strategy == "plain":
            changing = [visit for visit in visits if visit.changes]
            Plain(self.batch, changing, on_event).go(on_report)
            visits = [visit for visit in visits if not visit.changes]
        self.batch.go(visits, on_report, on_event)

    def read_own(self, hosts: Iterable[Host], fleet: str) -> dict[str, Report]:
        """Host name → a report with the host's own file, and no readings."""
        found: dict[str, Report] = {}
        self.batch.go(
            [Visit(host=host, fleet=fleet) for host in hosts],
            lambda report: found.__setitem__(report.host, report),
            lambda host, words: None,
        )
        return found

    def unpin(self, host: str) -> int:
        """Forget the key that was pinned for `host` at a first visit; how many there were."""
        return ssh.unpin(self.settings.known_hosts, host)

    def close(self) -> None:
        """End what was kept for the next visit: Ansible's process, and the connections."""
        try:
            self.behind.settle()
        finally:
            self.warm.close()
            self.hang_up()

    def hang_up(self) -> None:
        """End the connections that were kept for the next visit."""
        try:
            folder = ssh.control_folder(self.settings)
        except (OSError, ssh.BadAddress):
            return
        for socket in folder.iterdir():
            subprocess.run(
                ["ssh", "-F", "/dev/null", "-o", f"ControlPath={socket}", "-O", "exit", "any"],
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=10,
                env=ssh.environment(),
            )  # fmt: skip
        with contextlib.suppress(OSError):  # somebody else's connection may have come meanwhile
            folder.rmdir()
