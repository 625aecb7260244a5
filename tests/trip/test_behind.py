"""A visit is over with the last host's report; what Ansible still does then goes on behind it, and is not lost sight of."""

from __future__ import annotations

import threading

import pytest
from ansible_runner.runner import Runner

pytestmark = pytest.mark.hosts

FILE = 'kind: File\nmetadata: {name: /etc/behind}\nspec: {hosts: all, content: "x\\n"}\n'


@pytest.fixture
def late(monkeypatch):
    """A runner that has said all and does not end, until it is let go."""
    let_go, whole = threading.Event(), Runner.run

    def run(self):
        came = whole(self)
        let_go.wait(60)
        return came

    monkeypatch.setattr(Runner, "run", run)
    yield let_go
    let_go.set()


def folders(fleet):
    """Of runs; the one that is kept for Ansible's process is not of a run."""
    return [path for path in (fleet.settings.state_dir / "runs").glob("run-*") if path != fleet.trip.warm.at]


def test_a_visit_does_not_wait_for_the_runs_end_and_closing_does(fleet, late):
    assert all(report.trouble is None for report in fleet.observe(FILE).values())
    assert len(folders(fleet)) == 1  # the run under way still has what it stands on
    late.set()
    fleet.trip.behind.settle()
    assert folders(fleet) == []


def test_no_more_than_a_few_runs_are_left_behind(fleet, late):
    for _ in range(fleet.trip.behind.MOST + 1):
        fleet.observe(FILE)
    ended = threading.Thread(target=fleet.observe, args=(FILE,))
    ended.start()
    ended.join(2)
    assert ended.is_alive()
    late.set()
    ended.join(60)
    assert not ended.is_alive()


def test_what_a_run_ends_with_after_its_last_report_is_heard_at_the_next(fleet, monkeypatch):
    whole = Runner.run

    def run(self):
        whole(self)
        raise RuntimeError("too late")

    with monkeypatch.context() as patched:
        patched.setattr(Runner, "run", run)
        fleet.observe(FILE)
        with pytest.raises(RuntimeError, match="too late"):
            fleet.trip.behind.settle()
    assert all(report.trouble is None for report in fleet.observe(FILE).values())


def test_what_goes_wrong_while_a_report_is_written_ends_the_run(fleet):
    def broken(report):
        raise ValueError(report.host)

    with pytest.raises(ValueError, match="lab-"):
        fleet.trip.go(fleet.visits(FILE), broken, lambda host, words: None)
    assert not [thread for thread in threading.enumerate() if thread.name == "runner"]
    assert all(report.trouble is None for report in fleet.observe(FILE).values())
