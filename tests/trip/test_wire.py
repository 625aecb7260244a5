"""What comes back is hostile until it is read, and what travels runs on Python 3.8."""

from __future__ import annotations

import ast
import base64
import json
import re
import tracemalloc
import zlib
from pathlib import Path

import pytest

from reconciler.core.model import Host, Key, Look, Op, Unknown, Visit
from reconciler.trip import bundler, playbook, troubles, wire, yamltext

ROOT = Path(__file__).parents[2] / "reconciler" / "trip"
MARK = "TRUEUP-0123"
VISIT = Visit(
    host=Host(name="web-1"),
    looks=(Look(key=Key("web-1", "File", "/a"), request={}), Look(key=Key("web-1", "File", "/b"), request={})),
)
GOOD = {
    "format": 1, "machineId": "ab12", "facts": {}, "readings": [{"absent": True}, {"absent": True}],
    "outcomes": [], "extra": [], "owned": [],
}  # fmt: skip


def framed(body: bytes, mark: str = MARK) -> str:
    packed = base64.b64encode(zlib.compress(body)).decode()
    return f"\n{mark} {len(packed)}\n{packed}\n"


def read(answer: object) -> wire.Report:
    text = framed(json.dumps(answer).encode())
    return wire.report(VISIT, wire.unframe(text, MARK), 100.0, 10.0)


def test_noise_around_an_answer_does_not_matter():
    noise = "Welcome!\n\x1b[31mTRUEUP-9999 5\nxxxxx\n" + framed(b"{}", "TRUEUP-other")
    text = noise + framed(json.dumps(GOOD).encode()) + "logout\n"
    assert wire.unframe(text, MARK)["machineId"] == "ab12"


@pytest.mark.parametrize(
    "text",
    [
        "", "nothing", f"\n{MARK} ", f"\n{MARK} x\nabc", f"\n{MARK} 8\nabc", f"\n{MARK} -4\nabcd", f"\n{MARK} 4\n!!!!\n",
        f"\n{MARK} {10**12}\nabcd", framed(b"[]"), framed(b"{"), framed(b'{"format": 2}'), framed(b'{"format": NaN}'), framed(b'{"format": 1, "a": -1e999}'),
        framed(b"[" * 200_000), framed(b'{"format": 1, "a": ' + b"9" * 10_000 + b"}"), framed(b"\xff\xfe"),
    ],
)  # fmt: skip
def test_what_is_no_answer_is_a_bad_answer(text):
    with pytest.raises(wire.BadAnswer):
        wire.unframe(text, MARK)


def test_a_bomb_is_not_unpacked(monkeypatch):
    monkeypatch.setattr(wire, "MOST_UNPACKED", 1_000_000)
    with pytest.raises(wire.BadAnswer, match="too big"):
        wire.unframe(framed(b'{"format": 1, "x": "' + b"a" * 5_000_000 + b'"}'), MARK)


def test_many_small_values_do_not_take_all_memory():
    """Three bytes as they come are sixty here: 2 million empty lists in 6 MB, of which 12 kB travel."""
    many = framed(b'{"format": 1, "facts": [' + b"[]," * 2_000_000 + b"[]]}")
    tracemalloc.start()
    try:
        with pytest.raises(wire.BadAnswer, match="too big"):
            wire.unframe(many, MARK)
        assert tracemalloc.get_traced_memory()[1] < 60_000_000
    finally:
        tracemalloc.stop()


def test_commas_in_a_text_are_no_values(monkeypatch):
    monkeypatch.setattr(wire, "MOST_VALUES", 10)
    assert wire.unframe(framed(json.dumps({"format": 1, "x": '[{,\\"' * 1000}).encode()), MARK)["x"]
    with pytest.raises(wire.BadAnswer):
        wire.unframe(framed(b'{"format": 1, "x": "' + b'\\"' * 100_000), MARK)


@pytest.mark.parametrize(
    "change",
    [
        {"readings": None}, {"readings": [{"absent": True}]}, {"readings": "xx"}, {"outcomes": [{}]}, {"outcomes": None},
        {"outcomes": [{"result": "ok"}]},
    ],
)  # fmt: skip
def test_an_answer_to_another_question_is_a_bad_answer(change):
    with pytest.raises(wire.BadAnswer):
        read({**GOOD, **change})


def test_readings_that_make_no_sense_are_unknown_each_for_itself():
    for odd in (
        None,
        [],
        "x",
        7,
        {},
        {"state": []},
        {"absent": False},
        {"unknown": 3},
        {"state": {"a": "x" * 3_000_000}},
    ):
        report = read({**GOOD, "readings": [odd, {"state": {"content": "x"}}]})
        assert isinstance(report.readings[0].seen, Unknown) and not isinstance(report.readings[1].seen, Unknown)


def test_owned_entries_that_make_no_sense_are_left_out():
    fine = {"kind": "File", "name": "/a", "origin": "created", "digest": "d", "commit": "", "onRemove": "", "spec": {}}
    odd = [
        None,
        [],
        {},
        {**fine, "origin": "mine"},
        {**fine, "spec": []},
        {**fine, "kind": 3},
        {**fine, "name": "x" * 9999},
    ]
    assert [mine.key.name for mine in read({**GOOD, "owned": [*odd, fine]}).owned] == ["/a"]


def test_words_from_a_host_can_not_drive_a_terminal():
    evil = "\x1b]0;gotcha\x07\x1b[2J‮ no\r\nspace left\x00"
    report = read(
        {**GOOD, "trouble": {"code": "host-error", "why": evil}, "facts": {"os": evil, "kernel": 7, "clock": 90}}
    )
    assert report.trouble is not None
    assert report.trouble.why.isprintable() and report.facts["os"].isprintable()
    assert report.facts["clockSkew"] == -10.0 and "kernel" not in report.facts
    assert read({**GOOD, "trouble": {"code": "login-refused", "why": ""}}).trouble.code == "host-error"


def test_an_op_with_something_secret_says_so_to_the_host():
    class Opener:
        def open(self, host: str, value: object) -> bytes:
            return b"hunter2"

    put = {"path": "/a", "content": {"sealed": "ab"}}
    made = wire.op_json(Op(module="trueup.host.put", args=put), "web-1", Opener())
    assert made["args"] == {"path": "/a", "content": "hunter2", "secret": True}
    for args in ({"path": "/a", "content": "x"}, {"path": "/a", "content": {"blob": "ab"}}):
        assert "secret" not in wire.op_json(Op(module="trueup.host.put", args=args), "web-1", Opener())["args"]


# ---------------------------------------------------------------- troubles


def test_every_trouble_says_who_acts_and_what_to_do():
    assert len(troubles.BY_CODE) == len(troubles.TABLE)
    host = Host(name="web-1", user="deploy", port=2222)
    for row in troubles.TABLE:
        found = troubles.trouble(row.code, host, "the detail", 10.0, 60.0)
        assert found.why and found.next_step and row.who, row.code
        assert "{" not in found.why + found.next_step, row.code


SAID = {
    "timed-out": "ssh: connect to host 192.0.2.1 port 22: Connection timed out",
    "no-answer": "ssh: connect to host 192.0.2.1 port 22: Connection refused",
    "no-route": "ssh: connect to host 192.0.2.1 port 22: No route to host",
    "no-name": "ssh: Could not resolve hostname web-9: Name or service not known",
    "login-refused": "deploy@192.0.2.1: Permission denied (publickey).",
    "host-key-changed": "@ WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED! @\nHost key verification failed.",
    "host-key-unknown": "No ED25519 host key is known for web-1 and you have requested strict checking.\nHost key verification failed.",
    "too-many": "kex_exchange_identification: read: Connection reset by peer",
    "silent": "Connection timed out during banner exchange",
    "closed": "client_loop: send disconnect: Broken pipe",
    "sudo-not-allowed": "deploy is not in the sudoers file.  This incident has been reported.",
    "sudo-requiretty": "sudo: sorry, you must have a tty to run sudo",
    "sudo-password-missing": "sudo: a password is required",
    "sudo-password-wrong": "Incorrect sudo password",
    "sudo-missing": "/bin/sh: 1: sudo: not found",
    "sudo-broken": "sudo: /etc/sudoers.d/x:1:5: syntax error",
    "sudo-silent": "Timeout (12s) waiting for privilege escalation prompt: ",
    "no-python": "trueup: no python 3.8 or newer",
    "no-python-installed": "trueup: python3 can't be installed: Temporary failure in name resolution",
    "disk-full": "/bin/sh: cannot create /x: No space left on device",
    "no-kex": "Unable to negotiate with 192.0.2.1 port 22: no matching key exchange method found.",
    "jump-failed": "channel 0: open failed: administratively prohibited: open failed\nstdio forwarding failed",
    "host-error": "something nobody has seen before",
}


@pytest.mark.parametrize("code", sorted(SAID))
def test_what_ssh_and_sudo_say_has_a_name(code):
    assert troubles.told(SAID[code], Host(name="web-1"), 10.0).code == code


def test_each_pattern_is_reached():
    """No row is hidden behind an earlier one for the very words it was written for."""
    with_patterns = {row.code for row in troubles.TABLE if row.patterns}
    assert with_patterns - set(SAID) <= {"key-unusable", "login-expired"}


# ---------------------------------------------------------------- code that travels


@pytest.mark.parametrize("path", sorted((ROOT / "host").glob("*.py")), ids=lambda path: path.name)
def test_what_runs_on_hosts_is_python_3_8_and_standard_library(path):
    tree = ast.parse(path.read_text(), feature_version=(3, 8))
    names = {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and not node.level}
    names |= {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    import sys

    outside = {name.split(".")[0] for name in names} - set(sys.stdlib_module_names) - {"trueup_host"}
    assert not outside


def test_documentation_does_not_travel_and_lines_keep_their_numbers():
    text = 'x = 1\nDOCUMENTATION = """\nlong\n"""\ny = 2\n'
    assert bundler.stripped(text) == "x = 1\n\n\n\ny = 2\n"


def test_source_and_marshalled_code_are_the_same_program():
    sources = {"a": (True, ""), "a.b": (False, "value = 41 + 1\n")}
    import marshal

    for marshalled in (True, False):
        index, blob = bundler.pack(sources, marshalled)
        package, flag, offset, length = json.loads(index)["a.b"]
        data = zlib.decompress(blob)[offset : offset + length]
        scope: dict[str, object] = {}
        exec(marshal.loads(data) if flag else compile(data, "x", "exec"), scope)
        assert scope["value"] == 42 and not package and flag is marshalled


# ---------------------------------------------------------------- YAML


@pytest.mark.parametrize(
    "value",
    [
        "plain", "yes", "No", "null", "1.0", "0644", "-x", "a: b", "#c", "{{ x }}", "tab\t", "quote\"'", "a\\b", "", " lead",
        "trail ", "two\nlines\n", "no end\nof line", "  indented\nfirst", "\nstarts empty", "ends empty\n\n", "x" * 500,
        "word " * 100, "ünïcode ✓ \u2028", "\x00\x1b", "é" * 120, "{% raw %}\n{{ y }}\n", "\\" * 300, "<<", "=", "a\r\nb",
        "*anchor", "&anchor", "!tag", "|", ">", "@x", "`x", "%x", "?", "- x", "...", "---\nx\n",
    ],
)  # fmt: skip
def test_what_is_written_reads_back(value):
    import yaml

    class Loader(yaml.SafeLoader):
        pass

    Loader.add_constructor("!unsafe", lambda loader, node: loader.construct_scalar(node))
    document = {
        "a": value,
        "b": [value, {"c": value}],
        "d": {"e": [], "f": {}, "g": [[value]]},
        "h": 3,
        "i": True,
        "j": None,
    }
    text = yamltext.document(document)
    assert yaml.load(text, Loader) == document, text
    assert all(len(line) <= 160 for line in text.splitlines()) and text.startswith("---\n")
    assert ("!unsafe" in text) == bool(re.search(r"\{[{%#]", value))


def test_a_name_can_not_break_out_of_a_condition():
    assert playbook._quoted("File/a' or true or '") == "'File/a\\x27 or true or \\x27'"
