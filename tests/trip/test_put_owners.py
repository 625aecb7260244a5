"""trueup.host.put where files have had other owners: who holds one open doesn't go on writing what is ours."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from reconciler.trip.host import keep, put
from tests.trip.test_put import ok, refused
from tests.trip.test_put import own_folders as own_folders


def rights(path: Path) -> tuple[int, int, str]:
    found = path.stat()
    return found.st_uid, found.st_gid, f"{stat.S_IMODE(found.st_mode):04o}"


@pytest.mark.hosts
@pytest.mark.parametrize(
    ("was", "args"),
    [
        ((65534, 0, 0o644), {"owner": "root"}),  # his for as long as he has it open
        ((0, 0, 0o666), {"mode": "0644"}),  # everybody's until now
        ((0, 65534, 0o664), {"group": "0"}),  # a group's until now
    ],
)
def test_who_has_a_file_open_does_not_write_into_it_once_it_is_ours(
    tmp_path: Path, was: tuple[int, int, int], args: dict[str, str]
) -> None:
    path = tmp_path / "f"
    for content in ({"content": "right\n"}, {}):
        path.unlink(missing_ok=True)
        path.write_text("right\n")
        path.chmod(was[2])
        os.chown(path, was[0], was[1])
        with path.open("a") as held:
            assert ok(path, **content, **args)
            held.write("* * * * * root evil\n")
        assert path.read_text() == "right\n"
        assert not ok(path, **content, **args)
        assert [entry.name for entry in tmp_path.iterdir()] == ["f"]


@pytest.mark.hosts
def test_what_nobody_else_may_have_open_stays_the_same_file(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_text("x")
    inode = path.stat().st_ino
    for args, wanted in (
        ({"mode": "0600"}, (0, 0, "0600")),
        ({"owner": "nobody", "mode": "0664"}, (65534, 0, "0664")),
        ({"owner": "nobody", "mode": "0775"}, (65534, 0, "0775")),
    ):
        assert ok(path, **args) and rights(path) == wanted
    assert path.stat().st_ino == inode


def test_a_pipe_in_the_place_of_a_file_holds_nobody_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It was a file when it was looked at; now it is a pipe that nobody writes into."""
    path = tmp_path / "f"
    os.mkfifo(path)
    there = os.stat_result((stat.S_IFREG | 0o644, *os.stat(path)[1:]))
    monkeypatch.setattr(put.way, "lstat", lambda folder, name: there)
    for state in ("file", "link", "absent"):
        said = refused(path, state=state, content="x", target="y", keep_backup=True)
        assert said.endswith("changed while it was looked at")


def test_what_is_too_big_to_be_kept_is_not_lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keep, "MOST", 1 << 20)
    path = tmp_path / "f"
    path.write_bytes(b"x" * ((1 << 20) + 1))
    for state in ("file", "link", "absent"):
        said = refused(path, state=state, content="ours", target="t", keep_backup=True)
        assert "more than 1 MiB" in said and "move it away" in said
    assert path.stat().st_size == (1 << 20) + 1
    assert "too big to be validated" in refused(path, mode="0400", validate="true %s")
    assert ok(path, content="ours") and path.read_text() == "ours"  # nobody asked for a copy


def test_long_paths_that_begin_alike_are_kept_apart(tmp_path: Path) -> None:
    folder = tmp_path / ("d" * 120) / ("é" * 60)
    folder.mkdir(parents=True)
    for name in ("one", "two"):
        (folder / name).write_text(name)
        assert ok(folder / name, content="ours", keep_backup=True)
        assert ok(folder / name, content="again", keep_backup=True)
    kept = list((tmp_path / "backup").iterdir())
    assert sorted(file.read_text() for file in kept) == ["one", "two"]
    assert all(len(os.fsencode(file.name)) <= keep.LONGEST_NAME for file in kept)


def test_only_what_was_made_may_go(tmp_path: Path) -> None:
    (tmp_path / "f").symlink_to("elsewhere")
    assert "is now a link, not the file" in refused(tmp_path / "f", state="absent", only="file")
    (tmp_path / "d").mkdir()
    assert "is now a directory, not the link" in refused(tmp_path / "d", state="absent", only="link")
    assert (tmp_path / "d").is_dir() and (tmp_path / "f").is_symlink()
    assert ok(tmp_path / "f", state="absent", only="link")
