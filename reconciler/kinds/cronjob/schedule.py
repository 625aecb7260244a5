"""When cron runs a job: the five fields of crontab(5), as Debian's cron and cronie read them.

Cron looks at the host's local time once a minute. Two oddities are cron's own and kept here: when day of month and day
of week are both restricted, a day that matches *either* will do; and a field that begins with `*` (`*/2` too) doesn't
count as restricted. What crons take in silence and read in surprising ways is refused: ranges that run backwards (5-1
never matches) and steps after a single number.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise

MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
LONGEST_MONTH = {2: 29, 4: 30, 6: 30, 9: 30, 11: 30}

NICKNAMES = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
REBOOT = "@reboot"

HORIZON_YEARS = 41
"""29 February falls on a given weekday every 28 years, 40 where a century without leap day lies between."""


class BadSchedule(ValueError):
    """Text that is no schedule; the message says which field, and what would be right."""


@dataclass(frozen=True, slots=True)
class Range:
    """One of the five fields: its name, and the numbers that it may hold."""

    name: str
    low: int
    high: int
    words: tuple[str, ...] = ()
    first_word: int = 0


RANGES = (
    Range("minute", 0, 59),
    Range("hour", 0, 23),
    Range("day of month", 1, 31),
    Range("month", 1, 12, MONTHS, 1),
    Range("day of week", 0, 7, DAYS),
)


@dataclass(frozen=True, slots=True)
class Field:
    """The numbers that a field matches (Sunday is 0), and the step of the `*` that it begins with, 0 when with none."""

    values: frozenset[int]
    star: int = 0

    def text(self, of: Range) -> str:
        """The one way to write it."""
        if not self.star:
            return _runs(self.values)
        rest = self.values - _wrapped(range(of.low, of.high + 1, self.star), of)
        star = "*" if self.star == 1 else f"*/{self.star}"
        return f"{star},{_runs(rest)}" if rest else star


@dataclass(frozen=True, slots=True)
class Schedule:
    """A schedule that was understood: five fields, none for @reboot."""

    fields: tuple[Field, ...]

    def text(self) -> str:
        """The one way to write it: equal for two that cron treats alike."""
        return " ".join(field.text(of) for field, of in zip(self.fields, RANGES, strict=False)) or REBOOT

    @property
    def either_day(self) -> bool:
        """Day of month and day of week are both restricted: either will do."""
        return bool(self.fields) and not self.fields[2].star and not self.fields[4].star

    def on_day(self, day: datetime) -> bool:
        _, _, of_month, month, of_week = self.fields
        in_month, in_week = day.day in of_month.values, day.isoweekday() % 7 in of_week.values
        return day.month in month.values and (in_month or in_week if self.either_day else in_month and in_week)

    def matches(self, moment: datetime) -> bool:
        """Whether cron starts the job in this minute of the host's local time. Never true for @reboot."""
        if not self.fields:
            return False
        minute, hour = self.fields[:2]
        return moment.minute in minute.values and moment.hour in hour.values and self.on_day(moment)

    @property
    def fires(self) -> bool:
        """Whether it ever runs: there is a date for it. Every date falls on every day of the week in time
        (29 February too: thirteen times or more in 400 years), so the week decides nothing."""
        if not self.fields or self.either_day:
            return True
        days, months = self.fields[2].values, self.fields[3].values
        return any(day <= LONGEST_MONTH.get(month, 31) for month in months for day in days)

    def following(self, moment: datetime) -> datetime | None:
        """The first minute after `moment` in which it runs, in the same time zone; None for @reboot and for never."""
        if not self.fields or not self.fires:
            return None
        minutes, hours = sorted(self.fields[0].values), sorted(self.fields[1].values)
        start = moment.replace(second=0, microsecond=0) + timedelta(minutes=1)
        day = start.replace(hour=0, minute=0)
        for _ in range(366 * HORIZON_YEARS):
            if self.on_day(day):
                for hour in hours:
                    for minute in minutes:
                        at = day.replace(hour=hour, minute=minute)
                        if at >= start:
                            return at
            day += timedelta(days=1)
        return None


def parse(text: str) -> Schedule:
    """The schedule that `text` says. Raises BadSchedule."""
    words = text.lower().split()
    if len(words) == 1 and words[0].startswith("@"):
        if words[0] == REBOOT:
            return Schedule(fields=())
        if words[0] not in NICKNAMES:
            raise BadSchedule(f"cron has no {words[0]}; it has {', '.join([REBOOT, *NICKNAMES])}")
        words = NICKNAMES[words[0]].split()
    if len(words) != len(RANGES):
        extra = ", without seconds or years" if len(words) in (6, 7) else ""
        found = f"{len(words)} field{'' if len(words) == 1 else 's'}"
        raise BadSchedule(f"{found}: cron has five, minute hour day month weekday{extra}")
    return Schedule(fields=tuple(_field(word, of) for word, of in zip(words, RANGES, strict=True)))


def oversteps(text: str) -> tuple[str, ...]:
    """Items whose step leads out of their range at once, such as `*/90` for minutes: they match one number only."""
    found = []
    for word, of in zip(text.lower().split(), RANGES, strict=False):
        for item in word.split(","):
            span, _, step = item.partition("/")
            if step.isdigit() and span == "*" and int(step) > of.high - of.low:
                found.append(f"{of.name} `{item}`")
    return tuple(found)


def _field(word: str, of: Range) -> Field:
    values: set[int] = set()
    star = 0
    for number, item in enumerate(word.split(",")):
        span, step = _item(item, of)
        if item.startswith("*") and number == 0:
            star = step
        values |= _wrapped(span, of)
    return Field(frozenset(values), star)


def _wrapped(values: Iterable[int], of: Range) -> frozenset[int]:
    """Sunday is 0 and 7: here always 0."""
    return frozenset(value % 7 for value in values) if of.words is DAYS else frozenset(values)


def _item(item: str, of: Range) -> tuple[range, int]:
    where = f"{of.name} `{item}`"
    span, slash, step_text = item.partition("/")
    if slash and not re.fullmatch(r"[0-9]{1,4}", step_text):
        raise BadSchedule(f"{where}: a step is a number after `/`")
    step = int(step_text) if slash else 1
    if step == 0:
        raise BadSchedule(f"{where}: a step of 0 goes nowhere")
    if span == "*":
        return range(of.low, of.high + 1, step), step
    first, dash, second = span.partition("-")
    low = high = _number(first, of, where)
    if dash:
        high = _number(second, of, where)
        if of.words is DAYS and high == 0 < low:
            high = 7  # fri-sun: cron reads 5-0 and would never run the job
    elif slash:
        raise BadSchedule(f"{where}: a step needs `*` or a range before it, such as {low}-{of.high}/{step}")
    if low > high:
        round_the_end = f"{low}-{of.high},{of.low}-{high}"
        raise BadSchedule(f"{where}: a range runs from low to high; round the end it is {round_the_end}")
    return range(low, high + 1, step), step


def _number(text: str, of: Range, where: str) -> int:
    if text in of.words:
        return of.words.index(text) + of.first_word
    if not re.fullmatch(r"[0-9]{1,4}", text):
        names = f" or {of.words[0]} to {of.words[-1]}" if of.words else ""
        raise BadSchedule(f"{where}: {of.low} to {of.high}{names} can stand here, with `*`, `,`, `-` and `/`")
    if not of.low <= int(text) <= of.high:
        raise BadSchedule(f"{where}: {int(text)} is not within {of.low} to {of.high}")
    return int(text)


def _runs(values: frozenset[int]) -> str:
    """`1-5,7`; one even row of three or more is written with its step, `0-40/10`."""
    numbers = sorted(values)
    steps = {after - before for before, after in pairwise(numbers)}
    if len(numbers) > 2 and len(steps) == 1 and steps != {1}:
        return f"{numbers[0]}-{numbers[-1]}/{steps.pop()}"
    runs: list[list[int]] = []
    for number in numbers:
        if runs and runs[-1][-1] == number - 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    return ",".join(str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in runs)
