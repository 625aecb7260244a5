"""What a plan reads like: the mock-up fleet of 418 hosts, where 412 change and a guard stops it."""

from __future__ import annotations

import json
import re
from pathlib import Path

import jsonschema
import pytest

from reconciler.core import review
from reconciler.core.kind import Kinds
from reconciler.core.model import (
    Commit,
    Desired,
    Host,
    Key,
    Manifest,
    Meaning,
    Observation,
    Origin,
    Owned,
    Plan,
    Policy,
    Present,
    Row,
    Source,
    Spread,
    digest,
)
from reconciler.core.model.observed import NEVER_SEEN, OLDER_PROBE
from reconciler.core.plan import PlanInput, plan
from reconciler.manifests.kinds import load_kinds
from reconciler.tell import plan_json, plan_md, plan_text, remote
from reconciler.tell.plan_view import fold, only

COMMIT = Commit(id="3f9c2e1" + "0" * 33, author="Ada", subject="motd for the move, mallory left", at=1000.0)
HOSTS = [f"db-{n:02}" for n in range(1, 13)] + [f"web-{n:03}" for n in range(1, 401)]
BEFORE, AFTER = "Welcome\nMaintenance: none planned\n", "Welcome\nMaintenance: Sat 28 Nov 22:00, rack 4 moves\n"


@pytest.fixture(scope="module")
def kinds() -> Kinds:
    return load_kinds()


def stopped(kinds: Kinds, hosts: list[str] = HOSTS, content: dict[str, str] | None = None) -> Plan:
    """412 hosts: one user gone from Git, one file edited; of 1,236 owned users 412 go."""
    user, file = kinds["User"], kinds["File"]
    had = dict(file.normal("/etc/motd", {"content": BEFORE}))
    texts = content or {name: AFTER for name in hosts}
    each = {
        name: Meaning(spec=(spec := dict(file.normal("/etc/motd", {"content": texts[name]}))), digest=digest(spec))
        for name in hosts
    }
    source = Source(path="files/motd.yaml", line=7)
    gone = dict(user.normal("mallory", {"shell": "/bin/bash"}))
    rows = []
    for name in hosts:
        motd, mallory = Key(name, "File", "/etc/motd"), Key(name, "User", "mallory")
        seen: Observation = Present({"path": "/etc/motd", "state": "file", "content": BEFORE, "mode": "0644"})
        mine = {"origin": Origin.CREATED, "commit": "8d21f0c", "source": Source(path="users/mallory.yaml", line=1)}
        spread = Spread(manifest=Manifest(kind="File", name="/etc/motd", source=source), hosts=tuple(hosts), each=each)
        wanted = Desired(hosts={}, spreads=(spread,)).get(motd)
        rows.append(
            Row(key=motd, desired=wanted, seen=seen, owned=Owned(key=motd, spec=had, digest=digest(had), **mine))
        )
        account = Present({"shell": "/bin/bash", "home": "/home/mallory", "locked": False})
        rows.append(
            Row(
                key=mallory,
                desired=None,
                seen=account,
                owned=Owned(key=mallory, spec=gone, digest=digest(gone), **mine),
            )
        )
    fleet = {name: Host(name=name) for name in [*hosts, "c-1", "c-2", "c-3", "c-4", "edge-01", "edge-02"]}
    return plan(
        PlanInput(
            kinds=kinds,
            desired=Desired(
                commit=COMMIT, policy=Policy(name="prod", mode="enforce", deletes_in_all=1000), hosts=fleet
            ),
            rows=tuple(sorted(rows, key=lambda row: row.key)),
            owned_by_kind={"User": len(hosts) * 3, "File": len(hosts) * 9},
            owned_by_host={name: 50 for name in hosts},
            looked=False,
        )
    )


def test_the_screen_says_what_stops_it_and_both_ways_on(kinds: Kinds) -> None:
    made = stopped(kinds)
    text = plan_text.text(kinds, made)
    lines = text.splitlines()
    assert lines[0] == f'Plan {made.id[:8]} of main 3f9c2e1 "motd for the move, mallory left" (Ada)'
    assert lines[1] == "412 of 418 hosts change, 6 are as they should be."
    assert (
        "✗ STOPPED by a guard, nothing will run: 412 of 1,236 owned Users would be deleted (33.3 %, the limit is 30 %)"
        in lines
    )
    assert "    cause     users/mallory.yaml:1" in lines
    assert f"    meant     trueup apply {made.id[:8]} --accept deletes-per-kind        (this plan only)" in lines
    assert "    not meant git revert 3f9c2e1" in lines
    assert re.search(r"^- 412 hosts  User mallory +lock +RemovedFromGit +users/mallory.yaml:1$", text, re.MULTILINE)
    assert re.search(r"^~ 412 hosts  File /etc/motd +content +EditedInGit +files/motd.yaml:7$", text, re.MULTILINE)
    assert "    --- content on the hosts, 412 alike" in lines
    assert "    -Maintenance: none planned" in lines
    assert "    +Maintenance: Sat 28 Nov 22:00, rack 4 moves" in lines
    assert "waves 4 → 41 → 367" in text
    assert lines[-1].startswith("Plan: 0 create, 412 update, 412 delete on 412 hosts; 0 unknown")
    assert lines[-1].endswith("STOPPED, exit 3.")
    assert text.index("STOPPED") < text.index("- 412 hosts") < text.index("~ 412 hosts"), "guards, deletes, the rest"


def test_one_odd_host_is_a_line_of_its_own(kinds: Kinds) -> None:
    hosts = HOSTS[:8]
    odd = {name: AFTER for name in hosts} | {hosts[3]: "Welcome to the odd one\n"}
    text = plan_text.text(kinds, stopped(kinds, hosts, odd))
    assert re.search(r"^~ 7 hosts  File /etc/motd", text, re.MULTILINE)
    assert re.search(rf"^~ {hosts[3]} +File /etc/motd", text, re.MULTILINE)


def test_a_template_that_differs_everywhere_is_one_group(kinds: Kinds) -> None:
    hosts = HOSTS[:8]
    text = plan_text.text(kinds, stopped(kinds, hosts, {name: f"This is {name}\n" for name in hosts}))
    assert re.search(r"^~ 8 hosts  File /etc/motd", text, re.MULTILINE)
    assert "each of the 8 hosts has its own" in text


def test_nothing_to_do_is_one_line(kinds: Kinds) -> None:
    made = plan(
        PlanInput(
            kinds=kinds,
            desired=Desired(commit=COMMIT, hosts={"web-1": Host(name="web-1"), "web-2": Host(name="web-2")}),
            rows=(),
            looked=False,
        )
    )
    assert plan_text.text(kinds, made) == "Nothing to do: 2 hosts are as 3f9c2e1 says.\n"


def test_hosts_that_nobody_looked_at_are_said_first(kinds: Kinds) -> None:
    made = plan(PlanInput(kinds=kinds, desired=Desired(commit=COMMIT, hosts={"web-1": Host(name="web-1")}), rows=()))
    assert plan_text.text(kinds, made) == "1 host never looked at: trueup observe\n"


def test_what_is_new_in_git_and_not_looked_at_yet_is_not_called_nothing(kinds: Kinds) -> None:
    ada = Manifest(kind="User", name="ada", source=Source(path="users/ada.yaml", line=1))
    spread = Spread(manifest=ada, hosts=("web-1", "web-2"), same=Meaning(spec={}, digest="d"))
    hosts = {name: Host(name=name) for name in ("web-1", "web-2", "web-3")}
    desired = Desired(commit=COMMIT, policy=Policy(name="prod", mode="enforce"), hosts=hosts, spreads=(spread,))
    rows = tuple(Row(key=one.key, desired=one, seen=NEVER_SEEN, owned=None) for one in desired.resources())
    made = plan(PlanInput(kinds=kinds, desired=desired, rows=rows, looked=False))
    assert [left.key.host for left in made.unseen] == ["web-1", "web-2"]

    screen = plan_text.text(kinds, made).splitlines()
    assert screen[0] == "Nothing to do that is known yet: 1 thing on 2 hosts is not looked at yet."
    assert screen[1] == "? 2 hosts  User ada  not looked at yet  users/ada.yaml:1"
    told = list(remote.plan(kinds, made))
    assert told[0] == f"trueup: plan {made.id[:8]}: 1 thing on 2 hosts is not looked at yet"
    assert "  ? 2 hosts  User ada  not looked at yet" in told
    comment = plan_md.text(kinds, made, fleet="prod").splitlines()
    assert comment[1] == "### ? trueup prod: 1 thing on 2 hosts is not looked at yet"
    assert "| ? not looked at | 2 | User ada | users/ada.yaml:1 | |" in comment

    assert (
        review.effect(made, plan(PlanInput(kinds=kinds, desired=desired, rows=(), looked=False)))[0].unseen
        == made.unseen
    )
    assert review.effect(made, made)[0].unseen == ()


def test_what_an_older_probe_read_is_not_called_nothing_either(kinds: Kinds) -> None:
    ada = Manifest(kind="User", name="ada", source=Source(path="users/ada.yaml", line=1))
    spread = Spread(manifest=ada, hosts=("web-1",), same=Meaning(spec={}, digest="d"))
    desired = Desired(
        commit=COMMIT, policy=Policy(mode="enforce"), hosts={"web-1": Host(name="web-1")}, spreads=(spread,)
    )
    rows = tuple(Row(key=one.key, desired=one, seen=OLDER_PROBE, owned=None) for one in desired.resources())
    made = plan(PlanInput(kinds=kinds, desired=desired, rows=rows, looked=False))
    assert [left.key.host for left in made.unseen] == ["web-1"], "the plan exits 2"
    screen = plan_text.text(kinds, made).splitlines()
    assert screen[0] == "Nothing to do that is known yet: 1 thing on 1 host is not looked at yet."
    assert screen[-1].strip().endswith("a daemon looks by itself, else trueup observe")


def test_hostile_names_reach_no_terminal(kinds: Kinds) -> None:
    host = "web\x1b[31m-1"
    text = plan_text.text(kinds, stopped(kinds, [host], {host: "a\x1b]0;title\x07b\nx\n"}))
    assert "\x1b" not in text and "\x07" not in text


def test_the_comment_fits_a_forge_and_folds_what_is_long(kinds: Kinds) -> None:
    text = plan_md.text(kinds, stopped(kinds), pending=3, base="8d21f0c", fleet="prod")
    lines = text.splitlines()
    assert lines[0] == plan_md.MARKER
    assert lines[1] == "### ✗ trueup prod: 412 hosts change, 1 guard stops it"
    assert "Nothing runs on merge until somebody accepts this plan." in lines[2]
    unfolded = text[: text.index("<details>")]
    assert len(unfolded.splitlines()) <= 14 and len(unfolded) <= 4000
    assert "Pending anyway, not from this change: 3 changes." in text
    assert "<summary>File /etc/motd, alike on 412 hosts (+1 -1)</summary>" in text


def test_the_comment_is_cut_in_its_bodies_only(kinds: Kinds) -> None:
    hosts = [f"web-{n}" for n in range(1, 4)]
    long = {name: "".join(f"{name} line {n}\n" for n in range(5000)) for name in hosts}
    text = plan_md.text(kinds, stopped(kinds, hosts, long))
    assert len(text) <= plan_md.MOST + 200
    assert text.count("| ~ update | 3 |") == 1 and text.count("| - delete | 3 |") == 1, "the table is whole"
    assert "cut for length: `trueup plan --full` shows all" in text


def test_text_of_the_repository_is_harmless_in_the_comment(kinds: Kinds) -> None:
    nasty = "@everyone ```\n</details><img src=x>\n````\n| a | b |\n"
    text = plan_md.text(kinds, stopped(kinds, ["web-1"], {"web-1": nasty}))
    outside = re.sub(r"(`{3,})diff\n.*?\n\1(?=\n)", "", text, flags=re.DOTALL)
    assert "@everyone" not in outside and "<img" not in outside
    assert text.count("<details>") == outside.count("<details>"), "no fence was broken out of"


def test_the_document_is_as_its_schema_says(kinds: Kinds) -> None:
    schema = json.loads((Path(__file__).resolve().parents[2] / "schemas" / "plan.json").read_text())
    document = json.loads(plan_json.text(kinds, stopped(kinds)))
    jsonschema.Draft202012Validator(schema).validate(document)
    assert document["summary"] == {
        "create": 0,
        "update": 412,
        "delete": 412,
        "replace": 0,
        "unknown": 0,
        "unmanaged": 0,
    }
    assert document["stopped"] is True
    assert document["changes"][0]["wave"] == 1


def test_a_filter_shows_less_and_keeps_the_guards(kinds: Kinds) -> None:
    made = only(stopped(kinds), host="web-001")
    assert {change.key.host for change in made.changes} == {"web-001"}
    assert made.stopped


@pytest.mark.parametrize(
    ("hosts", "folded"),
    [
        ([], ""),
        (["web-1"], "web-1"),
        (["web-1", "web-2"], "web-1 web-2"),
        (["web-1", "web-2", "web-3", "web-5"], "web-[1-3] web-5"),
        (["web-08", "web-09", "web-10"], "web-[08-10]"),
        (["a", "b", "c1", "c2", "c3"], "a b c[1-3]"),
        (["edge", "h9", "h10", "h11"], "edge h10 h11 h9"),
    ],
)
def test_hosts_are_folded_to_runs(hosts: list[str], folded: str) -> None:
    assert fold(hosts) == folded
