"""When the next look is due: never so early that nothing is due, never so late that a host waits long."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from reconciler.core.due import until_due
from reconciler.core.model import HostPast, Plan
from reconciler.loop.clock import TOGETHER, next_look

times = st.floats(min_value=0, max_value=10_000)
pasts = st.builds(
    HostPast,
    seen_at=st.none() | times,
    tried_at=st.none() | times,
    trouble=st.sampled_from(["", "no answer"]),
    trouble_since=st.none() | times,
)


@given(past=pasts, now=st.floats(min_value=10_000, max_value=11_000), every=st.floats(min_value=1, max_value=3600))
def test_law_a_host_is_due_when_its_time_has_come_and_not_before(past: HostPast, now: float, every: float) -> None:
    wait = until_due(past, now, every)
    if past.tried_at is None and past.seen_at is None:
        assert wait == 0, "never tried"
    if wait > 1 and not past.trouble:
        assert until_due(past, now + wait - 0.5, every) > 0 and until_due(past, now + wait + 0.01, every) == 0


def test_hosts_that_are_due_close_together_are_looked_at_together() -> None:
    hosts = [HostPast(seen_at=100.0 + offset, tried_at=100.0 + offset) for offset in (0, 2, 4, 400)]
    assert 504 <= next_look(hosts, None, (), 200.0, 600.0) < 504 + TOGETHER / 10


def test_a_host_that_was_never_seen_is_due_now_and_a_fleet_without_hosts_waits() -> None:
    assert next_look([HostPast()], None, (), 1000.0, 600.0) < 1
    assert 600 <= next_look([], None, (), 1000.0, 600.0) < 601


def test_the_end_of_a_pause_is_a_time_to_look() -> None:
    host = HostPast(seen_at=1000.0, tried_at=1000.0)
    assert 30 <= next_look([host], None, [1030.0], 1000.0, 600.0) < 31


def test_the_retry_of_a_failure_is_a_time_to_look_however_far_it_is() -> None:
    host = HostPast(seen_at=1000.0, tried_at=1000.0)
    assert 7 <= next_look([host], Plan(retry_at=1007.0), (), 1000.0, 600.0) < 8
    assert 300 <= next_look([host], Plan(retry_at=1300.0), (), 1000.0, 600.0) < 301
