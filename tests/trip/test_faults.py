"""Each way in which a visit fails: a clear trouble for that host, nothing for the others, and no wait without a limit."""

from __future__ import annotations

import json
import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import lab
from lab import Spec
from reconciler.core.model import Result

pytestmark = pytest.mark.hosts

FILE = 'kind: File\nmetadata: {name: /etc/x.conf}\nspec: {hosts: all, content: "x\\n"}\n'
SLOW = """\
kind: File
metadata: {name: /etc/slow.conf}
spec: {hosts: all, content: "x\\n", onChange: "echo ran >> /root/ran; sleep 30"}
"""


@contextmanager
def mute() -> Iterator[int]:
    """A port of this machine that accepts and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_dead_hosts_have_names_and_hold_nobody_up(make_fleet):
    with lab.up(5) as hosts, mute() as port:
        fleet = make_fleet(hosts, connect_timeout=5.0)
        well, cut, refused, reborn_key, silent = (host.name for host in hosts)
        hosts[1].cut()
        hosts[2].run("pkill -x sshd; true")
        hosts[3].new_host_key()  # not the one that is committed
        fleet.extra[silent] = {"address": "127.0.0.1", "port": port}
        ends = {}
        went = fleet.trip.batch.go

        def timed(visits, on_report, on_words, **more):
            went(
                visits,
                lambda report: (ends.__setitem__(report.host, time.monotonic()), on_report(report)),
                on_words,
                **more,
            )

        object.__setattr__(fleet.trip.batch, "go", timed)
        start = time.monotonic()
        reports = fleet.observe(FILE)
        assert time.monotonic() - start < 60
        assert reports[well].trouble is None and ends[well] - start < ends[cut] - start
        told = {name: (r.trouble.code, r.trouble.why) for name, r in reports.items() if r.trouble}
        assert told[cut][0] in ("timed-out", "no-route"), told[cut]
        assert told[refused] == ("no-answer", told[refused][1]) and "port 22" in told[refused][1]
        assert told[reborn_key][0] == "host-key-changed"
        assert told[silent][0] in ("silent", "timed-out"), told[silent]
        assert not hosts[3].run("journalctl 2>/dev/null; last", check=False).stdout.count("python")


def test_pins_are_made_once_and_then_hold(make_fleet):
    with lab.up(1) as hosts:
        fleet = make_fleet(hosts)
        fleet.pinned[hosts[0].name] = ()
        assert fleet.observe(FILE)[hosts[0].name].trouble is None
        assert fleet.settings.known_hosts.read_text().startswith(f"{hosts[0].name} ssh-ed25519 ")
        fleet.trip.close()
        hosts[0].new_host_key()
        trouble = fleet.observe(FILE)[hosts[0].name].trouble
        assert trouble.code == "host-key-changed" and "trueup host-keys" in trouble.next_step
        # The pins are lost: a host that was seen before is not simply pinned anew.
        fleet.settings.known_hosts.unlink()
        assert fleet.observe(FILE)[hosts[0].name].trouble.code == "host-key-unknown"
        fleet.set(pin_on_first_use=False)
        fleet.past.clear()
        assert fleet.observe(FILE)[hosts[0].name].trouble.code == "host-key-unknown"


def test_a_key_that_is_not_let_in(make_fleet, tmp_path):
    with lab.up(1) as hosts:
        fleet = make_fleet(hosts)
        os.system(f"ssh-keygen -q -t ed25519 -N '' -f {tmp_path}/other")
        fleet.set(ssh_key=tmp_path / "other")
        trouble = fleet.observe(FILE)[hosts[0].name].trouble
        assert trouble.code == "login-refused" and "root" in trouble.why
        fleet.set(ssh_key=tmp_path / "missing")
        assert fleet.observe(FILE)[hosts[0].name].trouble.code in ("key-unusable", "login-refused")


SUDO = [
    Spec(name="free", user="deploy", sudo="nopasswd"),
    Spec(name="asks", user="deploy", sudo="password", password="pa55-marked"),
    Spec(name="never", user="deploy", sudo="none", password="pa55-marked"),
    Spec(name="tty", user="deploy", sudo="password", password="pa55-marked"),
    Spec(name="missing", user="deploy", sudo="nopasswd"),
]


def test_sudo_with_and_without_a_password_and_each_way_it_says_no(make_fleet):
    with lab.up(SUDO) as hosts:
        hosts["tty"].run("echo 'Defaults requiretty' > /etc/sudoers.d/zz; chmod 440 /etc/sudoers.d/zz")
        hosts["missing"].run("mv /usr/bin/sudo /usr/bin/sudo.away")
        fleet = make_fleet(hosts)
        told = {name: report.trouble.code if report.trouble else "" for name, report in fleet.observe(FILE).items()}
        assert told == {
            "free": "", "asks": "sudo-password-missing", "never": "sudo-password-missing",
            "tty": "sudo-requiretty", "missing": "sudo-missing",
        }  # fmt: skip
        fleet.set(become_password="pa55-marked")
        told = {name: report.trouble.code if report.trouble else "" for name, report in fleet.observe(FILE).items()}
        assert told["free"] == told["asks"] == "" and told["never"] == "sudo-not-allowed", told
        reports = fleet.act(FILE, ("free", "asks"))
        for name, report in reports.items():
            assert report.outcomes[0].result is Result.OK, report
            assert hosts[name].run("stat -c '%U %a' /etc/x.conf").stdout == "root 644\n"
        fleet.set(become_password="wrong")
        assert fleet.observe(FILE)["asks"].trouble.code == "sudo-password-wrong"


def test_the_sudo_password_is_nowhere_to_be_seen(make_fleet):
    """Not in arguments, environments or files, on either side, while a visit runs and after it."""
    word = b"pa55-marked"
    with lab.up([SUDO[1]]) as hosts:
        fleet = make_fleet(hosts, become_password=word.decode())
        fleet.observe(SLOW)
        seen: list[str] = []
        done = threading.Event()

        def watch() -> None:
            while not done.is_set():
                for process in os.listdir("/proc"):
                    for part in ("cmdline", "environ"):
                        try:
                            with open(f"/proc/{process}/{part}", "rb") as file:
                                # (the lab itself told its host the password that way)
                                if word in file.read().replace(b"LAB_PASSWORDS=deploy:" + word, b""):
                                    seen.append(f"{process}/{part}")
                        except (OSError, ValueError):
                            continue
                for place, _, names in os.walk(fleet.folder):  # (passes over what vanishes)
                    for name in names:
                        path = Path(place, name)
                        try:
                            if path.is_file() and not path.is_fifo() and word in path.read_bytes():
                                seen.append(str(path))
                        except OSError:
                            continue

        watcher = threading.Thread(target=watch)
        watcher.start()
        try:
            text = SLOW.replace("sleep 30", "sleep 1")
            assert fleet.act(text)["asks"].outcomes[0].result is Result.OK
        finally:
            done.set()
            watcher.join()
        assert not seen
        assert hosts["asks"].run("grep -rl pa55-marked /var /tmp /root /home /etc/x* 2>/dev/null; true").stdout == ""


def test_a_visit_that_hangs_is_cut_off_and_counts_as_lost(make_fleet):
    with lab.up(2) as hosts:
        fleet = make_fleet(hosts)
        fleet.observe(SLOW)
        hosts[0].write("/etc/quick", "")
        fleet.set(visit_limit=8.0)
        start = time.monotonic()
        reports = fleet.act(SLOW)
        assert time.monotonic() - start < 60
        for report in reports.values():
            assert report.trouble.code == "hang", report.trouble
            assert [outcome.result for outcome in report.outcomes] == [Result.LOST]


def test_a_host_that_dies_half_way_heals_in_the_next_round_and_runs_nothing_twice(make_fleet):
    with lab.up(1) as hosts:
        fleet = make_fleet(hosts)
        host = hosts[0]
        text = SLOW.replace("sleep 30", "sleep 3")
        fleet.observe(text)

        def die() -> None:
            while not host.exists("/root/ran"):
                time.sleep(0.05)
            host.run("pkill -9 -f trueup; pkill -9 sshd; true", check=False)

        killer = threading.Thread(target=die)
        killer.start()
        (report,) = fleet.act(text).values()
        killer.join()
        assert report.trouble.code == "closed", report.trouble
        assert report.outcomes[0].result is Result.LOST
        host.run("pkill -9 -f 'sleep 3'; true", check=False)
        host.run("/usr/sbin/sshd")
        host.wait_ssh()
        report = fleet.observe(text)[host.name]
        assert report.trouble is None
        assert [mine.origin.value for mine in report.owned] == ["created"]


def test_a_full_disk_is_said_of_the_op_and_the_rest_goes_on(make_fleet):
    text = """\
kind: File
metadata: {name: /srv/full/big}
spec: {hosts: all, content: "BIG"}
---
kind: File
metadata: {name: /etc/small}
spec: {hosts: all, content: "x"}
""".replace("BIG", "b" * 200_000)
    with lab.up(1) as hosts:
        fleet = make_fleet(hosts)
        hosts[0].run("mkdir -p /srv/full && mount -t tmpfs -o size=100k none /srv/full")
        fleet.observe(text)
        outcomes = {o.key.name: o for o in fleet.act(text)[hosts[0].name].outcomes}
        assert outcomes["/srv/full/big"].message == "no space left on /srv/full"
        assert outcomes["/etc/small"].result is Result.OK
        assert hosts[0].run("ls -A /srv/full").stdout == ""


def test_another_machine_under_the_same_name_gets_nothing(make_fleet):
    with lab.up(1) as hosts:
        fleet = make_fleet(hosts)
        fleet.observe(FILE)
        hosts[0].write("/etc/machine-id", "0123456789abcdef0123456789abcdef\n")
        (report,) = fleet.act(FILE).values()
        assert report.trouble.code == "reborn" and not report.outcomes
        assert not hosts[0].exists("/etc/x.conf")


def test_two_controllers_find_each_other(make_fleet):
    with lab.up(1) as hosts:
        one, two = make_fleet(hosts, controller_id="one"), make_fleet(hosts, controller_id="two")
        one.apply(FILE)
        two.observe(FILE)
        text = FILE.replace("x\\n", "y\\n")
        (report,) = two.act(text).values()
        assert report.trouble.code == "leased" and "one holds this host until" in report.trouble.why
        assert hosts[0].read("/etc/x.conf") == "x\n"
        own = json.loads(hosts[0].read("/var/lib/trueup/test.json"))
        own["lease"]["until"] = time.time() - 1
        hosts[0].write("/var/lib/trueup/test.json", json.dumps(own))
        assert two.act(text)[hosts[0].name].trouble is None


def test_noise_of_a_login_and_no_python_and_odd_shells(make_fleet):
    with lab.up([Spec(name="noisy"), Spec(name="bare", python=False), Spec(name="dash")]) as hosts:
        hosts["noisy"].run(
            "echo 'echo HELLO; echo TRUEUP-0 12; printf \"\\\\377\\\\0\"' > /root/.bashrc; cp /root/.bashrc /root/.profile"
        )
        hosts["dash"].run("usermod -s /bin/dash root; echo LC_ALL=xx_YY.bogus >> /etc/environment")
        fleet = make_fleet(hosts)
        told = {name: report.trouble.code if report.trouble else "" for name, report in fleet.observe(FILE).items()}
        assert told == {"noisy": "", "bare": "no-python", "dash": ""}


def test_a_kill_in_the_middle_leaves_nothing_of_the_controller(make_fleet):
    """A run whose process was killed leaves a folder; the next run removes it, and not one that is under way."""
    with lab.up(1) as hosts:
        fleet = make_fleet(hosts)
        left = fleet.folder / "runs" / "run-dead"
        left.mkdir(parents=True)
        (left / "h1.order").write_text("{}")
        fleet.observe(FILE)
        assert not left.exists()


def test_strange_inventory_never_reaches_ssh(make_fleet):
    with lab.up(1) as hosts:
        fleet = make_fleet(hosts)
        (visit,) = [v for v in fleet_visits(fleet)]
        from dataclasses import replace

        for field, value in (
            ("address", "-oProxyCommand=touch /tmp/owned"), ("user", "root\n  ProxyCommand x"),
            ("proxy_jump", "a b"), ("host_keys", ("ssh-ed25519 AAAA\n* ssh-rsa BBBB",)),
        ):  # fmt: skip
            reports = []
            fleet.trip.go([replace(visit, host=replace(visit.host, **{field: value}))], reports.append, lambda *_: None)
            assert reports[0].trouble.code == "bad-address", field


def fleet_visits(fleet):
    from reconciler.core import visits

    desired = fleet.desired(FILE)
    return visits.visits(fleet.kinds, desired, tuple(desired.hosts), {}, {}, fleet.sealer.host_key)
