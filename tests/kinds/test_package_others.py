"""Package's op on hosts without apt: what dnf, zypper and apk are asked, and what is made of their answers.

Stand-ins under the tools' names write down what they are asked and answer as the tools do. No real host of these families has
been tried; docs/critiques.md says so.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from reconciler.kinds.package import op

NEEDED = "error: Failed dependencies:\n\tlibgreet.so.1 is needed by (installed) greeter-2.0-1.x86_64"
CASES: list[tuple[str, dict[str, str], dict[str, Any], list[str], Any]] = [
    # tools and what they answer to which words ("exit code: said"), what is asked, what they were asked, the result
    ("dnf installs", {"dnf": ""}, {"state": "present"}, ["dnf -y --setopt=clean_requirements_on_remove=False install nginx"], True),
    ("dnf installs a version, older or newer", {"dnf": ""}, {"state": "present", "version": "1.20.1-1"},
     ["dnf -y --setopt=clean_requirements_on_remove=False install nginx-1.20.1-1"], True),
    ("dnf finds it there", {"dnf": "*install*=0:Nothing to do."}, {"state": "present"},
     ["dnf -y --setopt=clean_requirements_on_remove=False install nginx"], False),
    ("dnf doesn't know it", {"dnf": "*install*=1:Error: Unable to find a match: nginx"}, {"state": "present"},
     ["dnf -y --setopt=clean_requirements_on_remove=False install nginx"], "Error: Unable to find a match: nginx"),
    ("dnf removes", {"dnf": "", "rpm": ""}, {"state": "absent"},
     ["rpm -e --test nginx", "dnf -y --setopt=clean_requirements_on_remove=False remove nginx"], True),
    ("dnf would take another one along", {"dnf": "", "rpm": f"*=1:{NEEDED}"}, {"state": "absent"}, ["rpm -e --test nginx"],
     "greeter-2.0-1.x86_64 needs what would be removed"),
    ("it isn't there, says rpm, and dnf has the last word", {"dnf": "*=0:Nothing to do.", "rpm": "*=1:error: package nginx is not installed"},
     {"state": "absent"}, ["rpm -e --test nginx", "dnf -y --setopt=clean_requirements_on_remove=False remove nginx"], False),
    ("yum where there is no dnf", {"yum": ""}, {"state": "present"}, ["yum -y --setopt=clean_requirements_on_remove=False install nginx"], True),
    ("zypper installs", {"zypper": "", "dnf": ""}, {"state": "present"}, ["zypper --non-interactive install --auto-agree-with-licenses nginx"], True),
    ("zypper goes back to a version", {"zypper": ""}, {"state": "present", "version": "1.20"},
     ["zypper --non-interactive install --auto-agree-with-licenses --oldpackage nginx=1.20"], True),
    ("zypper asks for a reboot", {"zypper": "*=102:a reboot is due"}, {"state": "present"},
     ["zypper --non-interactive install --auto-agree-with-licenses nginx"], True),
    ("zypper doesn't know it", {"zypper": "*=104:No provider of nginx found."}, {"state": "present"},
     ["zypper --non-interactive install --auto-agree-with-licenses nginx"], "No provider of nginx found."),
    ("zypper is at work for somebody else for a moment", {"zypper": "once=7:System management is locked by the application with pid 7 (zypper)."},
     {"state": "present"}, ["zypper --non-interactive install --auto-agree-with-licenses nginx"] * 2, True),
    ("zypper would take another one along", {"zypper": "", "rpm": f"*=1:{NEEDED}"}, {"state": "absent"}, ["rpm -e --test nginx"],
     "declare it absent too"),
    ("apk installs", {"apk": "*=0:(1/1) Installing nginx (1.24)\nOK: 9 MiB in 20 packages"}, {"state": "present"}, ["apk --wait 60 add nginx"], True),
    ("apk finds it there", {"apk": "*=0:OK: 9 MiB in 20 packages"}, {"state": "present"}, ["apk --wait 60 add nginx"], False),
    ("apk has old lists", {"apk": "*60 add*=1:ERROR: unable to select packages:\n  nginx (no such package)"}, {"state": "present", "version": "1.24-r0"},
     ["apk --wait 60 add nginx=1.24-r0", "apk --wait 60 --update-cache add nginx=1.24-r0"], True),
    ("apk removes", {"apk": "*=0:(1/1) Purging nginx (1.24)\nOK: 8 MiB in 19 packages"}, {"state": "absent"}, ["apk --wait 60 del nginx"], True),
    ("apk keeps what is needed", {"apk": "*=0:World updated, but the following packages are not removed due to:\n  nginx: greeter"},
     {"state": "absent"}, ["apk --wait 60 del nginx"], "something needs it"),
    ("nothing is known", {}, {"state": "present"}, [], "no package manager is known here"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("tools", "args", "asked", "result"), [case[1:] for case in CASES], ids=[case[0] for case in CASES]
)
def test_what_it_asks_and_what_it_makes_of_the_answer(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    tools: dict[str, str],
    args: dict[str, Any],
    asked: list[str],
    result: Any,
) -> None:
    for name, rule in tools.items():
        pattern, _, answer = rule.partition("=")
        code, _, said = answer.partition(":")
        (tmp_path / f"{name}.said").write_text(said + "\n")
        when = {"once": f"[ ! -e {tmp_path}/{name}.before ]", "": "false"}.get(
            pattern, f'case "$*" in {pattern.replace(" ", chr(92) + " ")}) true;; *) false;; esac'
        )
        (tmp_path / name).write_text(
            f'#!/bin/sh\necho "{name} $*" >> {tmp_path}/asked\nif {when}; then : > {tmp_path}/{name}.before; '
            f'while read -r line; do echo "$line"; done < {tmp_path}/{name}.said; exit {code or 0}; fi\n'
        )
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setitem(op.QUIET, "PATH", str(tmp_path))
    monkeypatch.setattr(op, "PAUSE", 0.01)
    done = op.run({"names": ["nginx"], "limit": 60, **args})
    assert ((tmp_path / "asked").read_text().splitlines() if asked else []) == asked
    if isinstance(result, bool):
        assert done == {"changed": result, "failed": False, "msg": ""}
    else:
        assert done["failed"] and not done["changed"] and result in done["msg"], done
