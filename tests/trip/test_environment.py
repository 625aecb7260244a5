"""What is in the daemon's environment (a secret, where an administrator put one there) is in no process that it starts."""

from __future__ import annotations

from pathlib import Path

import pytest

from reconciler.core.model import Host
from reconciler.manifests.kinds import load_kinds
from reconciler.secrets import FleetKey, Sealer
from reconciler.settings import Settings
from reconciler.trip import AnsibleTrip, host_keys, ssh


def test_ssh_is_given_what_it_needs_of_it_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = tmp_path / "seen"
    fake = tmp_path / "bin/ssh"
    fake.parent.mkdir()
    fake.write_text(f'#!/bin/sh\n/usr/bin/env >> {seen}; echo --end "$@" >> {seen}\n')
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{fake.parent}:/usr/bin:/bin")
    monkeypatch.setenv("TRUEUP_PLANTED", "hush")
    monkeypatch.setenv("SSH_AUTH_SOCK", "/run/agent")
    settings = Settings(state_dir=tmp_path, run_dir=tmp_path)
    host = Host(name="web-1", address="192.0.2.1")
    ssh.words(tmp_path / "config", host, 5.0)
    host_keys.ask(settings, host)
    trip = AnsibleTrip(load_kinds(), settings, Sealer(FleetKey(b"k" * 32)))
    (ssh.control_folder(settings) / "kept").touch()
    trip.hang_up()
    told = seen.read_text()
    assert "-O exit" in told and "web-1 true" in told and told.count("--end") >= 3
    assert told.count("SSH_AUTH_SOCK=/run/agent") == told.count("--end")
    assert "hush" not in told
