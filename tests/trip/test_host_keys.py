"""`trueup host-keys`: what a host shows, told as what it is."""

from __future__ import annotations

import stat

import pytest

import lab
from reconciler.core.model import Host
from reconciler.settings import Settings
from reconciler.tell import host_keys as words
from reconciler.trip import host_keys, ssh

pytestmark = pytest.mark.hosts


def test_it_prints_what_the_host_shows_and_says_when_that_has_changed(tmp_path):
    with lab.up(2) as hosts:
        settings = Settings(state_dir=tmp_path, run_dir=tmp_path, connect_timeout=20.0)
        host = Host(name="web-1", address=hosts[0].address, host_keys=hosts[0].host_keys)
        shown = host_keys.ask(settings, host)
        assert shown.trouble is None and hosts[0].host_keys[0] in shown.keys and not shown.changed
        real = hosts[0].run("ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub").stdout.split()[1]
        assert host_keys.fingerprint(hosts[0].host_keys[0]) == real
        said = words.text(host, shown)
        assert "Nothing vouches for them yet" in said and f"    - {hosts[0].host_keys[0]}\n" in said and real in said
        assert not settings.known_hosts.exists()  # asking pins nobody
        hosts[0].new_host_key()
        assert "is known by other keys" in words.text(host, host_keys.ask(settings, host))
        hosts[1].cut()
        away = host_keys.ask(settings, Host(name="web-2", address=hosts[1].address))
        assert away.trouble is not None and away.trouble.code in ("timed-out", "no-route") and not away.keys


def test_the_folder_of_a_new_state_is_its_owners_alone_though_host_keys_makes_it(tmp_path):
    settings = Settings(state_dir=tmp_path / "state", run_dir=tmp_path)
    ssh.begin_pins(settings)
    assert stat.S_IMODE(settings.state_dir.stat().st_mode) == 0o700
    assert stat.S_IMODE(settings.known_hosts.stat().st_mode) == 0o600


def test_a_jump_host_is_on_the_way_and_its_own_key_is_checked(make_fleet):
    text = 'kind: File\nmetadata: {name: /etc/x.conf}\nspec: {hosts: all, content: "x\\n"}\n'
    with lab.up(2) as hosts:
        fleet = make_fleet(hosts)
        inner, jump = hosts
        fleet.extra[inner.name] = {"proxyJump": f"root@{jump.address}:22"}
        assert fleet.observe(text, (inner.name,))[inner.name].trouble is None
        assert fleet.settings.known_hosts.read_text().startswith(f"{jump.address} ")
        fleet.trip.close()
        jump.new_host_key()
        report = fleet.observe(text, (inner.name,))[inner.name]
        assert report.trouble is not None and report.trouble.code == "host-key-changed"
