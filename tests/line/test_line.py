"""The line on fake ports: what is looked at, what runs, in which order, and what a fault leaves behind."""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from reconciler import line
from reconciler.acts import fleet as acts
from reconciler.core import visits
from reconciler.core.model import Absent, Commit, Key, Outcome, Present, Report, Result, Trouble, Untold
from reconciler.core.problem import Refused
from reconciler.manifests.kinds import load_kinds
from reconciler.secrets import Sealer
from reconciler.settings import Settings
from reconciler.world import World

sys.path.insert(0, str(Path(__file__).parent))
from fakes import FakeFiles, FakeRepo, FakeStore, FakeTrip, Killed

FLEET = """\
apiVersion: trueup.dev/v1
kind: Fleet
metadata: {name: prod}
spec: {mode: enforce}
"""


def host(name: str, labels: str = "") -> str:
    return f"""\
apiVersion: trueup.dev/v1
kind: Host
metadata:
  name: {name}
  labels: {{{labels}}}
spec: {{address: 192.0.2.{len(name)}, user: root}}
"""


def motd(text: str) -> str:
    return f"""\
apiVersion: trueup.dev/v1
kind: File
metadata: {{name: /etc/motd}}
spec:
  hosts: all
  content: "{text}"
"""


def repo_of(*more: tuple[str, str], fleet: str = FLEET, text: str = "hello") -> dict[str, str]:
    files = {
        "trueup.yaml": fleet,
        "hosts/db-1.yaml": host("db-1", 'canary: "true"'),
        "hosts/web-1.yaml": host("web-1"),
        "hosts/web-22.yaml": host("web-22"),
        "motd.yaml": motd(text),
    }
    files.update(more)
    return {path: content for path, content in files.items() if content}


@dataclass
class Events:
    said: list[tuple[str, dict[str, object]]]

    def say(self, event: str, **facts: object) -> None:
        self.said.append((event, facts))

    def of(self, event: str) -> list[dict[str, object]]:
        return [facts for name, facts in self.said if name == event]


@dataclass
class Bench:
    world: World
    repo: FakeRepo
    store: FakeStore
    trip: FakeTrip
    events: Events
    clock: list[float]

    def motd_on(self, name: str) -> str:
        seen = self.trip.world.get(Key(name, "File", "/etc/motd"), Absent())
        return str(seen.state["content"]) if isinstance(seen, Present) else ""


@pytest.fixture
def bench() -> Bench:
    kinds = load_kinds()
    repo, store, trip, events, clock = FakeRepo(), FakeStore(kinds), FakeTrip(kinds), Events([]), [1000.0]
    world = World(
        settings=Settings(),
        kinds=kinds,
        repo=repo,
        store=store,
        trip=trip,
        sealer=Sealer(None),
        tell=events,
        now=lambda: clock[0],
    )
    return Bench(world, repo, store, trip, events, clock)


def test_a_first_push_is_looked_at_then_carried_out_in_waves(bench: Bench) -> None:
    bench.repo.push(repo_of())
    line.reconcile(bench.world)
    looks, changes = bench.trip.visits[:3], bench.trip.visits[3:]
    assert looks == [("db-1", 0), ("web-1", 0), ("web-22", 0)], "nobody is changed before he was looked at"
    assert changes[0] == ("db-1", 1), "the canary goes first"
    assert sorted(changes) == [("db-1", 1), ("web-1", 1), ("web-22", 1)]
    assert [bench.motd_on(name) for name in ("db-1", "web-1", "web-22")] == ["hello"] * 3
    assert bench.store.rounds[-1][1] == "done"
    assert len(bench.store.owned) == 3


def test_nothing_to_do_visits_nobody(bench: Bench) -> None:
    bench.repo.push(repo_of())
    line.reconcile(bench.world)
    before = len(bench.trip.visits)
    seen = line.reconcile(bench.world)
    assert len(bench.trip.visits) == before
    assert seen.plan is not None and seen.plan.changes == ()
    assert len(bench.store.rounds) == 1, "a round that changes nothing is not written down"


def test_a_look_is_due_again_after_a_while_and_heals_drift(bench: Bench) -> None:
    bench.repo.push(repo_of())
    line.reconcile(bench.world)
    bench.trip.world[Key("web-1", "File", "/etc/motd")] = Absent()
    bench.clock[0] += 599
    line.reconcile(bench.world)
    assert bench.motd_on("web-1") == "", "not due yet"
    bench.clock[0] += 2
    line.reconcile(bench.world)
    assert bench.motd_on("web-1") == "hello"


def test_a_failed_canary_stops_the_plan(bench: Bench) -> None:
    bench.repo.push(repo_of())
    bench.trip.failing.add(("db-1", "/etc/motd"))
    line.reconcile(bench.world)
    assert [name for name, changes in bench.trip.visits if changes] == ["db-1"]
    assert bench.store.rounds[-1][1] == "wave 1 failed"
    assert bench.motd_on("web-1") == ""


def test_an_unreachable_host_does_not_fail_its_wave(bench: Bench) -> None:
    bench.repo.push(repo_of())
    bench.trip.away.add("db-1")
    line.reconcile(bench.world)
    assert bench.motd_on("web-1") == bench.motd_on("web-22") == "hello"
    bench.trip.away.clear()
    bench.clock[0] += 61
    line.reconcile(bench.world)
    assert bench.motd_on("db-1") == "hello", "it converges when it is back"


def test_mode_observe_looks_and_changes_nothing(bench: Bench) -> None:
    bench.repo.push(repo_of(fleet=FLEET.replace("enforce", "observe")))
    seen = line.reconcile(bench.world)
    assert seen.plan is not None and len(seen.plan.changes) == 3, "it is planned and shown"
    assert all(changes == 0 for _, changes in bench.trip.visits)
    assert bench.store.owned == {} and bench.store.rounds == []


def test_a_bad_commit_never_stops_the_last_good_one(bench: Bench) -> None:
    good = bench.repo.push(repo_of())
    line.reconcile(bench.world)
    bad = bench.repo.push(repo_of(text='oops"\n  mode: 0644\n  moode: "'))
    bench.trip.world[Key("web-1", "File", "/etc/motd")] = Absent()
    bench.clock[0] += 601
    seen = line.reconcile(bench.world)
    assert seen.commit.id == good
    assert bench.motd_on("web-1") == "hello", "drift goes on being healed"
    assert [facts["commit"] for facts in bench.events.of("refused")] == [bad]
    assert bench.store.held() == good


def test_no_valid_commit_at_all_is_said_with_its_problems(bench: Bench) -> None:
    bench.repo.push({"trueup.yaml": FLEET, "bad.yaml": "apiVersion: trueup.dev/v1\nkind: Nonsense\n"})
    with pytest.raises(Refused) as refused:
        line.reconcile(bench.world)
    assert {problem.path for problem in refused.value.problems} == {"bad.yaml"}


def test_an_empty_branch_is_said(bench: Bench) -> None:
    with pytest.raises(Refused) as refused:
        line.reconcile(bench.world)
    assert refused.value.problems[0].code == "no-commit"


def test_a_remote_that_was_never_fetched_is_fetched_before_its_branch_is_called_empty(bench: Bench) -> None:
    bench.repo.push(repo_of())
    bench.repo.elsewhere, bench.repo.commits = bench.repo.commits, []
    line.reconcile(bench.world)
    assert bench.motd_on("web-1") == "hello"


GUARDED = FLEET.replace("mode: enforce", "mode: enforce, guards: {deletesPerKind: {percent: 30, from: 1}}")


def test_a_guarded_commit_waits_and_the_one_before_stays_in_force(bench: Bench) -> None:
    good = bench.repo.push(repo_of(fleet=GUARDED))
    line.reconcile(bench.world)
    bench.repo.push(repo_of(("motd.yaml", ""), fleet=GUARDED))
    bench.trip.world[Key("web-1", "File", "/etc/motd")] = Absent()
    bench.clock[0] += 601
    seen = line.reconcile(bench.world)
    assert seen.plan is not None and [hit.rule for hit in seen.plan.stopped] == ["deletes-per-kind"]
    assert bench.motd_on("web-1") == "hello", "what the commit before wants is held"
    assert bench.store.held() == good


def test_an_accepted_guard_lets_just_that_plan_through(bench: Bench) -> None:
    bench.repo.push(repo_of(fleet=GUARDED))
    line.reconcile(bench.world)
    tip = bench.repo.push(repo_of(("motd.yaml", ""), fleet=GUARDED))
    seen = line.reconcile(bench.world)
    assert seen.plan is not None
    for plan, guard, code, hint in (
        ("0" * 8, "deletes-per-kind", "plan-changed", "trueup plan shows it"),
        (seen.plan.id, "deletes-in-all", "no-such-guard", f"trueup apply {seen.plan.id[:8]} --accept GUARD"),
    ):
        with pytest.raises(Refused) as refused:
            acts.apply(bench.world, {"plan": plan, "accept": [guard]})
        (told,) = refused.value.problems
        assert told.code == code and hint in told.hint
    answer = acts.apply(bench.world, {"plan": seen.plan.id[:8], "accept": ["deletes-per-kind"], "who": "Ada"})
    assert answer["outcome"] == "converged"
    assert bench.motd_on("web-1") == "" and bench.store.owned == {}
    assert bench.store.held() == tip


def test_a_paused_host_is_looked_at_and_left(bench: Bench) -> None:
    bench.repo.push(repo_of())
    acts.pause(bench.world, {"selector": "web-1", "for": "2h", "why": "rack 4", "who": "Ada"})
    line.reconcile(bench.world)
    assert bench.motd_on("web-1") == "" and bench.motd_on("web-22") == "hello"
    assert acts.resume(bench.world, {"selector": "web-1"})["ended"] == 1
    line.reconcile(bench.world)
    assert bench.motd_on("web-1") == "hello"


@pytest.mark.parametrize("visits", range(7))
def test_killed_at_any_visit_the_next_start_finishes(bench: Bench, visits: int) -> None:
    bench.repo.push(repo_of())
    bench.trip.kill_after = visits
    if visits < 6:
        with pytest.raises(Killed):
            line.reconcile(bench.world)
    else:
        line.reconcile(bench.world)
    bench.trip.kill_after = None
    line.reconcile(bench.world)
    assert [bench.motd_on(name) for name in ("db-1", "web-1", "web-22")] == ["hello"] * 3
    assert sorted(bench.trip.done) == sorted(set(bench.trip.done)), "an effect was doubled"
    assert all(outcome != "open" for _, outcome in bench.store.rounds)


def test_asked_to_stop_the_round_ends_after_its_trip(bench: Bench) -> None:
    bench.repo.push(repo_of())
    bench.world.stopping = True
    line.reconcile(bench.world)
    assert [name for name, changes in bench.trip.visits if changes] == ["db-1"]
    assert bench.store.rounds[-1][1] == "stopping"


def test_what_is_right_already_becomes_owned_without_a_visit(bench: Bench) -> None:
    for name in ("db-1", "web-1", "web-22"):
        bench.trip.world[Key(name, "File", "/etc/motd")] = Present(
            {"path": "/etc/motd", "state": "file", "content": "hello", "owner": "root", "group": "root", "mode": "0644"}
        )
    bench.repo.push(repo_of())
    line.reconcile(bench.world)
    assert all(changes == 0 for _, changes in bench.trip.visits)
    assert {mine.origin.value for mine in bench.store.owned.values()} == {"found"}
    bench.repo.push(repo_of(("motd.yaml", "")))
    line.reconcile(bench.world)
    assert bench.motd_on("web-1") == "hello", "what was found is released, not removed"
    assert bench.store.owned == {}


def test_a_look_and_a_change_tell_hosts_what_they_do_not_know_where_they_may_be_written(bench: Bench) -> None:
    modes = [("hosts/web-22.yaml", host("web-22").replace("user: root", "user: root, mode: observe"))]
    names = ("db-1", "web-1", "web-22")
    bench.repo.push(repo_of(*modes))
    line.reconcile(bench.world)
    news = {name: Untold(own=tuple(bench.store.owned_on([name]).get(name, ()))) for name in names}
    bench.store.untold_on = {
        name: replace(untold, disown=(Key(name, "File", "/old"),)) for name, untold in news.items()
    }
    assert bench.trip.told == []
    bench.clock[0] += 601
    line.reconcile(bench.world)
    motd = {name: Key(name, "File", "/etc/motd") for name in names}
    old = {name: Key(name, "File", "/old") for name in names}
    assert bench.trip.told == [(name, (motd[name],), (old[name],)) for name in ("db-1", "web-1")]
    bench.trip.told.clear()
    acts.pause(bench.world, {"selector": "db-1", "for": "2h", "why": "migration", "who": "Ada"})
    bench.repo.push(repo_of(*modes, text="other"))
    line.reconcile(bench.world)
    assert bench.trip.told == [("web-1", (), (old["web-1"],))], "what changes is told by its change"


def test_a_machine_under_two_names_is_sent_nothing_until_the_manifest_says_so(bench: Bench) -> None:
    bench.repo.push(repo_of())
    line.reconcile(bench.world)
    renamed = host("web-9").replace("name: web-9", "name: web-9")
    bench.trip.machines["web-9"] = "id-web-1"
    bench.repo.push(repo_of(("hosts/web-1.yaml", ""), ("hosts/web-9.yaml", renamed)))
    line.reconcile(bench.world)
    assert bench.store.hosts["web-9"].trouble == "it is the machine that is known as web-1"
    assert ("web-9", 1) not in bench.trip.visits
    said = renamed.replace("name: web-9\n", "name: web-9\n  previousName: web-1\n")
    bench.repo.push(repo_of(("hosts/web-1.yaml", ""), ("hosts/web-9.yaml", said)))
    bench.clock[0] += 61
    line.reconcile(bench.world)
    assert bench.store.hosts["web-9"].trouble == ""
    assert Key("web-9", "File", "/etc/motd") in bench.store.owned


def test_a_reborn_host_is_sent_nothing_until_it_is_accepted(bench: Bench) -> None:
    bench.repo.push(repo_of())
    line.reconcile(bench.world)
    bench.trip.machines["web-1"] = "another"
    bench.trip.world[Key("web-1", "File", "/etc/motd")] = Absent()
    bench.clock[0] += 601
    line.reconcile(bench.world)
    assert bench.motd_on("web-1") == ""
    assert acts.reborn(bench.world, {"host": "web-1"})["owned"] == 1
    assert acts.reborn(bench.world, {"host": "web-1", "yes": True})["done"]
    line.reconcile(bench.world)
    assert bench.motd_on("web-1") == "hello"
    with pytest.raises(Refused):
        acts.reborn(bench.world, {"host": "nobody"})


def test_a_commit_in_force_is_not_taken_back_when_a_guard_stops_what_is_left_of_it(bench: Bench) -> None:
    """A paused host comes back with deletes that nobody was shown: they wait. What was done elsewhere stays done."""
    bench.repo.push(repo_of(fleet=GUARDED))
    line.reconcile(bench.world)
    acts.pause(bench.world, {"selector": "web-1", "for": "2h", "why": "rack 4", "who": "Ada"})
    tip = bench.repo.push(repo_of(("motd.yaml", ""), fleet=GUARDED))
    shown = line.reconcile(bench.world).plan
    assert shown is not None
    acts.apply(bench.world, {"plan": shown.id, "accept": ["deletes-per-kind"], "who": "Ada"})
    assert bench.motd_on("web-22") == "" and bench.motd_on("web-1") == "hello"
    acts.resume(bench.world, {"selector": "web-1"})
    seen = line.reconcile(bench.world)
    assert seen.plan is not None and [hit.rule for hit in seen.plan.stopped] == ["deletes-per-kind"]
    assert bench.motd_on("web-22") == "", "the commit in force was rolled back"
    assert bench.motd_on("web-1") == "hello" and bench.store.held() == tip


def test_a_restart_goes_on_when_the_commit_in_force_is_gone_from_the_repository(bench: Bench) -> None:
    """Killed in a round; then the repository was made anew, or a force-push was followed by a gc."""
    bench.repo.push(repo_of())
    bench.trip.kill_after = 4
    with pytest.raises(Killed):
        line.reconcile(bench.world)
    bench.trip.kill_after = None
    bench.repo.commits.clear()
    bench.world._readings._read.clear()  # a restart remembers nothing
    bench.repo.commits.append(
        FakeFiles(Commit(id="f" * 40, author="Ada", subject="anew", tree="f" * 40), repo_of(text="anew"))
    )
    line.reconcile(bench.world)
    assert [bench.motd_on(name) for name in ("db-1", "web-1", "web-22")] == ["anew"] * 3
    assert all(outcome != "open" for _, outcome in bench.store.rounds)


def test_hosts_that_do_not_answer_are_no_success_of_their_wave() -> None:
    away = [Report(host=f"h{n}", trouble=Trouble(code="timeout", why="no answer")) for n in range(19)]
    failed = Outcome(key=Key("h19", "File", "/etc/motd"), result=Result.FAILED)
    assert visits.wave_failed(5.0, 20, [*away, Report(host="h19", outcomes=(failed,))]), "all that answered failed"
    assert not visits.wave_failed(0.0, 19, away)
