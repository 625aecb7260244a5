"""Contents that travel ahead of an op: only what a host lacks, in the form that is shorter, with the same time everywhere."""

from __future__ import annotations

import gzip
import hashlib
import random
from collections.abc import Iterator

import pytest

from .cargos import STORE, Sender, place, right, stored
from .conftest import Fleet

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
    sender.send([text, noise], packed=True)
    packed = gzip.compress(sender.contents.known[text], 9, mtime=0)
    for host in sender.fleet.lab:
        assert stored(host) == {
            place(text): right(sender.contents, text),
            place(text) + ".gz": (hashlib.sha1(packed).hexdigest(), int(text[8:16], 16), len(packed), "644:root:root"),
            place(noise): right(sender.contents, noise),
        }
    sender.fleet.lab[0].run(f"rm -r {STORE}")
    sender.send([text, noise], packed=True)
    assert sender.contents.read == [noise], "the packed form was kept for later runs; what isn't worth packing is known"
    assert set(stored(sender.fleet.lab[0])) == set(stored(sender.fleet.lab[1]))


def test_a_content_that_came_plain_gets_its_packed_form_later(sender: Sender) -> None:
    text = sender.contents.add(b"plain first\n" * 5000)
    sender.send([text])
    sender.send([text], packed=True)
    for host in sender.fleet.lab:
        assert set(stored(host)) == {place(text), place(text) + ".gz"}


def test_a_content_bigger_than_one_exec_arrives_whole(sender: Sender) -> None:
    made = random.Random(3)
    big = sender.contents.add(made.randbytes(40_000_000))
    well = sender.contents.add(b"".join(made.randbytes(20_000) + bytes(20_000) for _ in range(2000)))
    sender.send([big, well], packed=True)
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
