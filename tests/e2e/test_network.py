"""A network as it is: packets get lost, lines are slow, hosts accept and then say nothing. Nobody waits for the worst one,
each trouble has its name, and all is right once the network is."""

from __future__ import annotations

import re
import socket
from collections.abc import Callable
from pathlib import Path

from lab import Fleet

MOTD = 'kind: File\nmetadata: {name: /etc/motd}\nspec: {hosts: all, content: "as it should be\\n"}\n'


def at(fleet: Fleet, name: str, address: str, port: int) -> None:
    """Let the inventory reach a host somewhere else: by a relay, or where nobody answers."""
    path: Path = fleet.clone / f"hosts/{name}.yaml"
    text = re.sub(r"address: .*", f"address: {address}", path.read_text())
    path.write_text(re.sub(r"port: .*", f"port: {port}", text))


def test_lost_packets_slow_lines_and_hosts_that_hang(make_fleet: Callable[..., Fleet]) -> None:
    # The limit of a look spans lost packets (TCP doubles its wait at each), and ends the host that hangs.
    fleet = make_fleet(5, connect_timeout="15", look_limit="30")
    well, lossy, slow, hangs, mute = fleet.hosts
    hangs.run("printf '#!/bin/sh\\nexec sleep 3600\\n' > /usr/local/bin/hang; chmod 755 /usr/local/bin/hang")
    hangs.run("usermod -s /usr/local/bin/hang root")
    lossy.lose(10)
    with slow.slow(0.2) as (address, port), socket.create_server(("127.0.0.1", 0)) as nobody:
        at(fleet, slow.name, address, port)
        at(fleet, mute.name, *nobody.getsockname())
        fleet.write("motd.yaml", MOTD)
        fleet.land()
        applied = fleet.trueup("apply", expect=1).stdout
        assert "2 of 5 hosts without an answer; 3 converged" in applied, applied
        assert all(f"? {host.name}: " in applied for host in (hangs, mute)), applied
        for host in (well, lossy, slow):
            assert host.read("/etc/motd") == "as it should be\n", host.name
        for host in (hangs, mute):
            assert host.read("/etc/motd") != "as it should be\n", host.name
        told = fleet.trueup("status", expect=None).stdout
        assert "3 Converged" in told and "2 Unknown" in told, told
        assert re.search(r"said nothing|no answer|took longer|in time|timed out", told), told

        slow.write("/etc/motd", "by hand\n")
        lossy.write("/etc/motd", "by hand\n")
        fleet.trueup("observe", slow.name, lossy.name)
        fleet.trueup("apply", expect=1)
        assert slow.read("/etc/motd") == lossy.read("/etc/motd") == "as it should be\n"

    lossy.lose(0)
    hangs.run("usermod -s /bin/bash root")
    for host in (slow, mute):
        at(fleet, host.name, host.address, host.port)
    fleet.land("The network is mended")
    fleet.trueup("observe")
    fleet.apply()
    assert {host.read("/etc/motd") for host in fleet.hosts} == {"as it should be\n"}
    assert "5 Converged" in fleet.trueup("status").stdout
