"""What a process was given in its environment is taken out of it, where others could look."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from reconciler.secrets import environ
from reconciler.settings import Settings

PROGRAM = """
import os, subprocess
from pathlib import Path
from reconciler.secrets import environ

def shown(process):
    return Path("/proc", str(process), "environ").read_bytes()

os.environ["ADDED"] = "later"  # so that the C library's list of variables is not the one of the start any more
assert b"in-sight" in shown("self")
environ.wipe(["SECRET", "ADDED_SECRET", "NOT_SET"])
assert b"in-sight" not in shown("self")
assert b"SECRETS=plain" in shown("self") and b"NOT=SECRET=plain" in shown("self")
assert os.environ["SECRET"] == "in-sight" and os.environ["ADDED"] == "later"

wait = os.pipe()
child = os.fork()
if child == 0:
    os.read(wait[0], 1)
    os._exit(0)
assert b"in-sight" not in shown(child) and b"PATH=" in shown(child)
os.write(wait[1], b"1")
os.waitpid(child, 0)
print(subprocess.check_output(["env"], text=True))
"""


def test_it_is_gone_from_the_process_and_all_that_it_starts() -> None:
    given = {"PATH": os.environ["PATH"], "SECRET": "in-sight", "SECRETS": "plain", "NOT": "SECRET=plain"}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env=given,
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=True,
    )
    lines = done.stdout.split("\n")
    assert "SECRET=" in lines and "SECRETS=plain" in lines and "NOT=SECRET=plain" in lines and "ADDED=later" in lines


def test_what_is_secret_is_what_the_settings_name() -> None:
    settings = Settings(secrets={"a": {"env": "TOKEN"}, "b": {"file": "/x"}})
    assert environ.names(settings) == {"TOKEN", "TRUEUP_BECOME_PASSWORD", "TRUEUP_VAULT_PASSWORD"}
