"""The lab itself: what the other tests stand on must do what it says, and leave nothing behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import lab
from lab import Lab, LabError, Spec, net, sweep
from lab.lab import RUNS
from lab.traces import gone, left_of

pytestmark = pytest.mark.hosts
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def hosts() -> Iterator[Lab]:
    with lab.up([Spec(), Spec(name="two", port=2222, user="deploy", sudo="password", password="s3cret")]) as up:
        yield up


def test_ssh_as_root_and_as_another_user_on_another_port(hosts: Lab) -> None:
    assert hosts[0].ssh("id -un; hostname").stdout.split() == ["root", "lab-1"]
    assert hosts["two"].ssh("id -un; hostname").stdout.split() == ["deploy", "two"]


def test_sudo_wants_the_password_that_was_set(hosts: Lab) -> None:
    two = hosts["two"]
    assert two.ssh("sudo -n true", check=False).returncode != 0
    done = subprocess.run(
        two.ssh_argv("sudo -S -p '' id -un"), input="s3cret\n", capture_output=True, text=True, check=False, timeout=30
    )
    assert done.stdout.strip() == "root", done.stderr
    wrong = subprocess.run(
        two.ssh_argv("sudo -S -p '' id -un"), input="wrong\n", capture_output=True, text=True, check=False, timeout=60
    )
    assert wrong.returncode != 0


def test_a_change_is_seen_by_its_host_alone(hosts: Lab) -> None:
    hosts[0].ssh("useradd -m mallory && echo '* * * * * true' | crontab -u mallory -")
    assert "mallory" in hosts[0].read("/etc/passwd")
    assert hosts[0].exists("/var/spool/cron/crontabs/mallory")
    assert "mallory" not in hosts[1].read("/etc/passwd")
    assert "mallory" not in Path("/etc/passwd").read_text()
    assert not Path("/home/mallory").exists()


def test_a_host_sees_no_other_processes_no_keys_and_not_the_project(hosts: Lab) -> None:
    host = hosts[0]
    assert host.read("/proc/1/cmdline").startswith("/bin/sh")
    assert len(host.run("ps -e --no-headers").stdout.splitlines()) < 15
    assert not host.exists(str(ROOT / "pyproject.toml"))
    assert not host.exists("/run/trueup-lab")
    assert not host.exists(str(Path.home() / ".cache/trueup-lab"))
    assert host.run("ls -A /var/lib/trueup /srv /mnt").stdout.split() == ["/mnt:", "/srv:", "/var/lib/trueup:"]
    assert set(host.run("ls -A /root").stdout.split()) == {".bashrc", ".profile", ".ssh"}
    assert "PRIVATE KEY" not in host.run("cat /root/.ssh/*").stdout
    hashes = [line.split(":")[1] for line in host.read("/etc/shadow").splitlines()]
    assert set(hashes) <= {"*", "!", "!!"}, "no password hash of the machine is in a host"


def test_from_a_chroot_a_command_for_a_host_runs_there_too(tmp_path: Path) -> None:
    """Where / is no mount's root, as in a debootstrap root: entered by its namespaces alone, a host had the machine's files."""
    asks = f"ls -A /root; ls -d {ROOT}; true"
    code = f"import lab\nwith lab.up(1) as hosts:\n print(hosts[0].run({asks!r}).stdout.split())"
    root = 'mount --rbind / "$0" && exec chroot "$0" "$@"'
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", root, tmp_path, sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.stdout == "['.bashrc', '.profile', '.ssh']\n", done.stderr


def test_each_host_has_its_own_identity(hosts: Lab) -> None:
    assert len({host.host_keys for host in hosts}) == len(hosts)
    assert len({host.read("/etc/machine-id") for host in hosts}) == len(hosts)
    assert (
        hosts[0].read("/etc/machine-id").strip() == hosts[0].machine_id != Path("/etc/machine-id").read_text().strip()
    )


def test_cron_runs_jobs(hosts: Lab) -> None:
    assert hosts[0].run("pgrep -x cron").stdout.strip()


def test_two_labs_at_once(hosts: Lab) -> None:
    with lab.up(1) as other:
        assert other.net.subnet != hosts.net.subnet
        assert other[0].ssh("hostname").stdout.strip() == "lab-1"
        name = other.id
    assert gone(name) == []
    assert hosts[0].ssh("true").returncode == 0


def test_a_shell_is_of_the_lab_that_was_meant(hosts: Lab) -> None:
    def shell(*words: str) -> subprocess.CompletedProcess[str]:
        argv = [sys.executable, "-m", "lab", "shell", *words, "--", "cat", "/etc/machine-id"]
        return subprocess.run(argv, capture_output=True, text=True, check=False, cwd=ROOT, timeout=30)

    with lab.up(1) as other:
        assert shell("--lab", hosts.id, "lab-1").stdout.strip() == hosts[0].machine_id
        assert shell("--lab", other.id, "lab-1").stdout.strip() == other[0].machine_id
        doubtful = shell("lab-1")
        assert doubtful.returncode == 1 and "several labs" in doubtful.stderr
        assert "no lab host is called nobody" in shell("nobody").stderr


def test_no_python_means_none(hosts: Lab) -> None:
    with lab.up([Spec(python=False)]) as bare:
        assert (
            bare[0].ssh("command -v python3 || ls /usr/bin/*python* /usr/local/bin/*python*", check=False).returncode
            != 0
        )


def test_a_small_disk_fills() -> None:
    with lab.up([Spec(size="24m")]) as small:
        done = small[0].run("dd if=/dev/zero of=/root/big bs=1M count=40 2>&1", check=False)
        assert "No space left" in done.stdout
        assert "No space left" in small[0].run("useradd -m full && echo made || echo x > /etc/x", check=False).stderr


def test_crash_and_boot_keep_the_disk() -> None:
    with lab.up(1) as up:
        up[0].run("echo kept > /etc/kept; echo gone > /run/gone")
        up[0].crash()
        assert "sshd" not in up[0].run("ps -e").stdout
        with pytest.raises(LabError):
            up[0].wait_ssh(0.3)
        up[0].boot()
        assert up[0].ssh("cat /etc/kept; ls /run/gone", check=False).stdout == "kept\n"


def test_cut_and_mend() -> None:
    with lab.up(1) as up:
        up[0].cut()
        with pytest.raises(LabError):
            up[0].wait_ssh(0.3)
        up[0].mend()
        up[0].wait_ssh()


def test_a_frozen_host_accepts_and_says_nothing() -> None:
    with lab.up(1) as up:
        up[0].freeze()
        with pytest.raises(LabError):
            up[0].wait_ssh(0.5)
        up[0].thaw()
        up[0].wait_ssh()


def test_a_killed_host_is_gone() -> None:
    with lab.up(2) as up:
        up[0].kill()
        assert not up[0].alive
        assert up[1].ssh("true").returncode == 0
        name = up.id
    assert gone(name) == []


def test_a_new_host_key_is_another_one() -> None:
    with lab.up(1) as up:
        before = up[0].host_keys
        assert up[0].new_host_key() not in before
        assert up[0].ssh("true").returncode == 0


def test_packets_get_lost() -> None:
    with lab.up(1) as up:
        up[0].lose(50)
        lost = subprocess.run(
            ["nsenter", "--target", str(up[0].pid), "--net", "nft", "list", "ruleset"],
            capture_output=True,
            text=True,
            check=True,
        )
        assert "numgen random mod 100 < 50 drop" in lost.stdout
        up[0].lose(0)
        assert up[0].ssh("true").returncode == 0


def test_a_slow_line_is_slow() -> None:
    with lab.up(1) as up, up[0].slow(0.1) as (address, port):
        import socket

        begin = time.monotonic()
        with socket.create_connection((address, port), timeout=10) as line:
            assert line.recv(4) == b"SSH-"
        assert time.monotonic() - begin >= 0.1


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_nothing_is_left_however_the_owner_dies(number: signal.Signals) -> None:
    # A shell's background job has SIGINT ignored, and so would its children.
    code = "import lab, signal, time\nsignal.signal(signal.SIGINT, signal.default_int_handler)\nwith lab.up(2) as up:\n print(up.id, flush=True)\n time.sleep(60)"
    owner = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, cwd=ROOT
    )
    assert owner.stdout is not None
    name = owner.stdout.readline().strip()
    assert left_of(name)
    os.kill(owner.pid, number)
    owner.wait(timeout=20)
    assert gone(name) == []


def test_by_hand_a_lab_keeps_no_pipe_open_and_a_reader_that_left_is_no_error() -> None:
    def typed(*words: str) -> subprocess.CompletedProcess[str]:
        # Both outputs are pipes, read to their end: one that a host's process held would never end.
        argv = [sys.executable, "-m", "lab", *words]
        return subprocess.run(argv, capture_output=True, text=True, check=False, cwd=ROOT, timeout=60)

    up = typed("up", "1", "--name", "by-hand")
    name = up.stdout.split()[1].rstrip(",")
    try:
        assert up.returncode == 0, up.stderr
        read, write = os.pipe()
        os.close(read)
        argv = [sys.executable, "-m", "lab", "status"]
        left = subprocess.run(argv, stdout=write, stderr=subprocess.PIPE, text=True, check=False, cwd=ROOT, timeout=60)
        os.close(write)
        assert (left.returncode, left.stderr) == (0, "")
        assert "no lab is called nothing" in typed("down", "nothing").stderr
    finally:
        down = typed("down", name)
    assert f"removed lab {name}" in down.stdout
    assert gone(name) == []


def test_without_root_it_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(LabError, match="run it with sudo"), lab.up(1):
        pass


def test_a_missing_tool_is_named_with_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lab.problems.PATH", "/nowhere")
    with pytest.raises(LabError, match=r"apt-get install .*iproute2"), lab.up(1):
        pass


def test_a_start_that_fails_says_why_and_leaves_nothing() -> None:
    before = set(Path("/run/trueup-lab").iterdir())
    with pytest.raises(LabError, match="lab-1 can't start"), lab.up([Spec(size="nonsense")]):
        pass
    assert set(Path("/run/trueup-lab").iterdir()) <= before


def test_a_first_sweep_beside_labs_of_another_root_takes_none_of_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No lab was up here since the machine's start, and a chroot beside us has some."""
    theirs = "tul0third"
    net.ip(f"link add {theirs} type bridge", f"link set {theirs} alias lab-0-0")
    monkeypatch.setattr("lab.lab.RUNS", tmp_path / "not there yet")
    try:
        assert sweep() == [] and net.alias(theirs) == "lab-0-0"
    finally:
        net.ip(f"link delete {theirs}")


def test_a_sweep_leaves_bridges_of_another_root_alone() -> None:
    """Two roots may share a network, as a chroot does: each knows only its own labs' folders."""
    mine, other = "tul00mine", "tul0other"
    try:
        net.ip(f"link add {mine} type bridge", f"link set {mine} alias {net.root_of(RUNS)}")
        net.ip(f"link add {other} type bridge", f"link set {other} alias lab-1-1")
        assert f"bridge {mine}" in sweep()
        assert Path(f"/sys/class/net/{other}").exists()
    finally:
        net.ip(f"link delete {other}")
