"""Makes a release of a site, serves it, removes a site. Standard library, Python 3.8 on; runs as root.

Arguments: `do`, and name of the site.
stage   release, files {path: Git blob id}, packed [gzip, brotli: what goes beside], config (nginx's server blocks)
certificate  by (`selfSigned`: days; `acme`: email?, server?, caFile?, port of plain HTTP), domains, soon (days before its
        end from which on it is made anew)
switch  release, keep (how many releases stay), expect [{host, port, tls, url, status, etag?, location?, body?}],
        renew (whether nginx may hold files of it open that were altered), tls [certificate, key] (empty without),
        by (where the certificate comes from: what came from elsewhere before goes)
remove  nothing more

What lies where: op_stage.py. The contents come beforehand, into the store of contents: op_disk.py.
"""

from __future__ import annotations

import errno
import os

from . import op_acme as acme
from . import op_disk as disk
from . import op_stage as stages
from . import op_switch as switches
from . import op_tls as tls

TYPE_CHECKING = False
if TYPE_CHECKING:  # not imported on hosts: it would cost each of them milliseconds
    from typing import Any


def run(args: dict[str, Any]) -> dict[str, Any]:
    """{"changed", "failed", "msg"}."""
    try:
        changed, told = work(args)
    except disk.Failure as why:
        return {"changed": False, "failed": True, "msg": str(why)}
    except OSError as error:
        return {"changed": False, "failed": True, "msg": said(error)}
    return {"changed": changed, "failed": False, "msg": told}


def work(args: dict[str, Any]) -> tuple[bool, str]:
    name = disk.word(args["name"], "site")
    removing = args["do"] == "remove"
    try:
        home = disk.home(make=not removing)
    except FileNotFoundError:
        return False, ""
    opened = [home]
    try:
        disk.lock(home)
        sites = disk.folder(home, "sites", make=True)
        opened.append(sites)
        if args["do"] == "certificate":
            return certificate(home, name, args)
        blobs = disk.Blobs(disk.folder(home, "blobs", make=True))
        try:
            if removing:
                done = switches.remove(sites, name, blobs)
                tidy(home, name, "")
                return done
            site = disk.folder(sites, name, make=True)
            opened.append(site)
            if args["do"] == "stage":
                return stages.stage(site, blobs, args)
            done = switches.switch(site, blobs, args)
            if "by" in args:
                tidy(home, name, args["by"])
            return done
        finally:
            blobs.close()
    finally:
        for fd in reversed(opened):
            os.close(fd)


def certificate(home: int, name: str, args: dict[str, Any]) -> tuple[bool, str]:
    """The host has a good certificate for the site from now on. Raises Failure, OSError."""
    if args["by"] == "acme":
        return acme.ask(home, args)
    return tls.self_signed(home, name, args["domains"], int(args["days"]), float(args["soon"]))


def tidy(home: int, name: str, by: str) -> None:
    """Certificates that the site had by other ways than `by` go, with their keys."""
    if by != "selfSigned":
        tls.forget(home, name)
    if by != "acme":
        acme.forget(home, name)


def said(error: OSError) -> str:
    """An error of the file system, for people."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return "no space left below %s: what is served stays; make room, the next visit goes on" % disk.HOME
    if error.errno == errno.EXDEV:
        return "all of %s must be one file system: contents are linked into releases" % disk.HOME
    name = error.filename if isinstance(error.filename, str) else disk.HOME
    return "%s: %s" % (name, error.strerror or error)
