"""Laws of what is put back against Git's word: it is what was applied, it is nothing else, and whatever Git says next ends it."""

from __future__ import annotations

from dataclasses import dataclass, replace

from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.core import predict, rollback, select
from reconciler.core.kind import Kind, Kinds
from reconciler.core.model import (
    Applied,
    Commit,
    Desired,
    Host,
    Key,
    Manifest,
    Meaning,
    Origin,
    Owned,
    Policy,
    Present,
    Reason,
    Rollback,
    Source,
    Spread,
    State,
    digest,
)
from reconciler.core.plan import PlanInput, document, plan

law = settings(max_examples=200, deadline=None, derandomize=True)


class Paper(Kind):
    """Has an edition, and a colour that makes no other edition of it."""

    name = "Paper"
    fields = ("edition",)
    rolls_back = True

    def version(self, spec: State) -> str:
        return str(spec["edition"])


class Chair(Kind):
    name = "Chair"
    fields = ("edition",)


KINDS = Kinds(by_name={"Paper": Paper(), "Chair": Chair()})
HOSTS = ("a", "b", "c", "d")
EDITIONS = st.sampled_from(("1", "2", "3"))


def meaning(edition: str, colour: str = "white") -> Meaning:
    spec = {"edition": edition, "colour": colour}
    return Meaning(spec=spec, digest=digest(spec))


def wanting(editions: dict[str, str], colour: str = "white") -> Desired:
    """Git: the Paper `news` in these editions, and a Chair beside it that has nothing to do with it."""
    hosts = {name: Host(name=name) for name in HOSTS}
    spreads = []
    for kind in ("Paper", "Chair"):
        manifest = Manifest(kind=kind, name="news", source=Source(path="news.yaml", line=1))
        each = {host: meaning(edition, colour) for host, edition in editions.items()}
        spreads.append(Spread(manifest=manifest, hosts=tuple(sorted(each)), each=each))
    policy = Policy(mode="enforce")
    return Desired(commit=Commit(id="c" * 40), policy=policy, hosts=hosts, spreads=tuple(spreads))


@dataclass(frozen=True)
class World:
    git: Desired
    back: Rollback


@st.composite
def worlds(draw: st.DrawFn) -> World:
    some = st.lists(st.sampled_from(HOSTS), min_size=1, unique=True)
    git = wanting({host: draw(EDITIONS) for host in draw(some)})
    version = draw(st.sampled_from(("0", "1")))
    colour = draw(st.sampled_from(("white", "by host")))
    applied = [
        Applied(
            host=host,
            version=version,
            spec=(made := meaning(version, host if colour == "by host" else colour)).spec,
            digest=made.digest,
            commit="b" * 40,
            began=float(number),
        )
        for number, host in enumerate(draw(some))
    ]
    hosts = rollback.hosts_of(applied, version, [one.host for one in applied])
    away = draw(st.sampled_from(("2", "3")))
    return World(
        git,
        Rollback(
            kind="Paper",
            name="news",
            away=away,
            version=version,
            commit="b" * 40,
            why="broken",
            who="ada",
            at=1.0,
            hosts=hosts,
            number=1,
        ),
    )


def editions(desired: Desired, kind: str) -> dict[str, str]:
    spread = next(one for one in desired.spreads if one.manifest.kind == kind)
    return {host: spread.meaning(host).spec["edition"] for host in spread.hosts}


@law
@given(worlds())
def test_only_what_git_has_in_the_version_that_was_left_is_put_back(world: World) -> None:
    made = rollback.meant(world.git, KINDS, [world.back])
    before, after = editions(world.git, "Paper"), editions(made, "Paper")
    shared = len({back.digest for back in world.back.hosts.values()}) == 1
    for host, edition in before.items():
        goes = edition == world.back.away and (host in world.back.hosts or shared)
        assert after[host] == (world.back.version if goes else edition)
    assert editions(made, "Chair") == editions(world.git, "Chair"), "nothing else is touched"
    told = sum(one.hosts for one in made.rolled_back)
    assert told == sum(before[host] != after[host] for host in before), "what isn't Git's word is told"
    assert rollback.meant(made, KINDS, [world.back]) == made, "putting back twice is putting back once"


@law
@given(worlds(), EDITIONS)
def test_whatever_git_says_next_ends_it(world: World, edition: str) -> None:
    later = wanting(dict.fromkeys(editions(world.git, "Paper"), edition), "blue")
    made = rollback.meant(later, KINDS, [world.back])
    over = rollback.over(later, KINDS, [world.back])
    if edition != world.back.away:
        assert made is later and over == (world.back,)
    elif made is not later:
        assert over == (), "another colour is the same edition: it holds on"
    gone = replace(later, spreads=tuple(one for one in later.spreads if one.manifest.kind != "Paper"))
    assert rollback.over(gone, KINDS, [world.back]) == (world.back,), "what leaves Git is no longer put back"


@law
@given(worlds())
def test_the_plan_puts_back_at_once_and_then_has_nothing_to_do(world: World) -> None:
    owned = {
        key: Owned(key=key, origin=Origin.CREATED, spec=one.meaning.spec, digest=one.meaning.digest, commit="c" * 40)
        for one in world.git.resources()
        for key in [one.key]
    }
    seen = {key: Present({"edition": mine.spec["edition"]}) for key, mine in owned.items()}
    desired = rollback.meant(world.git, KINDS, [world.back])

    def planned(seen: dict[Key, Present], owned: dict[Key, Owned]) -> PlanInput:
        rows = select.rows(KINDS, desired, seen, owned)
        return PlanInput(kinds=KINDS, desired=desired, rows=rows, looked=False, matches={})

    made = plan(planned(seen, owned))
    assert {change.reason for change in made.changes} <= {Reason.ROLLED_BACK}
    assert len(made.waves) <= 1, "it was on these hosts before: no wave leads"
    assert len(made.changes) == sum(one.hosts for one in made.rolled_back)
    assert ("rolledBack" in document(KINDS, made)) == bool(made.rolled_back)
    after, kept = predict.simulate(KINDS, made, seen, owned)
    again = plan(planned(after, kept))  # type: ignore[arg-type]
    assert again.changes == () and again.rolled_back == made.rolled_back, "it stands in the plan as long as it holds"
    drifted = {key: Present({"edition": "torn"}) for key in after}
    healed = plan(planned(drifted, kept))
    for change in healed.changes:
        assert change.reason is Reason.DRIFTED and change.want is not None
        assert change.want.spec == kept[change.key].spec, "drift heals to what was put back"


def test_versions_are_told_by_when_they_were_applied_last() -> None:
    def one(host: str, version: str, began: float, ended: float | None) -> Applied:
        return Applied(host=host, version=version, spec={}, digest="d", commit="c", began=began, ended=ended)

    applied = [one("a", "1", 1, 2), one("a", "2", 2, 3), one("a", "1", 3, 4), one("a", "3", 4, None)]
    # A host that was away for long has something older still: that is not what was there before.
    applied.append(one("b", "0", 0, None))
    assert [found.version for found in rollback.versions(applied)] == ["3", "1", "2", "0"]
