"""The join of the file says what core.select.rows says in plain Python, over whatever fleet."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

from reconciler.core.diff import decide
from reconciler.core.model import Absent, Desired, Key, Observation, Origin, Owned, Present, Row, Unknown
from reconciler.core.select import rows
from reconciler.store import DuckStore

from .worlds import KINDS, NOW, desired, meaning, owned, report, spread

HOSTS = ("web-1", "web-2", "db-1")
NAMES = ("hall", "/cellar/ü")
SPECS = {
    "Lamp": [{"colour": "red"}, {"colour": "RED", "watts": 5}, {"watts": 7}, {"code": {"sealed": ""}}, {}],
    "Door": [{"state": "open"}, {"state": "absent"}],
}


@some.composite
def fleets(draw: some.DrawFn) -> tuple[Desired, Desired, dict[Key, Observation], dict[Key, Owned]]:
    """What was wanted when hosts were looked at, what is wanted now, what was seen, what is owned."""
    wants = []
    for _ in range(2):
        spreads = []
        for kind, specs in SPECS.items():
            for name in draw(some.lists(some.sampled_from(NAMES), unique=True)):
                hosts = draw(some.lists(some.sampled_from(HOSTS), unique=True))
                made = [
                    meaning(
                        draw(some.sampled_from(specs)),
                        on_remove=draw(some.sampled_from(["", "keep"])),
                        ignore=draw(some.sampled_from([(), ("watts",)])),
                    )
                    for _ in range(len(hosts) + 1)
                ]
                if draw(some.booleans()):
                    spreads.append(spread(kind, name, hosts, same=made[0]))
                else:
                    spreads.append(spread(kind, name, hosts, each=dict(zip(hosts, made, strict=False))))
        wants.append(desired(draw(some.sampled_from([HOSTS, HOSTS[:2]])), *[s for s in spreads if s.hosts]))
    kept = [desired(want.hosts, *[one for one in want.spreads if set(one.hosts) <= set(want.hosts)]) for want in wants]
    seen: dict[Key, Observation] = {}
    mine: dict[Key, Owned] = {}
    for host in HOSTS:
        for kind, specs in SPECS.items():
            for name in NAMES:
                key = Key(host, kind, name)
                state = some.sampled_from(specs).map(lambda spec: Present({"watts": 9, **spec}))
                found = draw(
                    some.one_of(some.none(), state, some.just(Absent()), some.just(Unknown("no right to read")))
                )
                if found is not None:
                    seen[key] = found
                if draw(some.booleans()):
                    mine[key] = owned(
                        host,
                        kind,
                        name,
                        draw(some.sampled_from(specs)),
                        draw(some.sampled_from(Origin)),
                        draw(some.sampled_from(["", "keep"])),
                    )
    return kept[0], kept[1], seen, mine


def set_of(found: tuple[Row, ...]) -> set[Key]:
    return {row.key for row in found}


@given(fleets())
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_the_join_equals_the_reference(
    fleet: tuple[Desired, Desired, dict[Key, Observation], dict[Key, Owned]],
) -> None:
    before, after, seen, mine = fleet
    with tempfile.TemporaryDirectory() as folder:
        store = DuckStore(Path(folder) / "state.duckdb", KINDS)
        for host in HOSTS:
            found = {(key.kind, key.name): one for key, one in seen.items() if key.host == host}
            store.took(report(host, found), before, NOW)
        store.own(mine.values(), (), NOW)
        past = store.past(after)
        looked_at = {name for name, host in past.hosts.items() if host.seen_at is not None}
        expected = tuple(row for row in rows(KINDS, after, seen, mine) if row.key.host in looked_at)
        # A key that was looked at under another commit may come along although it agrees: core.diff decides, and says so.
        missing, extra = set_of(expected) - set_of(past.rows), set_of(past.rows) - set_of(expected)
        assert not missing
        for row in past.rows:
            if row.key in extra:
                assert decide(KINDS[row.key.kind], row) is None
        assert [row for row in past.rows if row.key not in extra] == list(expected)
        assert before.spreads != after.spreads or not extra
        assert (
            sum(past.owned_by_kind.values())
            == sum(past.owned_by_host.values())
            == sum(1 for key in mine if key.host in after.hosts)
        )
        assert past.unmanaged == sum(
            1
            for key, one in seen.items()
            if isinstance(one, Present) and key.host in after.hosts and key not in mine and after.get(key) is None
        )
        every = {
            row.key: row for row in store.rows_for(after, [Key(h, k, n) for h in HOSTS for k in SPECS for n in NAMES])
        }
        assert {row.key: row for row in expected}.items() <= every.items()
        store.close()
        again = DuckStore(Path(folder) / "state.duckdb", KINDS)
        assert again.past(after).rows == past.rows
        again.close()
