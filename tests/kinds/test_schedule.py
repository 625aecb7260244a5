"""When cron runs a job, against a plain reading of crontab(5)."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.kinds.cronjob.schedule import DAYS, MONTHS, RANGES, BadSchedule, Range, oversteps, parse

quick = settings(max_examples=200, deadline=None)


@st.composite
def items(draw: st.DrawFn, of: Range) -> str:
    """One item of a field's list, as people write them."""
    step = draw(st.sampled_from(["", "/1", "/2", "/5", "/7", "/13", "/40"]))
    if draw(st.integers(0, 3)) == 0:
        return "*" + step
    low = draw(st.integers(of.low, of.high))
    high = draw(st.integers(low, of.high))
    if draw(st.booleans()):
        return f"{low}-{high}{step}"
    if of.words is MONTHS and draw(st.booleans()):
        return draw(st.sampled_from([MONTHS[low - 1], MONTHS[low - 1].upper()]))
    if of.words is DAYS and low < 7 and draw(st.booleans()):
        return DAYS[low]
    return str(low)


@st.composite
def schedules(draw: st.DrawFn) -> str:
    fields = [",".join(draw(st.lists(items(of), min_size=1, max_size=3))) for of in RANGES]
    return draw(st.sampled_from([" ", "  ", "\t"])).join(fields)


moments = st.datetimes(min_value=datetime(2023, 1, 1), max_value=datetime(2029, 1, 1)).map(
    lambda at: at.replace(second=0, microsecond=0)
)


def brute(text: str, at: datetime) -> bool:
    """crontab(5) read anew, item by item, with nothing in common with the code under test."""
    fields = text.lower().split()

    def hits(index: int, value: int) -> bool:
        low, high = [(0, 59), (0, 23), (1, 31), (1, 12), (0, 7)][index]
        for item in fields[index].split(","):
            span, _, step = item.partition("/")
            for number, word in enumerate(MONTHS, 1):
                span = span.replace(word, str(number)) if index == 3 else span
            for number, word in enumerate(DAYS):
                span = span.replace(word, str(number)) if index == 4 else span
            first, _, last = (f"{low}-{high}" if span == "*" else span).partition("-")
            if value in range(int(first), int(last or first) + 1, int(step or 1)):
                return True
        return False

    weekday = at.isoweekday() % 7
    in_week = hits(4, weekday) or (weekday == 0 and hits(4, 7))
    in_month = hits(2, at.day)
    starred = fields[2].startswith("*") or fields[4].startswith("*")
    day = in_month and in_week if starred else in_month or in_week
    return hits(0, at.minute) and hits(1, at.hour) and hits(3, at.month) and day


@quick
@given(schedules(), moments)
def test_a_minute_matches_as_the_manual_says(text: str, at: datetime) -> None:
    assert parse(text).matches(at) == brute(text, at)


@quick
@given(schedules())
def test_the_one_way_to_write_it_means_the_same(text: str) -> None:
    schedule = parse(text)
    again = parse(schedule.text())
    assert again == schedule and again.text() == schedule.text()
    assert set(schedule.text()) <= set("0123456789*,-/ "), "numbers only: every cron reads them"


@quick
@given(schedules(), moments)
def test_the_next_run_is_the_first_minute_that_matches(text: str, at: datetime) -> None:
    schedule = parse(text)
    following = schedule.following(at)
    if following is None:
        assert not schedule.fires
        return
    assert following > at and brute(text, following)
    between = (at + timedelta(minutes=n) for n in range(1, min(int((following - at).total_seconds() // 60), 3000)))
    assert not any(brute(text, minute) for minute in between)
    days = (following.date() - at.date()).days
    minutes = [(h, m) for h in range(24) for m in range(60) if brute(text, following.replace(hour=h, minute=m))]
    for skipped in range(1, min(days, 800)):
        day = datetime.combine(at.date() + timedelta(days=skipped), datetime.min.time())
        assert not brute(text, day.replace(hour=minutes[0][0], minute=minutes[0][1]))


@quick
@given(schedules())
def test_it_never_fires_exactly_when_no_day_of_four_hundred_years_matches(text: str) -> None:
    schedule = parse(text)
    year_of_each_sort = [
        datetime(year, 1, 1) for year in (2000, 2001, 2002, 2003, 2004, 2008, 2012, 2016, 2020, 2024, 2028)
    ]
    any_day = any(schedule.on_day(start + timedelta(days=n)) for start in year_of_each_sort for n in range(365))
    if any_day:
        assert schedule.fires
    if not schedule.fires:
        assert schedule.following(datetime(2024, 1, 1)) is None


@pytest.mark.parametrize(
    ("text", "after", "following"),
    [
        ("0 0 29 2 *", datetime(2096, 3, 1), datetime(2104, 2, 29)),
        ("0 0 29 2 */2", datetime(2024, 3, 1), datetime(2028, 2, 29)),
        ("0 0 13 * fri", datetime(2024, 9, 1), datetime(2024, 9, 6)),
        ("59 23 31 12 *", datetime(2024, 12, 31, 23, 59), datetime(2025, 12, 31, 23, 59)),
        ("*/15 8-9 * * mon-fri", datetime(2024, 6, 7, 9, 45), datetime(2024, 6, 10, 8, 0)),
        ("0 12 * * fri-sun", datetime(2024, 6, 8, 12, 0), datetime(2024, 6, 9, 12, 0)),
        ("@weekly", datetime(2024, 6, 8, 12, 0), datetime(2024, 6, 9, 0, 0)),
    ],
)
def test_dates_by_hand(text: str, after: datetime, following: datetime) -> None:
    assert parse(text).following(after) == following


def test_reboot_has_no_time() -> None:
    schedule = parse("@reboot")
    assert schedule.fires and schedule.following(datetime(2024, 1, 1)) is None
    assert not schedule.matches(datetime(2024, 1, 1)) and schedule.text() == "@reboot"


@quick
@given(st.text(alphabet="0123456789*/,- @abdefjmnostuw", max_size=30))
def test_other_text_is_refused_in_words(text: str) -> None:
    try:
        schedule = parse(text)
    except BadSchedule as why:
        assert len(str(why)) > 10
    else:
        assert parse(schedule.text()) == schedule


@given(st.sampled_from(RANGES[:4]), st.integers(1, 120))
def test_a_step_beyond_its_range_is_noticed(of: Range, step: int) -> None:
    fields = ["*"] * 5
    fields[RANGES.index(of)] = f"*/{step}"
    lone = len(parse(" ".join(fields)).fields[RANGES.index(of)].values) == 1
    assert bool(oversteps(" ".join(fields))) == lone


def test_lists_that_begin_with_a_star_are_not_restricted() -> None:
    assert parse("0 0 */2,5 * 1").fields[2].star == 2
    assert parse("0 0 5,*/2 * 1").fields[2].star == 0
