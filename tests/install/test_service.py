"""`trueup service`: on a host that systemd runs it is installed, watched, restarted, upgraded and taken away; scored by
systemd's own measure, and shut where it would not work."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import tarfile
import time
from pathlib import Path

import pytest
import wheels

import lab
from lab import LabHost, Spec
from reconciler.core.problem import Refused
from reconciler.install import service
from reconciler.install.unit import unit

SUITES = {(3, 11): "bookworm", (3, 13): "trixie"}
"""Debian's releases by their Python: the dependencies of the tests run only on the one that they were built for."""
PLACE = Path("/opt/trueup")


def exposure(place: Path) -> float:
    """How open a unit is: 0 to 10, 10 being the worst."""
    done = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--no-pager", place],
        capture_output=True, text=True, timeout=60, env={**os.environ, "LC_ALL": "C.UTF-8"},
    )  # fmt: skip
    said = next(line for line in done.stdout.splitlines() if "Overall exposure level" in line)
    return float(said.partition("service: ")[2].split()[0])


def test_the_unit_is_sound_and_its_exposure_low(tmp_path: Path) -> None:
    place = tmp_path / "trueup.service"
    place.write_text(unit(Path("/bin/true")))
    assert exposure(place) < 3.0
    done = subprocess.run(["systemd-analyze", "verify", place], capture_output=True, text=True, timeout=60)
    wrong = [line for line in done.stderr.splitlines() if "trueup.service" in line and "man " not in line]
    assert not wrong, wrong


def test_a_path_that_systemd_would_split_or_expand_is_quoted() -> None:
    assert "ExecStart=/opt/trueup/bin/trueup serve\n" in unit(Path("/opt/trueup/bin/trueup"))
    assert 'ExecStart="/opt/my trueup/100%%/bin/$$x" serve\n' in unit(Path("/opt/my trueup/100%/bin/$x"))


def test_an_install_that_the_service_would_not_see_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/trueup").touch()
    monkeypatch.setattr(sys, "prefix", str(tmp_path))
    with pytest.raises(Refused) as refused:
        next(service.install())
    (problem,) = refused.value.problems
    assert problem.code == "service-place" and "/opt/trueup" in problem.hint


def test_only_root_changes_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(Refused) as refused:
        service.need_root("install")
    assert refused.value.problems[0].hint.startswith("sudo trueup service install")


# ---------------------------------------------------------------- a host with systemd


def put_install(host: LabHost, wheel: Path) -> None:
    """trueup and what it needs into a virtual environment of the host, as `pip install` would leave it."""
    (version,) = {sys.version_info[:2]} & set(SUITES)
    site = f"{PLACE}/lib/python{version[0]}.{version[1]}/site-packages"
    host.run(f"python3 -m venv --without-pip {PLACE}")
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for file, name in wheels.dependencies():
            archive.add(file, f"{site[1:]}/{name}", recursive=False)
        for name, text in wheels.programs(PLACE / "bin/python").items():
            info = tarfile.TarInfo(f"{PLACE}/bin/{name}"[1:])
            info.size, info.mode = len(text), 0o755
            archive.addfile(info, io.BytesIO(text.encode()))
        archive.add(wheel, f"opt/{wheel.name}")
        pip = next(Path(where) / "pip" for where in sys.path if (Path(where) / "pip/__main__.py").exists())
        archive.add(pip, "opt/pip/pip", filter=lambda info: None if "__pycache__" in info.name else info)
    subprocess.run(
        [*host.enter(), "tar", "-x", "-C", "/", "--no-same-owner"], input=packed.getvalue(), check=True, timeout=120
    )
    pip_install(host, wheel)


def pip_install(host: LabHost, wheel: Path) -> None:
    host.run(
        f"umask 022; PYTHONPATH=/opt/pip {PLACE}/bin/python -m pip install --quiet --no-index --no-deps --no-compile "
        f"--disable-pip-version-check --force-reinstall --root-user-action=ignore /opt/{wheel.name}",
        timeout=120,
    )


def until(host: LabHost, command: str, limit: float = 90) -> str:
    end = time.monotonic() + limit
    while True:
        done = host.run(command, check=False)
        if done.returncode == 0:
            return done.stdout
        assert time.monotonic() < end, (
            f"{command}: {done.stderr}\n" + host.run("journalctl -u trueup -n 50", check=False).stdout
        )
        time.sleep(0.2)


def get(path: str) -> str:
    return (
        "python3 -c \"import urllib.request as u; print(u.urlopen('http://127.0.0.1:8080"
        + path
        + "', timeout=20).read().decode())\""
    )


@pytest.mark.hosts
def test_install_run_restart_upgrade_and_take_away(wheel: Path) -> None:
    with lab.up([Spec(root=SUITES[sys.version_info[:2]], systemd=True)]) as hosts:
        (host,) = hosts
        put_install(host, wheel)
        trueup = f"{PLACE}/bin/trueup"
        host.run(f"{trueup} init --bare /srv/fleet.git")

        # A dry run changes nothing, and says all.
        told = host.run(f"{trueup} service install --dry-run --repo /srv/fleet.git").stdout
        assert "would: write /etc/systemd/system/trueup.service" in told and "would: systemctl enable trueup" in told
        assert not host.exists("/etc/trueup") and not host.exists("/etc/systemd/system/trueup.service")
        refused = host.run(f"setpriv --reuid 65534 --regid 65534 --clear-groups {trueup} service install", check=False)
        assert refused.returncode == 1 and "only root may" in refused.stderr

        # A start that fails says why, in the words of the service; that mended, it is done again.
        failed = host.run(f"{trueup} service install --repo /srv/fleet.git", check=False)
        assert "make the system user trueup" in failed.stdout
        assert failed.returncode == 1 and "error[repo-owner]" in failed.stderr and "safe.directory" in failed.stderr
        host.write("/etc/gitconfig", "[safe]\n\tdirectory = /srv/fleet.git\n")

        # Installed, it runs as a user of its own, and is ready as soon as systemd says that it started.
        told = host.run(f"{trueup} service install --repo /srv/fleet.git").stdout
        assert "the user trueup is there" in told and "next: allow /etc/trueup/id_ed25519.pub on the hosts" in told
        assert host.run("systemctl is-active trueup; systemctl is-enabled trueup").stdout.split() == [
            "active",
            "enabled",
        ]
        assert '"ok":true' in host.run(get("/healthz")).stdout
        until(host, get("/readyz"))
        assert "trueup_build_info" in host.run(get("/metrics")).stdout
        assert host.run("ps -o user= -p $(systemctl show -P MainPID trueup)").stdout.strip() == "trueup"
        modes = host.run("stat -c '%n %U:%G %a' /etc/trueup /etc/trueup/server.yaml /etc/trueup/id_ed25519 /var/lib/trueup /run/trueup /run/trueup/fleet.sock")  # fmt: skip
        assert modes.stdout.splitlines() == [
            "/etc/trueup root:trueup 750", "/etc/trueup/server.yaml root:trueup 640", "/etc/trueup/id_ed25519 trueup:trueup 600",
            "/var/lib/trueup trueup:trueup 700", "/run/trueup trueup:trueup 750", "/run/trueup/fleet.sock trueup:trueup 660",
        ]  # fmt: skip
        assert "round-start" in host.run("journalctl -u trueup").stdout
        assert host.run("trueup service status").stdout.splitlines()[0].endswith("as this trueup writes it")
        assert host.exists("/usr/local/share/man/man1/trueup.1")
        assert (
            float(host.run("systemd-analyze security --no-pager trueup").stdout.rpartition("service: ")[2].split()[0])
            < 3.0
        )

        # Whoever is in its group is told how the service is set up, and root too: by the service, not by their own rights.
        host.run("useradd --create-home --groups trueup ada")
        for who in ("setpriv --reuid ada --regid ada --init-groups env HOME=/home/ada", ""):
            told = host.run(f"cd /; {who} trueup doctor").stdout
            assert "0 faults" in told and "please report" not in told, told
        refused = host.run("setpriv --reuid ada --regid ada --init-groups trueup secrets identity", check=False)
        assert "error[denied]" in refused.stderr and "sudo -u trueup" in refused.stderr

        # What root does to the state while it is stopped leaves nothing that the service can't open.
        host.run(
            "systemctl stop trueup; trueup state compact && trueup state backup /root/before && trueup observe",
            check=False,
        )
        host.run("trueup state restore /root/before")
        assert host.run("find /var/lib/trueup ! -user trueup").stdout == ""
        assert "error[state-owner]" in host.run("trueup serve", check=False).stderr
        host.run("systemctl start trueup")
        until(host, get("/readyz"))

        # Killed, it comes back; done again, the install keeps what a person wrote.
        before = host.run("systemctl show -P MainPID trueup").stdout
        host.run("systemctl kill -s KILL trueup")
        until(host, f"[ $(systemctl show -P MainPID trueup) != {before.strip()} ] && {get('/healthz')}")
        host.run(
            "echo '# mine' >>/etc/trueup/server.yaml; "
            + f"cp /etc/trueup/id_ed25519 /root/key; {trueup} service install"
        )
        assert "# mine" in host.read("/etc/trueup/server.yaml")
        host.run("cmp /root/key /etc/trueup/id_ed25519")
        until(host, get("/healthz"))

        # Taken away: nothing runs, nothing of the program is left, the data stay.
        told = host.run("trueup service uninstall").stdout
        assert "stay; to remove them too: rm -r /etc/trueup /var/lib/trueup" in told
        assert host.run("pgrep -u trueup -l", check=False).stdout == ""
        left = "/etc/systemd/system/trueup.service /usr/local/bin/trueup /usr/local/share/man/man1/trueup.1 /run/trueup"
        assert host.run(f"ls -d {left}", check=False).stdout == ""
        assert host.exists("/etc/trueup/server.yaml") and host.exists("/var/lib/trueup/state.duckdb")
        assert host.run(f"{trueup} service status", check=False).returncode == 1
