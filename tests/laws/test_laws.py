"""Laws that hold in every world; each law is a sentence in its failure message. Planted bugs must break one of them
(test_planted_bugs.py)."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, event, given, settings
from hypothesis import strategies as st

from reconciler.core import guard, order, predict, select
from reconciler.core.model import Absent, Action, Backoff, Origin, Plan, Present, Reason, Unknown, WaveRun, digest
from reconciler.core.plan import PlanInput, plan, text_of

sys.path.insert(0, str(Path(__file__).parent))
from worlds import Fleet, choices, fleets, kinds, specs, state_of, without_report

EXAMPLES = int(os.environ.get("LAW_EXAMPLES", "150"))
SHRINK = os.environ.get("LAW_SHRINK") != "no"
"""A planted bug need only be found, not made small."""
law = settings(
    max_examples=EXAMPLES,
    phases=[phase for phase in Phase if SHRINK or phase is not Phase.shrink],
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
)


def given_of(fleet: Fleet, **more: object) -> PlanInput:
    rows = {row.key: row for row in select.rows(kinds(), fleet.desired, fleet.observed, fleet.owned)}
    for key in select.triggered(kinds(), fleet.desired, list(rows)):
        rows[key] = select.row(fleet.desired, key, fleet.observed, fleet.owned)
    for key in fleet.observed:
        # A store that gives too many rows must do no harm.
        rows.setdefault(key, select.row(fleet.desired, key, fleet.observed, fleet.owned))
    by_kind: dict[str, int] = {}
    by_host: dict[str, int] = {}
    for key in fleet.owned:
        by_kind[key.kind] = by_kind.get(key.kind, 0) + 1
        by_host[key.host] = by_host.get(key.host, 0) + 1
    made = PlanInput(
        kinds=kinds(),
        desired=fleet.desired,
        rows=tuple(rows[key] for key in sorted(rows)),
        owned_by_kind=by_kind,
        owned_by_host=by_host,
        pauses=fleet.pauses,
        matches={"canary=true": ["db-1"]},
        now=fleet.now,
        looked=False,
    )
    return replace(made, **more)  # type: ignore[arg-type]


def planned(fleet: Fleet) -> Plan:
    return plan(given_of(fleet))


@law
@given(fleets(), st.randoms(use_true_random=False))
def test_same_input_same_bytes(fleet: Fleet, random: object) -> None:
    given_rows = given_of(fleet)
    rows = list(given_rows.rows)
    random.shuffle(rows)  # type: ignore[attr-defined]
    one, other = plan(given_rows), plan(replace(given_rows, rows=tuple(rows)))
    assert text_of(one, kinds()) == text_of(other, kinds()), "the order of rows must not show in a plan"
    assert one.id == other.id


@law
@given(fleets())
def test_the_plan_after_its_own_success_is_empty(fleet: Fleet) -> None:
    fleet = without_report(fleet)
    made = planned(fleet)
    seen, owned = predict.simulate(kinds(), made, fleet.observed, fleet.owned)
    again = planned(replace(fleet, observed=seen, owned=owned))
    assert again.changes == (), "what a plan predicts must leave nothing to do"
    refused = {left.key for left in made.left if left.kind_of in ("unknown", "refused")}
    for resource in fleet.desired.resources():
        if resource.key not in refused:
            adopted = resource.key in owned or resource.key in made.adopt
            assert adopted, "what is declared and right ends owned"
    event(f"changes: {min(len(made.changes), 9)}")


@law
@given(fleets())
def test_nothing_is_deleted_that_is_not_owned(fleet: Fleet) -> None:
    for change in planned(fleet).changes:
        if change.action is Action.DELETE and change.want is None:
            assert change.key in fleet.owned, "a delete without ownership"
            assert fleet.desired.get(change.key) is None, "a delete of what Git declares"
            assert change.reason is Reason.REMOVED_FROM_GIT
            mine = fleet.owned[change.key]
            assert mine.origin is Origin.CREATED or mine.on_remove, (
                "found things stay unless the manifest said otherwise"
            )
            assert change.on_remove not in ("", "release"), "a removal says how"


@law
@given(fleets())
def test_unknown_never_becomes_a_change(fleet: Fleet) -> None:
    for change in planned(fleet).changes:
        assert not isinstance(fleet.observed.get(change.key, Unknown("")), Unknown), "Unknown led to a change"


@law
@given(fleets())
def test_reasons_are_true(fleet: Fleet) -> None:
    for change in planned(fleet).changes:
        mine, resource = fleet.owned.get(change.key), fleet.desired.get(change.key)
        triggered = change.fields and all(item.path == "loaded" for item in change.fields)
        if resource is None or triggered:
            continue
        if change.reason is Reason.DRIFTED:
            assert mine is not None and mine.digest == resource.meaning.digest, "drift is of what was applied as it is"
        if change.reason is Reason.EDITED_IN_GIT:
            assert mine is not None and mine.digest != resource.meaning.digest, "an edit is a new digest"
        if change.reason is Reason.NEW_IN_GIT:
            assert mine is None, "what is owned is not new"


@law
@given(fleets())
def test_guards_hold(fleet: Fleet) -> None:
    made = planned(fleet)
    deletes = [change for change in made.changes if change.action is Action.DELETE and change.owned]
    policy = fleet.desired.policy
    rules = {hit.rule for hit in made.stopped}
    if len(deletes) > policy.deletes_in_all:
        assert guard.IN_ALL in rules, "too many deletes in all pass"
    for kind in {change.key.kind for change in deletes}:
        mine = sum(1 for change in deletes if change.key.kind == kind)
        total = sum(1 for key in fleet.owned if key.kind == kind)
        limit = policy.deletes_per_kind
        met = any(hit.rule == guard.PER_KIND and hit.scope == kind for hit in made.stopped)
        assert met == (mine >= limit.from_count and mine * 100 > limit.percent * total), (
            "arithmetic of a kind's deletes"
        )
    for host in {change.key.host for change in deletes}:
        mine = sum(1 for change in deletes if change.key.host == host)
        total = sum(1 for key in fleet.owned if key.host == host)
        limit = policy.deletes_per_host
        met = any(hit.rule == guard.PER_HOST and hit.scope == host for hit in made.stopped)
        assert met == (mine >= limit.from_count and mine * 100 > limit.percent * total), (
            "arithmetic of a host's deletes"
        )


@law
@given(fleets())
def test_order_respects_edges(fleet: Fleet) -> None:
    made = planned(fleet)
    place = {change.key: number for number, change in enumerate(made.changes)}
    by_key = {change.key: change for change in made.changes}
    for change in made.changes:
        for key in change.after:
            assert key.host == change.key.host, "nothing waits for another host"
            assert place[key] < place[change.key], "what is waited for comes first"
        if change.want is None or change.action is Action.DELETE:
            continue
        for ref in order.references(kinds(), change.key.ref, change.want.spec, change.want.depends_on):
            other = by_key.get(replace(change.key, kind=ref.kind, name=ref.name))
            if other is not None and other.action is not Action.DELETE:
                assert other.key in change.after, "a reference binds"
    ranks = order.ranks(kinds().by_name, kinds().order)
    for first, then in kinds().order:
        assert ranks[first] < ranks[then], "a sentence of order.txt orders"


@law
@given(fleets())
def test_waves_hold_every_changed_host_once(fleet: Fleet) -> None:
    made = planned(fleet)
    dealt = [host for hosts in made.waves for host in hosts]
    assert sorted(dealt) == sorted({change.key.host for change in made.changes}), "each changed host is in one wave"
    assert all(change.key.host in made.waves[change.wave - 1] for change in made.changes)
    if len(made.waves) > 1 and "db-1" in dealt:
        assert made.waves[0] == ("db-1",), "the canary goes first"


@law
@given(fleets())
def test_a_failed_wave_holds_the_hosts_that_it_did_not_reach(fleet: Fleet) -> None:
    given_rows = given_of(fleet)
    made = plan(given_rows)
    if len(made.waves) < 2:
        return
    first = made.waves[0]
    broken = next(change for change in made.changes if change.wave == 1)
    commit = fleet.desired.commit.id
    run = WaveRun(commit=commit, number=1, hosts=first, counted=len(first), failed=(broken.key,))
    wanted = fleet.desired.get(broken.key)
    for until in (fleet.now + 60, fleet.now - 60):
        wait = Backoff(
            key=broken.key, digest=wanted.meaning.digest if wanted else "", commit=commit, until=until, why="disk full"
        )
        after = plan(replace(given_rows, backoffs=(wait,), wave_runs=(run,)))
        for change in after.changes:
            reached = change.key.host in first or change.reason is Reason.DRIFTED
            assert reached, "a host that the failed wave did not reach is changed"
        assert (broken.key in {change.key for change in after.changes}) == (until <= fleet.now)
        aside = {left.key for left in after.left if left.kind_of in ("held", "backoff")}
        missing = {change.key for change in made.changes} - {change.key for change in after.changes}
        assert missing <= aside, "what is held is told"
    assert plan(replace(given_rows, wave_runs=(run,))).id == made.id, "a failure that was mended holds nobody"
    other = replace(run, commit="another")
    event("held" if after.hold else "nothing to hold")
    assert plan(replace(given_rows, backoffs=(replace(wait, commit="another"),), wave_runs=(other,))).id == made.id


@law
@given(fleets())
def test_a_paused_host_is_left_alone(fleet: Fleet) -> None:
    for change in planned(fleet).changes:
        pause = fleet.pauses.get(change.key.host)
        assert pause is None or pause.until <= fleet.now, "a change on a paused host"


@law
@given(fleets())
def test_report_only_drift_is_not_healed(fleet: Fleet) -> None:
    for change in planned(fleet).changes:
        if change.reason is Reason.DRIFTED and change.want is not None:
            triggered = all(item.path == "loaded" for item in change.fields)
            assert change.want.on_drift == "heal" or triggered, "onDrift: report, and yet a change"


@law
@given(fleets())
def test_fields_name_what_differs_and_no_more(fleet: Fleet) -> None:
    for change in planned(fleet).changes:
        if change.action is Action.UPDATE and isinstance(change.have, Present) and change.want is not None:
            kind = kinds()[change.key.kind]
            assert change.fields, "an update without a field"
            for item in change.fields:
                assert item.path in kind.manages(change.want.spec), "a field that Git does not manage"
                same = item.path in change.have.state and kind.same(
                    item.path, change.want.spec[item.path], change.have.state[item.path]
                )
                assert not same or item.path == "loaded", "a field that is the same on both sides"
                assert item.path not in change.want.ignore


@law
@given(fleets())
def test_adoption_and_release_run_nothing(fleet: Fleet) -> None:
    made = planned(fleet)
    changed = {change.key for change in made.changes}
    assert not changed & set(made.adopt) and not changed & set(made.release)
    for key in made.release:
        assert key in fleet.owned and fleet.desired.get(key) is None, "release is for owned things that left Git"
    for key in made.adopt:
        assert fleet.desired.get(key) is not None and not isinstance(fleet.observed.get(key), Unknown)


@law
@given(fleets())
def test_no_sealed_value_is_told(fleet: Fleet) -> None:
    made = planned(fleet)
    text = text_of(made, kinds())
    assert '"sealed"' not in text, "a keyed hash in a plan"
    json.loads(text)


@law
@given(st.data())
def test_a_normal_spec_stays_as_it_is(data: st.DataObject) -> None:
    kind = data.draw(st.sampled_from(sorted(kinds().by_name)))
    spec = data.draw(specs(kind, "alpha"))
    again = dict(kinds()[kind].normal("alpha", spec))
    again.update({"loaded": spec["loaded"]} if "loaded" in spec else {})
    assert digest(again) == digest(spec), "normal form is a fixed point"


@law
@given(st.data())
def test_what_a_kind_predicts_can_exist(data: st.DataObject) -> None:
    import jsonschema

    from reconciler.core.model import Key

    kind = data.draw(st.sampled_from(sorted(kinds().by_name)))
    spec = data.draw(specs(kind, "alpha"))
    seen = state_of(kind, Key("web-1", kind, "alpha"), spec)
    if isinstance(seen, Present):
        state = json.loads(json.dumps(dict(seen.state), default=dict))
        jsonschema.Draft202012Validator(kinds().schemas[kind]["state"]).validate(state)
    else:
        assert isinstance(seen, Absent) and kinds()[kind].wants_absence(spec), "a creation that leaves nothing"


def test_the_generators_cover_every_kind_and_field() -> None:
    assert len(kinds().by_name) >= 6
    for kind in kinds().by_name:
        for field, values in choices(kind).items():
            assert values, f"{kind}.{field} has no example to draw"


@pytest.mark.parametrize("seed", ["0", "1", "4242"])
def test_the_hash_seed_does_not_show(seed: str) -> None:
    """House rule 1: under any hash seed the same bytes."""
    code = (
        "import sys; sys.path[:0] = [sys.argv[1]];"
        "import test_laws, worlds, random, hashlib;"
        "from hypothesis import find, settings, Phase;"
        "f = find(worlds.fleets(), lambda fleet: len(test_laws.planned(fleet).changes) > 2,"
        " settings=settings(derandomize=True, database=None, deadline=None, phases=[Phase.generate]));"
        "print(test_laws.planned(f).id)"
    )
    here = str(Path(__file__).parent)
    root = str(Path(__file__).resolve().parents[2])

    def run(with_seed: str) -> str:
        done = subprocess.run(
            [sys.executable, "-c", code, here],
            env={**os.environ, "PYTHONHASHSEED": with_seed, "PYTHONPATH": root},
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert run(seed) == run("7")
