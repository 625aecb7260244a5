"""Each source of a value, what it refuses, and that a value which rotates is seen; nothing it says holds the value."""

from __future__ import annotations

import base64
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible.parsing.vault import VaultLib, VaultSecret

from reconciler import manifests
from reconciler.core.problem import Refused
from reconciler.manifests import Reading
from reconciler.manifests.kinds import load_kinds
from reconciler.repo import FolderFiles
from reconciler.secrets import FleetKey, Sealer, Sources, age, vault
from reconciler.settings import Settings

VALUE = "v4lue/of a secret"


@pytest.fixture
def put(tmp_path: Path) -> Callable[..., Path]:
    def made(name: str, text: str | bytes, mode: int = 0o600) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        path.chmod(mode)
        return path

    return made


def sources(tmp_path: Path, environ: dict[str, str] | None = None, **said: Any) -> Sources:
    return Sources(
        settings=Settings(state_dir=tmp_path / "state", **said), environ=environ if environ is not None else {}
    )


def refused(where: Sources, reference: dict[str, str], files: FolderFiles | None = None) -> str:
    with pytest.raises(Refused) as caught:
        where.value(reference, files)
    [problem] = caught.value.problems
    assert problem.hint and VALUE not in problem.message + problem.hint
    return problem.message


# ---------------------------------------------------------------- Ansible Vault


@pytest.mark.parametrize("label", ["", "prod"])
@pytest.mark.parametrize("plain", [b"a", b"0123456789abcdef", "ünï\n".encode(), bytes(range(256)) * 9])
def test_vault_as_ansible_has_it(plain: bytes, label: str) -> None:
    secret = VaultSecret(b"pw")
    theirs = VaultLib([(label or "default", secret)])
    assert theirs.decrypt(vault.encrypt(plain, b"pw", label).encode()) == plain
    assert (
        vault.decrypt(theirs.encrypt(plain, secret, vault_id=label or None).decode(), {"x": b"no", "y": b"pw"}) == plain
    )


@pytest.mark.parametrize(
    "text",
    [
        "$ANSIBLE_VAULT;1.0;AES\n00",
        "$ANSIBLE_VAULT;1.1;AES256\nzz",
        "$ANSIBLE_VAULT;1.1;AES256\n",
        "$ANSIBLE_VAULT;1.1;AES256\n" + b"00\n00".hex(),
        "$ANSIBLE_VAULT",
        "",
    ],
)
def test_a_broken_vault_is_told(text: str, tmp_path: Path, put: Callable[..., Path]) -> None:
    assert "Vault" in refused(sources(tmp_path, vault_password_file=put("pw", "pw")), {"vault": text})


def test_a_changed_vault_opens_for_nobody(tmp_path: Path) -> None:
    text = vault.encrypt(VALUE.encode(), b"pw")
    changed = text[:-3] + ("0" if text[-3] != "0" else "1") + text[-2:]
    with pytest.raises(vault.BadVault):
        vault.decrypt(changed, {"default": b"pw"})


def test_passwords_of_several_vault_ids(tmp_path: Path, put: Callable[..., Path]) -> None:
    known = sources(
        tmp_path, vault_password_file=put("pw", "one\n"), vault_passwords={"prod": str(put("prod", "two\n"))}
    )
    assert known.value({"vault": vault.encrypt(b"a", b"one")}, None) == b"a"
    assert known.value({"vault": vault.encrypt(b"b", b"two", "prod")}, None) == b"b"
    assert "vault id stage" in refused(known, {"vault": vault.encrypt(b"c", b"three", "stage")})
    put("prod", "two", 0o644)
    assert "can be read by others" in refused(known, {"vault": vault.encrypt(b"b", b"two", "prod")})


# ---------------------------------------------------------------- age


def test_age_files_of_the_repository(tmp_path: Path, put: Callable[..., Path]) -> None:
    identity, recipient = age.generated()
    known = sources(tmp_path, age_identity_file=put("id", f"# mine\n{identity}\n"))
    to = age.recipients(f"# all\n{recipient}\n", "r")
    for armored in (True, False):
        put("repo/secrets/db.age", age.encrypt(VALUE.encode(), to, armored=armored))
        assert known.value({"secret": "db"}, FolderFiles(tmp_path / "repo")) == VALUE.encode()
    stranger = age.recipients(age.generated()[1], "r")
    put("repo/secrets/db.age", age.encrypt(VALUE.encode(), stranger))
    assert "no identity" in refused(known, {"secret": "db"}, FolderFiles(tmp_path / "repo"))
    assert "no age identity is configured" in refused(
        sources(tmp_path), {"secret": "db"}, FolderFiles(tmp_path / "repo")
    )


# ---------------------------------------------------------------- what the controller's settings name


def test_file_variable_and_command(tmp_path: Path, put: Callable[..., Path]) -> None:
    said = {
        "file": {"file": str(put("v", VALUE))},
        "env": {"env": "TOKEN"},
        "command": {
            "command": [sys.executable, "-c", "import os; print(sorted(set(os.environ) & {'TOKEN', 'TRUEUP_X', 'Y'}))"]
        },
        "unset": {"env": "NOT_SET"},
    }
    known = sources(tmp_path, {"TOKEN": VALUE, "TRUEUP_X": "1", "Y": "2"}, secrets=said)
    assert known.value({"secret": "file"}, None) == known.value({"secret": "env"}, None) == VALUE.encode()
    assert known.value({"secret": "command"}, None) == b"['Y']\n"  # no secret of another, none of trueup's own settings
    assert "NOT_SET is not set" in refused(known, {"secret": "unset"})
    put("v", VALUE, 0o644)
    assert "can be read by others" in refused(known, {"secret": "file"})


@pytest.mark.parametrize("name", ["../etc/passwd", "/etc/passwd", "a/b", "", ".."])
def test_a_commit_names_no_file(name: str, tmp_path: Path, put: Callable[..., Path]) -> None:
    put("repo/secrets/x.age", "nothing")
    assert "nothing gives" in refused(sources(tmp_path), {"secret": name}, FolderFiles(tmp_path / "repo"))


@pytest.mark.parametrize(
    ("script", "why"),
    [
        (f"import sys; sys.stderr.write('{VALUE}'); sys.exit(3)", "status 3"),
        ("while True: print('x' * 9999)", "more than 1,048,576 bytes"),
    ],
)
def test_a_command_that_fails(script: str, why: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    known = sources(tmp_path, secrets={"c": {"command": [sys.executable, "-c", script]}})
    assert why in refused(known, {"secret": "c"})
    assert VALUE not in "".join(capfd.readouterr())


def test_a_command_has_a_limit_and_takes_its_children_along(tmp_path: Path) -> None:
    from reconciler.secrets import command

    with pytest.raises(command.Failed, match=r"did not end within 0\.5 s"):
        command.output(["/bin/sh", "-c", "sleep 300 & sleep 300"], dict(os.environ), most=10, seconds=0.5)


# ---------------------------------------------------------------- sealed, and rotated

REPO = """\
apiVersion: trueup.dev/v1
kind: Fleet
metadata: {name: f}
---
apiVersion: trueup.dev/v1
kind: Host
metadata: {name: web-1}
---
apiVersion: trueup.dev/v1
kind: Host
metadata: {name: web-2}
---
apiVersion: trueup.dev/v1
kind: CronJob
metadata: {name: job}
spec: {hosts: all, schedule: "@daily", command: x, env: {A: plain, TOKEN: {secret: token}}}
"""


def read(tmp_path: Path, sealer: Sealer, more: str = "") -> tuple[Reading, Any]:
    (tmp_path / "repo").mkdir(exist_ok=True)
    (tmp_path / "repo/trueup.yaml").write_text(REPO + more)
    files = FolderFiles(tmp_path / "repo")
    sealed = sealer.reading(files)
    return manifests.read(files, load_kinds(), sealed.seal), sealed


def tokens(reading: Reading) -> list[str]:
    assert reading.desired is not None, reading.problems
    return [one.spec["env"]["TOKEN"]["sealed"] for one in reading.desired.resources() if "env" in one.spec]


def test_sealed_for_each_host_and_again_when_it_rotates(tmp_path: Path, put: Callable[..., Path]) -> None:
    put("v", VALUE + "\n")
    known = sources(tmp_path, secrets={"token": {"file": str(tmp_path / "v")}})
    sealer = Sealer(FleetKey(b"k" * 32), sources=known)
    reading, sealed = read(tmp_path, sealer)
    one, two = tokens(reading)
    assert one != two and len(one) == len(two) == 64
    assert sealer.open("web-1", {"sealed": one}) == VALUE.encode()  # a line: without its closing newline
    with pytest.raises(Refused):
        sealer.open("web-2", {"sealed": one})
    assert sealed.fresh() and reading.unchecked == ()
    lasting = sealer.lasting()
    put("v", "another")
    assert not sealed.fresh() and sealer.lasting() != lasting
    again, _ = read(tmp_path, sealer)
    assert set(tokens(again)).isdisjoint((one, two))


def test_without_the_fleets_key_nothing_is_asked_for(tmp_path: Path) -> None:
    said = {"token": {"command": ["/bin/sh", "-c", f"touch {tmp_path}/ran; echo x"]}}
    reading, _ = read(tmp_path, Sealer(None, sources=sources(tmp_path, secrets=said)))
    assert tokens(reading) == ["", ""] and reading.unchecked == ("secret token",)
    assert reading.problems == () or {told.code for told in reading.problems} <= {"no-fleet"}
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("value", ["two\nlines", '"quoted"', " blank", "x" * 901, ""])
def test_what_a_line_cannot_hold(value: str, tmp_path: Path, put: Callable[..., Path]) -> None:
    put("v", value)
    known = sources(tmp_path, secrets={"token": {"file": str(tmp_path / "v")}})
    reading, _ = read(tmp_path, Sealer(FleetKey(b"k" * 32), sources=known))
    [told] = [told for told in reading.problems if told.code == "secret-unreadable"]
    assert tokens(reading) == ["", ""] and told.severity == "warning" and told.line == 16


def a_template(text: str) -> str:
    quoted = text.replace('"', '\\"')
    return (
        "---\napiVersion: trueup.dev/v1\nkind: Vars\nmetadata: {name: v}\nspec: {hosts: all, vars: {t: {secret: token}, plain: p}}\n"
        "---\napiVersion: trueup.dev/v1\nkind: File\nmetadata: {name: /etc/x}\n"
        f'spec: {{hosts: all, template: true, content: "{quoted}"}}\n'
    )


def test_a_template_puts_secrets_in(tmp_path: Path, put: Callable[..., Path]) -> None:
    put("v", VALUE)
    sealer = Sealer(FleetKey(b"k" * 32), sources=sources(tmp_path, secrets={"token": {"file": str(tmp_path / "v")}}))
    reading, _ = read(tmp_path, sealer, a_template("{{ host }}: {{ secret('token') }} {{ vars.t }} {{ vars.plain }}"))
    assert reading.desired is not None
    [spec] = [one.spec for one in reading.desired.resources() if one.key.name == "/etc/x" and one.key.host == "web-1"]
    assert sealer.open("web-1", spec["content"]).decode() == f"web-1: {VALUE} {VALUE} p"
    assert VALUE not in repr(reading)


@pytest.mark.parametrize(
    "text",
    [
        "{{ secret('token') | upper }}",
        "{{ secret('token') ~ 'x' }}",
        "{{ vars.t | b64encode }}",
        "{{ vars.t | length }}",
        "{% if vars.t == 'a' %}x{% endif %}",
        "{{ vars.t | tojson }}",
        "{{ secret('../x') }}",
        "{{ secret(1) }}",
        "{% for c in vars.t %}{{ c }}{% endfor %}",
        "{{ vars.t | default('') | trim }}",
    ],
)
def test_a_template_can_do_nothing_else_with_one(text: str, tmp_path: Path, put: Callable[..., Path]) -> None:
    put("v", VALUE)
    sealer = Sealer(FleetKey(b"k" * 32), sources=sources(tmp_path, secrets={"token": {"file": str(tmp_path / "v")}}))
    reading, _ = read(tmp_path, sealer, a_template(text))
    assert reading.desired is None
    assert {told.code for told in reading.problems if told.severity == "error"} <= {"template-limit", "template-syntax"}
    assert VALUE not in repr(reading.problems) and base64.b64encode(VALUE.encode()).decode() not in repr(
        reading.problems
    )
