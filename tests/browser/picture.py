"""Makes docs/images/fleet.png, the picture of the README: `.venv/bin/python tests/browser/picture.py`."""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[1] / "web")]

import simulated  # noqa: E402 - found by the line above
from playwright.sync_api import sync_playwright  # noqa: E402

from reconciler.core.model import Pause, Trouble  # noqa: E402
from reconciler.web import serve  # noqa: E402
from reconciler.web.page import app  # noqa: E402

PICTURE = Path(__file__).parents[2] / "docs" / "images" / "fleet.png"


def fleet_of(folder: Path) -> simulated.Fleet:
    """418 hosts on an ordinary day: one commit behind them, a few that need a look."""
    fleet = simulated.Fleet(folder)
    fleet.clock.at = time.time() - 2533  # so that the story ends now
    names = [
        *(f"web-{n:03}" for n in range(1, 381)),
        *(f"db-{n:02}" for n in range(1, 15)),
        *(f"cache-{n:02}" for n in range(1, 23)),
        "edge-01",
        "edge-02",
    ]
    site = {"web": ("ams", "fra", "fra"), "db": ("ams", "fra"), "cache": ("fra",), "edge": ("ber",)}
    hosts = []
    for n, name in enumerate(names):
        role = name.split("-")[0]
        place = site[role][n % len(site[role])]
        hosts.append(simulated.document("Host", name, f"address: {name}.example.org", f"role: {role}, site: {place}"))
    fleet.commit(
        "Everybody's shell is bash",
        {
            "trueup.yaml": simulated.POLICY,
            "hosts.yaml": "---\n".join(hosts),
            "users/backup.yaml": simulated.document("User", "backup", "hosts: all\nuid: 1042\nshell: /bin/bash"),
            "motd.yaml": simulated.document("File", "/etc/motd", simulated.MOTD.format("none planned")),
        },
    )
    fleet.rounds(3)
    fleet.later(600)
    for name in ("edge-01", "edge-02"):
        why = "no answer on port 22" if name == "edge-01" else "sudo wants a password"
        fleet.trip.silent[name] = Trouble(code="unreachable", why=why, next_step=f"trueup doctor {name}")
    for name in ("web-119", "web-204"):
        fleet.trip.failing[name, "File", "/etc/motd"] = "no space left on /"
    fleet.commit(
        "motd for the move",
        {"motd.yaml": simulated.document("File", "/etc/motd", simulated.MOTD.format("Sat 28 Nov 22:00"))},
    )
    fleet.walk()
    fleet.later(90)
    fleet.world.store.pause(Pause(selector="db-02", why="disk swap", who="ada", until=fleet.now + 5400), fleet.now)
    for name in ("db-04", "web-071", "web-300"):
        fleet.drift(name, "User", "backup", shell="/bin/zsh")
    fleet.look_at("db-04", "web-071", "web-300")
    fleet.later(40)
    return fleet


def main() -> None:
    PICTURE.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        fleet = fleet_of(Path(folder) / "fleet")
        served = serve.run(app(fleet.world), "127.0.0.1:0")
        chromium = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--headless", "--no-sandbox"])
        page = chromium.new_page(viewport={"width": 1180, "height": 860}, color_scheme="light")
        page.goto(served.url)
        page.get_by_text("live since").wait_for()
        page.screenshot(path=PICTURE)
        chromium.close()
        served.close()
        fleet.close()


if __name__ == "__main__":
    main()
