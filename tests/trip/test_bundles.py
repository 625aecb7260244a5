"""What travels with an op: its file, and those beside it that it imports; of the kinds that are asked for alone."""

from __future__ import annotations

import json
import zlib
from pathlib import Path

from reconciler.trip.batch import kind_ops
from reconciler.trip.bundler import Bundler


def test_an_op_of_several_files_is_a_package_that_finds_them(tmp_path: Path) -> None:
    for kind, files in {
        "one": {"op.py": "def run(args): return 1\n"},
        "more": {"op.py": "from . import op_part\nrun = op_part.run\n", "op_part.py": "from .op_rest import X\ndef run(args): return X\n",
                 "op_rest.py": "X = 2\n", "kind.py": "no Python"},
        "none": {"op_alone.py": "X = 3\n"},
    }.items():  # fmt: skip
        (tmp_path / kind).mkdir()
        for name, text in files.items():
            (tmp_path / kind / name).write_text(text)
    ops = kind_ops({kind: tmp_path / kind for kind in ("one", "more", "none")})
    assert sorted(ops) == ["more", "more.op_part", "more.op_rest", "one"]
    bundler = Bundler(tmp_path / "cache", {}, ops)

    def travels(*modules: str) -> dict[str, bool]:
        bundle = bundler.bundle(frozenset(modules), frozenset(), "")
        data = bundle.path.read_bytes()[bundle.offset :]
        index = json.loads(data[: bundle.index])
        assert zlib.decompress(data[bundle.index :])
        return {name: package for name, (package, *_) in index.items() if name.startswith("trueup_op.")}

    assert travels("trueup.one.op") == {"trueup_op.one": False}
    assert travels("trueup.more.begin", "trueup.more.end") == {
        "trueup_op.more": True, "trueup_op.more.op_part": False, "trueup_op.more.op_rest": False,
    }  # fmt: skip
    assert travels("trueup.host.put") == {}
