"""One Host of the inventory, for commands that need nothing else of a fleet."""

from __future__ import annotations

from pathlib import Path

from .. import manifests
from ..core.model import Host
from ..core.problem import Problem, Refused
from ..manifests.kinds import load_kinds
from ..settings import Settings


def find(settings: Settings, name: str, place: Path | None, port: int) -> Host:
    """Host `name` of the repository at `place` (or here, or the configured one); an address as a Host of its own.

    Raises Refused for a word that is neither.
    """
    from ..planning import files_of

    address = "." in name or ":" in name
    try:
        desired = manifests.read(files_of(settings, place, ""), load_kinds(), None).desired
    except Refused:
        if not address:
            raise
        desired = None
    if desired is not None and name in desired.hosts:
        return desired.hosts[name]
    if address:
        # As ssh's own files have it: a name for ssh's configuration, and the address to go to.
        return Host(name=name.replace(":", "_"), address=name, port=port)
    raise Refused(
        Problem(
            code="no-host",
            message=f"there is no Host {name}"
            if desired is not None
            else f"the repository can't be read, and {name} is no address",
            hint="trueup check; or give an address: trueup host-keys 192.0.2.7",
        )
    )
