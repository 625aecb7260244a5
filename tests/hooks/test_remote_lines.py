"""A plan as somebody reads it who pushes with -o plan: golden lines, of real kinds on a folder of manifests."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from reconciler import manifests
from reconciler.core.model import GuardHit, Plan
from reconciler.inputs import from_observed
from reconciler.manifests import load_kinds
from reconciler.repo import FolderFiles
from reconciler.tell import remote

KINDS = load_kinds()


def planned(folder: Path, observed: str) -> Plan:
    (folder / "trueup.yaml").write_text(
        "apiVersion: trueup.dev/v1\nkind: Fleet\nmetadata: {name: prod}\nspec: {mode: enforce}\n"
    )
    for name in ("web-1", "web-2", "db-1"):
        (folder / f"{name}.yaml").write_text(
            f"apiVersion: trueup.dev/v1\nkind: Host\nmetadata: {{name: {name}}}\nspec: {{address: 10.0.0.1}}\n"
        )
    (folder / "motd.yaml").write_text(
        "apiVersion: trueup.dev/v1\nkind: File\nmetadata: {name: motd}\n"
        "spec: {hosts: all, path: /etc/motd, content: new, mode: '0644'}\n"
    )
    reading = manifests.read(FolderFiles(folder), KINDS)
    assert reading.desired is not None, reading.problems
    return from_observed(KINDS, reading.desired, observed.encode(), folder / "observed.yaml")


def motd(host: str, content: str) -> str:
    return f"- {{host: {host}, kind: File, name: motd, state: {{content: {content}, mode: '0644'}}}}\n"


def test_equal_changes_are_one_line_whatever_the_number_of_hosts(tmp_path: Path) -> None:
    plan = planned(tmp_path, motd("web-1", "old") + motd("web-2", "old"))
    lines = list(remote.plan(KINDS, plan))
    assert lines == [
        f"trueup: plan {plan.id[:8]} changes 3 of 3 hosts",
        "  ~ 2 hosts  File motd  content",
        "      at /etc/motd",
        "  + db-1  File motd",
        "      at /etc/motd",
    ]


def test_a_plan_that_changes_nothing_is_one_line(tmp_path: Path) -> None:
    plan = planned(tmp_path, "".join(motd(host, "new") for host in ("web-1", "web-2", "db-1")))
    assert list(remote.plan(KINDS, plan)) == [f"trueup: plan {plan.id[:8]} changes nothing on 3 hosts"]


def test_a_guard_says_that_it_will_stop_it_and_how_it_is_answered(tmp_path: Path) -> None:
    plan = planned(tmp_path, "[]")
    hit = GuardHit(
        rule="deletes-per-kind", scope="x", count=412, total=1236, limit=30.0,
        message="412 of 1,236 owned Users would be deleted (33.3 %, the limit is 30 %)",
    )  # fmt: skip
    lines = list(remote.plan(KINDS, replace(plan, guards=(hit,))))
    assert lines[1:4] == [
        "warning: a guard will stop it: 412 of 1,236 owned Users would be deleted",
        "  (33.3 %, the limit is 30 %)",
        f"hint: if it is meant: trueup apply {plan.id[:8]} --accept deletes-per-kind",
    ]
    assert all(len(line) <= 72 for line in lines)
