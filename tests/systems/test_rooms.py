"""A system is one folder: a copy of the tree with a planted one has its command, question, page and report."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

PLANTED = {
    "__init__.py": "",
    "cli/weather.py": 'def weather() -> None:\n    """Tell the weather.\n\n    Example: trueup weather\n    """\n    print("fair")\n',
    "door/looks.py": 'LOOKS = {"weather": lambda world, args: {"format": 1, "sky": "clear"}}\n',
    "web/pages.py": "from reconciler.web.page.address import Page\n"
    "from reconciler.web.page.answers import document, text\n"
    'PAGES = (Page(path="/weather", ask="weather", template="weather/sky.html", section="Weather", summary="The sky."),)\n'
    'ANSWERS = {"weather": document(sky=text())}\n',
    "web/templates/sky.html": '{% extends "base.html" %}{% block content %}<h1>{{ answer.sky }}</h1>{% endblock %}\n',
    "reports/rain/README.md": "# Rain\n\nWhere it rains.\n",
    "reports/rain/question.sql": "SELECT host FROM host\n",
}
SEEN = """
import reports
from reconciler.door.asks import LOOKS
from reconciler.web.page import openapi
from reconciler.web.page.fragments import Fragments
from reconciler.web.page.render import Renderer
counts = dict(counts={}, total=0, fleet="f")
page = Renderer(Fragments({})).page("weather/sky.html", 0.0, answer=LOOKS["weather"](None, {}), brief=counts, here="Weather",
                                    at="/weather", query={}, title="Weather", json_here="")
assert "<h1>clear</h1>" in page and '<a href="/weather" aria-current="page">Weather</a>' in page
assert page.index(">Kinds<") < page.index(">Weather<") < page.index(">Reports<")
assert openapi.document()["paths"]["/weather"]["get"]["operationId"] == "weather"
assert reports.folders()["rain"].name == "rain" and "drift" in reports.folders()
"""


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    copy = tmp_path_factory.mktemp("tree")
    for name in ("reconciler", "reports"):
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name, text in PLANTED.items():
        file = copy / "reconciler/systems/weather" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return copy


def run(tree: Path, *argv: str) -> str:
    done = subprocess.run(
        [sys.executable, *argv], cwd=tree, env={**os.environ, "PYTHONPATH": str(tree)}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_what_stands_in_a_systems_rooms_is_found(tree: Path) -> None:
    run(tree, "-c", SEEN)


def test_its_command_is_one_of_trueups(tree: Path) -> None:
    call = "from reconciler.cli import main; import sys; main(sys.argv[1:])"
    assert run(tree, "-c", call, "weather") == "fair\n"
    assert "weather" in run(tree, "-c", call, "--help")
