"""Kinds, and the resources of one kind over the fleet."""

from __future__ import annotations

from ..clock import rfc3339
from ..core.model import Json, Ref
from .counting import MANY
from .host import resource_json
from .view import DRIFTED, FAILED, PENDING, RIGHT, UNSURE, VERDICTS, View

PAGE = 50


def kinds(view: View) -> dict[str, Json]:
    """Every kind with its numbers, and what it is."""
    rows = [(res_id, sum(numbers), sum(numbers) - numbers[RIGHT]) for res_id, numbers in _by_resource(view).items()]
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


def _by_resource(view: View) -> dict[int, list[int]]:
    """Each resource → on how many hosts it is right, failed, …, by the numbers of terms.py.

    Where all is right on a host, that is what is wanted there: only the others are joined.
    """
    unlike = view.unlike()
    some = ", ".join(map(str, unlike)) or "NULL"
    joined = view.resources(only=unlike if len(unlike) <= MANY else None)
    rows = view.db.rows(
        f"SELECT res_id, {RIGHT}, count(*) FROM {view.sheet.want} WHERE host_id NOT IN ({some}) GROUP BY res_id "
        f"UNION ALL SELECT res_id, what, count(*) FROM ({joined}) WHERE host_id IN ({some}) GROUP BY res_id, what"
        if unlike
        else f"SELECT res_id, {RIGHT}, count(*) FROM {view.sheet.want} GROUP BY res_id",
        view.values if unlike else (),
    )
    found: dict[int, list[int]] = {}
    for res_id, what, count in rows:
        found.setdefault(res_id, [0] * len(VERDICTS))[what] += count
    return found


def _ref(view: View, res_id: int) -> Ref:
    found = view.sheet.ref_names.get(res_id)
    if found is not None:
        return found
    kind, name = view.db.rows("SELECT kind, name FROM resource WHERE res_id = ?", [res_id])[0]
    return Ref(kind, name)


def kind(view: View, name: str, *, find: str = "", after: str = "", limit: int = PAGE) -> dict[str, Json]:
    """The resources of one kind by name, each with how many hosts have it and how many of them differ."""
    rows = _by_resource(view)
    places = {
        Ref(spread.manifest.kind, spread.manifest.name): spread.manifest.source for spread in view.sheet.desired.spreads
    }
    named = sorted((ref.name, numbers) for res_id, numbers in rows.items() if (ref := _ref(view, res_id)).kind == name)
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
                "hosts": sum(numbers),
                "counts": {VERDICTS[what].value: numbers[what] for what in (FAILED, UNSURE, DRIFTED, PENDING, RIGHT)},
                "differ": sum(numbers) - numbers[RIGHT],
                "source": {"path": source.path, "line": source.line}
                if (source := places.get(Ref(name, one)))
                else None,
            }
            for one, numbers in shown
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
