"""File's probe on real paths: each node, hostile ones too."""

from __future__ import annotations

import hashlib
import hmac
import os
import socket
from pathlib import Path
from typing import Any

import pytest

from reconciler.kinds.file import probe
from tests.races import swapped

TEXT_LIMIT = 64 * 1024


def ask(path: Path | str, **more: Any) -> dict[str, Any]:
    (answer,) = probe.probe([{"path": str(path), **more}])
    return answer


def test_a_text_file_is_read_whole(tmp_path: Path) -> None:
    path = tmp_path / "motd"
    path.write_text("Grüße\n")
    path.chmod(0o4640)
    assert ask(path) == {
        "state": {
            "path": str(path), "state": "file", "content": "Grüße\n", "owner": "root", "group": "root", "mode": "4640",
        }
    }  # fmt: skip


@pytest.mark.parametrize(
    "data",
    [b"\xff\xfe not utf-8", b"a\0b", b"x" * (TEXT_LIMIT + 1), "é".encode() * (TEXT_LIMIT // 2) + b"x"],
    ids=["not utf-8", "with NUL", "long", "long in bytes, not in characters"],
)
def test_what_is_no_short_text_is_told_by_its_digest(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "data"
    path.write_bytes(data)
    assert ask(path)["state"]["content"] == {"sha256": hashlib.sha256(data).hexdigest(), "size": len(data)}


def test_exactly_64_kib_of_text_is_text(tmp_path: Path) -> None:
    path = tmp_path / "data"
    path.write_text("x" * TEXT_LIMIT)
    assert ask(path)["state"]["content"] == "x" * TEXT_LIMIT


def test_a_sensitive_content_leaves_the_host_only_as_a_keyed_hash(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_text("hunter2\n")
    answer = ask(path, sensitive=True, key="00ff")
    expected = hmac.new(bytes.fromhex("00ff"), b"hunter2\n", hashlib.sha256).hexdigest()
    assert answer["state"]["content"] == {"sealed": expected}
    assert "hunter2" not in str(answer) and hashlib.sha256(b"hunter2\n").hexdigest() not in str(answer)


def test_without_a_key_a_sensitive_content_is_not_compared_and_not_shown(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_text("hunter2\n")
    assert ask(path, sensitive=True, key="")["state"]["content"] == {"sealed": ""}


def test_a_file_too_large_to_read_says_its_size(tmp_path: Path) -> None:
    path = tmp_path / "huge"
    with open(path, "wb") as file:
        file.truncate(probe.READ_LIMIT + 1)
    assert ask(path)["state"]["content"] == {"sha256": "", "size": probe.READ_LIMIT + 1}


def test_a_link_is_read_itself_and_never_followed(tmp_path: Path) -> None:
    (tmp_path / "shadow").write_text("secret")
    link = tmp_path / "link"
    link.symlink_to("shadow")
    answer = ask(link)["state"]
    assert answer["state"] == "link" and answer["target"] == "shadow" and "content" not in answer


def test_a_way_that_leads_through_a_link_is_unknown(tmp_path: Path) -> None:
    """An account could else point its own folder at /etc and have /etc/shadow read for it."""
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "file").write_text("a")
    (tmp_path / "folder").symlink_to("real")
    answer = ask(tmp_path / "folder" / "file")
    assert "real path" in answer["unknown"] and str(tmp_path / "real") in answer["unknown"]


def test_a_directory_has_no_content(tmp_path: Path) -> None:
    tmp_path.chmod(0o2750)
    assert ask(tmp_path)["state"] == {
        "path": str(tmp_path), "state": "directory", "owner": "root", "group": "root", "mode": "2750",
    }  # fmt: skip


def test_pipes_sockets_and_devices_are_unknown_and_nobody_waits_for_them(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "socket"))
        assert "named pipe" in ask(tmp_path / "pipe")["unknown"]
        assert "socket" in ask(tmp_path / "socket")["unknown"]
        assert "character device" in ask("/dev/null")["unknown"]


def test_nothing_there_is_absent_even_below_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("a")
    assert ask(tmp_path / "nothing") == {"absent": True}
    assert ask(tmp_path / "file" / "below") == {"absent": True}
    assert ask(tmp_path / "no" / "way") == {"absent": True}


def test_a_number_without_a_name_stays_a_number(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("a")
    os.chown(path, 54321, 54322)
    state = ask(path)["state"]
    assert (state["owner"], state["group"]) == ("54321", "54322")


def test_one_bad_request_costs_no_other(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("a")
    answers = probe.probe([{"path": str(tmp_path / "file")}, {}, {"path": "a\0b"}, {"path": "x" * 5000}])
    assert "state" in answers[0]
    assert all("unknown" in answer for answer in answers[1:])


def test_a_race_for_the_folder_reads_nothing_elsewhere(tmp_path: Path) -> None:
    """Somebody swaps his folder for a link to another one, as fast as he can, while a file in it is read."""
    target, way, spare = tmp_path / "target", tmp_path / "way", tmp_path / "spare"
    target.mkdir()
    way.mkdir()
    (target / "f").write_text("root's secret")
    (way / "f").write_text("mine")
    spare.symlink_to(target)
    with swapped(tmp_path):
        answers = [answer for _ in range(300) for answer in probe.probe([{"path": str(way / "f")}] * 20)]
    assert "root's secret" not in str(answers) and "mine" in str(answers)
