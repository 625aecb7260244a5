"""The support bundle: helpful, and without one of the secrets that are planted wherever a set-up has some."""

from __future__ import annotations

import base64
import gzip
import json
import os
import stat
import subprocess
import sys
import tarfile
import urllib.parse
from pathlib import Path

import pytest

from reconciler.core.problem import Refused
from reconciler.doctor import bundle
from reconciler.repo.hooks import make_bare
from reconciler.settings import Settings

SECRETS = {
    "token": 'tok-Zq7+page/4821 ö"quoted"',
    "become": "become-Hunter2-9931",
    "file": "fil3-s3cret-of-smtp-5520",
    "env": "env-s3cret-of-mail-7718",
    "key": "b3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZTtest",
    "command": "cmd-arg-secret-3141",
}


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    def held(name: str, text: str) -> Path:
        place = tmp_path / name
        place.write_text(text + "\n")
        place.chmod(0o600)
        return place

    monkeypatch.setenv("MAIL_PASSWORD", SECRETS["env"])
    (tmp_path / "state").mkdir(mode=0o700)
    (tmp_path / "state/fleet.key").write_text(bytes(range(7, 39)).hex() + "\n")
    (tmp_path / "state/fleet.key").chmod(0o600)
    key = f"-----BEGIN OPENSSH PRIVATE KEY-----\n{SECRETS['key']}\n-----END OPENSSH PRIVATE KEY-----"
    return Settings(
        state_dir=tmp_path / "state",
        run_dir=tmp_path / "run",
        repo=str(make_bare(tmp_path / "fleet.git", environ={})),
        git_token_file=held("token", SECRETS["token"]),
        become_password=SECRETS["become"],
        ssh_key=held("key", key),
        secrets={
            "smtp": {"file": str(held("smtp", SECRETS["file"]))},
            "mail": {"env": "MAIL_PASSWORD"},
            "vault": {"command": ["/bin/get", SECRETS["command"]]},
        },
    )


def shapes(secret: bytes) -> list[tuple[str, bytes]]:
    """How a secret could stand in a log, and what of it must not be found: of base64 in the midst of more, its midst."""
    text = secret.decode()
    plain = [
        text,
        base64.b64encode(secret).decode(),
        base64.urlsafe_b64encode(secret).decode(),
        urllib.parse.quote(text, safe=""),
        json.dumps(text)[1:-1],
        secret.hex(),
    ]
    made = [(shape, shape.encode()) for shape in plain]
    for shift in range(3):
        made.append(
            (
                base64.b64encode(b"x" * shift + secret + b" and more").decode(),
                base64.b64encode(b"x" * shift + secret)[4:-4],
            )
        )
    return made


def test_no_planted_secret_is_inside(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = [f"round-crashed text={planted}" for secret in SECRETS.values() for planted, _ in shapes(secret.encode())]
    lines += [
        "fetch-failed https://ada:pw-in-url-881@git.example.org/fleet.git",
        "Authorization: Bearer abcdefgh-bearer-9",
        "shadow $6$saltsalt$hashhashhash",
        "AGE-SECRET-KEY-1QQQQQQQQQQQQ",
        "-----BEGIN RSA PRIVATE KEY-----\nMIIEtruncated",
    ]
    monkeypatch.setattr(bundle, "journal", lambda: "\n".join(lines) + "\nround-end verdict=converged\n")
    place = bundle.write(settings, tmp_path / "out.tar.gz")
    assert stat.S_IMODE(place.stat().st_mode) == 0o600
    whole = gzip.decompress(place.read_bytes())
    for name, secret in SECRETS.items():
        for _, trace in shapes(secret.encode()):
            assert trace not in whole, (name, trace)
    assert bytes(range(7, 39)) not in whole and bytes(range(7, 39)).hex().encode() not in whole
    for looks in (b"pw-in-url-881", b"abcdefgh-bearer-9", b"hashhashhash", b"KEY-1QQQ", b"MIIEtruncated"):
        assert looks not in whole
    assert b"verdict=converged" not in whole, "what follows a key that has no end may be the key"


def test_it_holds_what_a_helper_needs(settings: Settings, tmp_path: Path) -> None:
    place = bundle.write(settings, tmp_path / "out.tar.gz")
    with tarfile.open(place) as archive:
        inside = {Path(one.name).name: archive.extractfile(one).read().decode() for one in archive.getmembers()}  # type: ignore[union-attr]
        assert {Path(one.name).parts[0] for one in archive.getmembers()} == {"out"}
    assert set(inside) == {part.name for part in bundle.parts(settings)}
    assert json.loads(inside["versions.json"])["libraries"]["duckdb"]
    told = json.loads(inside["settings.json"])
    assert told["becomePassword"] == bundle.MASK and told["secrets"] == {
        "smtp": ["file"],
        "mail": ["env"],
        "vault": ["command"],
    }
    assert told["gitTokenFile"] == str(settings.git_token_file)
    assert {check["check"] for check in json.loads(inside["doctor.json"])["checks"]} >= {"ansible", "repo", "disk"}
    assert "counts" in json.loads(inside["status.json"])
    assert json.loads(inside["standing.json"])["problems"][0]["code"] == "no-daemon"
    state = json.loads(inside["state.json"])
    assert state["bytes"]["fleet.key"] == 65 and "0001" in state["knownMigrations"]


def test_nothing_is_written_over(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "there.tar.gz").write_text("mine")
    (tmp_path / "link.tar.gz").symlink_to(tmp_path / "elsewhere")
    for name in ("there.tar.gz", "link.tar.gz", "no/such/folder.tar.gz"):
        with pytest.raises(Refused):
            bundle.write(settings, tmp_path / name)
    assert (tmp_path / "there.tar.gz").read_text() == "mine" and not (tmp_path / "elsewhere").exists()


def test_the_command_says_what_is_inside_before_it_writes(tmp_path: Path) -> None:
    env = {**os.environ, "TRUEUP_STATE_DIR": str(tmp_path / "state"), "TRUEUP_RUN_DIR": str(tmp_path / "run")}
    run = [sys.executable, "-c", "from reconciler.cli import main; main()", "support-bundle"]
    done = subprocess.run([*run, "--dry-run"], cwd=tmp_path, env=env, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0 and "settings.json" in done.stdout and not list(tmp_path.glob("*.gz"))
    done = subprocess.run(
        [*run, "--into", "x.tar.gz"], cwd=tmp_path, env=env, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0 and done.stdout.index("settings.json") < done.stdout.index(
        "bytes, readable by you alone"
    )
    assert (tmp_path / "x.tar.gz").exists()
