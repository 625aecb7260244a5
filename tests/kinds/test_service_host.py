"""Service on lab hosts: an init script of Debian's form, and systemd. Its op beside the stock module."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import lab
from lab import LabHost, Spec, raw
from reconciler.core import diff
from reconciler.core.kind import OpContext
from reconciler.core.model import (
    Absent,
    Change,
    Host,
    Key,
    Meaning,
    Observation,
    Present,
    Resource,
    Row,
    Source,
    Unknown,
    digest,
    observation,
    reading_json,
)
from reconciler.manifests.kinds import load_kinds

sys.path.insert(0, str(Path(__file__).parent))
from hosts import run_op, run_probe, run_stock

pytestmark = pytest.mark.hosts
SERVICE = load_kinds()["Service"]
CONTEXT = OpContext(host=Host(name="lab-1"), fleet="lab")

SCRIPT = """\
#!/bin/sh
### BEGIN INIT INFO
# Provides: greeter
# Required-Start: $local_fs
# Required-Stop:
# Default-Start: 2 3 4 5
# Default-Stop: 0 1 6
# Short-Description: for a test
### END INIT INFO
. /lib/lsb/init-functions
case "$1" in
  start)
    echo start >> /srv/greeter.log
    start-stop-daemon --start --oknodo --background --make-pidfile --pidfile /run/greeter.pid --startas /bin/sleep -- 9999 ;;
  stop)
    echo stop >> /srv/greeter.log
    start-stop-daemon --stop --oknodo --remove-pidfile --pidfile /run/greeter.pid --retry 5 ;;
  reload)
    echo reload >> /srv/greeter.log ;;
  restart)
    $0 stop; $0 start ;;
  status)
    status_of_proc -p /run/greeter.pid /bin/sleep greeter ;;
  *)
    echo "Usage: $0 {start|stop|restart|reload|status}"; exit 2 ;;
esac
"""
UNIT_FILE = "/usr/lib/systemd/system/greeter.service"
UNIT = """\
[Service]
ExecStart=/bin/sh -c 'echo start >> /srv/greeter.log; exec sleep 9999'
ExecReload=/bin/sh -c 'echo reload >> /srv/greeter.log'
[Install]
WantedBy=multi-user.target
"""


def give(host: LabHost) -> None:
    if host.spec.systemd:
        host.write(UNIT_FILE, UNIT)
        host.write("/etc/systemd/system/once.service", "[Service]\nType=oneshot\nExecStart=/bin/true\n")
        host.write(
            "/etc/systemd/system/broken.service",
            "[Service]\nExecStart=/bin/false\nType=forking\n[Install]\nWantedBy=multi-user.target\n",
        )
    else:
        host.write("/etc/init.d/greeter", SCRIPT)
        host.run("chmod 0755 /etc/init.d/greeter")


@pytest.fixture(scope="module", params=[False, True], ids=["init scripts", "systemd"])
def pair(request: pytest.FixtureRequest) -> Iterator[tuple[LabHost, LabHost]]:
    # Names of their own: systemd-nspawn has one container of a name on a machine.
    specs = [
        Spec(name=f"greeter-{n}", root="bookworm" if request.param else "/", systemd=request.param) for n in (1, 2)
    ]
    with lab.up(specs) as hosts:
        for host in hosts:
            give(host)
        yield hosts[0], hosts[1]


@pytest.fixture
def host(pair: tuple[LabHost, LabHost]) -> LabHost:
    return pair[0]


def look(host: LabHost, name: str, **more: Any) -> Observation:
    (answer,) = run_probe(host, "service", [{"name": name, **more}])
    return observation(answer)


def decide(host: LabHost, name: str, spec: dict[str, Any], loaded: dict[str, str] | None = None) -> Change | None:
    normal = dict(SERVICE.normal(name, spec))
    if any(spec.get(field) for field in SERVICE.digests_of):
        normal["loaded"] = {ref: "new" for field in SERVICE.digests_of for ref in spec.get(field, ())}
    request = {**SERVICE.look(name, normal, CONTEXT), "loadedDigests": loaded or {}}
    (answer,) = run_probe(host, "service", [request])
    key = Key("lab-1", "Service", name)
    resource = Resource(key=key, meaning=Meaning(spec=normal, digest=digest(normal)), source=Source(path="x.yaml"))
    made = diff.decide(SERVICE, Row(key=key, desired=resource, seen=observation(answer), owned=None))
    return made if isinstance(made, Change) else None


def log(host: LabHost) -> list[str]:
    return host.run("cat /srv/greeter.log 2>/dev/null; rm -f /srv/greeter.log", check=False).stdout.split()


STEPS: tuple[dict[str, Any], ...] = (
    {"running": True, "enabled": True},
    {"running": False, "enabled": False},
    {"enabled": True},
)


def test_the_op_and_the_stock_module_leave_the_same_state_and_it_is_as_predicted(pair: tuple[LabHost, LabHost]) -> None:
    ours, stock = pair
    for spec in STEPS:
        change = decide(ours, "greeter", spec)
        assert change is not None
        predicted = SERVICE.after(change)
        (op,) = SERVICE.ops(change, CONTEXT)
        result = run_op(ours, "service", op.args)
        assert result == {"changed": True, "failed": False, "msg": ""}
        run_stock(stock, SERVICE, op)
        assert reading_json(look(ours, "greeter")) == reading_json(look(stock, "greeter")) == reading_json(predicted)
        assert raw.read(ours).enabled == raw.read(stock).enabled
        assert decide(ours, "greeter", spec) is None
        assert run_op(ours, "service", op.args)["changed"] is False
    assert log(ours) == log(stock)


def test_a_running_service_is_reloaded_or_restarted_once(host: LabHost) -> None:
    run_op(host, "service", {"name": "greeter", "running": True})
    log(host)
    spec = {"running": True, "reloadOn": ["File/site"], "restartOn": ["File/modules"]}
    assert decide(host, "greeter", spec, {}) is None  # never recorded: adopting restarts nothing
    assert decide(host, "greeter", spec, {"File/site": "new", "File/modules": "new"}) is None
    for loaded, expected in (
        ({"File/site": "", "File/modules": "new"}, ["reload"]),
        ({"File/site": "old", "File/modules": ""}, ["start"] if host.spec.systemd else ["stop", "start"]),
    ):
        change = decide(host, "greeter", spec, loaded)
        assert change is not None
        (op,) = SERVICE.ops(change, CONTEXT)
        assert not run_op(host, "service", op.args)["failed"]
        assert log(host) == expected
        assert isinstance(predicted := SERVICE.after(change), Present)
        assert predicted.state["loaded"] == {"File/site": "new", "File/modules": "new"}


def test_a_stopped_service_is_not_reloaded(host: LabHost) -> None:
    run_op(host, "service", {"name": "greeter", "running": False})
    log(host)
    change = decide(host, "greeter", {"reloadOn": ["File/site"]}, {"File/site": "old"})
    assert change is not None and SERVICE.ops(change, CONTEXT) == ()
    assert run_op(host, "service", {"name": "greeter", "refresh": "restart"})["changed"] is False
    assert log(host) == []


def test_what_is_not_there_is_absent_and_can_not_be_started(host: LabHost) -> None:
    assert look(host, "nowhere") == Absent()
    assert decide(host, "nowhere", {"running": False, "enabled": False}) is None
    result = run_op(host, "service", {"name": "nowhere", "running": True})
    assert result["failed"] and "there is no" in result["msg"]


def test_a_pipe_in_the_place_of_a_pid_file_or_a_script_holds_nobody_up(host: LabHost) -> None:
    if host.spec.systemd:
        return  # systemd is asked there, and no file is read
    host.write("/etc/init.d/mute", "#!/bin/sh\necho 'Usage: mute {start|stop}'; exit 2\n")
    host.run("chmod 0755 /etc/init.d/mute; rm -f /run/mute.pid; mkfifo /run/mute.pid")
    seen = look(host, "mute")
    assert isinstance(seen, Unknown) and "no /run/mute.pid" in seen.why
    host.run("rm /run/mute.pid; echo $$ > /run/mute.pid; mkfifo /etc/init.d/piped")
    assert isinstance(look(host, "mute"), Present)
    assert isinstance(look(host, "piped"), Unknown)


def test_names_with_and_without_the_suffix_are_one(host: LabHost) -> None:
    with_suffix, without = look(host, "greeter.service"), look(host, "greeter")
    assert isinstance(without, Present) and isinstance(with_suffix, Present)
    assert with_suffix.state["running"] == without.state["running"]


def test_many_are_read_at_once_and_a_bad_name_costs_no_other(host: LabHost) -> None:
    answers = run_probe(host, "service", [{"name": "greeter"}, {"name": "getty@"}, {}, {"name": "cron"}])
    assert "state" in answers[0] and "state" in answers[3]
    assert "unknown" in answers[1] and "unknown" in answers[2]


# ---------------------------------------------------------------- systemd alone


def test_units_that_are_more_than_services_need_systemd(host: LabHost) -> None:
    found = look(host, "apt-daily.timer")
    if host.spec.systemd:
        assert isinstance(found, Present) or found == Absent()
    else:
        assert "needs systemd" in str(found)


def test_masked_static_and_oneshot_units_are_refused_with_words(host: LabHost) -> None:
    if not host.spec.systemd:
        assert look(host, "once") == Absent()
        return
    host.run("systemctl daemon-reload; systemctl mask --quiet greeter")
    try:
        found = look(host, "greeter")
        assert "masked" in SERVICE.refuses("greeter", {"running": True}, found)
        result = run_op(host, "service", {"name": "greeter", "running": True})
        assert result["failed"] and "masked" in result["msg"]
    finally:
        host.run("systemctl unmask --quiet greeter; systemctl daemon-reload")
        give(host)
    found = look(host, "once")
    assert "no [Install]" in SERVICE.refuses("once", {"enabled": True}, found)
    assert "Type=oneshot" in SERVICE.refuses("once", {"running": True}, found)


def test_a_unit_that_fails_says_what_it_said(host: LabHost) -> None:
    if not host.spec.systemd:
        host.write("/etc/init.d/broken", "#!/bin/sh\n[ $1 = status ] && exit 3\necho 'no such config' >&2; exit 1\n")
        host.run("chmod 0755 /etc/init.d/broken")
    result = run_op(host, "service", {"name": "broken", "running": True})
    assert result["failed"] and ("no such config" in result["msg"] or "broken.service" in result["msg"])


def test_a_port_that_is_taken_is_told_with_the_master_that_has_it(host: LabHost) -> None:
    if not host.spec.systemd:
        return  # an init script throws away what its daemon said
    said = "bind() to 0.0.0.0:8077 failed (98: Address already in use)"
    unit = f"[Service]\nType=oneshot\nExecStart=/bin/sh -c 'echo \"{said}\"; exit 1'\n"
    host.write("/etc/systemd/system/late.service", unit)
    early = "import os, socket, time; s = socket.create_server((str(), 8077)); os.fork(); os.fork(); time.sleep(600)"
    host.run(f"systemctl daemon-reload; systemd-run -q --unit=early python3 -c '{early}'")
    host.run("until ss -Hltnp 'sport = :8077' | grep -q 'pid=.*pid=.*pid=.*pid='; do sleep 0.05; done")
    master = host.run("systemctl show --value -p MainPID early").stdout.strip()
    result = run_op(host, "service", {"name": "late", "running": True})
    assert f"port 8077 is taken by python3 (process {master}), which late.service did not start" in result["msg"]
    host.run("systemctl stop early; rm /etc/systemd/system/late.service; systemctl daemon-reload")


def test_a_changed_unit_file_is_read_before_the_restart(host: LabHost) -> None:
    if not host.spec.systemd:
        return
    host.run("systemctl daemon-reload; systemctl start greeter")
    host.write(UNIT_FILE, UNIT.replace("echo start", "echo second"))
    log(host)
    assert run_op(host, "service", {"name": "greeter", "refresh": "restart"})["changed"]
    assert log(host) == ["second"]
