"""Reads groups on a host. Standard library, Python 3.8 on; writes nothing.

A request is {"name": NAME}; an answer {"state": {"gid": NUMBER}}, {"absent": true} or {"unknown": WHY}.
"""

from __future__ import annotations

import grp
import json
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:  # not imported on hosts: it would cost each of them milliseconds
    from typing import Any

GROUP = "/etc/group"


def probe(requests: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Answers in the order of `requests`; /etc/group is read once."""
    try:
        groups = read_groups()
    except OSError as error:
        return [{"unknown": "%s: %s" % (GROUP, error.strerror)} for _ in requests]
    return [answer(request, groups) for request in requests]


def read_groups() -> dict[str, str]:
    """Name → gid of the local groups; the first line of a name counts, as for getgrnam(3)."""
    groups: dict[str, str] = {}
    with open(GROUP, encoding="utf-8", errors="surrogateescape") as lines:
        for line in lines:
            fields = line.rstrip("\n").split(":")
            if len(fields) == 4 and fields[0] and fields[0][0] not in "#+-":
                groups.setdefault(fields[0], fields[2])
    return groups


def answer(request: dict[str, Any], groups: dict[str, str]) -> dict[str, Any]:
    name = request.get("name")
    if not isinstance(name, str):
        return {"unknown": "the request has no name"}
    if name not in groups:
        return elsewhere(name)
    try:
        return {"state": {"gid": int(groups[name])}}
    except ValueError:
        return {"unknown": "%s: the line of %s has no number" % (GROUP, name)}


def elsewhere(name: str) -> dict[str, Any]:
    """A group that a directory service knows is not ours to make or remove (nsswitch.conf(5))."""
    try:
        grp.getgrnam(name)
    except (KeyError, ValueError):
        return {"absent": True}
    except OSError as error:
        return {"unknown": "the directory service doesn't answer: %s" % error}
    return {"unknown": "%s comes from a directory service, not from %s" % (name, GROUP)}


if __name__ == "__main__":
    json.dump(probe(json.load(sys.stdin)), sys.stdout)
