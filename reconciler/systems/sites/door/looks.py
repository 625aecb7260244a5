"""Questions about sites: all of them, and one."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from reconciler.clock import rfc3339
from reconciler.core.model import Desired, Json, Ref
from reconciler.core.problem import Problem, Refused
from reconciler.door.looking import add_authors, commit_json, in_force, limit, required, store_of, text
from reconciler.manifests import words

from ..store import observed, parsed
from ..store.releases import Release, outcomes, releases
from .declared import KIND, Declared, problems_of, sites

if TYPE_CHECKING:
    from reconciler.store.view import View
    from reconciler.world import World

Args = Mapping[str, Json]

PAGE = 50
RELEASES = 20
CERTIFICATES = 50
PROBLEMS = 50
"""Rows of one site's page that are shown; more are counted."""


def all_sites(world: World, args: Args) -> dict[str, Json]:
    """A page of sites by name: `find` (text in the name or a domain), `after`, `limit`."""
    desired = in_force(world) or Desired()
    declared = sites(desired)
    matching = [site for site in declared.values() if site.has(text(args, "find"))]
    after = text(args, "after")
    rest = [site for site in matching if site.name > after] if after else matching
    shown = rest[: limit(args, PAGE)]
    return {
        "format": 1,
        "now": rfc3339(world.now()),
        "sites": _rows(world, store_of(world).view(desired), shown) if shown else [],
        "matching": len(matching),
        "total": len(declared),
        "next": shown[-1].name if len(rest) > len(shown) else "",
    }


def _rows(world: World, view: View, shown: Sequence[Declared]) -> list[dict[str, Json]]:
    numbers = {site.name: view.sheet.refs[Ref(KIND, site.name)] for site in shown}
    res_ids = list(numbers.values())
    parsed.fresh(view.db, KIND)
    stands = observed.standing(view, res_ids)
    keys = observed.certificates(view.db, res_ids, 1)
    asked = observed.traffic(view.db, res_ids)
    made = releases(view.db, res_ids)
    return [
        {
            **_head(site, stands[number], made[number]),
            "certificate": _ending(keys[number][0], world.now()) if keys[number] else None,
            "traffic": asked.get(number),
        }
        for site, number in zip(shown, res_ids, strict=True)
    ]


def _head(site: Declared, stood: observed.Standing, made: Sequence[Release]) -> dict[str, Json]:
    newest = made[0] if made and made[0].release == site.release else None
    return {
        "site": site.name,
        "domains": site.domains(),
        "release": site.release,
        "since": newest.at if newest else stood.applied_at,
        "commit": newest.commit if newest else "",
        "files": stood.files,
        "bytes": stood.bytes,
        "hosts": stood.hosts,
        "counts": stood.counts,
        "serving": stood.releases.get(site.release, 0),
    }


def _ending(key: Mapping[str, Json], now: float) -> dict[str, Json]:
    """A certificate, and how many days it is good for still."""
    left = None
    if key["ends"]:
        left = (datetime.datetime.fromisoformat(str(key["ends"])).timestamp() - now) / 86_400
    shown = {name: said for name, said in key.items() if name != "total"}
    return {**shown, "daysLeft": None if left is None else int(left // 1)}


# ---------------------------------------------------------------- one


def one_site(world: World, args: Args) -> dict[str, Json]:
    """One site: its hosts, releases, certificates, traffic, and what `check` found in it; `after` and `limit` of hosts."""
    from reconciler.store import kinds as lists

    name = text(args, "site")
    desired = required(world)
    declared = sites(desired)
    if name not in declared:
        raise _unknown(name, declared)
    site = declared[name]
    view = store_of(world).view(desired)
    number = view.sheet.refs[Ref(KIND, name)]
    parsed.fresh(view.db, KIND)
    hosts = lists.resource(view, KIND, name, after=text(args, "after"), limit=limit(args, PAGE))
    sources = [{"source": source} for source in site.sources]
    add_authors(world, desired, sources)
    made = releases(view.db, [number])[number]
    keys = observed.certificates(view.db, [number], CERTIFICATES)[number]
    outcomes(view.db, number, made[:RELEASES])
    wrong = problems_of(site, desired, world.read(desired.commit.id)[1].problems)
    return {
        "format": 1,
        "now": rfc3339(world.now()),
        "wanted": commit_json(desired.commit),
        **_head(site, observed.standing(view, [number])[number], made),
        "sources": [one["source"] for one in sources],
        "selectors": hosts["selectors"],
        "rows": _hosts(view, number, hosts["hosts"]),
        "total": hosts["total"],
        "differ": hosts["differ"],
        "next": hosts["next"],
        "releases": [release.json() for release in made[:RELEASES]],
        "moreReleases": max(0, len(made) - RELEASES),
        "certificates": [_ending(key, world.now()) for key in keys],
        "moreCertificates": max(0, keys[0]["total"] - CERTIFICATES) if keys else 0,
        "traffic": observed.traffic(view.db, [number]).get(number),
        "missing": observed.missing(view.db, number),
        "problems": [{**problem.json(), "who": problem.who} for problem in wrong[:PROBLEMS]],
        "moreProblems": max(0, len(wrong) - PROBLEMS),
    }


def _hosts(view: View, number: int, shown: Sequence[Mapping[str, Json]]) -> list[dict[str, Json]]:
    """What each of these hosts serves and was asked for."""
    ids = {row["host"]: view.sheet.hosts[row["host"]] for row in shown}
    said = observed.on_hosts(view.db, number, list(ids.values()))
    return [
        {
            **{name: row[name] for name in ("host", "verdict", "why", "since", "nextTry")},
            **said.get(ids[row["host"]], observed.NOTHING),
        }
        for row in shown
    ]


def _unknown(name: str, declared: Mapping[str, Declared]) -> Refused:
    near = words.near(name, declared)
    hint = f"did you mean {near}? " if near else ""
    return Refused(
        Problem(
            code="unknown-resource", message=f"nobody declares a site {name[:200]}", hint=f"{hint}/sites lists them"
        )
    )


LOOKS = {"sites": all_sites, "site": one_site}

__all__ = ["LOOKS"]
