"""The command `trueup`: one file a command, found by its being there.

A file cli/NAME.py, here or in a system, holds a function NAME (a trailing underscore is dropped where the word is Python's own, dashes are
written as underscores). Only the file of the command that is asked for is imported: help for all of them costs
more than a command itself. No logic lives here.
"""

from __future__ import annotations

import atexit
import contextlib
import errno
import importlib
import os
import pkgutil
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .. import systems
from . import exits

_NOT_COMMANDS = {"exits"}
_HIDDEN = {"hook", "gen"}


def command_names() -> dict[str, str]:
    """Command name → dotted name of its module, sorted: the line's own, and those of systems."""
    found = {}
    places = {__name__: list(__path__)}
    places |= {f"{systems.__name__}.{name}.cli": [str(folder)] for name, folder in systems.rooms("cli").items()}
    for package, path in places.items():
        for module in pkgutil.iter_modules(path):
            if module.name not in _NOT_COMMANDS and not module.name.startswith("_"):
                found[module.name.rstrip("_").replace("_", "-")] = f"{package}.{module.name}"
    return dict(sorted(found.items()))


def _app(only: str | None) -> Any:
    import typer

    from ._help import Command, Group

    app = typer.Typer(
        name="trueup",
        cls=Group,
        epilog=exits.epilog(),
        no_args_is_help=True,
        add_completion=True,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
        context_settings={"help_option_names": ["-h", "--help"]},
    )

    def tell_version(asked: bool) -> None:
        if asked:
            from .version import version

            version()
            raise typer.Exit(exits.OK)

    asks_version = typer.Option(
        False, "--version", help="Say the version and exit.", callback=tell_version, is_eager=True
    )

    @app.callback()
    def root(version: bool = asks_version) -> None:
        """Keeps a fleet of Linux hosts as a Git repository says.

        Start with: trueup init my-fleet; or look at a fleet: trueup status.
        """

    names = command_names()
    for name, module_name in names.items():
        if only is not None and name != only:
            continue
        function = getattr(importlib.import_module(module_name), module_name.rpartition(".")[2])
        app.command(name=name, cls=Command, epilog=exits.epilog(), hidden=name in _HIDDEN)(function)
    return app


def main(argv: Sequence[str] | None = None) -> None:
    """The entry point. Every way out is one of exits.py; no traceback unless TRUEUP_DEBUG is set."""
    args = list(sys.argv[1:] if argv is None else argv)
    code = _run(args, _asked_for(args))
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        _reader_gone()
    except OSError as error:
        code = _cannot_write(error)
    if argv is None:
        _leave(code)
    sys.exit(code)


def _leave(code: int) -> None:
    """End the process having done all that was promised for its end, without giving its memory back piece by piece: that
    is a tenth of the time of a plan. Comes back where other threads are still at work: they are waited for as usual."""
    if any(thread is not threading.main_thread() and not thread.daemon for thread in threading.enumerate()):
        return
    atexit._run_exitfuncs()
    with contextlib.suppress(OSError, ValueError):
        sys.stderr.flush()
    os._exit(code)


def _reader_gone() -> None:
    """The reader of our output has gone (a pager, head): not an error of ours, and nothing to say at the end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _cannot_write(error: OSError) -> int:
    """What was to be written has no room, on the state's disk or where the output goes; gives the exit code."""
    _reader_gone()
    where = f" ({error.filename})" if error.filename else ""
    print(f"error[no-space]: {error.strerror}{where}", file=sys.stderr)
    print(
        "  next: free space where the output goes and under stateDir; trueup doctor says how much there is",
        file=sys.stderr,
    )
    return exits.ERROR


def _may_not(place: str) -> int:
    """What the command needs is another user's, as all below stateDir is where a service runs; gives the exit code."""
    from ..door.owner import name_of, owner

    shut = next((folder for folder in (Path(place), *Path(place).parents) if os.path.lexists(folder)), Path("/"))
    name = name_of(owner(shut))
    print(f"error[denied]: {place} can't be read or written: {shut} is {name}'s", file=sys.stderr)
    print(f"  next: do it as that user: sudo -u {name} trueup …; {_ANSWERS}", file=sys.stderr)
    return exits.ERROR


_ANSWERS = "most questions a running daemon answers to its group (trueup doctor)"


def _asked_for(args: Sequence[str]) -> str | None:
    """The command that is called, or whose words are completed; None when all are needed."""
    completing = "_TRUEUP_COMPLETE" in os.environ
    words = os.environ.get("COMP_WORDS", os.environ.get("_TYPER_COMPLETE_ARGS", "")).split()[1:] if completing else args
    first = next((word for word in words if not word.startswith("-")), None)
    return first if first in command_names() else None


def _run(args: list[str], only: str | None) -> int:
    import typer

    from ..core.problem import Refused
    from ..door.wire import ASKER_ERRS

    # Typer carries its own click and exports BadParameter, of which UsageError is the base.
    usage_error: type[Any] = typer.BadParameter.__mro__[1]
    command = typer.main.get_command(_app(only))
    try:
        result = command.main(args=args, prog_name="trueup", standalone_mode=False)
        return result if isinstance(result, int) else exits.OK
    except usage_error as error:
        error.message = error.message.removeprefix("Value error, ")
        error.show()
        return exits.USAGE
    except (typer.Abort, KeyboardInterrupt):
        print("interrupted", file=sys.stderr)
        return exits.INTERRUPTED
    except typer.Exit as done:
        return done.exit_code
    except Refused as refused:
        for problem in refused.problems:
            place = f"{problem.place}: " if problem.place else ""
            print(f"{place}error[{problem.code}]: {problem.message}", file=sys.stderr)
            if problem.hint:
                print(f"  next: {problem.hint}", file=sys.stderr)
        typed_wrongly = refused.problems and all(problem.code in ASKER_ERRS for problem in refused.problems)
        return exits.USAGE if typed_wrongly else exits.ERROR
    except SystemExit as ended:
        # Typer's own way out when the reader has gone is a silent 1, which would read as an error.
        if not isinstance(ended.__context__, BrokenPipeError):
            raise
        _reader_gone()
        return exits.OK
    except Exception as error:
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            return _cannot_write(error)
        if os.environ.get("TRUEUP_DEBUG"):
            raise
        if isinstance(error, PermissionError) and error.filename:
            return _may_not(str(error.filename))
        print(f"error[bug]: {type(error).__name__}: {error}", file=sys.stderr)
        print("  next: this is a fault of trueup itself; TRUEUP_DEBUG=1 shows where, please report it", file=sys.stderr)
        return exits.ERROR
