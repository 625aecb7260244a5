"""The bare repository: what `make_bare` leaves, that doing it twice changes nothing, and who may push."""

from __future__ import annotations

import grp
import os
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from reconciler.core.problem import Refused
from reconciler.repo.hooks import make_bare

MakeGit = Callable[..., Any]


def config(place: Path, key: str) -> str:
    return subprocess.run(["git", "-C", str(place), "config", key], capture_output=True, text=True).stdout.strip()


def test_it_takes_push_options_checks_objects_and_follows_a_branch(tmp_path: Path) -> None:
    place = make_bare(tmp_path / "fleet.git", "trunk", environ={})
    assert config(place, "core.bare") == "true"
    assert config(place, "receive.advertisePushOptions") == "true"
    assert config(place, "receive.fsckObjects") == "true"
    assert config(place, "trueup.branch") == "trunk"
    assert (place / "HEAD").read_text() == "ref: refs/heads/trunk\n"
    for hook in ("pre-receive", "post-receive"):
        assert os.access(place / "hooks" / hook, os.X_OK)
        subprocess.run(["sh", "-n", place / "hooks" / hook], check=True)


def test_doing_it_twice_keeps_what_is_there(tmp_path: Path, make_git: MakeGit) -> None:
    place = make_bare(tmp_path / "fleet.git", environ={})
    work = make_git()
    head = work.commit("first", a="a")
    # Straight into the object store: this test is not about the hooks.
    work("push", "-q", str(place), "main", check=False)
    subprocess.run(["git", "-C", str(work.folder), "bundle", "create", "-q", tmp_path / "b", "main"], check=True)
    subprocess.run(["git", "-C", str(place), "fetch", "-q", tmp_path / "b", "main:main"], check=True)
    make_bare(place, environ={"TRUEUP_SOCKET": "/run/trueup/it's.sock"})
    assert (
        subprocess.run(["git", "-C", place, "rev-parse", "main"], capture_output=True, text=True).stdout.strip() == head
    )
    script = (place / "hooks/pre-receive").read_text()
    assert """export TRUEUP_SOCKET='/run/trueup/it'"'"'s.sock'""" in script


def test_the_hook_never_carries_a_secret(tmp_path: Path) -> None:
    place = make_bare(tmp_path / "f.git", environ={"TRUEUP_BECOME_PASSWORD": "s3cret", "TRUEUP_CONFIG": "/etc/x.yaml"})
    for hook in place.glob("hooks/*"):
        assert "s3cret" not in hook.read_text()


def test_a_hook_of_somebody_else_is_not_overwritten(tmp_path: Path) -> None:
    place = make_bare(tmp_path / "f.git", environ={})
    (place / "hooks/pre-receive").write_text("#!/bin/sh\nexec my-own-check\n")
    with pytest.raises(Refused, match="not trueup's"):
        make_bare(place, environ={})
    assert "my-own-check" in (place / "hooks/pre-receive").read_text()


def test_a_folder_with_something_else_in_it_is_left_alone(tmp_path: Path, make_git: MakeGit) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full/thesis.txt").write_text("dear to somebody")
    with pytest.raises(Refused, match="not empty"):
        make_bare(tmp_path / "full", environ={})
    with pytest.raises(Refused):
        make_bare(make_git("checkout").folder, environ={})
    assert list((tmp_path / "full").iterdir()) == [tmp_path / "full/thesis.txt"]


def test_a_group_that_is_not_there_is_said_before_anything_is_made(tmp_path: Path) -> None:
    with pytest.raises(Refused) as refused:
        make_bare(tmp_path / "f.git", group="nosuchgroup", environ={})
    assert "groupadd" in refused.value.problems[0].hint and not (tmp_path / "f.git").exists()


def test_members_of_the_group_may_push_but_not_change_the_hooks(tmp_path: Path) -> None:
    group = grp.getgrgid(1)  # daemon: every machine has it
    place = make_bare(tmp_path / "f.git", group=group.gr_name, environ={})
    assert config(place, "core.sharedRepository") == "group"
    for folder in ("objects", "refs/heads", "."):
        found = (place / folder).stat()
        assert found.st_gid == group.gr_gid and found.st_mode & stat.S_ISGID and found.st_mode & stat.S_IWGRP, folder
    for kept in ("hooks", "hooks/pre-receive", "config", "HEAD"):
        assert not (place / kept).stat().st_mode & stat.S_IWGRP, kept


def test_an_install_that_is_gone_lets_nothing_in_and_says_what_to_do(tmp_path: Path, make_git: MakeGit) -> None:
    place = make_bare(tmp_path / "f.git", environ={}, python="/opt/gone/bin/python")
    work = make_git()
    work.commit("first", a="a")
    done = subprocess.run(["git", "-C", work.folder, "push", place, "main"], capture_output=True, text=True)
    assert done.returncode == 1
    assert "remote: error: trueup is not at /opt/gone/bin/python any more" in done.stderr
    assert f"remote: hint: on the server: trueup init --bare {place}" in done.stderr


def test_the_command_lets_a_group_push(tmp_path: Path) -> None:
    command = [Path(sys.executable).with_name("trueup"), "init", "--bare", tmp_path / "f.git", "--group"]
    subprocess.run([*command, grp.getgrgid(1).gr_name], check=True, capture_output=True)
    assert (tmp_path / "f.git/objects").stat().st_mode & stat.S_ISGID
    wrong = subprocess.run([*command[:2], tmp_path / "g", "--group", "daemon"], capture_output=True, text=True)
    assert wrong.returncode == 64 and "--bare PATH" in wrong.stderr and not (tmp_path / "g").exists()
