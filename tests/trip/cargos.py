"""Visits whose op wants contents in its host's store, and what is in the store by the host's own words."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace

from lab import LabHost
from reconciler.core.model import Freight, Json, Packing, Report, Result, Visit
from reconciler.core.problem import Problem, Refused
from reconciler.trip import AnsibleTrip

from .conftest import Fleet

STORE = "/srv/trueup/blobs"


class Contents:
    """A repository's blobs, and which of them were read."""

    def __init__(self) -> None:
        self.known: dict[str, bytes] = {}
        self.read: list[str] = []

    def add(self, data: bytes) -> str:
        blob = hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()
        self.known[blob] = data
        return blob

    def open(self, host: str, value: Mapping[str, Json]) -> bytes:
        self.read.append(value["blob"])
        if value["blob"] not in self.known:
            raise Refused(Problem(code="cannot-open", message=f"blob {value['blob']} is not here"))
        return self.known[value["blob"]]


class Sender:
    """Visits that write a small file, whose op wants contents in the store before it."""

    def __init__(self, fleet: Fleet) -> None:
        self.fleet, self.contents = fleet, Contents()
        self.number, self.token = 0, random.random()
        self.words: list[str] = []
        self.on_words: Callable[[str], object] = lambda words: None
        fleet.trip.close()
        fleet.trip = AnsibleTrip(fleet.kinds, fleet.settings, self.contents)

    def visits(self, wanted: Sequence[Freight]) -> list[Visit]:
        self.number += 1
        text = f"kind: File\nmetadata: {{name: /etc/marker}}\nspec: {{hosts: all, content: run {self.number} {self.token}}}\n"
        self.fleet.observe(text)
        made = []
        for visit in self.fleet.visits(text):
            ops = {key: tuple(replace(op, cargo=tuple(wanted)) for op in given) for key, given in visit.ops.items()}
            made.append(replace(visit, ops=ops))
        assert all(visit.changes for visit in made)
        return made

    def go(self, visits: Sequence[Visit]) -> dict[str, Report]:
        reports: dict[str, Report] = {}
        self.words.clear()
        self.fleet.trip.go(
            visits,
            lambda report: reports.__setitem__(report.host, report),
            lambda host, words: (self.words.append(words), self.on_words(words)),
        )
        return reports

    def send(self, blobs: Sequence[str], packed: Collection[Packing] = ()) -> dict[str, Report]:
        """Everything must go well."""
        self.contents.read.clear()
        reports = self.go(self.visits([Freight(blob=blob, packed=frozenset(packed)) for blob in blobs]))
        for report in reports.values():
            assert report.trouble is None, report.trouble
            assert [outcome.result for outcome in report.outcomes] == [Result.OK], report.outcomes
        return reports


def stored(host: LabHost) -> dict[str, tuple[str, int, int, str]]:
    """Name in the store → digest of what is there, mtime, bytes, and who may do what: by the host's own words."""
    out = host.run(
        f"cd {STORE} || exit; find . -type f -printf '%P %T@ %s %m:%u:%g\\n' | sort; find . -type f -exec sha1sum {{}} +"
    ).stdout
    found, sums = {}, {}
    for line in out.splitlines():
        words = line.split()
        if len(words) == 4:
            found[words[0]] = (int(words[1].partition(".")[0]), int(words[2]), words[3])
        else:
            sums[words[1].removeprefix("./")] = words[0]
    return {name: (sums[name], *more) for name, more in found.items()}


def place(blob: str) -> str:
    return f"{blob[:2]}/{blob[2:]}"


def right(contents: Contents, blob: str) -> tuple[str, int, int, str]:
    data = contents.known[blob]
    return hashlib.sha1(data).hexdigest(), int(blob[:8], 16) & 0x7FFFFFFF, len(data), "644:root:root"
