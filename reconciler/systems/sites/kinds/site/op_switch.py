"""The release that is served becomes another one, or none: tested before, proved after, undone when it is wrong."""

from __future__ import annotations

import os
import stat

from . import op_ask as ask
from . import op_disk as disk
from . import op_stage as stages
from . import op_tls as tls
from .op_disk import Blobs, Failure
from .op_nginx import NO_MOUNTS, Nginx

TYPE_CHECKING = False
if TYPE_CHECKING:  # not imported on hosts: it would cost each of them milliseconds
    from typing import Any

CURRENT, PREVIOUS, SWITCHING = "current", "previous", "switching"
NOTHING = "-"


def switch(site: int, blobs: Blobs, args: dict[str, Any]) -> tuple[bool, str]:
    """Serve the release; (changed, what is worth telling). Raises Failure, OSError."""
    release = disk.word(args["release"], "release")
    releases = disk.folder(site, "releases", make=True)
    try:
        if disk.lstat(releases, release) is None:
            raise Failure("release %s is not on this host" % release)
        stages.record(releases, release)
    finally:
        os.close(releases)
    nginx = Nginx()
    certificate, key = args.get("tls") or ("", "")
    now, unproved = linked(site, CURRENT), linked(site, SWITCHING)
    if (
        now == release
        and not unproved
        and not args.get("renew")
        and nginx.master()
        and not ask.wrong(args["expect"], certificate, ())
    ):
        prune(site, blobs, int(args["keep"]))
        return False, ""
    for port in sorted({int(one["port"]) for one in args["expect"]}):
        holder = nginx.holder(port)
        if holder:
            raise Failure("port %d is taken by %s, so nginx can't serve on it: nothing was switched" % (port, holder))
    why = tls.apart(certificate, key) if certificate else ""
    if why:
        raise Failure("%s: nothing was switched, what is served stays" % why)
    old = unproved or now or NOTHING
    told, warned = try_out(site, nginx, release)
    point(site, SWITCHING, old)
    point(site, CURRENT, release)
    os.fsync(site)
    try:
        nginx.go_on()
        why = ask.wrong(args["expect"], certificate)
        if why:
            raise Failure(why + (" (nginx warns: %s)" % warned if warned else ""))
    except Failure as failure:
        raise Failure(go_back(site, nginx, release, old, str(failure))) from None
    proved(site, old, release)
    prune(site, blobs, int(args["keep"]))
    return True, told


def try_out(site: int, nginx: Nginx, release: str) -> tuple[str, str]:
    """nginx tests all of its configuration with the release (none: without the site) in place. What is worth telling,
    and nginx's warnings; Failure with nginx's words when it is broken."""
    told = ""
    try:
        well, said = nginx.test(disk.where(site, "").rstrip("/"), release)
    except OSError:
        told = NO_MOUNTS
        before = linked(site, CURRENT)
        point(site, CURRENT, release)
        try:
            well, said = nginx.test_in_place()
        finally:
            point(site, CURRENT, before)
    if not well:
        if 'unknown directive "brotli' in said:
            said += ". The package libnginx-mod-http-brotli-static brings it, and nginx.conf has to load its module"
        raise Failure("nginx refuses the configuration, so nothing was switched: %s" % said)
    return told, said


def go_back(site: int, nginx: Nginx, release: str, old: str, why: str) -> str:
    """Serve what was served before; gives the words for it."""
    if old == release:
        # A switch to it was proved once: there is nothing better to go back to.
        return "%s. Release %s stays" % (why, release)
    point(site, CURRENT, "" if old == NOTHING else old)
    os.fsync(site)
    back = "Nothing was served before, and nothing is" if old == NOTHING else "Switched back to release %s" % old
    try:
        if nginx.master():
            nginx.go_on()
    except Failure as failure:
        back += ", but %s" % failure
    point(site, SWITCHING, "")
    os.fsync(site)
    return "release %s is not served as it should be: %s. %s" % (release, why, back)


def proved(site: int, old: str, release: str) -> None:
    if old in (NOTHING, release):
        point(site, SWITCHING, "")
    else:
        os.rename(SWITCHING, PREVIOUS, src_dir_fd=site, dst_dir_fd=site)
    os.fsync(site)


# ---------------------------------------------------------------- links


def linked(site: int, name: str) -> str:
    """The release that a link of ours leads to; empty when there is none. Failure for what isn't ours."""
    there = disk.lstat(site, name)
    if there is None:
        return ""
    if not stat.S_ISLNK(there.st_mode):
        raise Failure("%s is not the link that belongs there: move it away" % disk.where(site, name))
    target = os.readlink(name, dir_fd=site)
    if target == NOTHING:
        return target
    folder, _, release = target.rpartition("/")
    if folder != "releases" or not disk.WORD.fullmatch(release):
        raise Failure("%s leads to %s, which trueup didn't make: remove it" % (disk.where(site, name), ascii(target)))
    return release


def point(site: int, name: str, release: str) -> None:
    """The link leads there from now on, in one step; no release: there is no link."""
    if not release:
        try:
            os.unlink(name, dir_fd=site)
        except FileNotFoundError:
            pass
        return
    part = ".%s.new" % name
    disk.remove_tree(site, part)
    os.symlink(release if release == NOTHING else "releases/" + release, part, dir_fd=site)
    os.rename(part, name, src_dir_fd=site, dst_dir_fd=site)


# ---------------------------------------------------------------- what goes


def prune(site: int, blobs: Blobs, keep: int) -> None:
    """Releases beyond the `keep` newest go, never what is served, was served before, or is gone back to."""
    held = {linked(site, name) for name in (CURRENT, PREVIOUS, SWITCHING)}
    releases = disk.folder(site, "releases")
    try:
        made = {}
        for name in os.listdir(releases):
            if name.startswith("."):
                disk.remove_tree(releases, name)
                continue
            try:
                made[name] = float(stages.record(releases, name).get("made", 0.0))
            except Failure:
                made[name] = 0.0
        newest = sorted(made, key=lambda name: (made[name], name), reverse=True)
        for name in newest[max(1, keep) :]:
            if name not in held:
                gone = ".gone"  # half of a release must not bear its name
                os.rename(name, gone, src_dir_fd=releases, dst_dir_fd=releases)
                disk.remove_tree(releases, gone)
    finally:
        os.close(releases)
    blobs.prune()


def remove(sites: int, name: str, blobs: Blobs) -> tuple[bool, str]:
    """The site is served no more, and goes. Raises Failure, OSError."""
    if disk.lstat(sites, name) is None:
        return False, ""
    site = disk.folder(sites, name)
    told = ""
    try:
        try:
            nginx = Nginx()
        except Failure:
            nginx = None  # nobody serves it
        if nginx is not None:
            told, _ = try_out(site, nginx, "")
        point(site, CURRENT, "")
        os.fsync(site)
        if nginx is not None and nginx.master():
            nginx.go_on()
    finally:
        os.close(site)
    disk.remove_tree(sites, name)
    os.fsync(sites)
    blobs.prune()
    return True, told
