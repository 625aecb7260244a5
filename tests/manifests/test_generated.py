"""What is made from the kinds is fresh, whole, and true: schemas, READMEs, the reference, examples, a new fleet."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from jsonschema import Draft7Validator, Draft202012Validator

from reconciler.core.kind import Kinds
from reconciler.manifests import codes, editor, explain, read, reader, schema
from reconciler.manifests import kinds as kinds_room
from reconciler.repo import FolderFiles

from .repo import fleet

ROOT = Path(__file__).parent.parent.parent
TRUEUP = ROOT / ".venv" / "bin" / "trueup"


def run(*args: str | Path, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run([TRUEUP, *args], capture_output=True, text=True, cwd=cwd, timeout=60)


def test_what_is_generated_is_fresh() -> None:
    done = run("gen", "--check")
    assert (done.returncode, done.stderr) == (0, "")


def test_a_stale_and_a_left_over_file_are_found(tmp_path: Path) -> None:
    assert run("gen", "--into", tmp_path).returncode == 0
    (tmp_path / "schemas" / "all.json").write_text("{}")
    (tmp_path / "schemas" / "Gone.json").write_text("{}")
    done = run("gen", "--check", "--into", tmp_path)
    assert done.returncode == 1
    assert [line.split(":")[0] for line in done.stderr.splitlines()[:-1]] == ["schemas/all.json", "schemas/Gone.json"]
    assert run("gen", "--into", tmp_path).returncode == 0
    assert run("gen", "--check", "--into", tmp_path).returncode == 0


def names(kinds: Kinds) -> tuple[str, ...]:
    return schema.all_kinds(kinds)


def test_every_field_says_all_that_there_is_to_say(kinds: Kinds) -> None:
    silent = [
        f"{name}.{field.name} has no {what}"
        for name in names(kinds)
        for field in explain.kind(kinds, name).fields
        for what in ("description", "default", "left_out", "examples")
        if not getattr(field, what) and not (what == "default" and field.required)
    ]
    assert silent == []


def test_every_example_of_a_field_is_right(kinds: Kinds) -> None:
    wrong = []

    def look(said: object, where: str) -> None:
        if isinstance(said, dict):
            for example in said.get("examples", ()):
                wrong.extend(
                    f"{where}: {example!r}: {error.message}"
                    for error in Draft202012Validator(said).iter_errors(example)
                )
            for key, value in said.items():
                if key != "examples":
                    look(value, f"{where}.{key}")
        elif isinstance(said, list):
            for index, value in enumerate(said):
                look(value, f"{where}.{index}")

    for name in names(kinds):
        look(schema.envelope(kinds, name), name)
    assert wrong == []


def test_every_schema_is_one(kinds: Kinds) -> None:
    for name in names(kinds):
        Draft202012Validator.check_schema(schema.envelope(kinds, name))
    for name, text in editor.schemas(kinds).items():
        if name != "catalog.json":
            Draft7Validator.check_schema(json.loads(text))
            assert '"x-' not in text


def test_every_example_is_accepted(kinds: Kinds) -> None:
    """By trueup with hosts that its selectors may mean, and by the schemas that editors read."""
    picking = Draft7Validator(json.loads(editor.schemas(kinds)["all.json"]))
    for name in names(kinds):
        text = kinds_room.example(name)
        assert text, f"{name} has no example"
        place = {schema.FLEET: "trueup.yaml", schema.HOST: "hosts.yaml"}.get(name, "a.yaml")
        found = read(fleet({place: text}), kinds).problems
        assert [
            problem for problem in found if problem.code not in ("no-host", "no-such-file", "dangling-reference")
        ] == []
        for doc in reader.load(text.encode(), "a.yaml")[0]:
            assert list(picking.iter_errors(doc.value)) == []


def test_editors_refuse_what_trueup_refuses(kinds: Kinds) -> None:
    picking = Draft7Validator(json.loads(editor.schemas(kinds)["all.json"]))
    (doc, *_), _ = reader.load(kinds_room.example(sorted(kinds.by_name)[0]).encode(), "a.yaml")
    assert picking.is_valid(doc.value)
    for wrong in (
        {**doc.value, "kind": "Nope"},
        {**doc.value, "nope": 1},
        {**doc.value, "spec": {**doc.value["spec"], "nope": 1}},
    ):
        assert not picking.is_valid(wrong)


def test_codes_have_one_meaning(kinds: Kinds) -> None:
    tables = [codes.CODES, *(kind.codes for kind in kinds.by_name.values())]
    every = [code for table in tables for code in table]
    assert sorted(every) == sorted(set(every))
    for table in tables:
        for code, said in table.items():
            assert said.meaning.endswith((".", ")", "`")), code
            assert said.cure, code


@pytest.mark.parametrize("bare", [False, True])
def test_a_new_fleet_is_right_and_changes_nothing(tmp_path: Path, kinds: Kinds, bare: bool) -> None:
    folder = tmp_path / "My Fleet"
    done = run("init", folder, *(["--bare", tmp_path / "fleet.git"] if bare else []))
    assert done.returncode == 0, done.stderr
    reading = read(FolderFiles(folder), kinds)
    assert reading.problems == ()
    assert reading.desired is not None
    assert (reading.desired.policy.name, reading.desired.policy.mode) == ("my-fleet", "observe")
    assert run("check", folder).returncode == 0
    for path in folder.rglob("*.yaml"):
        if "/.github/" not in str(path):
            first = path.read_text().splitlines()[0]
            assert first.startswith("# yaml-language-server: $schema=")
            assert (path.parent / first.split("=", 1)[1]).is_file()
    assert run("init", folder).returncode == 64, "what is there is not overwritten"


def test_the_examples_of_a_new_fleet_work_once_uncommented(tmp_path: Path, kinds: Kinds) -> None:
    run("init", tmp_path / "fleet")
    for path in [*(tmp_path / "fleet" / "manifests").iterdir(), tmp_path / "fleet" / "hosts.yaml"]:
        lines = path.read_text().splitlines()
        start = lines.index("#") + 1
        path.write_text("\n".join(line.removeprefix("# ").removeprefix("#") for line in lines[start:]) + "\n")
    found = read(FolderFiles(tmp_path / "fleet"), kinds).problems
    assert [problem for problem in found if problem.code not in ("no-host", "no-such-file", "dangling-reference")] == []


def test_schemas_are_renewed_and_nothing_else(tmp_path: Path) -> None:
    run("init", tmp_path)
    (tmp_path / "trueup.yaml").write_text("# mine\n")
    (tmp_path / ".trueup" / "schemas" / "all.json").write_text("{}")
    (tmp_path / "hosts.yaml").unlink()
    assert run("init", "--schemas", tmp_path).returncode == 0
    assert (tmp_path / "trueup.yaml").read_text() == "# mine\n"
    assert not (tmp_path / "hosts.yaml").exists()
    assert len((tmp_path / ".trueup" / "schemas" / "all.json").read_text()) > 1000


def test_somebodys_repository_is_not_committed_to(tmp_path: Path) -> None:
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    assert run("init", tmp_path / "fleet").returncode == 0
    status = subprocess.run(
        ["git", "-C", tmp_path, "status", "--porcelain"], capture_output=True, text=True, check=True
    )
    assert status.stdout == "?? fleet/\n"


def test_explain(kinds: Kinds) -> None:
    for name in names(kinds):
        done = run("explain", name.lower()) if name in (schema.HOST, "User") else None
        if done is not None:
            assert done.returncode == 0
            assert "FIELDS" in done.stdout
        for field in explain.kind(kinds, name).fields:
            _, found = explain.field(kinds, name, ("spec", *field.path))
            assert found[0].path == field.path
    field = run("explain", "File.mode").stdout
    for word in ("File.mode", "type", "default", "left out", "example"):
        assert word in field
    wrong = run("explain", "File.mod")
    assert (wrong.returncode, "did you mean `mode`" in wrong.stderr) == (1, True)
    assert json.loads(run("explain", "User.shell", "--format", "json").stdout)["fields"][0]["name"] == "shell"


def test_check_as_a_command(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("apiVersion: trueup.dev/v1\nkind: Host\nmetadata: {name: h}\nspec:\n  prt: 1\n")
    done = run("check", tmp_path)
    assert done.returncode == 1
    assert done.stdout.startswith("a.yaml:5:3: error[unknown-field]: Host has no field `prt`\n")
    listed = run("check", tmp_path, "--format", "json")
    assert [one["code"] for one in json.loads(listed.stdout)] == ["unknown-field", "no-fleet"]
    assert run("check", tmp_path, "--format", "github").stdout.startswith("::error file=a.yaml,line=5,col=3,")
    missing = run("check", tmp_path / "nope", "--format", "json")
    assert (missing.returncode, len(json.loads(missing.stdout))) == (1, 1)
    assert run("check", tmp_path, "--nope").returncode == 64
    (tmp_path / "a.yaml").unlink()
    assert run("check", tmp_path).returncode == 0, "a warning alone is no failure"
