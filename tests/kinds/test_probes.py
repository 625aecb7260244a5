"""The probes of groups, accounts and cron jobs on real files in a temporary root, on every Python that is at hand."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from pythons import KINDS, interpreters, probe_with

ADA = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKoAPHeqornWhL7/2zBWClp7uyLvPVEUWImsyivkqBOR ada@laptop"
BO = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAICOPVfe8fT+HRfpk9K+RvVOyarbzJ6x7tN6OgQBGiD39"
HASH = "$y$j9T$F5Jx5fExrKuPp53xLKQ..1$X3DX6M94c7o.9agCG9G317fhZg9SqC.5i5rd.RhAtQ7"
KEY = "00ff" * 16
ME = os.getuid()


class Root:
    """A root of one's own: /etc and homes, and the probes' paths set to it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.etc, self.home = folder / "etc", folder / "home"
        for path in (self.etc / "sudoers.d", self.etc / "cron.d", self.home):
            path.mkdir(parents=True)
        self.write("etc/passwd", f"# comment\n+nis:::::\nzada:x:{ME}:1042:Ada Lovelace,,,:{self.home}/zada:/bin/bash\n"
                   f"zbo:x:1043:1043::{self.home}/zbo:\nzbroken:x:many:1::/:/bin/sh\nzada:x:9:9::/other:/bin/false\n")  # fmt: skip
        self.write("etc/shadow", f"zada:{HASH}:19000:0:99999:7:::\nzbo:!*:19000:0:99999:7::1:\n")
        self.write(
            "etc/group", "zada:x:1042:\nadm:x:4:syslog,zada\ndocker:x:998:zada,zbo\nstaff:x:50:\nzz:x:bad:\nadm:x:5:\n"
        )

    def write(self, path: str, text: str | bytes, mode: int = 0o644) -> Path:
        where = self.folder / path
        where.parent.mkdir(parents=True, exist_ok=True)
        where.write_bytes(text if isinstance(text, bytes) else text.encode())
        where.chmod(mode)
        return where

    def probe(self, kind: str, *requests: dict[str, Any], python: str = sys.executable) -> list[Any]:
        patch = {
            "group": {"GROUP": f"{self.etc}/group"},
            "user": {
                "PASSWD": f"{self.etc}/passwd",
                "SHADOW": f"{self.etc}/shadow",
                "GROUP": f"{self.etc}/group",
                "SUDOERS_D": f"{self.etc}/sudoers.d",
            },
            "cronjob": {"CRON_D": f"{self.etc}/cron.d"},
        }
        answers = probe_with(python, kind, list(requests), patch[kind])
        assert len(answers) == len(requests)
        return list(answers)

    def user(self, name: str = "zada", **more: Any) -> Any:
        request = {"name": name, "sudoers": f"{self.etc}/sudoers.d/trueup-{name}", "keys": True, **more}
        return self.probe("user", request)[0]

    def job(self, name: str = "backup") -> Any:
        return self.probe("cronjob", {"name": name, "path": f"{self.etc}/cron.d/trueup-{name}"})[0]

    def keys(self, text: str | bytes, mode: int = 0o600) -> Path:
        (self.home / "zada" / ".ssh").mkdir(parents=True, exist_ok=True, mode=0o700)
        return self.write("home/zada/.ssh/authorized_keys", text, mode)


@pytest.fixture
def root(tmp_path: Path) -> Root:
    return Root(tmp_path)


# ---------------------------------------------------------------- every interpreter


@pytest.mark.parametrize("version", sorted(interpreters(), key=lambda v: int(v.split(".")[1])))
def test_answers_are_the_same_on_every_python(root: Root, version: str) -> None:
    root.keys(f"{ADA}\n")
    root.write("etc/cron.d/trueup-backup", "# Kept by trueup as job backup. x\nA=b\n0 0 * * * root /bin/x \\%\n")
    python = interpreters()[version]
    asked = {
        "group": ({"name": "adm"}, {"name": "znone"}),
        "user": (
            {"name": "zada", "sudoers": f"{root.etc}/sudoers.d/trueup-zada", "keys": True, "secretsKey": KEY},
            {"name": "znone", "sudoers": f"{root.etc}/sudoers.d/trueup-znone"},
        ),
        "cronjob": (
            {"name": "backup", "path": f"{root.etc}/cron.d/trueup-backup"},
            {"name": "none", "path": f"{root.etc}/cron.d/trueup-none"},
        ),
    }
    for kind, requests in asked.items():
        answers = root.probe(kind, *requests, python=python)
        assert "state" in answers[0] and answers[1] == {"absent": True}, (kind, answers)
        assert answers == root.probe(kind, *requests), kind


@pytest.mark.parametrize("kind", ["group", "user", "cronjob"])
def test_a_probe_is_a_script(kind: str) -> None:
    path = KINDS / kind / "probe.py"
    done = subprocess.run([sys.executable, "-I", str(path)], input="[]", capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (0, "[]"), done.stderr


@pytest.mark.parametrize("kind", ["group", "user", "cronjob"])
def test_a_request_that_makes_no_sense_is_unknown_and_harms_no_other(root: Root, kind: str) -> None:
    good = {"name": "zada", "sudoers": f"{root.etc}/sudoers.d/x", "path": f"{root.etc}/cron.d/x"}
    bad = [{}, {"name": 7}, {"name": "zada", "sudoers": "/etc/shadow", "path": "/etc/shadow"}]
    answers = root.probe(kind, bad[0], good, bad[1], *([bad[2]] if kind != "group" else []))
    assert "unknown" not in answers[1]
    assert all("unknown" in answer for index, answer in enumerate(answers) if index != 1)


# ---------------------------------------------------------------- groups


def test_the_first_line_of_a_group_counts(root: Root) -> None:
    assert root.probe("group", {"name": "adm"}) == [{"state": {"gid": 4}}]


def test_a_group_without_a_number_is_unknown(root: Root) -> None:
    assert "no number" in root.probe("group", {"name": "zz"})[0]["unknown"]


def test_groups_that_cannot_be_read_are_unknown(root: Root) -> None:
    (root.etc / "group").unlink()
    assert "unknown" in root.probe("group", {"name": "adm"})[0]
    assert "unknown" in root.user()


# ---------------------------------------------------------------- accounts


def test_an_account_is_read_whole(root: Root) -> None:
    root.keys(f"{ADA}\n")
    assert root.user() == {
        "state": {
            "uid": ME,
            "group": "zada",
            "groups": ["adm", "docker"],
            "comment": "Ada Lovelace,,,",
            "home": f"{root.home}/zada",
            "shell": "/bin/bash",
            "sudo": "none",
            "sshKeys": [ADA],
        }
    }


def test_an_expired_account_is_locked_and_a_missing_shell_is_sh(root: Root) -> None:
    state = root.user("zbo")["state"]
    assert (state["locked"], state["shell"], state["homeMissing"], state["group"]) == (True, "/bin/sh", True, "1043")


@pytest.mark.parametrize(("expires", "locked"), [("", False), ("0", True), ("1", True), ("2", False), ("20000", False)])
def test_only_an_expiry_at_the_beginning_of_time_is_a_lock(root: Root, expires: str, locked: bool) -> None:
    """A date that somebody set for a reason of their own is not trueup's lock."""
    root.write("etc/shadow", f"zada:*:19000:0:99999:7::{expires}:\n")
    assert root.user()["state"].get("locked", False) is locked


def test_the_password_leaves_the_host_only_as_a_keyed_hash(root: Root) -> None:
    assert "passwordHash" not in root.user()["state"], "it wasn't asked for"
    answer = root.user(secretsKey=KEY)
    sealed = hmac.new(bytes.fromhex(KEY), HASH.encode(), hashlib.sha256).hexdigest()
    assert answer["state"]["passwordHash"] == {"sealed": sealed}
    assert HASH not in json.dumps(answer) and KEY not in json.dumps(answer)


def test_a_broken_line_harms_only_its_own_account(root: Root) -> None:
    good = {"name": "zada", "sudoers": f"{root.etc}/sudoers.d/trueup-zada"}
    answers = root.probe("user", {**good, "name": "zbroken"}, good)
    assert "no numbers" in answers[0]["unknown"] and "state" in answers[1]


def test_an_account_of_a_directory_service_is_unknown(root: Root) -> None:
    """`root` is an account of this machine, and not in the passwd file that the probe reads."""
    assert "directory service" in root.user("root")["unknown"]
    assert "directory service" in root.probe("group", {"name": "root"})[0]["unknown"]


def test_a_home_over_a_symlink_tells_where_it_is(root: Root) -> None:
    real = root.folder / "disk2"
    real.mkdir()
    (root.home / "zada").symlink_to(real)
    assert root.user()["state"]["homeReal"] == str(real)


# ---------------------------------------------------------------- keys


def test_keys_have_one_form_and_order(root: Root) -> None:
    text = f'\n# a comment\n  {ADA}  \r\n\t{BO}\n{BO}\n  from="a b",no-pty   {BO}   two   words \n'
    root.keys(text)
    assert root.user()["state"]["sshKeys"] == sorted([ADA, BO, f'from="a b",no-pty {BO} two words'])


def test_what_is_no_key_is_told_by_its_line_only(root: Root) -> None:
    root.keys(f"{ADA}\nroot:$6$secret:19000\nssh-ed25519 AAAA\n{ADA.replace('ssh-ed25519', 'ssh-rsa')}\n")
    assert root.user()["state"]["sshKeys"] == ["# line 2 is no key", "# line 3 is no key", "# line 4 is no key", ADA]


def test_a_symlink_in_a_home_leads_nowhere(root: Root) -> None:
    """Anybody could show root's files as their keys otherwise."""
    secret = root.write("secret", "the-secret\n")
    root.keys("").unlink()
    (root.home / "zada/.ssh/authorized_keys").symlink_to(secret)
    assert root.user()["state"]["sshKeys"] == ["# authorized_keys is a symlink"]
    (root.home / "zada/.ssh/authorized_keys").unlink()
    (root.home / "zada/.ssh").rmdir()
    (root.home / "zada/.ssh").symlink_to(root.folder)
    assert root.user()["state"]["sshKeys"] == ["# .ssh is a symlink"]


def test_a_pipe_in_place_of_the_keys_holds_nobody_up(root: Root) -> None:
    root.keys("").unlink()
    os.mkfifo(root.home / "zada/.ssh/authorized_keys")
    assert root.user()["state"]["sshKeys"] == ["# authorized_keys is not a file"]


def test_a_folder_in_place_of_the_keys_and_a_file_in_place_of_ssh(root: Root) -> None:
    root.keys("").unlink()
    (root.home / "zada/.ssh/authorized_keys").mkdir()
    assert root.user()["state"]["sshKeys"] == ["# authorized_keys is not a file"]
    (root.home / "zada/.ssh/authorized_keys").rmdir()
    (root.home / "zada/.ssh").rmdir()
    (root.home / "zada/.ssh").write_text("")
    assert root.user()["state"]["sshKeys"] == []


def test_keys_that_others_may_write_are_told(root: Root) -> None:
    """sshd ignores such a file (StrictModes)."""
    file = root.keys(f"{ADA}\n", 0o666)
    assert root.user()["state"]["sshKeys"] == ["# authorized_keys has mode 0666: sshd ignores the keys", ADA]
    file.chmod(0o600)
    file.parent.chmod(0o777)
    assert root.user()["state"]["sshKeys"] == ["# .ssh has mode 0777: sshd ignores the keys", ADA]


@pytest.mark.hosts
def test_keys_of_somebody_else_are_told(root: Root) -> None:
    os.chown(root.keys(f"{ADA}\n"), 4711, 0)
    assert root.user()["state"]["sshKeys"][0] == "# authorized_keys belongs to uid 4711: sshd ignores the keys"


def test_a_huge_file_is_not_swallowed(root: Root) -> None:
    root.keys(b"#" * 2_000_000)
    assert root.user()["state"]["sshKeys"] == ["# authorized_keys is larger than 1048576 bytes"]


# ---------------------------------------------------------------- sudo


def _rule(root: Root, text: str, mode: int = 0o440) -> Any:
    root.write("etc/sudoers.d/trueup-zada", text, mode)
    return root.user()["state"]["sudo"]


HEAD = "# Kept by trueup for zada.\n"
needs_root = pytest.mark.hosts
"""Only root can make files that sudo and cron take."""


@needs_root
def test_rules_are_read_back(root: Root) -> None:
    assert _rule(root, HEAD + "zada ALL=(ALL:ALL) NOPASSWD: ALL\n") == "all"
    text = HEAD + "zada ALL=(root) PASSWD: /bin/a -x\\,y\nzada ALL=(root) PASSWD: !/bin/b\n"
    assert _rule(root, text) == {"commands": ["/bin/a -x,y", "!/bin/b"], "nopasswd": False, "runAs": "root"}


@needs_root
@pytest.mark.parametrize(
    "text",
    [
        "",
        HEAD,
        "zada ALL=(root) NOPASSWD: /bin/a\n",
        HEAD + "zada ALL=(root) NOPASSWD: /bin/a",
        HEAD + "zbo ALL=(root) NOPASSWD: /bin/a\n",
        HEAD + "zada ALL=(root) NOPASSWD: /bin/a, /bin/b\n",
        HEAD + "zada ALL=(root) NOPASSWD: /bin/a #b\n",
        HEAD + "zada ALL=(root) NOPASSWD: /bin/a\nzada ALL=(ALL) NOPASSWD: /bin/a\n",
        HEAD + "zada ALL=(root) NOPASSWD: /bin/a\n# more\n",
        HEAD + "#include /tmp/x\n",
        HEAD + "zada ALL=(root) NOPASSWD: /bin/a\\\n",
    ],
)
def test_anything_else_is_told_as_it_stands(root: Root, text: str) -> None:
    assert _rule(root, text) == {"other": text}


@needs_root
def test_a_file_that_sudo_would_refuse_is_told(root: Root) -> None:
    assert _rule(root, HEAD + "zada ALL=(ALL:ALL) NOPASSWD: ALL\n", 0o646) == {"other": "owner 0:0, mode 0646"}
    (root.etc / "sudoers.d/trueup-zada").unlink()
    (root.etc / "sudoers.d/trueup-zada").symlink_to("/etc/hostname")
    assert root.user()["state"]["sudo"] == {"other": "a symlink"}


# ---------------------------------------------------------------- cron jobs

JOB = "# Kept by trueup as job backup. Edits are undone; change it in Git.\n"


@needs_root
def test_a_job_is_read_back(root: Root) -> None:
    root.write("etc/cron.d/trueup-backup", JOB + "A=\" x \"\nB='\"'\nC=it's\n*/5 0 * * 1-5 zada /bin/x \\% \\\\\\%\n")
    assert root.job() == {
        "state": {
            "schedule": "*/5 0 * * 1-5",
            "user": "zada",
            "command": "/bin/x % \\%",
            "env": {"A": " x ", "B": '"', "C": "it's"},
            "suspend": False,
        }
    }
    root.write("etc/cron.d/trueup-backup", JOB + "# suspended: @reboot root /bin/x\n")
    state = root.job()["state"]
    assert (state["suspend"], state["schedule"], state["command"]) == (True, "@reboot", "/bin/x")


@needs_root
@pytest.mark.parametrize(
    "text",
    [
        "",
        "0 0 * * * root /bin/x\n",
        JOB,
        JOB + "0 0 * * * root /bin/x",
        JOB + "0 0 * * * /bin/x\n",
        JOB + "0 0 * * * root /bin/x\n0 1 * * * root /bin/x\n",
        JOB + "0 0 * * * root /bin/x %with input\n",
        JOB + "A=1\nA=2\n0 0 * * * root /bin/x\n",
        JOB + "A = 1\n0 0 * * * root /bin/x\n",
        JOB + "A='x\n0 0 * * * root /bin/x\n",
        JOB + "# note\n0 0 * * * root /bin/x\n",
        JOB + "0 0 * * mon root /bin/x\n",
    ],
)
def test_any_other_file_is_told_as_it_stands(root: Root, text: str) -> None:
    root.write("etc/cron.d/trueup-backup", text)
    assert root.job() == {"state": {"content": text}}


@needs_root
def test_why_cron_skips_a_file_is_told(root: Root) -> None:
    path = root.write("etc/cron.d/trueup-backup", JOB + "0 0 * * * root /bin/x\n", 0o666)
    state = root.job()["state"]
    assert (state["content"], state["command"]) == ("owner 0:0, mode 0666", "/bin/x")
    path.unlink()
    path.symlink_to("/etc/shadow")
    assert root.job() == {"state": {"content": "not a regular file"}}
    path.unlink()
    root.write("etc/cron.d/trueup-backup", b"x" * 70_000)
    assert root.job() == {"state": {"content": "larger than 65536 bytes"}}


def test_bytes_that_are_no_text_are_told(root: Root) -> None:
    root.write("etc/cron.d/trueup-backup", b"\xff\xfe* * * * * root x\n")
    assert root.job()["state"]["content"].startswith("\ufffd\ufffd*")
