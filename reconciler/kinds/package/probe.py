"""Reads which packages are installed, from the database of whichever package manager the host has. Writes nothing.

Requests: {"names": ["nginx"]}, with "absent": true when they are to be absent (a package that merely provides a name
doesn't count then). Answers: {"state": {"names": those installed, "version": of the only one, …}}, absent when none is installed whole.

dpkg: /var/lib/dpkg/status (deb-control(5), dpkg-query(1)) is read once. rpm: `rpm -qa`, apk: /lib/apk/db/installed.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:  # not imported on hosts: it would cost each of them milliseconds
    from typing import Any

    Package = dict[str, Any]

DPKG_STATUS = "/var/lib/dpkg/status"
APK_INSTALLED = "/lib/apk/db/installed"
LIMIT = 60.0
"""Seconds that rpm may take."""

WORKING = ("installed", "triggers-pending", "triggers-awaited")
GONE = ("not-installed", "config-files")


class Unreadable(Exception):
    """No database of packages can be read here."""


def database() -> dict[str, list[Package]]:
    """Name → what is known of it: {"name", "version", "arch", "works", "held", "provided"}, real packages first."""
    if os.path.exists(DPKG_STATUS):
        with open(DPKG_STATUS, "rb") as file:
            return from_dpkg(file.read().decode("utf-8", "replace"))
    if os.path.exists(APK_INSTALLED):
        with open(APK_INSTALLED, "rb") as file:
            return from_apk(file.read().decode("utf-8", "replace"))
    rpm = shutil.which("rpm")
    if rpm:
        return from_rpm(run_rpm(rpm))
    raise Unreadable("no package manager is known here: neither dpkg, rpm nor apk")


def indexed(packages: list[Package]) -> dict[str, list[Package]]:
    index: dict[str, list[Package]] = {}
    for package in packages:
        index.setdefault(package["name"], []).append(package)
        if package["arch"]:
            index.setdefault("%s:%s" % (package["name"], package["arch"]), []).append(package)
    for package in packages:
        for name in package["provides"]:
            if package["works"]:
                index.setdefault(name, []).append(dict(package, provided=True))
    return index


def from_dpkg(text: str) -> dict[str, list[Package]]:
    packages = []
    native = ""
    for stanza in text.split("\n\n"):
        name = field(stanza, "Package")
        status = field(stanza, "Status").split()
        if not name or len(status) != 3 or status[2] in GONE:
            continue
        arch = field(stanza, "Architecture")
        if name == "dpkg":
            native = arch
        packages.append(
            {
                "name": name,
                "version": field(stanza, "Version"),
                "arch": arch,
                "works": status[2] in WORKING,
                "broken": "" if status[2] in WORKING else status[2],
                "held": status[0] == "hold",
                "provides": [
                    part.split("(")[0].strip() for part in field(stanza, "Provides").split(",") if part.strip()
                ],
                "provided": False,
            }
        )
    index = indexed(packages)
    # A name without an architecture means the host's own (dpkg(1), multi-arch).
    for name, found in index.items():
        if ":" not in name and len(found) > 1:
            own = [package for package in found if package["arch"] in (native, "all") or package["provided"]]
            index[name] = own or found
    return index


def field(stanza: str, name: str) -> str:
    """A field's first line: all that is read here is one line long."""
    mark = name + ":"
    start = 0 if stanza.startswith(mark) else stanza.find("\n" + mark) + 1
    if start == 0 and not stanza.startswith(mark):
        return ""
    end = stanza.find("\n", start)
    return stanza[start + len(mark) : end if end >= 0 else len(stanza)].strip()


def from_apk(text: str) -> dict[str, list[Package]]:
    packages = []
    for stanza in text.split("\n\n"):
        said = {line[0]: line[2:] for line in stanza.split("\n") if line[1:2] == ":"}
        if "P" in said:
            provides = [word.split("=")[0] for word in said.get("p", "").split()]
            packages.append(simple(said["P"], said.get("V", ""), said.get("A", ""), provides))
    return indexed(packages)


def run_rpm(rpm: str) -> str:
    query = "%{NAME}\\t%|EPOCH?{%{EPOCH}:}|%{VERSION}-%{RELEASE}\\t%{ARCH}\\t[%{PROVIDENAME} ]\\n"
    done = subprocess.run(
        [rpm, "-qa", "--queryformat", query],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        timeout=LIMIT,
        env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C"},
    )
    if done.returncode != 0:
        raise Unreadable("rpm: " + done.stderr.decode("utf-8", "replace").strip()[:200])
    return done.stdout.decode("utf-8", "replace")


def from_rpm(text: str) -> dict[str, list[Package]]:
    packages = []
    for line in text.split("\n"):
        parts = line.split("\t")
        if len(parts) == 4 and parts[0] != "gpg-pubkey":
            provides = [name for name in parts[3].split() if name != parts[0] and "(" not in name]
            packages.append(simple(parts[0], parts[1], parts[2], provides))
    return indexed(packages)


def simple(name: str, version: str, arch: str, provides: list[str]) -> Package:
    return {
        "name": name,
        "version": version,
        "arch": arch,
        "works": True,
        "broken": "",
        "held": False,
        "provides": provides,
        "provided": False,
    }


def answer(request: dict[str, Any], known: dict[str, list[Package]]) -> dict[str, Any]:
    names = request["names"]
    absent = bool(request.get("absent"))
    found: dict[str, Package] = {}
    broken: dict[str, str] = {}
    for name in names:
        for package in known.get(name, ()):
            if package["provided"] and absent:
                continue
            if package["works"]:
                found.setdefault(name, package)
            elif not package["provided"]:
                broken[name] = package["broken"]
    if not found:
        # Broken ones count as not there, so that the next round mends what an interruption left.
        return {"absent": True}
    state: dict[str, Any] = {"names": sorted(found)}
    if len(names) == 1 and names[0] in found and not found[names[0]]["provided"]:
        state["version"] = found[names[0]]["version"]
    provided = {name: package["name"] for name, package in found.items() if package["provided"]}
    held = sorted(name for name, package in found.items() if package["held"])
    for word, value in (("providedBy", provided), ("held", held), ("broken", broken)):
        if value:
            state[word] = value
    return {"state": state}


def probe(requests: list[dict[str, Any]]) -> list[dict[str, Any]]:
    try:
        known = database()
    except Unreadable as why:
        return [{"unknown": str(why)} for _ in requests]
    except (OSError, subprocess.SubprocessError) as error:
        return [{"unknown": "the list of packages can't be read: %s" % error} for _ in requests]
    answers = []
    for request in requests:
        try:
            answers.append(answer(request, known))
        except Exception as error:  # one request that can't be read must not cost the others
            answers.append({"unknown": "%s: %s" % (type(error).__name__, error)})
    return answers


if __name__ == "__main__":
    json.dump(probe(json.load(sys.stdin)), sys.stdout)
