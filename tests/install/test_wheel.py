"""The wheel works without the checkout: installed into a fresh environment it checks, explains, plans, serves and
converges a host, and brings man pages and completions that the programs which read them take."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
import urllib.request
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import wheels

from lab import Fleet

from ..loop.test_health import parsed


def run(command: Path, *words: str, cwd: Path, expect: int = 0) -> str:
    env = {"PATH": f"{command.parent}:/usr/bin:/bin:/usr/sbin:/sbin", "HOME": str(cwd), "LANG": "C.UTF-8", "TRUEUP_STATE_DIR": str(cwd / "state"), "TRUEUP_RUN_DIR": str(cwd / "run")}  # fmt: skip
    done = subprocess.run([command, *words], cwd=cwd, env=env, capture_output=True, text=True, timeout=120)
    assert done.returncode == expect, done.stdout + done.stderr
    return done.stdout


def test_nothing_is_left_out(wheel: Path) -> None:
    inside = set(zipfile.ZipFile(wheel).namelist())
    listed = wheels.sources("reconciler", "reports", "schemas")
    missing = [name for name in listed if name not in inside]
    assert listed and not missing
    assert not [name for name in inside if name.startswith(("tests/", "lab/", "docs/"))]


def test_every_command_runs_where_there_is_no_checkout(installed: Path, tmp_path: Path) -> None:
    home = subprocess.run(
        [installed.parent / "python", "-c", "import reconciler, sys; print(reconciler.__file__); print(sys.path)"],
        cwd=tmp_path, capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    assert home.startswith(str(installed.parent.parent)) and f"'{wheels.ROOT}'" not in home
    fleet = tmp_path / "fleet"
    run(installed, "init", "fleet", cwd=tmp_path)
    assert (fleet / "trueup.yaml").exists()
    assert json.loads(run(installed, "check", "--format", "json", cwd=fleet)) == []
    assert "sudo" in run(installed, "explain", "User.sudo", cwd=fleet)
    assert "trueup " in run(installed, "version", cwd=fleet)
    assert "checks" in run(installed, "doctor", "--format", "json", cwd=fleet, expect=1)
    for name in ("CronJob", "File", "Group", "Package", "Service", "User"):
        assert name in run(installed, "explain", name, cwd=fleet)


@pytest.mark.hosts
def test_it_converges_a_host_and_tells_how_it_does(installed: Path, make_fleet: Callable[[Path], Fleet]) -> None:
    fleet = make_fleet(installed)
    (host,) = fleet.hosts
    fleet.write(
        "motd.yaml", 'kind: File\nmetadata: {name: /etc/motd}\nspec: {hosts: all, content: "from the wheel\\n"}\n'
    )
    with fleet.serve(log_format="json"):
        fleet.land("first", "-o", "wait")
        assert host.read("/etc/motd") == "from the wheel\n"
        page = f"http://{fleet.settings['TRUEUP_LISTEN']}"

        def get(path: str) -> str:
            with urllib.request.urlopen(page + path, timeout=60) as answer:
                return str(answer.read().decode())

        assert "lab-1" in get("/hosts") and "accounts" in get("/reports")
        assert json.loads(get("/healthz"))["ok"] is True
        assert json.loads(get("/readyz"))["ready"] is True
        numbers = parsed(get("/metrics"))
        assert numbers["trueup_hosts"][(("verdict", "converged"),)] == 1
        assert sum(numbers["trueup_rounds_total"].values()) >= 1 and numbers["trueup_ready_round"][()] == 1
        assert numbers["trueup_last_success_timestamp_seconds"][()] > time.time() - 600
        assert numbers["trueup_guards_waiting"][()] == numbers["trueup_backoffs"][()] == 0
        assert numbers["process_resident_memory_bytes"][()] > 1e6
    assert {"round-start", "round-end"} <= {
        json.loads(line)["event"] for line in fleet.log.read_text().splitlines() if line.startswith("{")
    }


def test_man_takes_the_pages_without_a_warning(installed: Path) -> None:
    pages = sorted((installed.parent.parent / "share/man/man1").glob("*.1"))
    assert len(pages) > 20
    for page in pages:
        done = subprocess.run(
            ["man", "--warnings", "-E", "UTF-8", "-l", "-Tutf8", "-Z", page],
            capture_output=True, text=True, timeout=60, env={**os.environ, "LC_ALL": "C.UTF-8", "MANWIDTH": "80"},
        )  # fmt: skip
        assert (done.returncode, done.stderr) == (0, ""), page
    shown = subprocess.run(
        ["man", "-l", installed.parent.parent / "share/man/man1/trueup-plan.1"],
        capture_output=True, text=True, timeout=60, env={**os.environ, "LC_ALL": "C.UTF-8", "MANPAGER": "cat"},
    ).stdout  # fmt: skip
    assert "--observed" in shown and "EXIT STATUS" in shown and "\\" not in shown


def test_bash_completes_by_what_is_installed(installed: Path, tmp_path: Path) -> None:
    script = installed.parent.parent / "share/bash-completion/completions/trueup"
    asked = f"""
        . {script}
        COMP_WORDS=(trueup pla) COMP_CWORD=1
        _trueup_completion trueup
        echo "${{COMPREPLY[@]}}"
    """
    done = subprocess.run(
        ["bash", "-c", asked], cwd=tmp_path, capture_output=True, text=True, timeout=60,
        env={"PATH": f"{installed.parent}:/usr/bin:/bin", "HOME": str(tmp_path), "LANG": "C.UTF-8"},
    )  # fmt: skip
    assert done.stdout.split() == ["plan"], done.stderr
    for shell, name in (("zsh", "zsh/site-functions/_trueup"), ("fish", "fish/vendor_completions.d/trueup.fish")):
        text = (installed.parent.parent / "share" / name).read_text()
        assert "_TRUEUP_COMPLETE" in text
        if program := shutil.which(shell):
            subprocess.run([program, "-n", installed.parent.parent / "share" / name], check=True, timeout=60)
