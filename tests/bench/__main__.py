"""`make bench [ONLY=name]`: measure, print a table, and write bench-results.json.

Every file in rows/ is a bench: its name is what ONLY takes (a part of it is enough), its docstring says what it measures,
its `rows()` yields `Row`s. A bench that breaks is a row that isn't met, and the others go on. Exit 1 when one broke.
"""

from __future__ import annotations

import importlib
import json
import pkgutil
import sys
import time
import traceback
from collections.abc import Iterator
from pathlib import Path

from . import rows
from .table import Row

RESULTS = Path(__file__).parents[2] / "bench-results.json"


def measured(name: str) -> Iterator[Row]:
    try:
        yield from importlib.import_module(f"{rows.__name__}.{name}").rows()
    except Exception as error:
        traceback.print_exc()
        yield Row(name=name, value=f"broke: {type(error).__name__}", target="ends", met=False, how="see above")


def main(only: str) -> int:
    every = sorted(module.name for module in pkgutil.iter_modules(rows.__path__))
    names = [name for name in every if only in name]
    if not names:
        print(f"no bench is called {only!r}: there are {', '.join(every)}", file=sys.stderr)
        return 64
    done: list[Row] = []
    print(f"{'':4}{'name':58} {'value':>18} {'target':>18}")
    for name in names:
        begin = time.monotonic()
        print(f"{'':4}{name} …", file=sys.stderr, flush=True)
        for row in measured(name):
            done.append(row)
            print(
                f"{'✓' if row.met else '✗':4}{row.name:58} {row.value:>18} {row.target:>18}\n{'':8}{row.how}",
                flush=True,
            )
        print(f"{'':4}{name}: {time.monotonic() - begin:.0f} s", file=sys.stderr, flush=True)
    RESULTS.write_text(json.dumps([row.record() for row in done], ensure_ascii=False, indent=1) + "\n")
    print(f"{sum(row.met for row in done)} of {len(done)} met; written to {RESULTS.name}")
    return int(any(row.value.startswith("broke") for row in done))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1] if len(sys.argv) > 1 else ""))
