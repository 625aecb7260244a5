"""What may go wrong while contents travel: nothing half gets a name, nothing else of the visit runs, all is said plainly."""

from __future__ import annotations

import json
import random
import subprocess
import threading
from collections.abc import Callable, Collection, Iterator

import pytest

import lab
from lab import Lab, LabHost
from reconciler.core.model import PACKINGS, Freight, Packing, Report, Result
from reconciler.trip import bundler, pack, start, wire

from .cargos import STORE, Sender, place, right, stored
from .conftest import Fleet

pytestmark = pytest.mark.hosts


@pytest.fixture(scope="module")
def alone() -> Iterator[Lab]:
    with lab.up(1) as hosts:
        yield hosts


@pytest.fixture
def sender(alone: Lab, make_fleet: Callable[..., Fleet]) -> Iterator[Sender]:
    yield Sender(make_fleet(alone))
    alone[0].run("umount /srv 2>/dev/null; rm -rf /srv; mkdir -m 755 /srv; rm -f /etc/marker", check=False)


def noise(sender: Sender, count: int, size: int) -> list[str]:
    made = random.Random(count * size)
    return [sender.contents.add(made.randbytes(size)) for _ in range(count)]


def stopped(sender: Sender, blobs: list[str], packed: Collection[Packing] = ()) -> Report:
    """The report of a visit that must end before anything of it is done."""
    reports = sender.go(sender.visits([Freight(blob=blob, packed=frozenset(packed)) for blob in blobs]))
    (report,) = reports.values()
    assert report.trouble is not None and report.outcomes == ()
    assert not sender.fleet.lab[0].exists("/etc/marker")
    return report


def whole(sender: Sender) -> set[str]:
    """Names in the store; each must hold what it says."""
    names = {place(blob): blob for blob in sender.contents.known}
    found = stored(sender.fleet.lab[0])
    for name, seen in found.items():
        assert seen == right(sender.contents, names[name]), name
    return set(found)


def test_a_connection_that_breaks_leaves_what_is_whole_and_the_rest_goes_next_time(sender: Sender) -> None:
    blobs = noise(sender, 64, 1_000_000)
    host = sender.fleet.lab[0]
    # In the middle of the second chunk, which takes a while: between two the next exec would make a new connection.
    count = "$(ls -d %s 2>/dev/null | wc -l)"
    wait = f"until [ {count % f'{STORE}/??/*'} -ge 15 ] && [ {count % f'{STORE}/.new-*/*'} -ge 3 ]; do sleep 0.02; done"
    end = "kill -9 $(ps -eo pid,args | grep '[s]shd.*root@' | awk '{print $1}')"
    killer = subprocess.Popen([*host.enter(), "sh", "-c", f"{wait}; {end}"])
    with host.slow(0.1) as (address, port):
        sender.fleet.extra[host.name] = {"address": address, "port": port}
        try:
            (report,) = sender.go(sender.visits([Freight(blob=blob) for blob in blobs])).values()
        finally:
            killer.kill()
            killer.wait()
            sender.fleet.extra.clear()
    assert report.trouble is not None and report.trouble.code == "closed", report.trouble
    # The visit was to come behind the second chunk: nobody here can know that it didn't.
    assert [outcome.result for outcome in report.outcomes] == [Result.LOST] and not host.exists("/etc/marker")
    here = whole(sender)
    assert 15 <= len(here) < 64, len(here)
    sender.send(blobs)
    assert whole(sender) == {place(blob) for blob in blobs}
    assert host.run(f"ls -A {STORE} | grep ^.new; true").stdout == ""


def test_what_is_cut_off_at_any_byte_never_gets_a_name(sender: Sender) -> None:
    """The receiver alone, over ssh: its input ends early."""
    host = sender.fleet.lab[0]
    blobs = noise(sender, 3, 3000)
    items = b""
    for blob in blobs:
        data = sender.contents.known[blob]
        items += pack.ITEM.pack(bytes.fromhex(blob), 0, 0, len(data), len(data), len(data)) + data
    each = len(items) // 3
    for cut in (0, 1, pack.ITEM.size - 1, pack.ITEM.size, each - 1, each, each + 1, each + 1500, len(items) - 1):
        host.run("rm -rf /srv/trueup")
        assert receive(host, order(3), items[:cut]).returncode == 98
        assert whole(sender) == {place(blob) for blob in blobs[: cut // each]}, cut
        assert host.run(f"ls -A {STORE} | grep ^.new; true").stdout == ""
    done = receive(host, order(3), items)
    assert wire.unframe(done.stdout.decode(), "M") == {"format": 1}
    assert whole(sender) == {place(blob) for blob in blobs}


@pytest.mark.parametrize(
    "steps",
    [
        "a0 a1 b0 a2 b1 b2",  # b starts when a is far on
        "a0 b0 a1 b1 a2 b2",
        "a0 a1 a2 b0 b1 b2",
        "a0 b0 b1 b2 a1 a2",
    ],
)
def test_parts_of_one_content_from_two_visits_in_any_order_make_it_once(sender: Sender, steps: str) -> None:
    host = sender.fleet.lab[0]
    (blob,) = noise(sender, 1, 300_000)
    data = sender.contents.known[blob]
    for step in steps.split():
        offset = int(step[1]) * 100_000
        part = pack.ITEM.pack(bytes.fromhex(blob), 0, offset, 100_000, len(data), len(data))
        done = receive(host, order(1), part + data[offset : offset + 100_000])
        assert wire.unframe(done.stdout.decode(), "M") == {"format": 1}, step
    assert whole(sender) == {place(blob)}
    assert host.run(f"ls -A {STORE}/.begun").stdout == ""


def order(items: int) -> dict[str, object]:
    return {"mark": "M", "wants": 0, "items": items, "visit": False}


def receive(host: LabHost, order: dict[str, object], data: bytes) -> subprocess.CompletedProcess[bytes]:
    program = bundler.receiver()
    sent = b"%d\n" % len(program) + program + json.dumps(order).encode() + b"\n" + data
    return subprocess.run(host.ssh_argv(start.COMMAND), input=sent, capture_output=True)


@pytest.mark.parametrize("form", [0, 1])
def test_what_is_not_what_its_id_says_is_an_error_and_gets_no_name(sender: Sender, form: int) -> None:
    host = sender.fleet.lab[0]
    for size, data in ((9, b"something"), (10**12, b"\x1f\x8b nonsense"), (0, b"")):
        item = pack.ITEM.pack(bytes(20), form, 0, len(data), len(data), size) + data
        done = receive(host, order(1), item)
        assert wire.unframe(done.stdout.decode(), "M")["trouble"] == {"code": "altered", "why": "00" * 20}
        assert stored(host) == {}


def test_a_full_disk_keeps_what_came_and_runs_nothing(sender: Sender) -> None:
    host = sender.fleet.lab[0]
    host.run("mount -t tmpfs -o size=20m,mode=755 none /srv")
    blobs = noise(sender, 40, 1_000_000)
    report = stopped(sender, blobs)
    assert report.trouble is not None and report.trouble.code == "disk-full", report.trouble
    assert 10 < len(whole(sender)) <= 20
    host.run("mount -o remount,size=100m /srv")
    sender.send(blobs)
    assert whole(sender) == {place(blob) for blob in blobs}
    assert len(sender.contents.read) < 30


@pytest.mark.parametrize(
    ("made", "words"),
    [
        ("mount -t tmpfs -o ro none /srv", "Read-only file system"),
        ("mkdir /tmp/e; ln -s /tmp/e /srv/trueup", "/srv/trueup is a link"),
        ("mkdir /tmp/e /srv/trueup; ln -s /tmp/e /srv/trueup/blobs", "/srv/trueup/blobs is a link"),
        ("mkdir -p /tmp/e /srv/trueup/blobs; cd /srv/trueup/blobs; for i in 0 1 2 3 4 5 6 7 8 9 a b c d e f; do "
         "for j in 0 1 2 3 4 5 6 7 8 9 a b c d e f; do ln -s /tmp/e $i$j; done; done", "is a link"),
        ("mkdir /srv/trueup; chown daemon /srv/trueup", "/srv/trueup is not root's alone"),
        ("mkdir -m 777 /srv/trueup", "/srv/trueup is not root's alone"),
        ("chmod 777 /srv", "/srv is not root's alone"),
        ("rmdir /srv; ln -s /tmp /srv", "/srv is a link"),
        ("echo >/srv/trueup", "/srv/trueup is a link, or no folder"),
    ],
)  # fmt: skip
def test_a_store_that_is_not_roots_alone_is_not_used(sender: Sender, made: str, words: str) -> None:
    host = sender.fleet.lab[0]
    host.run(f"rm -rf /tmp/e; {made}")
    report = stopped(sender, noise(sender, 1, 1000))
    assert report.trouble is not None and report.trouble.code == "store" and words in report.trouble.why, report.trouble
    assert host.run("ls -A /tmp/e 2>/dev/null; true").stdout == ""


def test_a_missing_srv_is_made(sender: Sender) -> None:
    host = sender.fleet.lab[0]
    host.run("rm -rf /srv")
    sender.send(noise(sender, 1, 1000))
    assert host.run("stat -c %a:%U:%G /srv /srv/trueup").stdout.split() == ["755:root:root"] * 2


def test_a_link_or_a_strangers_file_in_place_of_a_content_is_replaced_not_followed(sender: Sender) -> None:
    host = sender.fleet.lab[0]
    blobs = noise(sender, 3, 1000)
    sender.send(blobs)
    linked, theirs, open_ = (f"{STORE}/{place(blob)}" for blob in blobs)
    host.run(f"cp {linked} /tmp/same; ln -sf /tmp/same {linked}; chown daemon {theirs}; rm {open_}; mkfifo {open_}")
    sender.send(blobs)
    assert whole(sender) == {place(blob) for blob in blobs}


@pytest.mark.parametrize("packed", [frozenset(), frozenset(PACKINGS)], ids=["as it is", "packed too"])
def test_what_was_altered_with_its_size_and_time_is_sent_anew_when_it_is_doubted(
    sender: Sender, packed: frozenset[Packing]
) -> None:
    host = sender.fleet.lab[0]
    blob = sender.contents.add(b"a text that packs well " * 400)
    sender.send([blob], packed)
    before = stored(host)
    assert len(before) == 1 + len(packed)
    for name in before:
        at = f"{STORE}/{name}"
        host.run(f"touch -r {at} /tmp/t && printf X | dd of={at} conv=notrunc status=none && touch -r /tmp/t {at}")
    sender.contents.read.clear()
    sender.go(sender.visits([Freight(blob=blob, packed=packed)]))
    assert sender.contents.read == [], "nobody doubts what looks right"
    sender.go(sender.visits([Freight(blob=blob, packed=packed, doubted=True)]))
    assert stored(host) == before


def test_a_content_that_is_nowhere_stops_the_visit_and_says_which(sender: Sender) -> None:
    report = stopped(sender, ["ab" * 20])
    assert report.trouble is not None and report.trouble.code == "cargo" and "ab" * 20 in report.trouble.why


def test_two_controllers_send_the_same_at_once(sender: Sender, alone: Lab, make_fleet: Callable[..., Fleet]) -> None:
    other = Sender(make_fleet(alone, controller_id="test/1"))
    blobs = [*noise(sender, 30, 1_000_000), *noise(sender, 1, 40_000_000)]
    other.contents.known = sender.contents.known
    wanted = [Freight(blob=blob) for blob in blobs]
    both = [(one, one.visits(wanted)) for one in (sender, other)]
    found: list[Report] = []
    threads = [threading.Thread(target=lambda one=one, made=made: found.extend(one.go(made).values())) for one, made in both]  # fmt: skip
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [report.trouble for report in found] == [None, None]
    assert whole(sender) == {place(blob) for blob in blobs}
