"""The state file is gone: history and approvals are gone with it, and nothing else."""

from __future__ import annotations

import json

from lab import Fleet, raw


def files(*names: str) -> dict[str, str]:
    return {
        f"{name}.yaml": f'kind: File\nmetadata: {{name: /etc/{name}.conf}}\nspec: {{hosts: all, content: "{name}\\n"}}\n'
        for name in names
    }


def test_what_left_git_while_the_state_was_lost_is_still_removed_and_nothing_else(fleet: Fleet) -> None:
    for host in fleet.hosts:
        host.write("/etc/found.conf", "found\n")
        host.write("/etc/theirs.conf", "of nobody we know\n")
    for path, text in files("stays", "leaves", "found").items():
        fleet.write(path, text)
    fleet.land()
    fleet.apply()
    pins = (fleet.state / "known_hosts").read_text() if (fleet.state / "known_hosts").exists() else ""
    for left in fleet.state.glob("state.duckdb*"):
        left.unlink()
    fleet.remove("leaves.yaml")
    fleet.remove("found.yaml")
    fleet.write("new.yaml", files("new")["new.yaml"])
    fleet.land("Two leave, one comes, and nobody remembers")
    first = fleet.trueup("plan", "--format", "json", expect=2)
    assert json.loads(first.stdout)["changes"] == [], "nobody was looked at yet: nothing is guessed"
    fleet.trueup("observe")
    plan = json.loads(fleet.trueup("plan", "--format", "json", expect=2).stdout)
    assert {(change["host"], change["action"], change["name"]) for change in plan["changes"]} == {
        (host.name, *what)
        for host in fleet.hosts
        for what in (("delete", "/etc/leaves.conf"), ("create", "/etc/new.conf"))
    }
    fleet.apply()
    for host in fleet.hosts:
        assert not host.exists("/etc/leaves.conf"), "trueup made it, as the host's own file said"
        assert host.read("/etc/found.conf") == "found\n", "what was found stays"
        assert host.read("/etc/theirs.conf") == "of nobody we know\n"
        assert [host.read(f"/etc/{name}.conf") for name in ("stays", "new")] == ["stays\n", "new\n"]
        assert {one["name"]: one["origin"] for one in raw.own_file(host)["owned"]} == {
            "/etc/stays.conf": "created",
            "/etc/new.conf": "created",
        }
    assert fleet.trueup("plan", expect=0)
    if pins:
        assert (fleet.state / "known_hosts").read_text() == pins


def test_a_backup_of_a_running_daemon_is_given_back_and_what_came_after_it_is_kept(fleet: Fleet) -> None:
    for path, text in files("one", "two").items():
        fleet.write(path, text)
    saved = fleet.folder / "saved.duckdb"
    with fleet.serve():
        fleet.trueup("wait", fleet.land())
        fleet.trueup("state", "backup", str(saved))
        assert fleet.trueup("state", "verify").returncode == 0
        refused = fleet.trueup("state", "restore", str(saved), expect=1)
        assert "error[state-in-use]" in refused.stderr and "systemctl stop trueup" in refused.stderr
        assert "error[state-in-use]" in fleet.trueup("state", "compact", expect=1).stderr
        fleet.write("three.yaml", files("three")["three.yaml"])
        fleet.remove("one.yaml")
        fleet.trueup("wait", fleet.land("After the backup"))
    told = json.loads(fleet.trueup("state", "restore", str(saved), "--format", "json").stdout)
    assert told["hosts"] == 2 and told["kept"]
    fleet.remove("two.yaml")
    commit = fleet.land("After the restore")
    with fleet.serve():
        fleet.trueup("wait", commit)
        for host in fleet.hosts:
            assert [host.exists(f"/etc/{name}.conf") for name in ("one", "two", "three")] == [False, False, True]
            assert [one["name"] for one in raw.own_file(host)["owned"]] == ["/etc/three.conf"]
        assert fleet.trueup("plan", expect=0)
        assert fleet.trueup("state", "verify").returncode == 0
