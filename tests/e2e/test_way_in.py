"""The way in to a host: keys that changed, sudo with and without a password, a jump host, another port."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from lab import Fleet, Spec, raw

GOOD = 'kind: File\nmetadata: {name: /etc/good}\nspec: {hosts: all, content: "good\\n"}\n'


def test_a_changed_host_key_stops_that_host_alone(fleet: Fleet) -> None:
    fleet.write("good.yaml", GOOD)
    fleet.land()
    fleet.apply()
    one, two = fleet.hosts
    one.new_host_key()
    before = raw.read(one).text()
    fleet.write("good.yaml", GOOD.replace("good\\n", "better\\n"))
    fleet.land()
    fleet.trueup("apply", expect=1)
    assert raw.read(one).text() == before, "something was sent to a host that can't prove who it is"
    assert two.read("/etc/good") == "better\n"
    assert "key" in fleet.trueup("status", "lab-1", expect=None).stdout.lower()
    lines = fleet.trueup("host-keys", "lab-1", expect=None).stdout
    assert one.host_keys[0].split()[1] in lines
    fleet.host(one)
    fleet.land("The new key of lab-1 was checked by hand")
    fleet.trueup("observe", "lab-1")
    fleet.apply()
    assert one.read("/etc/good") == "better\n"


def test_a_first_key_is_pinned(make_fleet: Callable[..., Fleet]) -> None:
    fleet = make_fleet(1)
    path = fleet.clone / "hosts/lab-1.yaml"
    path.write_text(path.read_text().split("  hostKeys:")[0])
    fleet.write("good.yaml", GOOD)
    fleet.land()
    fleet.apply()
    fleet.hosts[0].new_host_key()
    fleet.write("good.yaml", GOOD.replace("good\\n", "better\\n"))
    fleet.land()
    fleet.trueup("apply", expect=1)
    assert fleet.hosts[0].read("/etc/good") == "good\n"


def test_sudo_without_a_password(make_fleet: Callable[..., Fleet]) -> None:
    fleet = make_fleet(Spec(user="deploy", sudo="nopasswd", port=2222))
    fleet.write("good.yaml", GOOD)
    fleet.land()
    fleet.apply()
    assert fleet.hosts[0].run("stat -c %U /etc/good").stdout == "root\n"


def test_sudo_with_a_password(make_fleet: Callable[..., Fleet], tmp_path: Path) -> None:
    fleet = make_fleet(Spec(user="deploy", sudo="password", password="s3cret-Pass"))
    fleet.write("good.yaml", GOOD)
    fleet.land()
    fleet.trueup("apply", expect=1)
    assert not fleet.hosts[0].exists("/etc/good")
    assert "sudo" in fleet.trueup("status", "lab-1", expect=None).stdout
    secret = tmp_path / "become"
    secret.write_text("wrong\n")
    secret.chmod(0o600)
    fleet.settings["TRUEUP_BECOME_PASSWORD_FILE"] = str(secret)
    fleet.trueup("observe", expect=None)
    assert "sudo" in fleet.trueup("status", "lab-1", expect=None).stdout
    secret.write_text("s3cret-Pass\n")
    fleet.trueup("observe")
    fleet.apply()
    assert fleet.hosts[0].run("stat -c %U /etc/good").stdout == "root\n"
    left = [path for path in fleet.folder.rglob("*") if path.is_file() and b"s3cret-Pass" in path.read_bytes()]
    assert left == []


def test_through_a_jump_host(fleet: Fleet) -> None:
    one, two = fleet.hosts
    fleet.host(two, extra=f"proxyJump: root@{one.address}:22\n")
    fleet.write("good.yaml", GOOD)
    fleet.land()
    # Only lab-1 may talk to lab-2.
    two.run(f"ip route add blackhole {two.gateway}/32 2>/dev/null || ip route add unreachable {two.gateway}/32")
    fleet.apply()
    assert two.read("/etc/good") == "good\n"
