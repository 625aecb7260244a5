"""A plan as people look at it: equal changes of many hosts are one group. The text, md and page forms read this."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from ..core.kind import Kinds
from ..core.model import Action, Change, FieldChange, Json, Key, Plan, Ref, canonical
from ..core.plan import masked
from .clean import clean

SIGNS: Mapping[Action, str] = {
    Action.CREATE: "+",
    Action.UPDATE: "~",
    Action.DELETE: "-",
    Action.REPLACE: "±",
}
_ORDER = {Action.DELETE: 0, Action.REPLACE: 1, Action.UPDATE: 2, Action.CREATE: 3}


@dataclass(frozen=True, kw_only=True)
class Group:
    """The same change on one or more hosts."""

    first: Change
    hosts: tuple[str, ...]
    varies: bool = False
    """True when each host has values of its own (a template); `diffs` are then those of the first."""
    notes: tuple[str, ...] = ()
    facets: tuple[str, ...] = ()
    diffs: tuple[Diff, ...] = ()

    @property
    def ref(self) -> Ref:
        return self.first.key.ref

    @property
    def what(self) -> str:
        """The fields that change, or how it is removed."""
        if self.first.want is None:
            return self.first.on_remove
        if self.first.action is Action.CREATE:
            return ""
        return ", ".join(item.path for item in self.first.fields)

    @property
    def why(self) -> str:
        return self.first.reason.value + (" (and drifted)" if self.first.drifted else "")


@dataclass(frozen=True, kw_only=True)
class Diff:
    """One field's difference: `lines` of a unified diff for text of more than a line, else `before` and `after`."""

    path: str
    before: str = ""
    after: str = ""
    lines: tuple[str, ...] = field(default=())


def groups(kinds: Kinds, plan: Plan) -> tuple[Group, ...]:
    """Deletes first, then what touches access, reloads, and the rest; inside by kind and name."""
    found: dict[tuple[object, ...], list[Change]] = {}
    for change in plan.changes:
        found.setdefault(_alike(change), []).append(change)
    made = [_group(kinds, changes, varies) for changes, varies in _merged(list(found.values()))]
    return tuple(sorted(made, key=_weight))


MANY = 2
"""Variants of one change up to which each is a group of its own."""


def _merged(variants: list[list[Change]]) -> Iterator[tuple[list[Change], bool]]:
    """Variants of one manifest that are all different, host by host, are one group that says so; as soon as two hosts
    are alike the odd one stays a line of its own."""
    families: dict[tuple[object, ...], list[list[Change]]] = {}
    for changes in variants:
        families.setdefault(_family(changes[0]), []).append(changes)
    for family in families.values():
        if len(family) > MANY and all(len(changes) == 1 for changes in family):
            yield [changes[0] for changes in family], True
        else:
            yield from ((changes, False) for changes in family)


def _family(change: Change) -> tuple[object, ...]:
    paths = tuple(item.path for item in change.fields)
    return (change.action, change.key.ref, change.reason, change.drifted, change.on_remove, change.source, paths)


def _alike(change: Change) -> tuple[object, ...]:
    return (
        change.action,
        change.key.ref,
        change.reason,
        change.drifted,
        change.on_remove,
        change.source,
        canonical([[item.path, item.before, item.after] for item in change.fields]),
    )


def _weight(group: Group) -> tuple[object, ...]:
    access = 0 if "access" in group.facets else 1 if "reload" in group.facets else 2
    return (_ORDER[group.first.action], access, group.ref, group.hosts)


def _group(kinds: Kinds, changes: list[Change], varies: bool) -> Group:
    first = min(changes, key=lambda change: change.key)
    kind = kinds[first.key.kind]
    return Group(
        first=first,
        hosts=tuple(sorted(change.key.host for change in changes)),
        varies=varies,
        notes=tuple(clean(note) for note in kind.notes(first)),
        facets=tuple(kind.facets(first)),
        diffs=tuple(
            diff_of(item, item.path in kind.sealed)
            for item in first.fields
            if not (first.action is Action.CREATE and item.path == LOADED)
        ),
    )


SHORT = 80
"""Characters up to which a new list stands on one line."""
LOADED = "loaded"
"""The field of what has loaded others (core.kind.Kind.digests_of): {Kind/name: digest}."""


def diff_of(item: FieldChange, secret: bool = False) -> Diff:
    """A field's before and after, for people; secrets masked on both sides."""
    before, after = masked(item.before, secret), masked(item.after, secret)
    if item.path == LOADED and isinstance(after, Mapping):
        had = before if isinstance(before, Mapping) else {}
        renewed = sorted(name for name, version in after.items() if had.get(name) != version)
        return Diff(path="loads again", before="(none)", after=clean(", ".join(renewed)))
    if isinstance(after, (list, tuple)) and (isinstance(before, (list, tuple)) or before is None):
        was, will = [shown(one) for one in before or ()], [shown(one) for one in after]
        if before is None and will and len(", ".join(will)) <= SHORT:
            return Diff(path=item.path, before="(none)", after=", ".join(will))
        if len(was) + len(will) > 1:
            gone = tuple(f"-{one}" for one in was if one not in will)
            come = tuple(f"+{one}" for one in will if one not in was)
            if gone or come:
                return Diff(path=item.path, lines=(*gone, *come))
    if (isinstance(after, str) and "\n" in after) or (isinstance(before, str) and "\n" in before):
        old = before.splitlines() if isinstance(before, str) else []
        new = after.splitlines() if isinstance(after, str) else []
        if isinstance(before, (str, type(None))) and isinstance(after, (str, type(None))):
            lines = list(difflib.unified_diff(old, new, lineterm="", n=1))[2:]
            return Diff(path=item.path, lines=tuple(clean(line, keep="\t") for line in lines))
    return Diff(path=item.path, before=shown(before), after=shown(after))


def shown(value: Json) -> str:
    """A value on one line."""
    if value is None:
        return "(none)"
    if isinstance(value, str):
        return clean(value) if value else '""'
    if isinstance(value, Mapping) and "sha256" in value:
        return f"{value.get('size', '?')} bytes, sha256 {str(value['sha256'])[:12]}"
    return clean(canonical(value))


def fold(hosts: Iterable[str], most: int = 6) -> str:
    """Host names on one line: runs of numbers folded (`web-[001-380]`), the rest counted."""
    parts: list[str] = []
    run: list[tuple[str, str]] = []

    def flush() -> None:
        if len(run) > 2:
            parts.append(f"{run[0][0]}[{run[0][1]}-{run[-1][1]}]")
        else:
            parts.extend(stem + number for stem, number in run)
        run.clear()

    for name in sorted(hosts):
        stem = name.rstrip("0123456789")
        number = name[len(stem) :]
        follows = (
            run
            and number
            and run[-1][0] == stem
            and len(run[-1][1]) == len(number)
            and int(number) == int(run[-1][1]) + 1
        )
        if not follows:
            flush()
        if number:
            run.append((stem, number))
        else:
            parts.append(name)
    flush()
    parts = [clean(part) for part in parts]
    if len(parts) > most:
        return " ".join(parts[:most]) + f" and {len(parts) - most} more"
    return " ".join(parts)


def changed_hosts(plan: Plan) -> tuple[str, ...]:
    return tuple(sorted({change.key.host for change in plan.changes}))


def only(plan: Plan, *, host: str = "", kind: str = "") -> Plan:
    """The plan seen through a filter. Guards stay: they stop the whole."""
    from dataclasses import replace

    def fits(key: Key) -> bool:
        return (not host or key.host == host) and (not kind or key.kind == kind)

    return replace(
        plan,
        changes=tuple(change for change in plan.changes if fits(change.key)),
        left=tuple(left for left in plan.left if fits(left.key)),
        adopt=tuple(key for key in plan.adopt if fits(key)),
        release=tuple(key for key in plan.release if fits(key)),
    )


def not_checked(secrets: Sequence[str], most: int = 6) -> str:
    """What a plan says of secrets whose values are not at hand where it is made."""
    named = ", ".join(clean(name) for name in secrets[:most])
    more = f" and {len(secrets) - most:,} more" if len(secrets) > most else ""
    return f"{named}{more} not checked: its value is not at hand here, so it counts as unchanged"
