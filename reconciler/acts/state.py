"""`trueup state`: the state file saved, given back, looked through and made small.

save, compact   through a copy that is whole before it has its name       restore   beside the old one, which is kept
What a running daemon may be asked (copies.py) goes through its door, so that a copy is of one moment while it works; what
puts another file in place of the state's needs the daemon gone.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from ..core.model import Json
from ..settings import Settings
from .copies import refused, verified

if TYPE_CHECKING:
    from ..ports import Tell

DAY = 86_400.0


def save(settings: Settings, file: Path, *, replace: bool, tell: Tell | None = None) -> dict[str, Json]:
    """A backup in `file`, and its checksum in FILE.sha256 (as sha256sum(1) reads it): both 0600, whole or not there."""
    from .. import door
    from ..store import mend

    file = file.absolute()
    if not file.parent.is_dir():
        hint = f"install -d -m 0700 {file.parent}; or name a file elsewhere"
        raise refused("backup-unreadable", "this folder is not there", file.parent, hint)
    if file.exists() and not replace:
        raise refused("backup-exists", path=file)
    _there(settings)
    answer = door.ask(settings, "state-backup", {}, tell)
    made = Path(str(answer["path"]))
    part = file.with_name(f".{file.name}.{os.getpid()}.part")
    try:
        with _opened(made) as copy:
            told = _copied(copy, part)
        _written(file.with_name(file.name + ".sha256"), f"{told}  {file.name}\n")
        os.replace(part, file)
        mend.sync_folder(file.parent)
    except OSError as error:
        raise refused("backup-unreadable", str(error.strerror), error.filename or file) from error
    finally:
        part.unlink(missing_ok=True)
        with suppress(OSError):
            made.unlink()
    return {**answer, "path": str(file), "sha256": told}


def looked_through(settings: Settings, file: Path | None) -> dict[str, Json]:
    """`verify` of the state, or of a backup. Raises Refused when it can't even be opened."""
    from .. import door

    if file is None:
        _there(settings)
        return door.ask(settings, "state-verify")
    _checksum(file)
    return verified(str(file), _findings(file)[1])


def restore(settings: Settings, file: Path, *, other_fleet: bool = False) -> dict[str, Json]:
    """Put a backup in the place of the state; the old one is kept beside it. No daemon may run meanwhile."""
    from ..door.owner import acting
    from ..manifests.kinds import load_kinds
    from ..secrets import FleetKey
    from ..store import DuckStore, copying, mend

    _checksum(file)
    with _opened(file) as backup, acting(settings.state_dir), _alone(settings):
        fresh = settings.database.with_name(f".restore-{os.getpid()}.duckdb")
        try:
            told = _copied(backup, fresh)
            facts, findings = _findings(fresh)
            broken = [finding for finding in findings if finding.broken]
            if broken:
                raise refused("backup-damaged", "; ".join(f"not so: {one.check}" for one in broken[:5]), file)
            key = FleetKey.read(settings.fleet_key_file)
            if not other_fleet and key is not None and facts.get("fleet", key.fleet) != key.fleet:
                raise refused("backup-of-another-fleet", path=file)
            store = DuckStore(fresh, load_kinds())  # an older one is brought up to date here, not in place
            with store.db.writing() as con:
                copying.look_again(con)
            hosts = len(store.machines())
            store.close()
            kept = mend.aside(settings.database, "before-restore") if settings.database.exists() else None
            copying.swap(fresh, settings.database, kept)
        except OSError as error:
            raise refused("backup-unreadable", str(error.strerror), error.filename or file) from error
        finally:
            fresh.unlink(missing_ok=True)
            mend.log_of(fresh).unlink(missing_ok=True)
    return {
        "format": 1,
        "path": str(settings.database),
        "from": str(file),
        "sha256": told,
        "kept": str(kept) if kept else "",
        "hosts": hosts,
        "key": key is not None,
    }


def compact(settings: Settings, now: float, tell: Callable[[str, int], None]) -> dict[str, Json]:
    """Drop history that is older than `historyDays`, and write the file anew without the room that was freed."""
    from ..door.owner import acting
    from ..manifests.kinds import load_kinds
    from ..store import DuckStore, copying, mend

    with acting(settings.state_dir), _alone(settings):
        _there(settings)
        before = _size(settings.database)
        fresh = settings.database.with_name(f".compact-{os.getpid()}.duckdb")
        store = DuckStore(settings.database, load_kinds())
        try:
            gone = store.retire(now - settings.history_days * DAY)
            rows = store.backup(fresh, tell)
            store.close()
            copying.swap(fresh, settings.database)
        except OSError as error:
            raise refused("backup-unreadable", str(error.strerror), error.filename or fresh) from error
        finally:
            store.close()
            fresh.unlink(missing_ok=True)
            mend.log_of(fresh).unlink(missing_ok=True)
    return {
        "format": 1,
        "path": str(settings.database),
        "before": before,
        "after": _size(settings.database),
        "rows": sum(rows.values()),
        "gone": {table: count for table, count in gone.items() if count},
        "historyDays": settings.history_days,
    }


# ---------------------------------------------------------------- files


@contextmanager
def _alone(settings: Settings) -> Iterator[None]:
    """No daemon runs on this state, none starts meanwhile, and no command has it open. Raises Refused."""
    from .. import door
    from ..loop.lock import only_one
    from ..store import copying

    if door.running(settings):
        raise refused("state-in-use", f"a daemon answers on {settings.socket}")
    with only_one(settings):
        copying.not_in_use(settings.database)
        yield


def _there(settings: Settings) -> None:
    from .. import door

    if not door.running(settings) and not settings.database.exists():
        raise refused("state-missing", path=settings.database)


def _findings(file: Path) -> tuple[dict[str, str], list[Any]]:
    from ..store import copying, troubles, verifying
    from ..store.db import known_migrations, migrations

    with troubles.told(file), copying.open_copy(file) as con:
        known_migrations(con, file)
        return copying.about(con), verifying.verify(con, migrations())


def _checksum(file: Path) -> None:
    """Raises Refused when FILE.sha256 is there and says otherwise."""
    from ..store import copying

    try:
        told = file.with_name(file.name + ".sha256").read_text(encoding="ascii").split()
    except FileNotFoundError:
        return
    except (OSError, UnicodeDecodeError):
        told = []
    try:
        if not told or copying.sha256(file) != told[0]:
            raise refused("backup-damaged", "it is not what its checksum (.sha256) was made of", file)
    except FileNotFoundError:
        raise refused("backup-missing", path=file) from None
    except OSError as error:
        raise refused("backup-unreadable", str(error.strerror), file) from error


def _opened(file: Path) -> BinaryIO:
    """Raises Refused when it is not there, or not for whoever asks."""
    try:
        return file.open("rb")
    except FileNotFoundError:
        raise refused("backup-missing", path=file) from None
    except OSError as error:
        raise refused("backup-unreadable", str(error.strerror), file) from error


def _copied(source: BinaryIO, target: Path) -> str:
    """Copy bytes to a new file (0600, synced); their SHA-256. Raises OSError."""
    told = hashlib.sha256()
    with open(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:
        while piece := source.read(1 << 20):
            told.update(piece)
            out.write(piece)
        out.flush()
        os.fsync(out.fileno())
    return told.hexdigest()


def _written(path: Path, text: str) -> None:
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    with open(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as out:
        out.write(text)
        out.flush()
        os.fsync(out.fileno())
    os.replace(part, path)


def _size(database: Path) -> int:
    """Bytes of the file and its log."""
    log = database.with_name(database.name + ".wal")
    return sum(path.stat().st_size for path in (database, log) if path.exists())


__all__ = ["compact", "looked_through", "restore", "save"]
