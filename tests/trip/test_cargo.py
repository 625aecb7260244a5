"""Contents that travel ahead of an op: only what a host lacks, in the form that is shorter, with the same time everywhere."""

from __future__ import annotations

import base64
import gzip
import hashlib
import random
from collections.abc import Iterator, Mapping
from typing import BinaryIO

import brotli  # type: ignore[import-untyped]
import pytest

from reconciler.core.model import Freight, Json, Result
from reconciler.trip import cargo, pack, packing

from .cargos import STORE, Sender, place, right, stored
from .conftest import Fleet

BOTH = ("gzip", "brotli")

pytestmark = pytest.mark.hosts


@pytest.fixture
def sender(fleet: Fleet) -> Iterator[Sender]:
    for host in fleet.lab:
        host.run("rm -rf /srv/trueup; umount /srv 2>/dev/null", check=False)
    yield Sender(fleet)


def test_a_first_visit_brings_all_and_the_next_one_nothing(sender: Sender) -> None:
    made = random.Random(1)
    blobs = [sender.contents.add(made.randbytes(size)) for size in (0, 1, 100, 70_000, 5_000_000)]
    sender.send(blobs)
    for host in sender.fleet.lab:
        assert stored(host) == {place(blob): right(sender.contents, blob) for blob in blobs}
        assert host.read("/etc/marker").startswith("run 1 ")
        assert host.run(f"stat -c %a:%U {STORE} /srv/trueup").stdout.split() == ["755:root"] * 2
    assert sorted(sender.contents.read) == sorted(blobs), "read once, for all hosts"
    assert any("sent 5 of 5 contents" in words for words in sender.words), sender.words

    sender.send(blobs)
    assert sender.contents.read == [], "nothing was lacking"

    more = sender.contents.add(b"new")
    sender.send([*blobs, more])
    assert sender.contents.read == [more]
    for host in sender.fleet.lab:
        assert stored(host)[place(more)] == right(sender.contents, more)


def test_what_packs_well_travels_packed_and_is_kept_in_both_forms(sender: Sender) -> None:
    text = sender.contents.add(b"<p>the same again</p>\n" * 5000)
    noise = sender.contents.add(random.Random(2).randbytes(50_000))
    sender.send([text, noise], packed={"gzip"})
    packed = gzip.compress(sender.contents.known[text], 9, mtime=0)
    for host in sender.fleet.lab:
        assert stored(host) == {
            place(text): right(sender.contents, text),
            place(text) + ".gz": (
                hashlib.sha1(packed).hexdigest(),
                int(text[8:16], 16) & 0x7FFFFFFF,
                len(packed),
                "644:root:root",
            ),
            place(noise): right(sender.contents, noise),
        }
    sender.fleet.lab[0].run(f"rm -r {STORE}")
    sender.send([text, noise], packed={"gzip"})
    assert sender.contents.read == [noise], "the packed form was kept for later runs; what isn't worth packing is known"
    assert set(stored(sender.fleet.lab[0])) == set(stored(sender.fleet.lab[1]))


def test_a_content_that_came_plain_gets_its_packed_form_later(sender: Sender) -> None:
    text = sender.contents.add(b"plain first\n" * 5000)
    sender.send([text])
    sender.send([text], packed={"gzip"})
    for host in sender.fleet.lab:
        assert set(stored(host)) == {place(text), place(text) + ".gz"}


def brotli_of(data: bytes, blob: str) -> tuple[str, tuple[str, int, int, str]]:
    """Name and file of the form in the store."""
    packed = brotli.compress(data, quality=packing.QUALITY)
    name = f"{place(blob)}.{hashlib.sha256(packed).hexdigest()}.br"
    return name, (hashlib.sha1(packed).hexdigest(), int(blob[16:24], 16) & 0x7FFFFFFF, len(packed), "644:root:root")


def test_brotli_goes_beside_gzip_where_it_saves_a_tenth_of_that(sender: Sender) -> None:
    text = sender.contents.add("".join(f"<p>Page {n} of the manual</p>\n" for n in range(3000)).encode())
    letters = sender.contents.add(base64.b64encode(random.Random(4).randbytes(60_000)))
    noise = sender.contents.add(random.Random(2).randbytes(50_000))
    sender.send([text, letters, noise], packed=BOTH)
    name, form = brotli_of(sender.contents.known[text], text)
    for host in sender.fleet.lab:
        found = stored(host)
        assert set(found) == {
            place(text),
            place(text) + ".gz",
            name,
            place(letters),
            place(letters) + ".gz",
            place(noise),
        }
        assert found[name] == form
    sender.fleet.lab[0].run(f"rm -r {STORE}")
    sender.send([text, letters, noise], packed=BOTH)
    assert sender.contents.read == [noise], "what was packed was kept for later runs; what isn't worth packing is known"
    assert stored(sender.fleet.lab[0]) == stored(sender.fleet.lab[1])


def test_a_content_that_is_there_gets_its_brotli_form_alone(sender: Sender, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pack, "PIECE", 1000)  # it comes in several items, and in one
    texts = [base64.b64encode(random.Random(n).randbytes(20_000)) + b"<p>more</p>" * n for n in (1, 2)] + [
        b"short " * 99
    ]
    blobs = [sender.contents.add(text) for text in texts]
    sender.send(blobs, packed=["gzip"])
    before = {host.name: stored(host) for host in sender.fleet.lab}
    inodes = [host.run(f"cd {STORE}; stat -c '%i %n' */*").stdout.split("\n") for host in sender.fleet.lab]
    monkeypatch.setattr(packing, "SAVES", 2.0)  # they save less than a tenth
    sender.send(blobs, packed=BOTH)
    sent = sum(len(brotli.compress(text, quality=packing.QUALITY)) for text in texts)
    assert f"sent 3 of 3 contents, {(sent + 3 * 32) / 1e6:.1f} MB" in sender.words, sender.words
    forms = dict(brotli_of(text, blob) for text, blob in zip(texts, blobs, strict=True))
    for host, known in zip(sender.fleet.lab, inodes, strict=True):
        assert stored(host) == {**before[host.name], **forms}
        assert set(known) <= set(host.run(f"cd {STORE}; stat -c '%i %n' */*").stdout.split("\n")), "nothing came twice"


def test_a_brotli_form_that_was_damaged_on_the_way_is_refused_and_made_anew(sender: Sender) -> None:
    text = sender.contents.add(b"".join(b"<p>Page %d of the manual</p>\n" % n for n in range(3000)))
    sender.send([text], packed=BOTH)
    cached = sender.fleet.settings.state_dir / "cache" / "packed" / f"{text}.br"
    whole = cached.read_bytes()
    cached.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    for host in sender.fleet.lab:
        host.run(f"rm {STORE}/*/*.br")
    reports = sender.go(sender.visits([Freight(blob=text, packed=frozenset(BOTH))]))
    for report in reports.values():
        assert report.trouble is not None and f"{text} is not what was sent" in report.trouble.why
    for host in sender.fleet.lab:
        assert set(stored(host)) == {place(text), place(text) + ".gz"}
    sender.send([text], packed=BOTH)
    assert cached.read_bytes() == whole
    name, form = brotli_of(sender.contents.known[text], text)
    for host in sender.fleet.lab:
        assert stored(host)[name] == form


@pytest.fixture
def execs(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """For each exec with contents or a question whether the visit came behind them."""
    found: list[bool] = []
    exchange = cargo._exchange

    def seen(lines: BinaryIO, step: Mapping[str, Json]) -> None:
        found.append(step["visit"])
        exchange(lines, step)

    monkeypatch.setattr(cargo, "_exchange", seen)
    return found


def test_the_little_that_is_new_comes_with_the_visit(sender: Sender, execs: list[bool]) -> None:
    texts = [sender.contents.add(b"<p>page %d</p>\n" % number * 500) for number in range(5)]
    short = sender.contents.add(b"no worth")
    hosts = len(sender.fleet.lab)

    def visited(*freight: Freight) -> list[bool]:
        execs.clear()
        for report in sender.go(sender.visits(freight)).values():
            assert report.trouble is None, report.trouble
            assert [outcome.result for outcome in report.outcomes] == [Result.OK], report.outcomes
        return execs

    def one(blob: str, there: bool | None, doubted: bool = False) -> Freight:
        return Freight(blob=blob, packed=frozenset({"gzip"}), there=there, doubted=doubted)

    assert visited(one(texts[0], False), one(short, False)) == [True] * hosts
    assert visited(one(texts[0], True), one(short, True), one(texts[1], False)) == [True] * hosts
    assert visited(one(texts[0], True), one(short, True)) == [True] * hosts
    assert sorted(visited(one(texts[0], True), one(texts[2], None))) == [False] * hosts + [True] * hosts
    assert sorted(visited(one(texts[0], True, doubted=True))) == [False] * hosts + [True] * hosts
    for host in sender.fleet.lab:
        assert set(stored(host)) == {place(short)} | {place(t) + end for t in texts[:3] for end in ("", ".gz")}


def test_what_was_wrongly_taken_to_be_there_is_sent_before_the_visit_runs(sender: Sender, execs: list[bool]) -> None:
    blobs = [sender.contents.add(b"<p>page %d</p>\n" % number * 500) for number in range(3)]
    wanted = [Freight(blob=blob, packed=frozenset({"gzip"}), there=blob != blobs[0]) for blob in blobs]
    for report in sender.go(sender.visits(wanted)).values():
        assert report.trouble is None and [outcome.result for outcome in report.outcomes] == [Result.OK]
    hosts = len(sender.fleet.lab)
    assert sorted(execs) == [False] * hosts + [True] * 2 * hosts
    for host in sender.fleet.lab:
        assert set(stored(host)) == {place(blob) + end for blob in blobs for end in ("", ".gz")}


def test_what_is_much_is_asked_for_first(sender: Sender, execs: list[bool]) -> None:
    hosts = len(sender.fleet.lab)
    noise = sender.contents.add(random.Random(9).randbytes(cargo.LITTLE + 1))
    many = [sender.contents.add(b"%d" % number) for number in range(cargo.FEW + 1)]
    for blobs in ([noise], many):
        execs.clear()
        for report in sender.go(sender.visits([Freight(blob=blob, there=False) for blob in blobs])).values():
            assert report.trouble is None
        assert sorted(execs) == [False] * hosts + [True] * hosts


def test_a_content_bigger_than_one_exec_arrives_whole(sender: Sender) -> None:
    made = random.Random(3)
    big = sender.contents.add(made.randbytes(40_000_000))
    well = sender.contents.add(b"".join(made.randbytes(20_000) + bytes(20_000) for _ in range(2000)))
    sender.send([big, well], packed={"gzip"})
    for host in sender.fleet.lab:
        found = stored(host)
        assert found[place(big)] == right(sender.contents, big)
        assert found[place(well)] == right(sender.contents, well)
        assert set(found) == {place(big), place(well), place(well) + ".gz"}


def test_a_content_that_was_altered_or_half_lost_on_the_host_is_sent_anew(sender: Sender) -> None:
    blobs = [sender.contents.add(b"content %d\n" % number * 100) for number in range(3)]
    sender.send(blobs)
    one, two, three = (f"{STORE}/{place(blob)}" for blob in blobs)
    for host in sender.fleet.lab:
        host.run(f"echo more >>{one}; truncate -s 0 {two}; touch {two}; touch {three}; chmod 600 {three}")
    sender.send(blobs)
    assert sorted(sender.contents.read) == sorted(blobs[:2]), "what was only touched is mended where it is"
    for host in sender.fleet.lab:
        assert stored(host) == {place(blob): right(sender.contents, blob) for blob in blobs}
