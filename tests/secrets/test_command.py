"""`trueup secrets`: a secret made, looked through, encrypted anew; all or nothing, and never a value on disk or in words."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from reconciler.acts import secrets as vetting
from reconciler.core.problem import Refused
from reconciler.repo import FolderFiles
from reconciler.secrets import Sources, age, rekey, vault
from reconciler.settings import Settings, load

VALUE = "the-v4lue-itself"
MANIFESTS = """\
apiVersion: trueup.dev/v1
kind: Fleet
metadata: {name: f}
---
apiVersion: trueup.dev/v1
kind: Host
metadata: {name: web-1}
---
apiVersion: trueup.dev/v1
kind: CronJob
metadata: {name: job}
spec: {hosts: all, schedule: "@daily", command: x, env: {T: {secret: db}, U: {secret: nowhere}}}
---
apiVersion: trueup.dev/v1
kind: User
metadata: {name: ada}
spec:
  hosts: all
  passwordHash: !vault |
        %s
  shell: /bin/sh  # stays
"""


class Place:
    """A repository with secrets, and a controller's state."""

    def __init__(self, tmp: Path) -> None:
        self.tmp, self.repo = tmp, tmp / "repo"
        self.repo.mkdir()
        for name, text in {"pw": "old", "new": "new"}.items():
            (tmp / name).write_text(text)
            (tmp / name).chmod(0o600)
        self.env = {
            "PATH": "/usr/bin:/bin",
            "HOME": str(tmp),
            "TRUEUP_STATE_DIR": str(tmp / "state"),
            "TRUEUP_CONFIG": "/dev/null",
            "TRUEUP_VAULT_PASSWORD_FILE": str(tmp / "pw"),
            "GIT_AUTHOR_NAME": "Ada",
            "GIT_AUTHOR_EMAIL": "ada@example.org",
            "GIT_COMMITTER_NAME": "Ada",
            "GIT_COMMITTER_EMAIL": "ada@example.org",
        }
        hashed = vault.encrypt(b"$y$x", b"old").rstrip().replace("\n", "\n        ")
        (self.repo / "trueup.yaml").write_text(MANIFESTS % hashed)

    def trueup(self, *words: str, input: str = "", expect: int = 0) -> str:
        done = subprocess.run(
            [sys.executable, "-c", "from reconciler.cli import main; main()", "secrets", *words, "--repo", str(self.repo)],
            input=input, capture_output=True, text=True, env={**self.env, "PYTHONPATH": str(Path(__file__).parents[2])}, timeout=60,
        )  # fmt: skip
        assert done.returncode == expect, done.stdout + done.stderr
        assert VALUE not in done.stdout + done.stderr
        return done.stdout + done.stderr

    def git(self, *words: str) -> str:
        return subprocess.run(
            ["git", "-C", self.repo, *words], check=True, capture_output=True, text=True, env=self.env
        ).stdout

    @property
    def settings(self) -> Settings:
        return load(self.env)

    def value(self, name: str) -> bytes:
        return Sources(settings=self.settings, environ={}).value({"secret": name}, FolderFiles(self.repo))

    def everything(self) -> dict[str, bytes]:
        return {
            str(path.relative_to(self.repo)): path.read_bytes()
            for path in self.repo.rglob("*")
            if path.is_file() and ".git" not in path.parts
        }


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def test_from_nothing_to_a_secret_that_is_used(place: Place) -> None:
    assert "trueup secrets identity" in place.trueup("encrypt", "db", input=VALUE, expect=1)
    assert "age1" in place.trueup("identity")
    assert "already" in place.trueup("identity", expect=1)
    assert (place.tmp / "state/age.key").stat().st_mode & 0o777 == 0o600
    assert "{secret: db}" in place.trueup("encrypt", "db", input=VALUE)
    assert place.value("db") == VALUE.encode()
    assert not [path for path, data in place.everything().items() if VALUE.encode() in data]
    told = place.trueup("check", expect=1)
    assert (
        "✗ nowhere" in told and "next: trueup secrets encrypt nowhere" in told and "✓ db" in told and "✓ !vault" in told
    )
    place.trueup("encrypt", "nowhere", input=VALUE)
    place.trueup("encrypt", "idle", input=VALUE)
    found = {one["name"]: one for one in json.loads(place.trueup("check", "--format", "json"))["secrets"]}
    assert [found[name]["ok"] for name in ("db", "nowhere", "idle", "")] == [True] * 4
    assert found["db"]["uses"] == [{"kind": "CronJob", "name": "job", "source": {"path": "trueup.yaml", "line": 12}}]
    assert found["db"]["hosts"] == 1 and found["idle"]["uses"] == []


def test_encrypted_anew_for_others_and_by_another_password(place: Place) -> None:
    place.trueup("identity")
    place.trueup("encrypt", "db", input=VALUE)
    place.git("init", "-q", "-b", "main")
    place.git("add", "-A")
    place.git("commit", "-q", "-m", "one")
    person, recipient = age.generated()
    with (place.repo / "secrets/recipients.txt").open("a") as file:
        file.write(recipient + "\n")
    before = place.everything()
    told = place.trueup("rekey", "--new-password-file", str(place.tmp / "new"))
    assert "2 files" in told and place.git("rev-parse", "--short=7", "HEAD").strip() in told
    after = place.everything()
    assert {path for path in after if after[path] != before[path]} == {"trueup.yaml", "secrets/db.age"}
    assert age.decrypt(after["secrets/db.age"], age.identities(person, "p")) == VALUE.encode()
    assert place.value("db") == VALUE.encode()
    [block] = [line for line in after["trueup.yaml"].decode().split("---\n") if "!vault" in line]
    assert block.startswith("apiVersion") and block.endswith("  shell: /bin/sh  # stays\n")
    place.trueup("encrypt", "nowhere", input=VALUE)
    assert "✗ !vault" in place.trueup("check", expect=1)
    (place.tmp / "pw").write_text("new")
    place.trueup("check")


def test_all_or_nothing(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    place.trueup("identity")
    place.trueup("encrypt", "db", input=VALUE)
    stranger = age.recipients(age.generated()[1], "s")
    (place.repo / "secrets/lost.age").write_bytes(age.encrypt(b"x", stranger))
    before = place.everything()
    assert "secrets/lost.age" in place.trueup("rekey", "--new-password-file", str(place.tmp / "new"), expect=1)
    assert place.everything() == before
    (place.repo / "secrets/lost.age").unlink()
    before = place.everything()
    replace, count = rekey.replace, []

    def fails_once(path: Path, content: bytes) -> None:
        count.append(path)
        if len(count) == 2:
            raise OSError(28, "No space left on device", str(path))
        replace(path, content)

    monkeypatch.setattr(rekey, "replace", fails_once)
    with pytest.raises(Refused, match="No space left"):
        vetting.rekeyed(place.settings, place.repo, "default", place.tmp / "new")
    assert len(count) == 3 and place.everything() == before


def test_a_vault_in_another_form_is_told(place: Place) -> None:
    text = vault.encrypt(b"x", b"old").replace("\n", "\\n")
    (place.repo / "trueup.yaml").write_text(f'a: !vault "{text}"\nb: |\n  $ANSIBLE_VAULT;1.1;AES256\n')
    before = place.everything()
    assert "can't be rewritten" in place.trueup("rekey", "--new-password-file", str(place.tmp / "new"), expect=1)
    assert place.everything() == before


@pytest.mark.parametrize("name", ["../x", "a/b", ".hidden", "a b"])
def test_a_bad_name_writes_nothing(name: str, place: Place) -> None:
    place.trueup("identity")
    place.trueup("encrypt", name, input=VALUE, expect=1)
    assert list(place.everything()) == ["trueup.yaml"]
