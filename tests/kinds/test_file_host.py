"""What File predicts is what its probe finds after its ops: on real paths, with the real op, for every way to change."""

from __future__ import annotations

import base64
import os
import stat
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reconciler.core import diff
from reconciler.core.kind import OpContext
from reconciler.core.model import (
    Absent,
    Action,
    Change,
    Host,
    Key,
    Meaning,
    Observation,
    Origin,
    Owned,
    Present,
    Reason,
    Resource,
    Row,
    Source,
    State,
    digest,
    observation,
    reading_json,
)
from reconciler.kinds.file import probe
from reconciler.kinds.file.kind import KIND
from reconciler.manifests.kinds import load_kinds
from reconciler.trip.host import keep, put

CONTEXT = OpContext(host=Host(name="here"), fleet="test", secrets_key="00ff")
FILE = load_kinds()["File"]

RIGHTS = st.fixed_dictionaries(
    {},
    optional={
        "owner": st.sampled_from(("root", "daemon")),
        "group": st.sampled_from(("root", "adm")),
        "mode": st.sampled_from(("0600", "644", "0755", "4755", "2770")),
    },
)
LINK_RIGHTS = st.fixed_dictionaries({}, optional={"owner": st.sampled_from(("root", "daemon"))})
CONTENTS = st.one_of(st.text(max_size=40), st.sampled_from(("a\n" * 40_000, "é\n", "")))


def spec_of(way: Mapping[str, Any], rights: Mapping[str, Any]) -> State:
    return {**way, **rights}


SPECS = st.one_of(
    st.builds(spec_of, st.fixed_dictionaries({"content": CONTENTS}), RIGHTS),
    st.builds(spec_of, st.fixed_dictionaries({"target": st.sampled_from(("a", "/nowhere", "../b"))}), LINK_RIGHTS),
    st.builds(spec_of, st.just({"state": "directory"}), RIGHTS),
    st.just({"state": "absent"}),
)


def read(path: Path) -> Observation:
    return observation(probe.probe([{"path": str(path)}])[0])


def run(change: Change) -> None:
    for op in KIND.ops(change, CONTEXT):
        assert op.module == "trueup.host.put"
        result = put.run(dict(op.args))
        assert not result["failed"], (op, result)


def meaning(path: Path, spec: State, ignore: tuple[str, ...] = ()) -> Meaning:
    normal = FILE.normal(str(path), {**spec, "path": str(path)})
    return Meaning(spec=normal, digest=digest(normal), ignore=ignore)


def decide(path: Path, want: Meaning, owned: Owned | None = None) -> Change | None:
    key = Key("here", "File", str(path))
    resource = Resource(key=key, meaning=want, source=Source(path="x.yaml"))
    made = diff.decide(FILE, Row(key=key, desired=resource, seen=read(path), owned=owned))
    return made if isinstance(made, Change) else None


@pytest.fixture(autouse=True)
def own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keep, "BACKUP", str(tmp_path / "backup"))
    monkeypatch.setattr(keep, "SCRATCH", str(tmp_path / "scratch"))


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(before=SPECS, after=SPECS, ignore=st.sampled_from(((), ("mode",), ("owner", "mode"))))
def test_the_reread_is_what_was_predicted_and_nothing_is_left_to_do(
    tmp_path: Path, before: State, after: State, ignore: tuple[str, ...]
) -> None:
    path = tmp_path / "thing"
    for spec, ignored in ((before, ()), (after, ignore)):
        want = meaning(path, spec, ignored)
        change = decide(path, want)
        if change is not None:
            predicted = FILE.after(change)
            run(change)
            assert reading_json(read(path)) == reading_json(predicted)
        elif isinstance(found := read(path), Present) and found.state["state"] == "directory":
            break  # a directory is not turned into something else: refused, with words
        assert diff.fields(FILE, want, read(path)) == ()
    if path.is_dir() and not path.is_symlink():
        path.rmdir()
    else:
        path.unlink(missing_ok=True)


def test_a_directory_that_trueup_made_gives_way_to_a_file(tmp_path: Path) -> None:
    path = tmp_path / "thing"
    path.mkdir()
    was, want = meaning(path, {"state": "directory"}), meaning(path, {"content": "now a file\n"})
    owned = Owned(
        key=Key("here", "File", str(path)), origin=Origin.CREATED, spec=was.spec, digest=was.digest, commit="c"
    )
    change = decide(path, want, owned)
    assert change is not None and change.action is Action.REPLACE
    predicted = FILE.after(change)
    run(replace(change, action=Action.DELETE, want=None))
    run(replace(change, action=Action.CREATE, have=Absent()))
    assert read(path) == predicted


def test_a_replacement_leaves_what_was_found(tmp_path: Path) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    old.write_text("somebody's\n")
    was = meaning(old, {"content": "somebody's\n"})
    owned = Owned(key=Key("here", "File", "it"), origin=Origin.FOUND, spec=was.spec, digest=was.digest, commit="c")
    want = meaning(new, {"content": "ours\n"})
    change = Change(
        key=owned.key, action=Action.REPLACE, reason=Reason.REPLACES, fields=(), want=want, have=read(old), owned=owned
    )
    run(replace(change, action=Action.DELETE, want=None))
    run(replace(change, action=Action.CREATE, have=Absent()))
    assert old.read_text() == "somebody's\n" and new.read_text() == "ours\n"


def test_a_file_that_leaves_git_goes_and_its_edited_content_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "thing"
    path.write_text("edited by hand\n")
    was = meaning(path, {"content": "ours\n"})
    key = Key("here", "File", str(path))
    owned = Owned(key=key, origin=Origin.CREATED, spec=was.spec, digest=was.digest, commit="c")
    change = diff.decide(FILE, Row(key=key, desired=None, seen=read(path), owned=owned))
    assert isinstance(change, Change)
    run(change)
    assert read(path) == FILE.after(change) == Absent()
    assert [file.read_text() for file in (tmp_path / "backup").iterdir()] == ["edited by hand\n"]


def test_content_that_trueup_wrote_itself_is_not_kept_again(tmp_path: Path) -> None:
    path = tmp_path / "thing"
    path.write_text("ours\n")
    was, want = meaning(path, {"content": "ours\n"}), meaning(path, {"content": "ours, newer\n"})
    owned = Owned(
        key=Key("here", "File", str(path)), origin=Origin.CREATED, spec=was.spec, digest=was.digest, commit="c"
    )
    change = decide(path, want, owned)
    assert change is not None
    run(change)
    assert path.read_text() == "ours, newer\n" and not (tmp_path / "backup").exists()


def test_a_change_of_mode_keeps_the_same_file_in_place(tmp_path: Path) -> None:
    path = tmp_path / "thing"
    path.write_text("a\n")
    inode = path.stat().st_ino
    change = decide(path, meaning(path, {"content": "a\n", "mode": "0640"}))
    assert change is not None
    run(change)
    assert path.stat().st_ino == inode and stat.S_IMODE(path.stat().st_mode) == 0o640


def test_a_bad_content_never_goes_live(tmp_path: Path) -> None:
    path = tmp_path / "sudoers"
    path.write_text("root ALL=(ALL) ALL\n")
    check = "grep -q ALL %s"
    change = decide(path, meaning(path, {"content": "nonsense\n", "validate": check}))
    assert change is not None
    results = [put.run(dict(op.args)) for op in KIND.ops(change, CONTEXT)]
    assert results[-1]["failed"] and "grep exited 1" in results[-1]["msg"]
    assert path.read_text() == "root ALL=(ALL) ALL\n"


def test_binary_content_from_git_is_compared_by_digest(tmp_path: Path) -> None:
    path = tmp_path / "blob"
    data = bytes(range(256)) * 400
    import hashlib

    content = {"sha256": hashlib.sha256(data).hexdigest(), "size": len(data), "blob": "f" * 40}
    want = meaning(path, {"content": content})
    change = decide(path, want)
    assert change is not None
    predicted = FILE.after(change)
    for op in KIND.ops(change, CONTEXT):
        opened = {**op.args, "content": {"base64": base64.b64encode(data).decode()}}  # as the trip opens a blob
        assert not put.run(opened)["failed"]
    assert read(path) == predicted
    assert diff.fields(FILE, want, read(path)) == ()


def test_a_missing_parent_is_a_failure_that_says_the_way_out(tmp_path: Path) -> None:
    path = tmp_path / "no" / "such" / "thing"
    change = decide(path, meaning(path, {"content": "a\n"}))
    assert change is not None
    (op,) = KIND.ops(change, CONTEXT)
    result = put.run(dict(op.args))
    assert result["failed"] and "parents: true" in result["msg"]
    change = decide(path, meaning(path, {"content": "a\n", "parents": True}))
    assert change is not None
    run(change)
    assert path.read_text() == "a\n" and os.stat(tmp_path / "no").st_mode & 0o777 == 0o755
