"""What a host may hold that nobody expects: names that lead elsewhere, planted links, files altered by hand, full disks."""

from __future__ import annotations

import time

import pytest

from reconciler.core.model import PACKINGS
from tests.systems.sites.host.places import HOME, Place

pytestmark = pytest.mark.hosts
BLOB = "8baef1b4abc478178b004d62031cf7fe6db6f903"
PATHS = {
    "/etc/passwd": "empty, . or ..",
    "../../x": "empty, . or ..",
    "a/../../x": "empty, . or ..",
    "a//b": "empty, . or ..",
    "./a": "empty, . or ..",
    "": "empty, . or ..",
    "a/": "empty, . or ..",
    "a\0b": "control character",
    "a\nb": "control character",
    "a\x1b[2J": "control character",
    "a\x7f": "control character",
    "\ud800": "no text",
    "ä" * 128: "more than 255 bytes",
    "/".join(["a" * 200] * 6): "more than 1024 bytes",
    "/".join("a" * 61): "more than 60 folders",
}


@pytest.mark.parametrize("path", PATHS, ids=ascii)
def test_what_can_be_no_file_is_refused_before_anything_is_made(place: Place, path: str) -> None:
    done = place.stage("r1", {"index.html": BLOB, path: BLOB})
    assert done["failed"] and PATHS[path] in done["msg"] and "can't be a file of a site" in done["msg"]
    assert place.host.run(f"find {HOME} -type f").stdout == "" and place.probe()["state"]["kept"] == []


def test_other_arguments_that_lead_elsewhere_are_refused(place: Place) -> None:
    for args, words in (
        ({"release": "../x"}, "no name of a release"),
        ({"release": ".new"}, "no name of a release"),
        ({"release": "a/b"}, "no name of a release"),
        ({"name": ".."}, "no name of a site"),
        ({"name": "a\n"}, "no name of a site"),
        ({"files": {"a": "../../../etc/passwd"}}, "is no id"),
        ({"files": {"a": BLOB, "a/b": BLOB}}, "a is a file and a folder"),
        ({"files": ["a"]}, "are paths with their ids"),
    ):
        done = place.op(**{"do": "stage", "release": "r1", "files": {"a": BLOB}, "packed": [], "config": "", **args})
        assert done["failed"] and words in done["msg"], (args, done)
    assert "no name of a site" in place.probe(name="../../etc")["unknown"]


def test_names_of_any_script_and_sign_are_served_in_any_locale(place: Place) -> None:
    odd = {
        "ä ö.html": b"a",
        "日本/語.txt": b"b",
        "-rf": b"c",
        "a'b\"c$(d);e": b"d",
        "._x": b"e",
        "*": b"f",
        "x.gz": b"g",
    }
    files = place.given({"index.html": b"one", **odd})
    place.send(files)
    done = place.stage("r1", files, under="env LC_ALL=de_DE.ISO-8859-1 PYTHONCOERCECLOCALE=0 PYTHONUTF8=0")
    assert not done["failed"], done
    assert not place.switch("r1", (place.expect("/%C3%A4%20%C3%B6.html", body="a"),))["failed"]
    assert place.get("/%E6%97%A5%E6%9C%AC/%E8%AA%9E.txt") == "200 b"
    assert place.probe(whole=True)["state"]["altered"] == []


def test_a_lacking_content_is_named_and_nothing_changes(place: Place) -> None:
    place.serve("r1", place.files(index_html="one"))
    done = place.stage("r2", {**place.files(index_html="one"), "new.html": BLOB, "other.html": BLOB})
    assert done["failed"] and "the content of new.html and 1 more is not here" in done["msg"]
    assert place.served() == {"release": "r1", "altered": [], "kept": ["r1"]} and place.left() == []


def test_what_a_power_cut_left_of_an_upload_is_never_served(place: Place) -> None:
    """The right name, size and time, and zeros: ext4 may leave that of a file which was renamed before its data came."""
    files = place.files(index_html="one page of the manual, " * 50)
    place.send(files, packed=PACKINGS)
    blob = f"{HOME}/blobs/{files['index.html'][:2]}/{files['index.html'][2:]}"
    names = place.host.run(f"ls {blob}*").stdout.split()
    assert len(names) == 3
    for name in names:
        packed = name != blob
        place.host.run(f"cp -a {name} {name}.x; dd if=/dev/zero of={name}.x bs=1 count=3 conv=notrunc; "
                       f"touch -r {name} {name}.x; mv {name}.x {name}")  # fmt: skip
        time.sleep(1)  # unshare takes whole seconds
        up = int(float(place.host.read("/proc/uptime").split()[0]))
        started = f"unshare --time --boottime -{up} --fork"  # a machine that came up after that
        done = place.stage("r1", files, packed=PACKINGS, under=started)
        assert done["failed"] is not packed, done
        assert not place.host.exists(name), "it is dropped, so that it comes anew"
        place.send(files)
    assert place.host.run(f"ls {place.at}/releases/r1/files").stdout.split() == ["index.html"]


def test_planted_links_are_not_followed(place: Place) -> None:
    host = place.host
    host.run(
        "rm -rf /home/eve; mkdir -p /home/eve/files; echo keep > /home/eve/files/index.html; echo keep > /home/eve/x"
    )
    files = place.files(index_html="one")
    place.send(files)
    for link in (place.at, f"{place.at}/releases", f"{HOME}/blobs/{files['index.html'][:2]}"):
        host.run(
            f"rm -rf {HOME}/sites; mkdir -p $(dirname {link}); [ ! -e {link} ] || mv {link} {link}.away; ln -s /home/eve {link}"
        )
        done = place.stage("r1", files)
        assert done["failed"] and f"{link} is not a folder, and nothing is written through a link" in done["msg"]
        host.run(f"rm {link}; [ ! -e {link}.away ] || mv {link}.away {link}")
    place.serve("r1", files)
    # Where a release or a temporary folder will be made, and within what will be deleted.
    host.run(
        f"cd {place.at}/releases; ln -s /home/eve .new; ln -s /home/eve .old; ln -s /home/eve r2; ln -s /home/eve/x r1/files/x"
    )
    more = place.files(index_html="two")
    place.serve("r2", more)
    assert place.get() == "200 two"
    place.serve("r3", place.files(index_html="three"))
    place.serve("r1", files)
    host.run(f"ln -sfn /home/eve {place.at}/releases/r2; ln -s /home/eve {place.at}/releases/rx")
    assert not place.switch("r3", keep=1)["failed"]
    assert not place.op(do="remove")["failed"]
    assert host.run("cat /home/eve/files/index.html /home/eve/x; ls /home/eve").stdout.split() == [
        "keep",
        "keep",
        "files",
        "x",
    ]


def test_links_of_ours_that_lead_elsewhere_are_not_believed(place: Place) -> None:
    place.serve("r1", place.files(index_html="one"))
    files = place.files(index_html="two")
    place.send(files)
    place.stage("r2", files)
    place.host.run(f"ln -sfn /home/eve {place.at}/current")
    assert place.probe()["state"]["release"] == ""
    done = place.switch("r2")
    assert done["failed"] and "current leads to '/home/eve', which trueup didn't make" in done["msg"]
    place.host.run(f"rm {place.at}/current")
    assert not place.switch("r2")["failed"] and place.get() == "200 two"


ALTERED = {
    "content": ("printf two > files/index.html", ["index.html"]),
    "same size and time": (
        "touch -r files/index.html /run/t; printf owe > files/index.html; touch -r /run/t files/index.html",
        ["index.html"],
    ),
    "time": ("touch files/index.html", ["index.html"]),
    "mode": ("chmod 600 files/index.html", ["index.html"]),
    "owner": ("chown 1 files/index.html", ["index.html"]),
    "gone": ("rm files/css/a.css", ["css/a.css"]),
    "folder gone": ("rm -r files/css", ["css/a.css"]),
    "more": ("echo x > files/css/x", ["css/x"]),
    "a link": ("rm files/index.html; ln -s /etc/passwd files/index.html", ["index.html"]),
    "a folder's link": ("mv files/css /run/css.$$; ln -s /run/css.$$ files/css", ["css", "css/a.css"]),
    "configuration": ("echo >> site.conf", ["../site.conf"]),
    "record": ("echo '{' > release.json", ["../release.json"]),
    "replaced": ("cp files/index.html /run/c; rm files/index.html; printf owe > files/index.html", ["index.html"]),
    "beside": ("touch more", ["../more"]),
}


@pytest.mark.parametrize("how", ALTERED)
def test_what_is_altered_by_hand_is_found_and_healed(place: Place, how: str) -> None:
    command, altered = ALTERED[how]
    files = place.files(index_html="one", css__a_css="a{}")
    place.serve("r1", files)
    place.host.run(f"cd {place.at}/releases/r1; {command}")
    seen = place.served(files={"index.html": files["index.html"]})
    assert seen == {"release": "r1", "altered": altered, "kept": ["r1"]}
    done = place.stage("r1", files)
    if done["failed"]:  # the store shares the file that was written into: the next visit's cargo brings it
        assert "not as it was sent: the next visit brings it" in done["msg"]
        place.send(files)
        done = place.stage("r1", files)
    assert done["failed"] is False
    if how not in ("time", "mode", "owner"):
        assert done == {"changed": True, "failed": False, "msg": "release r1, damaged by hand, is made anew"}
    assert place.served(whole=True) == {"release": "r1", "altered": [], "kept": ["r1"]}
    assert place.get() == "200 one" and place.get("/css/a.css") == "200 a{}" and place.left() == []


def test_only_a_whole_reading_or_the_sample_reads_contents(place: Place) -> None:
    files = place.files(index_html="one", other_html="odd")
    place.serve("r1", files)
    at = f"{place.at}/releases/r1/files/other.html"
    place.host.run(f"touch -r {at} /run/t; printf eve > {at}; touch -r /run/t {at}")
    assert place.probe(files={"index.html": files["index.html"]})["state"]["altered"] == []
    assert place.probe(files={"other.html": files["other.html"]})["state"]["altered"] == ["other.html"]
    assert place.probe(whole=True)["state"]["altered"] == ["other.html"]


def test_no_file_is_missing_for_a_moment_while_it_heals(place: Place) -> None:
    files = place.given({"index.html": b"one"} | {f"f{number}": b"%d" % number for number in range(300)})
    place.serve("r1", files)
    host, at = place.host, f"{place.at}/releases/r1"
    host.write("/run/watch.py", WATCH)
    host.run(f"python3 -I /run/watch.py {at}/files/f299 >/run/watched 2>&1 & echo $! > /run/watch.pid")
    for _ in range(5):
        host.run(f"rm {at}/files/f7")
        assert place.stage("r1", files, first=SLOW)["changed"]
    host.run("touch /run/enough; while kill -0 $(cat /run/watch.pid) 2>/dev/null; do sleep 0.05; done; rm /run/enough")
    looks, missing = host.read("/run/watched").split()
    assert int(looks) > 1000 and missing == "0"


SLOW = """
import time
plain = os.rename
os.rename = lambda *args, **more: (time.sleep(0.05), plain(*args, **more))
"""
WATCH = """
import os, sys
looks = missing = 0
while not os.path.exists("/run/enough"):
    for _ in range(200):
        looks += 1
        missing += not os.path.exists(sys.argv[1])
print(looks, missing)
"""


def test_a_disk_that_fills_while_a_release_is_made_leaves_nothing_of_it(place: Place) -> None:
    host = place.host
    host.run(f"mkdir -p {HOME}; mount -t tmpfs -o size=2m,nr_inodes=60 small {HOME}")
    try:
        place.serve("r1", place.files(index_html="one"))
        many = place.given({f"folder{number}/index.html": b"one" for number in range(80)})
        place.send(many)
        done = place.stage("r2", many)
        assert done["failed"] and f"no space left below {HOME}: what is served stays" in done["msg"]
        assert place.get() == "200 one" and place.left() == []
        assert place.served() == {"release": "r1", "altered": [], "kept": ["r1"]}
        host.run(f"mount -o remount,nr_inodes=2000 {HOME}")
        place.serve("r2", many | place.files(index_html="two"))
        assert place.get() == "200 two"
    finally:
        host.run(f"umount -l {HOME}")


def test_a_content_whose_links_have_come_to_their_end_is_copied(place: Place) -> None:
    """ext4 ends at 65,000 links of one file; here at three."""
    files = place.given({f"{number}.txt": b"same" for number in range(7)} | {"index.html": b"one"})
    place.send(files)
    assert not place.stage("r1", files, first=THREE)["failed"]
    links = place.host.run(f"stat -c '%h %i' {place.at}/releases/r1/files/*.txt | sort | uniq -c").stdout.split("\n")
    assert len([line for line in links if line]) == 3, links
    assert not place.switch("r1")["failed"] and place.get("/6.txt") == "200 same"
    assert place.probe(whole=True)["state"]["altered"] == []


THREE = """
plain = os.link
def link(name, path, src_dir_fd, dst_dir_fd, follow_symlinks):
    if os.stat(name, dir_fd=src_dir_fd).st_nlink > 3:
        raise OSError(31, "Too many links")
    plain(name, path, src_dir_fd=src_dir_fd, dst_dir_fd=dst_dir_fd, follow_symlinks=follow_symlinks)
os.link = link
"""


def test_one_at_a_time_works_on_the_sites_of_a_host(place: Place) -> None:
    files = place.files(index_html="one")
    place.send(files)
    place.host.run(f"(flock {HOME} sleep 1.5) >/dev/null 2>&1 & sleep 0.3")
    began = time.monotonic()
    assert place.stage("r1", files)["changed"]
    assert time.monotonic() - began > 0.8
    place.host.run(f"(flock {HOME} sleep 3) >/dev/null 2>&1 & sleep 0.3")
    done = place.stage("r2", files, first="site.disk.LOCK_WAIT = 0.2")
    assert done["failed"] and "somebody else has worked on this host's sites" in done["msg"]
