"""What leaves Git: what trueup made goes in the kind's own way, what it found stays, and guards hold."""

from __future__ import annotations

import json
from pathlib import Path

from lab import Fleet, raw


def test_created_goes_and_found_stays(fleet: Fleet) -> None:
    for host in fleet.hosts:
        host.write("/etc/found.conf", "x\n")
    for name in ("found", "made"):
        fleet.write(
            f"{name}.yaml", f'kind: File\nmetadata: {{name: /etc/{name}.conf}}\nspec: {{hosts: all, content: "x\\n"}}\n'
        )
    fleet.land()
    fleet.apply()
    fleet.remove("found.yaml")
    fleet.remove("made.yaml")
    fleet.land("Both leave")
    fleet.apply()
    for host in fleet.hosts:
        assert host.read("/etc/found.conf") == "x\n"
        assert not host.exists("/etc/made.conf")
        assert raw.own_file(host)["owned"] == []


def test_a_user_that_leaves_is_locked_out(fleet: Fleet, ssh_key: tuple[Path, str]) -> None:
    key, public = ssh_key
    fleet.write(
        "cy.yaml",
        f'kind: User\nmetadata: {{name: cy}}\nspec: {{hosts: all, sshKeys: ["{public}"], sudo: all, shell: /bin/bash}}\n',
    )
    fleet.write("ada.yaml", "kind: User\nmetadata: {name: ada}\nspec: {hosts: all, sudo: all}\n")
    fleet.land()
    fleet.apply()
    host = fleet.hosts[0]
    host.ssh("echo mine > notes", user="cy", key=key)
    fleet.remove("cy.yaml")
    fleet.land("Cy left")
    fleet.apply()
    assert host.ssh("true", user="cy", key=key, check=False).returncode != 0
    assert host.read("/home/cy/notes") == "mine\n"
    assert not host.exists("/home/cy/.ssh/authorized_keys")
    assert "cy" not in host.run("cat /etc/sudoers.d/* 2>/dev/null", check=False).stdout
    shadow = host.run("getent shadow cy").stdout.split(":")
    assert shadow[1].startswith("!") or shadow[1] == "*"
    assert shadow[7] in ("0", "1")
    fleet.write(
        "cy.yaml", f'kind: User\nmetadata: {{name: cy}}\nspec: {{hosts: all, sshKeys: ["{public}"], sudo: none}}\n'
    )
    fleet.land("Cy is back")
    fleet.apply()
    assert host.ssh("cat notes", user="cy", key=key).stdout == "mine\n"


def test_the_last_who_may_act_as_root_waits_for_a_person(fleet: Fleet) -> None:
    fleet.write("ada.yaml", "kind: User\nmetadata: {name: ada}\nspec: {hosts: all, sudo: all}\n")
    fleet.land()
    fleet.apply()
    fleet.remove("ada.yaml")
    fleet.land("Ada left, and nobody came")
    fleet.apply(expect=3)
    assert fleet.hosts[0].run("visudo -c; grep -r ada /etc/sudoers.d").stdout


def test_many_deletes_wait_for_a_person(fleet: Fleet) -> None:
    for number in range(12):
        fleet.write(
            f"f{number}.yaml",
            f'kind: File\nmetadata: {{name: /etc/f{number}}}\nspec: {{hosts: lab-1, content: "x\\n"}}\n',
        )
    fleet.land()
    fleet.apply()
    for number in range(12):
        fleet.remove(f"f{number}.yaml")
    fleet.land("All gone by mistake")
    assert fleet.trueup("apply", expect=3)
    assert fleet.hosts[0].exists("/etc/f3")
    plan = fleet.trueup("plan", "--format", "json", expect=3)
    made = json.loads(plan.stdout)
    words = [word for hit in made["guards"] for word in ("--accept", hit["rule"])]
    fleet.trueup("apply", made["id"][:8], *words)
    assert not fleet.hosts[0].exists("/etc/f3")


def test_forget_cleans_a_host(fleet: Fleet) -> None:
    fleet.write("made.yaml", 'kind: File\nmetadata: {name: /etc/made.conf}\nspec: {hosts: all, content: "x\\n"}\n')
    fleet.land()
    fleet.apply()
    assert "lab-2 is still in Git" in fleet.trueup("forget", "lab-2", expect=2).stdout
    fleet.remove("hosts/lab-2.yaml")
    fleet.land("lab-2 leaves the fleet")
    fleet.apply()
    assert fleet.hosts[1].exists("/etc/made.conf"), "a host that leaves gets no trip"
    said = fleet.trueup("forget", "lab-2", expect=2).stdout
    assert "/etc/made.conf" in said and "still in Git" not in said
    assert fleet.hosts[1].exists("/etc/made.conf"), "it asks first"
    fleet.trueup("forget", "lab-2", "--yes")
    assert not fleet.hosts[1].exists("/etc/made.conf")
    assert not fleet.hosts[1].exists("/var/lib/trueup/lab.json")
    assert fleet.hosts[0].exists("/etc/made.conf")
