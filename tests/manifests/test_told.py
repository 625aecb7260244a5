"""How problems read: the text, JSON, annotations and the lines of a push."""

from __future__ import annotations

import json

from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.core.kind import Kinds
from reconciler.core.problem import Problem
from reconciler.manifests import read
from reconciler.tell import problems as tell

from .repo import MemoryFiles, fleet, manifest


def test_the_text_form(kinds: Kinds) -> None:
    files = fleet(
        {
            "cron/backup.yaml": manifest("CronJob", "b", 'schedule: "0 0 31 2 *"\ncommand: "true"\n'),
            "motd.yaml": manifest("File", "motd", "path: /etc/motd\ncontent: hi\nmode: 0644\n"),
            "users/ada.yaml": manifest("User", "ada", "uid: 1042\nshel: /bin/zsh\n"),
        }
    )
    found = read(files, kinds).problems
    text = tell.text([problem for problem in found if problem.severity == "error"], files)
    assert text == (
        "motd.yaml:9:9: error[mode-unquoted]: mode 0644 is a number here, not a file mode\n"
        "  9 |   mode: 0644\n"
        '    |         ^^^^ quote it: "0644"\n'
        '  next: Ada (3f9c2e1) adds the quotes: "0644"\n'
        "users/ada.yaml:8:3: error[unknown-field]: User has no field `shel`\n"
        "  7 |   uid: 1042\n"
        "  8 |   shel: /bin/zsh\n"
        "    |   ^^^^ did you mean `shell`? " + text.split("did you mean `shell`? ")[1].split("\n")[0] + "\n"
        "  next: Ada (3f9c2e1) renames it to `shell`. All fields of User: trueup explain User\n"
    )
    assert tell.headline(found[0]) == 'cron/backup.yaml:7:13: warning[never-fires]: no day matches "0 0 31 2 *"'
    assert tell.summary(found, 1004, 0.62, held="8d21f0c99") == (
        "2 errors, 1 warning in 1,004 files, 0.6 s. The fleet stays on 8d21f0c until the errors are gone."
    )
    assert tell.summary((), 1, 0.04) == "No problems in 1 file, 0.0 s."


def many(count: int) -> list[Problem]:
    return [
        Problem(code="tab", message=f"number {n}", path="a.yaml", line=1, column=1, hint="replace it")
        for n in range(count)
    ]


def test_the_first_twenty_in_full_and_none_dropped() -> None:
    lines = tell.text(many(25), MemoryFiles({"a.yaml": "\tx\n"})).splitlines()
    assert sum(line.startswith("a.yaml:1:1: error[tab]: number ") for line in lines) == 25
    assert sum(line.startswith("  next: ") for line in lines) == 20
    assert lines[-1] == "a.yaml:1:1: error[tab]: number 24"


def test_json_is_a_list_in_every_case() -> None:
    assert json.loads(tell.as_json(())) == []
    (only,) = json.loads(tell.as_json(many(1)))
    assert only == {
        "path": "a.yaml",
        "line": 1,
        "column": 1,
        "severity": "error",
        "code": "tab",
        "message": "number 0",
        "hint": "replace it",
    }


def test_annotations_come_errors_first_and_count_what_is_not_shown() -> None:
    warning = Problem(
        code="no-host", message="50% of: a,b\nx", path="a,b.yaml", line=2, column=3, length=4, severity="warning"
    )
    text = tell.github([warning, *many(13)], MemoryFiles({"a.yaml": "x\n"}))
    lines = text.splitlines()
    assert lines[0].startswith("::error file=a.yaml,line=1,col=1,title=tab::number 0")
    assert lines[13] == "::warning file=a%2Cb.yaml,line=2,col=3,title=no-host,endColumn=7::50%25 of: a,b%0Ax"
    assert "a,b.yaml:2:3: warning[no-host]" in text, "the text form is there too"
    assert lines[-1].startswith("and 3 more")


def test_hostile_text_reaches_no_terminal() -> None:
    bad = Problem(
        code="tab",
        message="a\x1b[2Jb",
        path="x\x1b]0;y\x07.yaml",
        line=1,
        column=1,
        label="\u202e",
        hint="add \x9b1m",
        who="Eve\x1b[31m",
    )
    files = MemoryFiles({bad.path: "say \x1b[31m\u202ehi\n"})
    for text in (tell.text([bad], files), tell.github([bad], files), "\n".join(tell.remote([bad]))):
        assert all(char.isprintable() or char == "\n" for char in text)


def test_a_long_line_is_cut_around_its_place() -> None:
    far = Problem(code="tab", message="m", path="a.yaml", line=1, column=5001, length=3, hint="add x")
    _, source, marks, _ = tell.text([far], MemoryFiles({"a.yaml": "a" * 5000 + "XYZ" + "b" * 5000})).splitlines()
    assert len(source) < 180
    assert source[marks.index("^") :][:3] == "XYZ"


@settings(max_examples=150)
@given(
    st.text(max_size=300),
    st.text(max_size=200),
    st.integers(0, 5),
    st.integers(0, 400),
    st.integers(1, 300),
    st.text(max_size=20),
)
def test_any_problem_can_be_told(source: str, words: str, line: int, column: int, length: int, path: str) -> None:
    problem = Problem(
        code="tab", message=words, path=path, line=line, column=column, length=length, label=words, hint=words
    )
    files = MemoryFiles({path: source.encode("utf-8", "surrogatepass")})
    assert len(tell.text([problem], files).splitlines()) <= 5
    for line_of_push in tell.remote([problem]):
        assert len(line_of_push) <= 72
    assert json.loads(tell.as_json([problem]))[0]["message"] == words
