"""trueup.host.put, on this machine's own file system: what it makes, what it refuses, and nobody leads it elsewhere."""

from __future__ import annotations

import os
import stat
import subprocess
from pathlib import Path

import pytest

from reconciler.trip.host import keep, put
from tests.races import swapped


@pytest.fixture(autouse=True)
def own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keep, "BACKUP", str(tmp_path / "backup"))
    monkeypatch.setattr(keep, "SCRATCH", str(tmp_path / "scratch"))


def ok(path: Path, **args: object) -> bool:
    result = put.run({"path": str(path), **args})
    assert not result["failed"], result["msg"]
    return bool(result["changed"])


def refused(path: Path | str, **args: object) -> str:
    result = put.run({"path": str(path), **args})
    assert result["failed"] and not result["changed"]
    return str(result["msg"])


def mode(path: Path) -> str:
    return f"{stat.S_IMODE(path.lstat().st_mode):04o}"


def test_a_file_appears_whole_with_its_mode_and_a_second_time_nothing_happens(tmp_path):
    path = tmp_path / "f"
    assert ok(path, content="hä\n", mode="0640")
    assert path.read_text() == "hä\n" and mode(path) == "0640"
    inode = path.stat().st_ino
    assert not ok(path, content="hä\n", mode="0640")
    assert ok(path, content="new\n")
    assert path.stat().st_ino != inode and mode(path) == "0640"  # replaced, and what isn't given stays
    assert ok(path, mode="0600") and path.read_text() == "new\n" and mode(path) == "0600"
    assert ok(tmp_path / "bytes", content={"base64": "/wAB"})
    assert (tmp_path / "bytes").read_bytes() == b"\xff\x00\x01"
    assert ok(tmp_path / "empty") and (tmp_path / "empty").read_bytes() == b"" and mode(tmp_path / "empty") == "0644"
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["bytes", "empty", "f"]


def test_umask_has_no_say(tmp_path):
    before = os.umask(0o077)
    try:
        ok(tmp_path / "f", content="x")
        ok(tmp_path / "d", state="directory")
        ok(tmp_path / "p" / "q" / "f", content="x", parents=True)
    finally:
        os.umask(before)
    assert [mode(tmp_path / name) for name in ("f", "d", "p", "p/q")] == ["0644", "0755", "0755", "0755"]


def test_nothing_is_written_through_a_symlink(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "way").symlink_to("real")
    said = refused(tmp_path / "way" / "f", content="x")
    assert "is a symlink" in said and str(tmp_path / "real") in said
    assert not list((tmp_path / "real").iterdir())
    assert "is a symlink" in refused(tmp_path / "way" / "d" / "f", content="x", parents=True)
    assert "is a symlink" in refused(tmp_path / "way", state="directory")
    victim = tmp_path / "victim"
    victim.write_text("mine")
    (tmp_path / "link").symlink_to(victim)
    assert ok(tmp_path / "link", content="ours")  # the link is replaced, what it led to is not touched
    assert victim.read_text() == "mine" and not (tmp_path / "link").is_symlink()


def test_a_second_name_of_a_file_is_not_changed_with_it(tmp_path):
    victim = tmp_path / "shadow"
    victim.write_text("secret")
    victim.chmod(0o600)
    os.link(victim, tmp_path / "mine")
    assert ok(tmp_path / "mine", mode="0644", content="secret")
    assert mode(victim) == "0600" and victim.stat().st_nlink == 1 and mode(tmp_path / "mine") == "0644"


def test_a_race_for_the_folder_is_never_won(tmp_path):
    """Somebody swaps the folder for a link to another one, as fast as he can, while it is written to."""
    target, way = tmp_path / "target", tmp_path / "way"
    target.mkdir()
    way.mkdir()
    spare = tmp_path / "spare"
    spare.symlink_to(target)
    with swapped(tmp_path):
        for number in range(400):
            put.run({"path": str(way / f"f{number % 7}"), "content": str(number)})
    assert not list(target.iterdir())


def test_missing_folders_are_a_refusal_unless_they_are_to_be_made(tmp_path):
    assert "parents: true" in refused(tmp_path / "a" / "b" / "f", content="x")
    assert not (tmp_path / "a").exists()
    assert ok(tmp_path / "a" / "b" / "f", content="x", parents=True)
    (tmp_path / "file").write_text("")
    assert "is not a directory" in refused(tmp_path / "file" / "f", content="x", parents=True)
    for path in ("relative", "/", "/a//b", "/a/../b", "/a/"):
        assert "not an absolute, normal path" in refused(path, content="x")


def test_what_does_not_pass_does_not_go_live(tmp_path):
    path = tmp_path / "f"
    path.write_text("old")
    said = refused(path, content="new", validate="sh -c 'echo line 3 of %s is bad; exit 4'")
    assert "exited 4" in said and "line 3" in said and path.read_text() == "old"
    assert "No such file" in refused(path, content="new", validate="/no/such/checker %s")
    assert ok(path, content="new", validate="grep -q new %s")
    assert not list((tmp_path / "scratch").iterdir())
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["f", "scratch"]


def test_what_was_there_first_is_kept_once(tmp_path):
    path = tmp_path / "f"
    path.write_text("theirs")
    ok(path, content="one", keep_backup=True)
    ok(path, content="two", keep_backup=True)
    ok(path, state="absent", keep_backup=True)
    (kept,) = (tmp_path / "backup").iterdir()
    assert kept.read_text() == "theirs" and mode(kept) == "0600" and mode(tmp_path / "backup") == "0700"
    assert "%2F" in kept.name


def test_directories_links_and_what_must_go(tmp_path):
    folder, link = tmp_path / "d", tmp_path / "l"
    assert ok(folder, state="directory", mode="2775") and mode(folder) == "2775"
    assert not ok(folder, state="directory", mode="2775")
    assert ok(link, state="link", target="d") and not ok(link, state="link", target="d")
    assert ok(link, state="link", target="elsewhere") and os.readlink(link) == "elsewhere"
    assert "is a directory" in refused(folder, content="x") and "is a directory" in refused(
        folder, state="link", target="x"
    )
    (folder / "f").write_text("")
    assert "not empty" in refused(folder, state="absent")
    (folder / "f").unlink()
    assert ok(folder, state="absent") and ok(link, state="absent") and not ok(link, state="absent")
    assert not ok(tmp_path / "no" / "where", state="absent")
    os.mkfifo(tmp_path / "fifo")
    assert "neither a file nor a link" in refused(tmp_path / "fifo", content="x")
    assert "there is no user" in refused(tmp_path / "f", content="x", owner="nobody-of-that-name")
    assert "not octal" in refused(tmp_path / "f", content="x", mode="rw-r--r--")


@pytest.mark.hosts
def test_as_another_user_only_what_that_user_may(tmp_path):
    tmp_path.chmod(0o755)
    for parent in tmp_path.parents:
        if parent.stat().st_mode & 0o005 != 0o005 and str(parent).startswith("/tmp/"):
            parent.chmod(parent.stat().st_mode | 0o055)
    home, other = tmp_path / "home", tmp_path / "other"
    for folder, owner in ((home, "nobody"), (other, "root")):
        folder.mkdir(mode=0o755)
        subprocess.run(["chown", owner, str(folder)], check=True)
    assert ok(home / "f", content="x", run_as="nobody", mode="0600") and (home / "f").owner() == "nobody"
    assert "Permission denied" in refused(other / "f", content="x", run_as="nobody")
    (home / "way").symlink_to(other)
    assert "is a symlink" in refused(home / "way" / "f", content="x", run_as="nobody")


@pytest.mark.hosts
def test_a_full_disk_leaves_the_old_file_and_no_litter(tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "none", str(disk)], check=True)
    try:
        (disk / "f").write_text("old")
        assert refused(disk / "f", content="x" * 200_000) == f"no space left on {disk}"
        assert (disk / "f").read_text() == "old" and [entry.name for entry in disk.iterdir()] == ["f"]
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        assert "read-only file system" in refused(disk / "g", content="x")
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_what_a_check_says_of_a_secret_file_stays_on_the_host(tmp_path):
    """A checker quotes the line that it dislikes."""
    said = refused(tmp_path / "f", content="password hunter2\n", validate="sh -c 'cat %s; exit 1'", secret=True)
    assert "exited 1" in said and "hunter2" not in said and "run it on the host" in said


def test_what_a_check_vouches_for_is_told_of_a_secret_file_too(tmp_path):
    """Unless it stands in the content: then the checker only quoted it."""
    command = "sh -c 'cat %s; echo public: the key is another; echo public: so it stays; exit 1'"
    said = refused(tmp_path / "f", content="public: hunter2\nhunter3\n", validate=command, secret=True)
    assert said.endswith("exited 1: the key is another; so it stays") and "hunter" not in said
