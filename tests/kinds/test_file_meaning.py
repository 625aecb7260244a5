"""What the fields of a File mean: one spelling of a path, contents by digest, templates and sources resolved."""

from __future__ import annotations

import hashlib
import posixpath
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.core.kind import Finding, Unresolved
from reconciler.core.model import Host, State
from reconciler.kinds.file import access, meaning
from reconciler.kinds.file.kind import KIND

PARTS = st.lists(st.sampled_from(("etc", "ssh", "..", ".", "", "motd", "a b", "ö")), min_size=1, max_size=8)
PATHS = PARTS.map(lambda parts: "/" + "/".join(parts))


@given(PATHS)
def test_a_path_has_one_spelling(path: str) -> None:
    normal = access.normal_path(path)
    assert access.normal_path(normal) == normal
    assert normal.startswith("/") and not normal.startswith("//")
    assert normal == "/" or not normal.endswith("/")
    assert not {"..", ".", ""} & set(normal.split("/")[1:]) or normal == "/"
    assert posixpath.normpath("/" + normal).lstrip("/") == normal.lstrip("/")


@given(PATHS, st.sampled_from(("/", "//", "/./", "/x/../")))
def test_other_spellings_mean_the_same(path: str, slash: str) -> None:
    other = path.replace("/", slash)
    assert access.normal_path(other) == access.normal_path(path)
    assert KIND.normal("x", {"path": other, "content": "a"}) == KIND.normal("x", {"path": path, "content": "a"})


@given(st.sampled_from(("/", "//", "/./", "/x/../", "/y/./../")), st.booleans())
def test_no_spelling_hides_sshds_configuration(slash: str, closing: bool) -> None:
    host = Host(name="web-1")
    for path in ("/etc/ssh/sshd_config", "/etc/ssh/sshd_config.d/x.conf", "/root/.ssh/authorized_keys", "/etc/passwd"):
        spelled = path.replace("/", slash) + ("/" if closing else "")
        assert KIND.protects("x", KIND.normal("x", {"path": spelled, "content": "a"}), host)


@given(st.text(), st.text())
def test_contents_are_the_same_when_their_bytes_are(one: str, other: str) -> None:
    def by_digest(text: str) -> Mapping[str, object]:
        data = text.encode("utf-8", "surrogatepass")
        return {"sha256": hashlib.sha256(data).hexdigest(), "size": len(data)}

    assert KIND.same("content", one, other) == (one == other)
    assert KIND.same("content", by_digest(one), other) == (one == other)
    assert KIND.same("content", one, by_digest(other)) == (one == other)
    assert KIND.same("content", {**by_digest(one), "blob": "b"}, by_digest(one))


def test_a_sealed_content_is_never_the_same_as_an_open_one() -> None:
    digest = hashlib.sha256(b"a").hexdigest()
    assert not KIND.same("content", {"sealed": digest}, {"sha256": digest})
    assert not KIND.same("content", {"sealed": digest}, "a")
    assert KIND.same("content", {"sealed": ""}, {"sealed": digest})


@given(st.integers(0, 0o7777))
def test_a_mode_is_one_number(bits: int) -> None:
    assert meaning.normal_mode(f"{bits:o}".rjust(3, "0")) == meaning.normal_mode(f"{bits:04o}") == f"{bits:04o}"


@pytest.mark.parametrize("mode", ["", "u=rw", "99999", "-1", "0x1f", "٣٤٥"])
def test_what_is_no_mode_is_left_as_it_is(mode: str) -> None:
    assert meaning.normal_mode(mode) == mode


class Repository:
    """A Resolving with files and a template language of its own: what is between <> is a variable."""

    host = "web-1"

    def __init__(self, files: Mapping[str, bytes]) -> None:
        self.files = files

    def file(self, path: str) -> tuple[bytes, str]:
        if path not in self.files:
            raise Unresolved(Finding(code="no-such-file", message=path))
        return self.files[path], "blob-of-" + path

    def render(self, text: str, where: str) -> str:
        return text.replace("<host>", self.host)


def resolved(spec: State, files: Mapping[str, bytes] | None = None) -> State:
    return KIND.normal("/etc/x", KIND.resolve("/etc/x", spec, Repository(files or {})))


def test_source_content_and_template_come_to_the_same() -> None:
    files = {"files/x": b"for web-1\n", "files/t": b"for <host>\n"}
    plain = resolved({"content": "for web-1\n"})
    assert plain == {"path": "/etc/x", "content": "for web-1\n"}
    assert resolved({"source": "files/x"}, files) == plain
    assert resolved({"source": "files/t", "template": True}, files) == plain
    assert resolved({"content": "for <host>\n", "template": True}) == plain
    assert resolved({"content": "for <host>\n"})["content"] == "for <host>\n"


def test_a_source_that_is_no_short_text_stays_in_git() -> None:
    for data in (b"\xff\x00", b"x" * 70_000):
        content = resolved({"source": "a"}, {"a": data})["content"]
        assert content == {"sha256": hashlib.sha256(data).hexdigest(), "size": len(data), "blob": "blob-of-a"}


@pytest.mark.parametrize(
    ("more", "code"), [({"sensitive": True}, "file-sensitive"), ({"template": True}, "file-field")], ids=str
)
def test_what_must_be_text_and_is_not_is_refused(more: State, code: str) -> None:
    with pytest.raises(Unresolved) as refused:
        resolved({"source": "a", **more}, {"a": b"\xff"})
    assert refused.value.finding.code == code


def test_only_a_sensitive_content_is_a_secret() -> None:
    assert KIND.secrets({"content": "a", "sensitive": True}) == ("content",)
    assert KIND.secrets({"content": "a"}) == ()
    assert KIND.secrets({"state": "directory"}) == ()


def test_a_long_secret_is_sealed_too_and_never_named_by_its_blob() -> None:
    spec = resolved({"source": "a", "sensitive": True}, {"a": b"x" * 70_000})
    assert spec["content"] == "x" * 70_000  # to be sealed by manifests/; a plain digest would let it be guessed


def test_only_templates_differ_from_host_to_host() -> None:
    assert KIND.per_host({"content": "a", "template": True})
    assert not KIND.per_host({"source": "a"})


@pytest.mark.parametrize(
    ("path", "spec", "cut"),
    [
        ("/etc/ssh", {"state": "directory"}, False),
        ("/etc/ssh", {"state": "directory", "mode": "0700"}, True),
        ("/etc/ssh", {"state": "absent"}, True),
        ("/etc/ssh", {"target": "/srv/ssh"}, True),
        ("/etc", {"state": "directory", "mode": "0755", "owner": "root"}, False),
        ("/home", {"target": "/srv/home"}, True),
        ("/home/ops", {"state": "directory", "owner": "ops", "mode": "0750"}, False),
        ("/home/ops", {"state": "directory", "owner": "ops", "mode": "0770"}, True),
        ("/home/ops/.ssh", {"state": "directory", "owner": "ada"}, True),
        ("/home/ops/.ssh/config", {"content": "a"}, False),
        ("/home/ops/.ssh/rc", {"content": "a"}, True),
        ("/home/ada/.ssh/authorized_keys", {"content": "a"}, False),
        ("/etc/ssh/ssh_config.d/a", {"content": "a"}, False),
        ("/etc/systemd/system/ssh.service.d/x.conf", {"content": "a"}, True),
        ("/etc/systemd/system/nginx.service.d/x.conf", {"content": "a"}, False),
        ("/etc/sudoers.d", {"state": "directory", "mode": "0755"}, False),
        ("/etc/sudoers.d", {"state": "absent"}, True),
        ("/etc/sudoers.d/ops", {"content": "a"}, True),
        ("/etc/sudoers.d/deploy", {"content": "deploy ALL=(root) /bin/true\n"}, False),
        ("/etc/sudoers.d/deploy", {"content": "deploy, ops ALL=(root) !ALL\n"}, True),
        ("/etc/sudoers.d/deploy", {"content": "opsy ALL=(root) /bin/true\n"}, False),
        ("/etc/sudoers.d/deploy", {"content": {"sealed": "00"}}, True),
        ("/etc/motd", {"content": "a"}, False),
    ],
)  # fmt: skip
def test_what_cuts_the_way_in_and_what_does_not(path: str, spec: State, cut: bool) -> None:
    host = Host(name="web-1", user="ops", become=True)
    assert bool(KIND.protects("x", KIND.normal("x", {**spec, "path": path}), host)) is cut
