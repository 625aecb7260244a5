"""Package's probe on the databases of dpkg, rpm and apk."""

from __future__ import annotations

import subprocess
from typing import Any

import pytest

from reconciler.kinds.package import probe

DPKG = """\
Package: dpkg
Status: install ok installed
Architecture: amd64
Version: 1.21.22

Package: nginx
Status: hold ok installed
Architecture: amd64
Version: 1.22.1-9
Provides: httpd, httpd-cgi (= 1.0)
Description: a server
 Version: 9 of nothing
Conffiles:
 /etc/nginx/nginx.conf 0123

Package: libc6
Status: install ok installed
Architecture: i386
Multi-Arch: same
Version: 2.35

Package: libc6
Status: install ok installed
Architecture: amd64
Multi-Arch: same
Version: 2.36

Package: gone
Status: deinstall ok config-files
Architecture: amd64
Version: 1

Package: torn
Status: install reinstreq half-installed
Architecture: amd64
Version: 1
Provides: torn-virtual

Package: busy
Status: install ok triggers-pending
Architecture: all
Version: 3
"""


def ask(known: dict[str, Any], *names: str, absent: bool = False) -> dict[str, Any]:
    return probe.answer({"names": list(names), "absent": absent}, known)


@pytest.fixture
def dpkg() -> dict[str, Any]:
    return probe.from_dpkg(DPKG)


def test_an_installed_package_with_its_version_and_hold(dpkg: dict[str, Any]) -> None:
    assert ask(dpkg, "nginx") == {"state": {"names": ["nginx"], "version": "1.22.1-9", "held": ["nginx"]}}


def test_a_field_is_not_mistaken_for_a_line_of_a_description(dpkg: dict[str, Any]) -> None:
    assert ask(dpkg, "nginx")["state"]["version"] == "1.22.1-9"


def test_removed_with_its_configuration_left_is_absent(dpkg: dict[str, Any]) -> None:
    assert ask(dpkg, "gone") == {"absent": True}


def test_half_installed_counts_as_missing_and_says_so(dpkg: dict[str, Any]) -> None:
    assert ask(dpkg, "torn") == {"absent": True}
    assert ask(dpkg, "torn", "nginx")["state"]["broken"] == {"torn": "half-installed"}
    assert ask(dpkg, "torn-virtual") == {"absent": True}


def test_waiting_for_triggers_is_installed(dpkg: dict[str, Any]) -> None:
    assert ask(dpkg, "busy")["state"]["names"] == ["busy"]


def test_a_name_without_architecture_means_the_hosts_own(dpkg: dict[str, Any]) -> None:
    assert ask(dpkg, "libc6")["state"]["version"] == "2.36"
    assert ask(dpkg, "libc6:i386")["state"]["version"] == "2.35"
    assert ask(dpkg, "libc6:arm64") == {"absent": True}


def test_a_virtual_name_has_no_version_and_is_no_package_to_remove(dpkg: dict[str, Any]) -> None:
    assert ask(dpkg, "httpd-cgi")["state"] == {
        "names": ["httpd-cgi"], "providedBy": {"httpd-cgi": "nginx"}, "held": ["httpd-cgi"],
    }  # fmt: skip
    assert ask(dpkg, "httpd-cgi", absent=True) == {"absent": True}


def test_of_several_those_that_are_there(dpkg: dict[str, Any]) -> None:
    assert ask(dpkg, "vim", "nginx", "busy")["state"]["names"] == ["busy", "nginx"]
    assert ask(dpkg, "vim", "emacs") == {"absent": True}


def test_this_machines_own_database_is_read_as_dpkg_query_reads_it() -> None:
    known = probe.database()
    said = subprocess.run(
        ["dpkg-query", "-W", "-f", "${Package} ${Version} ${db:Status-Status}\n"],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    for line in said.splitlines():
        name, version, status = line.split(" ")
        if status == "installed":
            assert version in {package["version"] for package in known[name] if not package["provided"]}


def test_rpms_list_is_read() -> None:
    known = probe.from_rpm(
        "nginx\t1:1.20.1-14.el9\tx86_64\tnginx webserver \nbash\t5.1.8-6.el9\tx86_64\tbash /bin/sh \ngpg-pubkey\t1\t(none)\t\n"
    )
    assert ask(known, "nginx") == {"state": {"names": ["nginx"], "version": "1:1.20.1-14.el9"}}
    assert ask(known, "webserver")["state"]["providedBy"] == {"webserver": "nginx"}
    assert ask(known, "gpg-pubkey") == {"absent": True}


def test_apks_database_is_read() -> None:
    known = probe.from_apk(
        "C:Q1\nP:nginx\nV:1.24.0-r6\nA:x86_64\np:httpd cmd:nginx=1.24.0-r6\n\nP:musl\nV:1.2.4-r2\nA:x86_64\n"
    )
    assert ask(known, "nginx") == {"state": {"names": ["nginx"], "version": "1.24.0-r6"}}
    assert ask(known, "httpd")["state"]["providedBy"] == {"httpd": "nginx"}


def test_without_a_package_manager_everything_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe, "DPKG_STATUS", "/nowhere")
    monkeypatch.setattr(probe, "APK_INSTALLED", "/nowhere")
    monkeypatch.setenv("PATH", "/nowhere")
    (answer,) = probe.probe([{"names": ["nginx"]}])
    assert "no package manager" in answer["unknown"]


def test_one_bad_request_costs_no_other() -> None:
    answers = probe.probe([{"names": ["dpkg"]}, {}, {"names": 3}])
    assert "state" in answers[0] and "unknown" in answers[1] and "unknown" in answers[2]
