"""Kinds, and the resources of one kind over the fleet."""

from __future__ import annotations

from ..clock import rfc3339
from ..core.model import Json, Ref
from .host import resource_json
from .view import DRIFTED, FAILED, PENDING, RIGHT, UNSURE, VERDICTS, View

PAGE = 50


def kinds(view: View) -> dict[str, Json]:
    """Every kind with its numbers, in one query, and what it is."""
    rows = view.db.rows(
        f"SELECT one.res_id, count(*), count(*) FILTER (one.what <> {RIGHT}) FROM ({view.resources()}) one GROUP BY one.res_id",
        view.values,
    )
    found: dict[str, list[int]] = {name: [0, 0, 0] for name in view.kinds.by_name}
    for res_id, count, differ in rows:
        ref = _ref(view, res_id)
        numbers = found.setdefault(ref.kind, [0, 0, 0])
        numbers[0] += 1
        numbers[1] += count
        numbers[2] += differ
    return {
        "format": 1,
        "kinds": [
            {
                "kind": name,
                "description": str(view.kinds.schemas.get(name, {}).get("description", "")),
                "names": numbers[0],
                "resources": numbers[1],
                "differ": numbers[2],
            }
            for name, numbers in sorted(found.items())
        ],
    }


def _ref(view: View, res_id: int) -> Ref:
    found = view.sheet.ref_names.get(res_id)
    if found is not None:
        return found
    kind, name = view.db.rows("SELECT kind, name FROM resource WHERE res_id = ?", [res_id])[0]
    return Ref(kind, name)


def kind(view: View, name: str, *, find: str = "", after: str = "", limit: int = PAGE) -> dict[str, Json]:
    """The resources of one kind by name, each with how many hosts have it and how many of them differ."""
    rows = view.db.rows(
        f"""
        SELECT one.res_id, count(*), count(*) FILTER (what = {RIGHT}), count(*) FILTER (what = {FAILED}),
            count(*) FILTER (what = {UNSURE}), count(*) FILTER (what = {DRIFTED}), count(*) FILTER (what = {PENDING})
        FROM ({view.resources()}) one GROUP BY one.res_id
        """,
        view.values,
    )
    places = {
        Ref(spread.manifest.kind, spread.manifest.name): spread.manifest.source for spread in view.sheet.desired.spreads
    }
    named = sorted((ref.name, numbers) for res_id, *numbers in rows if (ref := _ref(view, res_id)).kind == name)
    matching = [(one, numbers) for one, numbers in named if find.lower() in one.lower()]
    rest = [(one, numbers) for one, numbers in matching if one > after] if after else matching
    shown = rest[:limit]
    return {
        "format": 1,
        "kind": name,
        "description": str(view.kinds.schemas.get(name, {}).get("description", "")),
        "resources": [
            {
                "name": one,
                "hosts": hosts,
                "counts": {
                    VERDICTS[what].value: count
                    for what, count in (
                        (FAILED, failed),
                        (UNSURE, unsure),
                        (DRIFTED, drifted),
                        (PENDING, pending),
                        (RIGHT, right),
                    )
                },
                "differ": hosts - right,
                "source": {"path": source.path, "line": source.line}
                if (source := places.get(Ref(name, one)))
                else None,
            }
            for one, (hosts, right, failed, unsure, drifted, pending) in shown
        ],
        "matching": len(matching),
        "total": len(named),
        "next": shown[-1][0] if len(rest) > limit else "",
    }


def resource(view: View, kind_: str, name: str, *, after: str = "", limit: int = PAGE) -> dict[str, Json]:
    """One resource on its hosts, those that differ first; empty `hosts` when nobody declares or owns it."""
    number = view.sheet.refs.get(Ref(kind_, name))
    if number is None:
        found = view.db.rows("SELECT res_id FROM resource WHERE kind = ? AND name = ?", [kind_, name])
        number = found[0][0] if found else -1
    rows = view.db.rows(
        f"SELECT one.host_id, one.what FROM ({view.resources('w.res_id = $res')}) one", {**view.values, "res": number}
    )
    order = sorted((what == RIGHT, view.sheet.host_names[host_id], host_id) for host_id, what in rows)
    rest = [row for row in order if f"{int(row[0])}:{row[1]}" > after] if after else order
    shown = rest[:limit]
    details = {one["host"]: one for one in view.details([(row[2], number) for row in shown])}
    spreads = [
        spread for spread in view.sheet.desired.spreads if (spread.manifest.kind, spread.manifest.name) == (kind_, name)
    ]
    sources = [{"path": spread.manifest.source.path, "line": spread.manifest.source.line} for spread in spreads]
    return {
        "format": 1,
        "kind": kind_,
        "name": name,
        "sources": sources,
        "selectors": [spread.manifest.selector for spread in spreads],
        "hosts": [{"host": row[1], **resource_json(view.kinds, details[row[1]])} for row in shown if row[1] in details],
        "differ": sum(1 for row in order if not row[0]),
        "total": len(order),
        "next": f"{int(shown[-1][0])}:{shown[-1][1]}" if len(rest) > limit else "",
    }


__all__ = ["kind", "kinds", "resource", "rfc3339"]
