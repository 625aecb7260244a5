"""`make demo` as a person runs it: it converges, what it says to try next works, and nothing stays."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from lab import labs
from lab.fleet import PROJECT
from lab.traces import gone, left_of


@contextmanager
def demo(*options: str) -> Iterator[tuple[subprocess.Popen[str], dict[str, Any]]]:
    """Run the demo; gives the process and its lab's book. At the end nothing of it may be left."""
    process = subprocess.Popen(
        [sys.executable, "-m", "lab.demo", *options],
        cwd=PROJECT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    mine: dict[str, Any] = {}
    name = ""
    end = time.monotonic() + 30
    while not mine.get("also"):
        assert time.monotonic() < end and process.poll() is None, "the demo has no lab"
        time.sleep(0.02)
        for key, book in labs().items():
            owner: Any = book.get("owner")
            if owner and owner[0] == str(process.pid):
                name, mine = key, book
    try:
        yield process, mine
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
    assert gone(name, mine["also"]) == []


def shell(start: str, words: str) -> subprocess.CompletedProcess[str]:
    """What another terminal would answer."""
    return subprocess.run(
        ["bash", "-c", f"{start}\n{words}"],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        stdin=subprocess.DEVNULL,
    )


def test_it_ends_by_itself_when_asked() -> None:
    with demo("--exit") as (process, _):
        told = process.communicate(timeout=200)[0]
    assert process.returncode == 0, told
    assert "3 hosts converged" in told


def test_it_leaves_nothing_when_it_is_killed() -> None:
    with demo() as (process, mine):
        time.sleep(2)
        assert left_of("nothing", mine["also"])
        process.kill()


def test_what_it_says_to_try_works() -> None:
    with demo() as (process, _):
        assert process.stdout is not None
        told = ""
        for line in process.stdout:
            told += line
            if "Ctrl-C ends" in line:
                break
        url = re.search(r"http://127\.0\.0\.1:\d+/", told)
        assert url, told
        with urllib.request.urlopen(url.group(), timeout=10) as page:
            assert "converged" in page.read().decode().lower()
        site = re.search(r"manual: (http://[0-9.]+/)", told)
        assert site, told
        with urllib.request.urlopen(site.group(1) + "tour", timeout=10) as page:
            assert "<h1>The tour</h1>" in page.read().decode()
        start, *lines = [
            line.split("   # ")[0].strip() for line in told.split("What to try")[1].splitlines()[1:] if line.strip()
        ]
        for words in lines[:-1]:
            done = shell(start, words)
            if "-o plan" in words:
                assert done.returncode == 1 and "/etc/motd" in done.stderr, done.stderr
            else:
                assert done.returncode == 0, f"{words}: {done.stdout}{done.stderr}"
        end = time.monotonic() + 60
        while "hacked" in shell(start, "lab shell web-1 -- cat /etc/motd").stdout:
            assert time.monotonic() < end, "the drift was not healed"
            time.sleep(0.5)
        with urllib.request.urlopen(site.group(1), timeout=10) as page:
            assert "a single page shows it" in page.read().decode()
        assert "Sunday" in shell(start, "lab shell db-1 -- cat /etc/motd").stdout
        assert shell(start, "lab shell web-2 -- getent shadow bo").stdout.split(":")[7] in ("0", "1")
    assert process.returncode == 0
