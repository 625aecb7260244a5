"""What a secret must be where it is put: what is something else is refused without a byte of it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from reconciler.core.problem import Refused
from reconciler.secrets.forms import formed

MARK = b"Zq9SecretKx7"


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, bytes]:
    folder: Path = tmp_path_factory.mktemp("pem")
    curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", "/CN=test", "-days", "30"]
    where = ["-keyout", f"{folder}/key", "-out", f"{folder}/crt"]
    subprocess.run(["openssl", "req", "-x509", *curve, *where], check=True, capture_output=True)
    return (folder / "crt").read_bytes(), (folder / "key").read_bytes()


def why(value: bytes, form: str) -> str:
    with pytest.raises(Refused) as refused:
        formed(value, form)
    (told,) = refused.value.problems
    assert MARK.decode() not in told.message + told.hint
    return told.message


def test_a_certificate_and_a_key_stay_as_they_are(pair: tuple[bytes, bytes]) -> None:
    crt, key = pair
    assert formed(crt, "certificate") == crt
    assert formed(key, "key") == key
    assert formed(b"# a comment\r\n" + crt.replace(b"\n", b"\r\n") + crt, "certificate")
    assert formed(b"anything\0", "text") == b"anything\0"


def test_one_kind_of_pem_is_not_another(pair: tuple[bytes, bytes]) -> None:
    crt, key = pair
    assert why(key, "certificate") == "its value is no certificate in PEM"
    assert why(crt, "key") == "its value is no private key in PEM"


@pytest.mark.parametrize("value", [MARK, b"", b"\xff\0", b"-----BEGIN CERTIFICATE-----\n" + MARK, b"\x30\x82" + MARK])
def test_what_is_no_pem_is_refused(value: bytes) -> None:
    assert why(value, "certificate") == "its value is no certificate in PEM"


@pytest.mark.parametrize("body", [MARK, b"AAAA", b"!!!!", b""])
def test_a_frame_with_something_else_in_it_is_refused(body: bytes) -> None:
    text = b"-----BEGIN PRIVATE KEY-----\n" + body + b"\n-----END PRIVATE KEY-----\n"
    assert "what is in it is damaged" in why(text, "key")


def test_a_key_with_a_password_is_refused(tmp_path: Path) -> None:
    made = ["openssl", "genpkey", "-algorithm", "ED25519", "-aes256", "-pass", "pass:" + MARK.decode()]
    assert "an encrypted private key" in why(subprocess.run(made, check=True, capture_output=True).stdout, "key")
