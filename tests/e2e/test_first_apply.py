"""From an empty state and hosts that trueup never saw to a converged fleet, judged by the hosts themselves."""

from __future__ import annotations

from pathlib import Path

from lab import Fleet, raw

EVERYTHING = {
    "groups.yaml": """\
        kind: Group
        metadata: {name: operators}
        spec: {hosts: all, gid: 2001}
        """,
    "motd.yaml": """\
        kind: File
        metadata: {name: /etc/motd}
        spec:
          hosts: all
          content: "This is {{ host }}\\n"
          template: true
          owner: root
          group: root
          mode: "0644"
        """,
    "folder.yaml": """\
        kind: File
        metadata: {name: /srv/app}
        spec: {hosts: all, state: directory, owner: ada, group: operators, mode: "2775"}
        """,
    "link.yaml": """\
        kind: File
        metadata: {name: /srv/app/current}
        spec: {hosts: all, target: releases/7, dependsOn: [File//srv/app]}
        """,
    "job.yaml": """\
        kind: CronJob
        metadata: {name: tidy.tmp}
        spec:
          hosts: all
          schedule: 15 4 * * *
          user: ada
          command: find /var/tmp -mtime +30 -delete
          env: {MAILTO: ""}
        """,
    "packages.yaml": """\
        kind: Package
        metadata: {name: base}
        spec: {hosts: all, names: [sudo, cron]}
        """,
    "service.yaml": """\
        kind: Service
        metadata: {name: cron}
        spec: {hosts: all, running: true}
        """,
}


def user(public: str) -> str:
    return f"""\
        kind: User
        metadata: {{name: ada}}
        spec:
          hosts: all
          uid: 2101
          comment: Ada Lovelace
          shell: /bin/bash
          groups: [operators]
          sshKeys: ["{public}"]
          sudo: all
        """


def test_everything_at_once(fleet: Fleet, ssh_key: tuple[Path, str]) -> None:
    key, public = ssh_key
    for path, text in EVERYTHING.items():
        fleet.write(path, text)
    fleet.write("ada.yaml", user(public))
    fleet.land("All kinds at once")
    fleet.apply()

    for host in fleet.hosts:
        assert host.run("getent passwd ada").stdout.strip() == "ada:x:2101:2101:Ada Lovelace:/home/ada:/bin/bash"
        assert host.run("getent group operators").stdout.strip() == "operators:x:2001:ada"
        assert host.read("/etc/motd") == f"This is {host.name}\n"
        assert host.run("stat -c '%a %U %G' /etc/motd").stdout.strip() == "644 root root"
        assert host.run("stat -c '%a %U %G %F' /srv/app").stdout.strip() == "2775 ada operators directory"
        assert host.run("readlink /srv/app/current").stdout.strip() == "releases/7"
        assert host.run("stat -c '%a %U' /home/ada/.ssh /home/ada/.ssh/authorized_keys").stdout.split() == [
            "700",
            "ada",
            "600",
            "ada",
        ]
        assert host.run("visudo -c").returncode == 0
        jobs = [name for name in host.run("ls /etc/cron.d").stdout.split() if "." not in name]
        assert any("find /var/tmp -mtime +30 -delete" in host.read(f"/etc/cron.d/{name}") for name in jobs), jobs
        assert host.run("pgrep -x cron").stdout.strip()
        assert host.ssh("sudo -n id -un", user="ada", key=key).stdout.strip() == "root"
        assert host.ssh("true", user="ada", check=False).returncode != 0, "only ada's own key logs in"

    own = raw.own_file(fleet.hosts[0])
    assert {(entry["kind"], entry["origin"]) for entry in own["owned"]} >= {("User", "created"), ("Package", "found")}
    assert fleet.hosts[0].run("stat -c %a /var/lib/trueup/lab.json").stdout.strip() == "600"


def test_a_second_apply_does_nothing(fleet: Fleet, ssh_key: tuple[Path, str]) -> None:
    for path, text in EVERYTHING.items():
        fleet.write(path, text)
    fleet.write("ada.yaml", user(ssh_key[1]))
    fleet.land()
    fleet.apply()
    times = "find /etc /srv /home -xdev -type f -printf '%p %T@ %i\\n' | sort"
    before = [host.run(times).stdout for host in fleet.hosts]
    states = [raw.read(host).text() for host in fleet.hosts]
    assert fleet.trueup("plan", expect=0).stdout.startswith("Nothing to do")
    fleet.apply()
    assert [host.run(times).stdout for host in fleet.hosts] == before
    assert [raw.read(host).text() for host in fleet.hosts] == states


def test_what_is_right_already_is_adopted_and_left_alone(fleet: Fleet) -> None:
    for host in fleet.hosts:
        host.write("/etc/motd", "hello\n")
    before = [host.run("stat -c '%i %Y' /etc/motd").stdout for host in fleet.hosts]
    fleet.write("motd.yaml", 'kind: File\nmetadata: {name: /etc/motd}\nspec: {hosts: all, content: "hello\\n"}\n')
    fleet.land()
    fleet.apply()
    assert [host.run("stat -c '%i %Y' /etc/motd").stdout for host in fleet.hosts] == before
    assert fleet.trueup("plan").stdout.startswith("Nothing to do")


def test_observe_mode_changes_nothing(fleet: Fleet) -> None:
    fleet.write("trueup.yaml", "kind: Fleet\nmetadata: {name: lab}\nspec: {mode: observe}\n")
    fleet.write("motd.yaml", 'kind: File\nmetadata: {name: /etc/motd}\nspec: {hosts: all, content: "hello\\n"}\n')
    fleet.land()
    before = [raw.read(host).text() for host in fleet.hosts]
    assert "nothing runs" in fleet.trueup("apply", expect=3).stdout
    assert [raw.read(host).text() for host in fleet.hosts] == before
    assert "hello" in fleet.trueup("plan", expect=2).stdout
