"""CronJob: one file in /etc/cron.d a job, owned as a whole and read back into fields."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import ClassVar

from ...core.kind import Claim, Code, Finding, Kind, OpContext
from ...core.model import Change, Json, Meaning, Observation, Op, Present, Ref, State, canonical
from ...core.reference import is_secret, unchecked
from .crontab import LONGEST, escaped, path_of, quoted, secret_names, text_of
from .schedule import BadSchedule, oversteps, parse

ACCOUNTS = "User"
"""The kind whose resource a job waits for, when its account is declared too."""

DEFAULTS: State = {"user": "root", "env": {}, "suspend": False, "content": None}
"""The file is owned as a whole, so what a spec leaves out has a value. `content` is what stands there instead of a
job, and is wanted to be nothing."""


class CronJob(Kind):
    name = "CronJob"
    codes: ClassVar[dict[str, Code]] = {
        "bad-schedule": Code.error(
            "The schedule is none that cron reads, or one that it reads in a surprising way.",
            "Write five fields, minute hour day month weekday, or one of @reboot @hourly @daily @weekly @monthly @yearly.",
        ),
        "never-fires": Code.warning(
            "No day of any year matches the schedule (31 February), so the job never runs.",
            "Mend day or month. To keep a job without running it, say `suspend: true`.",
        ),
        "step-beyond-range": Code.warning(
            "A step is larger than its field (`*/90` minutes), so it matches one number only.",
            "Write that number, or a step within the range; every 90 minutes needs two jobs or a timer.",
        ),
        "either-day": Code.warning(
            "Day of month and day of week are both restricted: cron runs the job on days that match either.",
            "Restrict one of them, and test for the other in the command.",
        ),
        "bad-command": Code.error(
            "The command can't be said in one line of a crontab.",
            "Put it into a script (kind File) and run that.",
        ),
        "bad-env": Code.error(
            "An environment variable can't be said in a crontab.",
            "Set it in a script that the job runs.",
        ),
        "no-effect-env": Code.warning(
            "cron doesn't take this variable from the file: LOGNAME and USER are the job's account, and "
            "Debian's cron knows no time zone but the host's.",
            "Leave it out; for another account say `user`, for another zone reckon the hour.",
        ),
        "bad-job-name": Code.error(
            "The job's name makes a file name that is too long.",
            "Choose a shorter name.",
        ),
    }

    def normal(self, name: str, spec: State) -> State:
        schedule = spec["schedule"]
        with suppress(BadSchedule):  # a finding of `check`
            schedule = parse(schedule).text()
        return {**DEFAULTS, **spec, "schedule": schedule, "command": spec["command"].strip()}

    def manages(self, spec: State) -> tuple[str, ...]:
        return (*super().manages(spec), *(["content"] if "content" in spec else []))

    def check(self, name: str, spec: State) -> Iterable[Finding]:
        yield from _schedule(spec["schedule"])
        yield from _command(spec["command"])
        for key, value in spec.get("env", {}).items():
            # Of a secret only its own line is known here: secrets/ sees to it that it can stand in one.
            yield from _variable(key, "x" if is_secret(value) else value)
        if len(path_of(name).rpartition("/")[2]) > 255:
            yield Finding(
                code="bad-job-name",
                message="the name is too long for a file in /etc/cron.d",
                hint="choose a shorter name",
            )

    def claims(self, name: str, spec: State) -> Iterable[Claim]:
        yield Claim("path", path_of(name))

    def refs(self, name: str, spec: State) -> Iterable[Ref]:
        yield Ref(ACCOUNTS, spec.get("user", "root"))

    def whole(self, state: State) -> State:
        """A state without a command tells of a file that holds no job."""
        return {**DEFAULTS, **state} if "command" in state else {"content": None, **state}

    def same(self, field: str, want: Json, have: Json) -> bool:
        if field == "schedule" and isinstance(have, str):
            try:
                return parse(want) == parse(have)
            except BadSchedule:
                return bool(want == have)
        if field == "env" and isinstance(have, Mapping) and set(want) == set(have):
            return all(unchecked(want[key]) or canonical(want[key]) == canonical(have[key]) for key in want)
        return canonical(want) == canonical(have)

    def look(self, name: str, spec: State, ctx: OpContext) -> State:
        request: dict[str, Json] = {"name": name, "path": path_of(name)}
        if secrets := secret_names(spec):
            request["secrets"] = list(secrets)
        # Also for a job that has none in Git any more: its file may still hold one, and says so.
        return {**request, "key": ctx.secrets_key} if ctx.secrets_key else request

    def ops(self, change: Change, ctx: OpContext) -> tuple[Op, ...]:
        name, path = change.key.name, path_of(change.key.name)
        if change.want is None:
            gone = {"path": path, "state": "absent"}
            return (Op(module="trueup.host.put", args=gone, title=f"remove {path}"),)
        said = _minded(change, change.want)
        made = {
            "path": path,
            "state": "file",
            "content": text_of(name, said),
            "owner": "root",
            "group": "root",
            "mode": "0600" if secret_names(said) else "0644",
        }
        return (Op(module="trueup.host.put", args=made, title=f"write {path}"),)

    def after(self, change: Change) -> Observation:
        if change.want is None:
            return super().after(change)
        said = _minded(change, change.want)
        return Present({name: said[name] for name in self.fields})

    def notes(self, change: Change) -> tuple[str, ...]:
        if change.want is None:
            return ("a run that has begun goes on",)
        suspended = any(item.path == "suspend" and item.after is True for item in change.fields)
        return ("kept in its file as a comment, not run",) if suspended else ()


def _minded(change: Change, want: Meaning) -> State:
    """What the file will say: the fields that are somebody else's (`ignore`) stay as they are in it."""
    have = change.have.state if isinstance(change.have, Present) else {}
    return {**want.spec, **{name: have[name] for name in want.ignore if name in have}}


def _schedule(text: str) -> Iterable[Finding]:
    try:
        schedule = parse(text)
    except BadSchedule as bad:
        yield Finding(
            code="bad-schedule",
            message=str(bad),
            field=("schedule",),
            hint="write minute hour day month weekday, such as `30 3 * * mon-fri`, or a form such as @daily",
        )
        return
    if not schedule.fires:
        yield Finding(
            code="never-fires",
            message=f'no day matches "{text}"',
            field=("schedule",),
            hint="mend day or month, or say suspend: true",
            severity="warning",
        )
    for item in oversteps(text):
        yield Finding(
            code="step-beyond-range",
            message=f"{item} matches one number only",
            field=("schedule",),
            hint="write that number, or a step within the range",
            severity="warning",
        )
    if schedule.either_day:
        yield Finding(
            code="either-day",
            message=f'"{text}" runs on days that match the day of month or the weekday, not only both',
            field=("schedule",),
            hint="keep one of the two, and test for the other in the command",
            severity="warning",
        )


def _command(command: str) -> Iterable[Finding]:
    if any(ord(char) < 32 and char != "\t" for char in command.strip()):
        yield Finding(
            code="bad-command",
            message="a command is one line, without control characters",
            field=("command",),
            hint="put it into a script (kind File), or join lines with ; or &&",
        )
    elif not command.strip():
        yield Finding(code="bad-command", message="the command is empty", field=("command",), hint="give one")
    elif len(escaped(command.strip()).encode()) > LONGEST:
        yield Finding(
            code="bad-command",
            message=f"the command has more than {LONGEST} bytes, cron would drop the job",
            field=("command",),
            hint="put it into a script (kind File)",
        )


def _variable(key: str, value: str) -> Iterable[Finding]:
    try:
        length = len(f"{key}={quoted(value)}".encode())
    except ValueError as why:
        yield Finding(
            code="bad-env", message=f"{key}: {why}", field=("env", key), hint="set it in a script that the job runs"
        )
        return
    if length > LONGEST or any(ord(char) < 32 and char != "\t" for char in value):
        what = f"more than {LONGEST} bytes, cron would cut it" if length > LONGEST else "a control character"
        yield Finding(
            code="bad-env", message=f"{key} has {what}", field=("env", key), hint="set it in a script that the job runs"
        )
    if key in ("LOGNAME", "USER", "CRON_TZ"):
        yield Finding(
            code="no-effect-env",
            message=f"cron doesn't take {key} from a job's file",
            field=("env", key),
            hint="leave it out: the account is `user`"
            if key != "CRON_TZ"
            else "leave it out: cron runs in the host's time zone",
            severity="warning",
        )


KIND = CronJob()
