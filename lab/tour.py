"""Records the tour: `python -m lab.tour > docs/tour.md` starts the demo, types commands as a reader would, and writes down what
they answer. Only the names of folders are shortened."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time

from .fleet import PROJECT
from .problems import LabError

STEPS = (
    (
        "A commit, and what it would do",
        "The message of the day is a template; `motd` is a variable in trueup.yaml. `git push -o plan` shows the plan and declines the "
        "push, so that nothing lands (that is why git says *rejected*).",
        (
            "sed -i 's/Saturday/Sunday/' trueup.yaml",
            "git commit -q -am 'Maintenance moves to Sunday'",
            "git push -o plan",
        ),
    ),
    (
        "Push, and watch",
        "web-1 has the label `canary=true`: it goes first, and the others only when it went well.",
        ("git push -o wait", "trueup status"),
    ),
    (
        "Somebody changes a host by hand",
        "The daemon looks at each host every 20 s here (10 min by default). What it finds is *drift*, not an edit, and is changed back.",
        (
            "lab shell web-1 -- sh -c 'echo hacked > /etc/motd; usermod -s /bin/sh ada'",
            "trueup observe web-1",
            "trueup diff web-1",
            "sleep 25",
            "lab shell web-1 -- cat /etc/motd",
            "trueup history --host web-1",
        ),
    ),
    (
        "A site",
        "The web hosts serve trueup's own manual, a folder of the repository. A commit that edits a page is a new release; one that "
        "reverts it is a switch back, and nothing travels. (`$SITE` is the address that the demo told.)",
        (
            "sed -i 's/one page shows it/a single page shows it/' web/manual/index.html",
            "git commit -q -am 'Better words'",
            "git push -o wait",
            "trueup history --host web-1 | grep Site",
            "curl -s $SITE | grep 'shows it.</p>'",
            "curl -sI ${SITE}explain/user | grep -iE '^(HTTP|Location)'",
            "git revert --no-edit HEAD > /dev/null",
            "git push -q -o wait",
            "curl -s $SITE | grep 'shows it.</p>'",
        ),
    ),
    (
        "A slip",
        "The push is refused, with the line, and what was meant. The fleet stays on the commit before.",
        (
            "sed -i 's/  shell: /  shel: /' users/bo.yaml",
            "git commit -q -am 'Bo likes zsh'",
            "git push",
            "git reset -q --hard HEAD~1",
        ),
    ),
    (
        "Somebody leaves",
        "The account is locked: no key and no sudo rule is left, and its files stay.",
        (
            "git rm -q users/bo.yaml",
            "git commit -q -m 'Bo left'",
            "git push -o wait",
            "lab shell web-1 -- sh -c 'getent shadow bo; ls -A /home/bo/.ssh; ls /etc/sudoers.d'",
        ),
    ),
    (
        "Why is it so?",
        "Every resource knows its line, its commit and its author; every field explains itself.",
        ("trueup blame web-1 User/ada", "trueup explain User.sudo"),
    ),
)


def main() -> int:
    """Write the tour to stdout; gives the exit code."""
    environment = {
        **os.environ,
        "GIT_CONFIG_GLOBAL": "/dev/null",
        "GIT_CONFIG_SYSTEM": "/dev/null",
        "NO_COLOR": "1",
        "TZ": "UTC",
        "COLUMNS": "120",
    }
    demo = subprocess.Popen(
        [sys.executable, "-m", "lab.demo"], cwd=PROJECT, env=environment, stdout=subprocess.PIPE, text=True
    )
    assert demo.stdout is not None
    told = ""
    try:
        for line in demo.stdout:
            told += line
            if "Ctrl-C ends" in line:
                break
        found = re.search(r"^ *(\. (/tmp/trueup-demo-\S+)/env)", told, re.M)
        if not found:
            raise LabError(f"the demo did not come up:\n{told}")
        start, folder = found.groups()
        print(
            "# The tour\n\nRecorded by `python -m lab.tour`, from a `make demo` on lab hosts. Nothing is left out but the"
        )
        print("folder's name.\n\n## Up\n")
        _block([("make demo", told.strip().split("\nWhat to try")[0].strip())], folder)
        for title, why, commands in STEPS:
            print(f"\n## {title}\n\n{why}\n")
            _block([(command, _type(start, command, environment)) for command in commands], folder)
    finally:
        demo.terminate()
        demo.communicate(timeout=60)
    return 0


def _type(start: str, command: str, environment: dict[str, str]) -> str:
    done = subprocess.run(
        ["bash", "-c", f"{start}\n{command}"], env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL, text=True, check=False, timeout=120,
    )  # fmt: skip
    time.sleep(0.2)
    return done.stdout.rstrip()


def _block(lines: list[tuple[str, str]], folder: str) -> None:
    print("```console")
    for command, answer in lines:
        print(f"$ {command}")
        if answer:
            print("\n".join(line.rstrip() for line in answer.replace(folder, "/tmp/trueup-demo").splitlines()))
    print("```")


if __name__ == "__main__":
    sys.exit(main())
