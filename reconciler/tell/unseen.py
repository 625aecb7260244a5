"""Declared things that nobody looked at yet, in the words that plan, push and pull request share.

A commit that adds a thing has these on hosts that are well known: no look was for it. To say *nothing changes* of such a
commit would be wrong: what it does shows at the look that comes before its roll-out.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ..core.model import Plan, Ref, Source
from ..core.model.observed import OLDER_PROBE
from .clean import clean, plural

FIRST = "trueup looks before it does anything, and makes what is missing"

AGAIN = "this version of trueup reads them otherwise: a daemon looks by itself, else trueup observe"


@dataclass(frozen=True, kw_only=True)
class Unseen:
    """One thing, and the hosts on which nobody looked at it."""

    ref: Ref
    hosts: tuple[str, ...]
    source: Source

    @property
    def where(self) -> str:
        return clean(self.hosts[0]) if len(self.hosts) == 1 else plural(len(self.hosts), "host")

    @property
    def what(self) -> str:
        return f"{self.ref.kind} {clean(self.ref.name)}"


def things(plan: Plan) -> tuple[Unseen, ...]:
    """By thing, in the order of the plan's keys."""
    hosts: dict[Ref, list[str]] = {}
    sources: dict[Ref, Source] = {}
    for left in plan.unseen:
        hosts.setdefault(left.key.ref, []).append(left.key.host)
        sources.setdefault(left.key.ref, left.source)
    return tuple(Unseen(ref=ref, hosts=tuple(on), source=sources[ref]) for ref, on in hosts.items())


def counted(plan: Plan) -> str:
    """`1 thing on 2 hosts is not looked at yet`."""
    count, hosts = len(things(plan)), len({left.key.host for left in plan.unseen})
    return f"{plural(count, 'thing')} on {plural(hosts, 'host')} {'is' if count == 1 else 'are'} not looked at yet"


def first(plan: Plan) -> str:
    """What happens before anything is done, and what whoever reads it may do."""
    return AGAIN if any(left.why == OLDER_PROBE.why for left in plan.unseen) else FIRST


def lines(plan: Plan, most: int) -> Iterator[str]:
    """One line a thing, without its place."""
    found = things(plan)
    for thing in found[:most]:
        yield f"? {thing.where}  {thing.what}  not looked at yet"
    if len(found) > most:
        yield f"? and {len(found) - most:,} more not looked at yet"


__all__ = ["FIRST", "Unseen", "counted", "first", "lines", "things"]
