"""What looks like a secret in a manifest is warned of at its place, and what doesn't is left in peace."""

from __future__ import annotations

from pathlib import Path

import pytest

from reconciler import manifests
from reconciler.manifests import plain
from reconciler.manifests.kinds import load_kinds
from reconciler.repo import FolderFiles

HEAD = "apiVersion: trueup.dev/v1\n"
BASE = HEAD + "kind: Fleet\nmetadata: {name: f}\n---\n" + HEAD + "kind: Host\nmetadata: {name: web-1}\n"


def warned(folder: Path, text: str) -> list[tuple[int, str]]:
    (folder / "trueup.yaml").write_text(BASE)
    (folder / "m.yaml").write_text(HEAD + text)
    found = manifests.read(FolderFiles(folder), load_kinds()).problems
    assert not [told for told in found if told.severity == "error"], found
    return [(told.line, told.message) for told in found if told.code == "plain-secret"]


def a_file(content: str) -> str:
    return "kind: File\nmetadata: {name: /etc/x}\nspec:\n  hosts: all\n  content: |\n    " + content + "\n"


SECRETS = {
    "a private key": "-----BEGIN OPENSSH PRIVATE KEY-----",
    "an age identity": "AGE-SECRET-KEY-1" + "Q" * 58,
    "AWS": "key AKIA" + "ABCDEFGHIJKLMNOP",
    "GitHub": "ghp_" + "a1B2" * 9,
    "GitLab": "glpat-" + "a1B2c3D4e5" * 2,
    "Slack": "xoxb-" + "123456789012-abc",
    "Google": "AIza" + "a1B2c" * 7,
    "Vault": "hvs." + "a1B2c3D4" * 4,
    "address": "postgres://app:" + "hunter22pass@db/app",
    "password or token": "db_password = " + "Tr0ub4dor-and-3",
}


@pytest.mark.parametrize(
    "text", [*SECRETS.values(), "Password: x", "API_KEY", "sk_live_" + "a1" * 12, "npm_" + "a1" * 18]
)
def test_the_quick_look_passes_over_none_of_them(text: str) -> None:
    assert plain.perhaps(text) and not plain.perhaps("motd: welcome to this host\n")


@pytest.mark.parametrize("what", SECRETS)
def test_warned_of(what: str, tmp_path: Path) -> None:
    [(line, message)] = warned(tmp_path, a_file(SECRETS[what]))
    assert what in message and line == 6
    assert SECRETS[what] not in message


@pytest.mark.parametrize("name", ["password", "db_password", "apiKey", "github-token", "clientSecret"])
def test_a_value_under_such_a_name(name: str, tmp_path: Path) -> None:
    text = "kind: Vars\nmetadata: {name: v}\nspec:\n  hosts: all\n  vars:\n    %s: %s\n"
    assert [line for line, _ in warned(tmp_path, text % (name, "9f8a7b6c5d4e3f2a1b0c"))] == [7]


@pytest.mark.parametrize(
    "content",
    [
        "PasswordAuthentication no",
        "password requisite pam_pwquality.so retry=3",
        "password = {{ vars.db_password }}",
        "password=$DB_PASSWORD",
        "token: <your token here>",
        "secret = changeme123",
        "token_file: /etc/app/token-1",
        "# the password: see the vault, entry 12",
        "-----BEGIN CERTIFICATE-----",
        "postgres://app@db/app",
        "https://user:$PASS@db/app",
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKoAPHeqornWhL7/2zBWClp7uyLvPVEUWImsyivkqBOR ada@laptop",
    ],
)
def test_left_in_peace(content: str, tmp_path: Path) -> None:
    assert warned(tmp_path, a_file(content)) == []


def test_references_and_hashes_are_none(tmp_path: Path) -> None:
    said = "kind: User\nmetadata: {name: ada}\nspec:\n  hosts: all\n  passwordHash: "
    assert warned(tmp_path, said + "{secret: ada-9f8a7b6c5d4e3f2a1b0c}\n") == []
    assert warned(tmp_path, said + "$y$j9T$F5Jx5fExrKuPp53xLKQ..1$X3DX6M94c7o.9agCG9G317fhZg9SqC.5i5rd.RhAtQ7\n") == []


def test_what_is_none_may_say_so(tmp_path: Path) -> None:
    text = a_file(SECRETS["GitHub"]).replace(
        "{name: /etc/x}", '{name: /etc/x, annotations: {trueup.dev/not-secret: "made up"}}'
    )
    assert warned(tmp_path, text) == []


def test_a_key_file_in_plain(tmp_path: Path) -> None:
    (tmp_path / "files").mkdir()
    (tmp_path / "files/server.key").write_text(SECRETS["a private key"] + "\nMIIE\n")
    (tmp_path / "files/server.pem").write_text("-----BEGIN CERTIFICATE-----\nMIIE\n")
    (tmp_path / "trueup.yaml").write_text(BASE)
    cache: dict[str, object] = {}
    for _ in range(2):  # a second reading from what is kept says the same
        found = manifests.read(FolderFiles(tmp_path), load_kinds(), cache=cache).problems
        assert [told.path for told in found if told.code == "plain-secret"] == ["files/server.key"]
