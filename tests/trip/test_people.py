"""Accounts, groups and jobs on real hosts: who can log in, who may become root, and what is left when they go."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from reconciler.core.model import Absent, Key, Present, Result

pytestmark = pytest.mark.hosts


@pytest.fixture(scope="module")
def key(tmp_path_factory) -> Path:
    """A key pair of a person's own."""
    path = tmp_path_factory.mktemp("person") / "id"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "ada@desk", "-f", str(path)], check=True)
    return path


def public(key: Path) -> str:
    return key.with_suffix(".pub").read_text().strip()


def user(name: str, spec: str) -> str:
    return f"kind: User\nmetadata: {{name: {name}}}\nspec: {{hosts: all, {spec}}}\n---\n"


KEEPER = user("keeper", "sudo: all")
"""Somebody must keep sudo, or a guard stops the others' leaving."""


def state(fleet, name: str, kind: str = "User"):
    """What the last reading of each host says, which must be the same."""
    seen = [fleet.seen[Key(host.name, kind, name)] for host in fleet.lab]
    assert all(one == seen[0] for one in seen)
    return seen[0]


def settled(fleet, text: str) -> None:
    """The law, on real hosts: what the re-read found leaves nothing to do."""
    fleet.observe(text)
    plan = fleet.plan(text)
    assert not plan.changes, [(change.key, change.fields) for change in plan.changes]


def logs_in(host, name: str, key: Path) -> bool:
    return host.ssh("true", user=name, key=key, check=False).returncode == 0


def test_a_new_account_logs_in_by_key_and_uses_sudo(fleet, key):
    text = KEEPER + user("ann.l", f"uid: 5001, shell: /bin/bash, groups: [adm], comment: Ann L, sshKeys: ['{public(key)}'], "
                         "sudo: {commands: [/usr/bin/id, '/usr/bin/printf a,b=c:d']}")  # fmt: skip
    fleet.apply(text)
    settled(fleet, text)
    for host in fleet.lab:
        assert host.run("getent shadow ann.l").stdout.split(":")[1] == "*"
        assert host.ssh("id -un; id -Gn", user="ann.l", key=key).stdout == "ann.l\nann.l adm\n"
        assert (
            host.run("stat -c '%a %U' /home/ann.l/.ssh /home/ann.l/.ssh/authorized_keys").stdout
            == "700 ann.l\n600 ann.l\n"
        )
        assert host.ssh("sudo -n /usr/bin/id -un", user="ann.l", key=key).stdout == "root\n"
        assert host.ssh("sudo -n /usr/bin/printf a,b=c:d", user="ann.l", key=key).stdout == "a,b=c:d"
        assert host.ssh("sudo -n /usr/bin/cat /etc/shadow", user="ann.l", key=key, check=False).returncode != 0


def test_sshd_without_pam_lets_the_key_in_too(fleet, key):
    """`!` in shadow would count as locked there; `*` doesn't."""
    text = KEEPER + user("nopam", f"sshKeys: ['{public(key)}']")
    fleet.apply(text)
    host = fleet.lab[0]
    host.run("/usr/sbin/sshd -o UsePAM=no -p 2222")
    argv = [word if word != "22" else "2222" for word in host.ssh_argv("id -un", user="nopam", key=key)]
    done = subprocess.run(
        [*argv[:1], "-o", "HostKeyAlias=" + host.address, *argv[1:]], capture_output=True, text=True, timeout=30
    )
    assert done.stdout == "nopam\n", done.stderr
    host.run("usermod -p '!' nopam")
    assert subprocess.run(
        [*argv[:1], "-o", "HostKeyAlias=" + host.address, *argv[1:]], capture_output=True, timeout=30
    ).returncode


def test_locking_keeps_everybody_out_and_coming_back_lets_them_in(fleet, key):
    mine = user("lou", f"shell: /bin/bash, sshKeys: ['{public(key)}'], sudo: all")
    fleet.apply(KEEPER + mine)
    host = fleet.lab[0]
    assert logs_in(host, "lou", key)
    host.run("echo mine > /home/lou/letter; chown lou /home/lou/letter")
    fleet.apply(KEEPER)
    fields = host.run("getent shadow lou").stdout.split(":")
    assert fields[1] == "!*" and fields[7] == "1"
    assert not logs_in(host, "lou", key)
    assert not host.exists("/etc/sudoers.d/trueup-lou") and not host.exists("/home/lou/.ssh/authorized_keys")
    host.run(f"install -d -o lou -m 700 /home/lou/.ssh && echo '{public(key)}' > /home/lou/.ssh/authorized_keys")
    assert not logs_in(host, "lou", key), "the expiry alone keeps a key out, though the password is locked only"
    settled(fleet, KEEPER)
    fleet.apply(KEEPER + mine)
    settled(fleet, KEEPER + mine)
    assert logs_in(host, "lou", key) and host.read("/home/lou/letter") == "mine\n"
    assert host.run("getent shadow lou").stdout.split(":")[1] == "*"


def test_a_password_is_set_and_compared_without_being_seen(fleet):
    one = "$y$j9T$F5Jx5fExrKuPp53xLKQ..1$X3DX6M94c7o.9agCG9G317fhZg9SqC.5i5rd.RhAtQ7"
    two = "$6$saltsalt$qFmFH.bQmmtXzyBY0s9v7Oicd2z4XSIecDzlB5KiA2/jctKu9YterLp8wwnSq.qc.eoxqOmSuNp2xS0ktL3nh/"
    fleet.apply(KEEPER + user("pat", f"passwordHash: '{one}'"))
    settled(fleet, KEEPER + user("pat", f"passwordHash: '{one}'"))
    host = fleet.lab[0]
    assert host.run("getent shadow pat").stdout.split(":")[1] == one
    assert one not in repr(state_of(fleet, host, "pat"))
    host.run("usermod -L pat")
    fleet.apply(KEEPER + user("pat", f"passwordHash: '{one}'"))
    assert host.run("getent shadow pat").stdout.split(":")[1] == one
    fleet.apply(KEEPER + user("pat", f"passwordHash: '{two}'"))
    assert host.run("getent shadow pat").stdout.split(":")[1] == two


def state_of(fleet, host, name: str):
    return fleet.seen[Key(host.name, "User", name)]


def test_every_field_of_an_account_is_mended(fleet, key):
    crew = "kind: Group\nmetadata: {name: mates}\nspec: {hosts: all, gid: 5100}\n---\n"
    want = user(
        "max",
        f"uid: 5500, group: mates, groups: [adm, games], shell: /bin/bash, comment: 'Max, M', sshKeys: ['{public(key)}'], sudo: all",
    )
    fleet.apply(KEEPER + crew + want)
    settled(fleet, KEEPER + crew + want)
    right = state(fleet, "max")
    for host in fleet.lab:
        host.run("usermod -g users -G games,floppy -s /bin/sh -c nobody max; echo junk >> /home/max/.ssh/authorized_keys; "
                 "chmod 666 /home/max/.ssh/authorized_keys; chmod 777 /etc/sudoers.d/trueup-max; chage -E 0 max")  # fmt: skip
    fleet.apply(KEEPER + crew + want)
    assert state(fleet, "max") == right
    settled(fleet, KEEPER + crew + want)
    for host in fleet.lab:
        assert logs_in(host, "max", key)
        assert host.ssh("sudo -n id -un", user="max", key=key).stdout == "root\n"
    gone = user("max", "uid: 5500, groups: [], sshKeys: [], sudo: none")
    fleet.apply(KEEPER + crew + gone)
    settled(fleet, KEEPER + crew + gone)
    for host in fleet.lab:
        assert host.run("id -Gn max").stdout == "mates\n" and not logs_in(host, "max", key)


def test_a_home_moves_with_what_is_in_it(fleet, key):
    fleet.apply(KEEPER + user("moe", f"sshKeys: ['{public(key)}']"))
    for host in fleet.lab:
        host.run("echo x > /home/moe/letter")
    moved = user("moe", f"home: /srv/people/moe, sshKeys: ['{public(key)}']")
    for host in fleet.lab:
        host.run("mkdir -p /srv/people")
    fleet.apply(KEEPER + moved)
    settled(fleet, KEEPER + moved)
    for host in fleet.lab:
        assert host.read("/srv/people/moe/letter") == "x\n" and not host.exists("/home/moe")
        assert logs_in(host, "moe", key)


def test_a_service_account_has_no_home_until_it_has_keys(fleet, key):
    text = user("svc", "system: true, shell: /usr/sbin/nologin, home: /var/lib/svc, groups: []")
    fleet.apply(KEEPER + text)
    settled(fleet, KEEPER + text)
    for host in fleet.lab:
        assert not host.exists("/var/lib/svc") and int(host.run("id -u svc").stdout) < 1000
    text = user("svc", f"system: true, shell: /bin/sh, home: /var/lib/svc, groups: [], sshKeys: ['{public(key)}']")
    fleet.apply(KEEPER + text)
    settled(fleet, KEEPER + text)
    assert all(logs_in(host, "svc", key) for host in fleet.lab)


@pytest.mark.parametrize("how", ["remove", "removeWithHome"])
def test_removal_takes_the_crontab_and_the_home_only_when_told(fleet, how):
    name = "ren-" + how.lower()
    mine = user(name, f"sudo: all, onRemove: {how}")
    fleet.apply(KEEPER + mine)
    for host in fleet.lab:
        host.run(f"echo '* * * * * touch /tmp/{name}' | crontab -u {name} -; echo x > /home/{name}/letter")
    fleet.apply(KEEPER)
    assert state(fleet, name) == Absent()
    for host in fleet.lab:
        assert host.run(f"getent passwd {name} {name}", check=False).stdout == ""
        assert not host.exists(f"/var/spool/cron/crontabs/{name}") and not host.exists(f"/etc/sudoers.d/trueup-{name}")
        assert host.exists(f"/home/{name}") is (how == "remove")


def test_an_account_at_work_is_locked_and_its_removal_fails_clearly(fleet, key):
    mine = user("busy", f"sshKeys: ['{public(key)}'], onRemove: remove")
    fleet.apply(KEEPER + mine)
    host = fleet.lab[0]
    host.run("setsid runuser -u busy -- sleep 300 >/dev/null 2>&1 &")
    fleet.observe(KEEPER)
    report = fleet.act(KEEPER)[host.name]
    outcome = next(outcome for outcome in report.outcomes if outcome.key.name == "busy")
    assert outcome.result is Result.FAILED and "busy is currently used by process" in outcome.message
    assert not logs_in(host, "busy", key)
    host.run("pkill -u busy")
    fleet.apply(KEEPER)
    assert host.run("getent passwd busy", check=False).stdout == ""


def test_a_user_cannot_lead_root_elsewhere(fleet, key):
    """~/.ssh as a symlink: neither read nor written through, and said so."""
    mine = user("sly", f"sshKeys: ['{public(key)}']")
    fleet.apply(KEEPER + mine)
    host = fleet.lab[0]
    host.run(
        "rm -r /home/sly/.ssh; mkdir -p /root/.ssh; cp /root/.ssh/authorized_keys /tmp/before; ln -s /root/.ssh /home/sly/.ssh"
    )
    fleet.observe(KEEPER + mine)
    seen = state_of(fleet, host, "sly")
    assert isinstance(seen, Present) and seen.state["sshKeys"] == ["# .ssh is a symlink"]
    report = fleet.act(KEEPER + mine)[host.name]
    outcome = next(outcome for outcome in report.outcomes if outcome.key.name == "sly")
    assert outcome.result is Result.FAILED and "symlink" in outcome.message
    host.run("cmp /root/.ssh/authorized_keys /tmp/before; rm /home/sly/.ssh")
    fleet.apply(KEEPER + mine)
    assert logs_in(host, "sly", key)


def test_a_home_on_another_disk_is_reached_by_its_real_way(fleet, key):
    for host in fleet.lab:
        host.run("mkdir -p /disk2/homes; ln -sfn /disk2/homes /people")
        host.run("useradd -m -d /people/dee dee")
    text = user("dee", f"sshKeys: ['{public(key)}']")
    fleet.apply(KEEPER + text)
    settled(fleet, KEEPER + text)
    assert all(logs_in(host, "dee", key) for host in fleet.lab)


def test_groups_come_and_go(fleet):
    text = "kind: Group\nmetadata: {name: crew2}\nspec: {hosts: all, gid: 5200}\n---\nkind: Group\nmetadata: {name: sys2}\nspec: {hosts: all, system: true}\n"
    fleet.apply(KEEPER + text)
    settled(fleet, KEEPER + text)
    for host in fleet.lab:
        assert host.run("getent group crew2").stdout == "crew2:x:5200:\n"
        assert int(host.run("getent group sys2").stdout.split(":")[2]) < 1000
    fleet.apply(KEEPER)
    for host in fleet.lab:
        assert host.run("getent group crew2 sys2", check=False).stdout == ""


def test_a_job_runs_as_it_was_written(fleet):
    """Each minute cron looks; @reboot would wait for the next start of the host."""
    text = (
        "kind: CronJob\nmetadata: {name: tick.tock}\nspec:\n  hosts: all\n  schedule: '* * * * *'\n  user: games\n"
        '  command: printf \'%s %s\\n\' "$GREETING" "$(id -un)" 100% > /tmp/tick\n  env: {GREETING: "it\'s  me"}\n'
    )
    fleet.apply(KEEPER + text)
    settled(fleet, KEEPER + text)
    for host in fleet.lab:
        host.run("for n in $(seq 75); do [ -s /tmp/tick ] && exit 0; sleep 1; done; exit 1", timeout=90)
        assert host.read("/tmp/tick").startswith("it's  me games\n100%")
        host.run("sed -i 's/games/root/' /etc/cron.d/trueup-tick_2etock")
    fleet.observe(KEEPER + text)
    assert [item.path for change in fleet.plan(KEEPER + text).changes for item in change.fields] == ["user", "user"]
    fleet.apply(KEEPER + text.replace("hosts: all\n  sched", "hosts: all\n  suspend: true\n  sched"))
    assert "# suspended: * * * * * games" in fleet.lab[0].read("/etc/cron.d/trueup-tick_2etock")
    fleet.apply(KEEPER)
    assert not fleet.lab[0].exists("/etc/cron.d/trueup-tick_2etock")
