"""trueup.host.command: run a command, as `argv` (no shell) or as `shell` (a line for /bin/sh).

Arguments: argv | shell; creates: skip it when that path exists; ok_codes: exit codes that are no failure ([0]).
"""

from __future__ import annotations

import os
import subprocess
import tempfile
from typing import Any, Dict


def run(args: Dict[str, Any]) -> Dict[str, Any]:
    """Gives {"changed", "failed", "msg"}; the message holds the end of what a failed command said."""
    if args.get("creates") and os.path.lexists(str(args["creates"])):
        return {"changed": False, "failed": False, "msg": "%s exists" % args["creates"]}
    argv = ["/bin/sh", "-c", str(args["shell"])] if args.get("shell") else [str(part) for part in args["argv"]]
    # A file, not a pipe: a daemon that the command starts may keep the descriptor open for ever.
    with tempfile.TemporaryFile() as said:
        try:
            code = subprocess.call(argv, stdin=subprocess.DEVNULL, stdout=said, stderr=said, cwd="/")
        except OSError as error:
            return {"changed": False, "failed": True, "msg": "%s: %s" % (argv[0], error.strerror)}
        said.seek(max(0, said.tell() - 800))
        words = said.read(800).decode("utf-8", "replace").strip()
    if code not in (args.get("ok_codes") or [0]):
        return {"changed": True, "failed": True, "msg": "exit code %d: %s" % (code, words)}
    return {"changed": True, "failed": False, "msg": ""}
