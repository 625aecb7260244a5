"""Reads what a host serves of a site, whether its files still are what was sent, and what it was asked for lately. Writes
nothing, follows no link but the three of trueup's own.

Requests: {"name"}, and "files": {path: Git blob id} whose content is to be read, "sample": the same of those that are
small, "whole": true for all of it.
Answers: {"release": what is served, proved once; "" when nothing is, "altered": at most 20 paths of that release, sorted,
whose type, size, time or content is not the release's, and such that don't belong to it ("../site.conf" is the
configuration), "kept": the releases on disk, sorted, "files" and "bytes": how much the release is, "certificates":
[{"path", "notAfter", "names", "issuer"} or {"path", "trouble"} of the certificate that is served], "renew": why it has to be
made or loaded anew, "ending": whether it ends soon, "authority": the server that it was asked of, "traffic": what the
access log says of the last day (see `traffic`)}. Absent: there is no such folder.

What lies where: op_stage.py. All names are opened relative to their folder, so a link that is planted meanwhile leads
nowhere.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import stat
import sys
import time
import zlib

TYPE_CHECKING = False
if TYPE_CHECKING:  # not imported on hosts: it would cost each of them milliseconds
    from collections.abc import Iterable, Iterator
    from typing import Any

SITES = "/srv/trueup/sites"
FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
CHUNK = 1 << 20
LAST_SECOND = 0x7FFFFFFF
"""The latest mtime of file systems without more bits (XFS without bigtime): the kernel cuts later ones to it, and two
states of a file would have one ETag."""
SOON = 21 * 86400.0
"""Seconds before its end from which on a certificate is told of; a quarter of its life, where it lives for a short time."""
MADE, ASKED = "/srv/trueup/certificates/%s.pem", "/etc/letsencrypt/live/trueup-%s/fullchain.pem"
"""Where a site's certificate is that this host made, or asked for: it is renewed here."""
CONFIG = (
    r'^  ssl_certificate "([^"]+)";$',
    r"^  listen (?:[0-9.]+:)?([0-9]+) ssl",
    r"^  # The certificate is for ([^ ].*)$",
)
"""Where site.conf says the certificate's path, TLS's port, the domains."""
NONE = "no certificate can be read of it"
AGAIN = (0.1, 0.4, 1.0)
"""Seconds after which another certificate than the file's is asked for once more: a reload may be under way."""
ASK_LIMIT = 3.0
"""Seconds that nginx may take to show its certificate."""
RECORD = 256 << 20
"""Bytes of release.json that are read."""
MOST = 20
SMALL = 256 << 10
"""Bytes of a file up to which the sample reads it: a look is not to take a video's time."""
LOGS = "/var/log/nginx"
TAIL = 4 << 20
"""Bytes of access logs that are read, the newest."""
LINE = 64 << 10
"""Bytes of a line that is read; nginx writes shorter ones."""
HOURS, HOUR = 24, 3600
MISSING = 5
"""Paths that were asked for most and are not there."""
PATH = 200
COUNTABLE = 1 << 53
OWN = ("trueup", "127.0.0.1")
"""Agent and address of what a switch asks (op_ask.py): nobody's visit."""
WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


class Unreadable(Exception):
    """Carries why a request stays Unknown."""


def served(site: int) -> str:
    """The release that was last proved: a switch that was cut short is to be done again."""
    for name in ("switching", "current"):
        try:
            target = os.readlink(name, dir_fd=site)
        except OSError:
            continue
        folder, _, release = target.rpartition("/")
        return release if folder == "releases" and WORD.fullmatch(release) else ""
    return ""


def content(at: int, name: str, most: int) -> bytes:
    fd = os.open(name, READ, dir_fd=at)
    try:
        info = os.fstat(fd)
        if not stat.S_ISREG(info.st_mode) or info.st_size > most:
            raise ValueError("%s is no file that can be read" % name)
        parts: list[bytes] = []
        while True:
            part = os.read(fd, CHUNK)
            if not part:
                return b"".join(parts)
            parts.append(part)
    finally:
        os.close(fd)


def entries(top: int, prefix: str = "") -> Iterator[tuple[str, os.stat_result, int, str]]:
    """(path, what it is, its folder, its name) of all below a folder but the folders; each folder is opened by itself."""
    for name in os.listdir(top):
        info = os.stat(name, dir_fd=top, follow_symlinks=False)
        if not stat.S_ISDIR(info.st_mode):
            yield prefix + os.fsencode(name).decode("utf-8", "backslashreplace"), info, top, name
            continue
        inner = os.open(name, FOLDER, dir_fd=top)
        try:
            yield from entries(inner, prefix + os.fsencode(name).decode("utf-8", "backslashreplace") + "/")
        finally:
            os.close(inner)


def holds(at: int, name: str, blob: str, form: int, sha256: str) -> bool:
    """Whether the file holds the content of this Git id; packed by gzip (1), whether it unpacks to it (RFC 1952: its last
    four bytes are the unpacked size); by brotli (2), whether its bytes have the digest `sha256`."""
    fd = os.open(name, READ, dir_fd=at)
    try:
        size = os.fstat(fd).st_size
        unpack = zlib.decompressobj(31) if form == 1 else None
        if form == 1:
            size = int.from_bytes(os.pread(fd, 4, max(0, size - 4)), "little")
        digest, left = hashlib.sha256() if form == 2 else hashlib.sha1(b"blob %d\0" % size), size
        while left >= 0:
            part = os.read(fd, CHUNK)
            if not part:
                return left == 0 and digest.hexdigest() == (sha256 if form == 2 else blob)
            while part and left >= 0:
                plain = part if unpack is None else unpack.decompress(part, CHUNK)
                part = b"" if unpack is None else unpack.unconsumed_tail
                left -= len(plain)
                digest.update(plain)
        return False
    except (OSError, zlib.error):
        return False
    finally:
        os.close(fd)


def altered(release: int, name: str, request: dict[str, Any], size: dict[str, Any]) -> list[str]:
    """The paths that are not the release's; how much the release is goes into `size`."""
    try:
        record = json.loads(content(release, "release.json", RECORD).decode("utf-8"))
        files, sizes = dict(record["files"]), dict(record["sizes"])
        expected = {path: (blob, 0, "") for path, blob in files.items()}
        expected.update({path + ".gz": (files[path], 1, "") for path in record["packed"]})
        expected.update({path + ".br": (files[path], 2, sha256) for path, sha256 in record.get("brotli", {}).items()})
        if record["release"] != name:
            raise ValueError("of another release")
        size.update(files=len(files), bytes=sum(sizes[path] for path in files))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return ["../release.json"]
    found = set()
    try:
        if hashlib.sha256(content(release, "site.conf", RECORD)).hexdigest() != record.get("config"):
            found.add("../site.conf")
    except (OSError, ValueError):
        found.add("../site.conf")
    found.update("../" + ascii(entry)[1:-1] for entry in os.listdir(release) if entry not in (
        "files", "release.json", "site.conf"
    ))  # fmt: skip
    sample, wanted = request.get("sample") or {}, request.get("files") or {}
    whole = bool(request.get("whole"))
    seen = 0
    try:
        top = os.open("files", FOLDER, dir_fd=release)
    except OSError:
        return sorted(found | set(expected))
    try:
        for path, info, at, entry in entries(top):
            blob, form, sha256 = expected.get(path, ("", 0, ""))
            if not blob:
                found.add(path)
                continue
            seen += 1
            sampled = sample.get(path[:-3] if form == 2 else path)
            mtime = int(blob[8 * form : 8 * form + 8], 16) & LAST_SECOND
            if (
                not stat.S_ISREG(info.st_mode)
                or info.st_size != sizes.get(path)
                or info.st_mtime != mtime
                or (info.st_uid, stat.S_IMODE(info.st_mode)) != (0, 0o644)
                or (
                    (whole or wanted.get(path) == blob or (sampled == blob and info.st_size <= SMALL))
                    and not holds(at, entry, blob, form, sha256)
                )
            ):
                found.add(path)
        if seen != len(expected):
            there = {path for path, _, _, _ in entries(top)}
            found.update(path for path in expected if path not in there)
    finally:
        os.close(top)
    return sorted(found)


def tail(folder: int, name: str, most: int) -> tuple[bytes, bool]:
    """The last whole lines of a file, and whether they are all that it has."""
    fd = os.open(name, READ, dir_fd=folder)
    try:
        info = os.fstat(fd)
        if not stat.S_ISREG(info.st_mode):
            return b"", True
        start = max(0, info.st_size - most)
        data = os.pread(fd, most, start)
        return data.partition(b"\n")[2] if start else data, not start
    finally:
        os.close(fd)


def asked(data: bytes) -> Iterator[tuple[str, str, int, int]]:
    """(time, target, status, bytes) of each line that is one of nginx's, the newest first: anybody has a say in a log."""
    for line in reversed(data.split(b"\n")):
        if not line or len(line) > LINE:
            continue
        try:
            said = json.loads(line.decode("utf-8", "replace"))
            found = said["time"], said["target"], said["status"], said["bytes"]
            if (said.get("agent"), said.get("address")) == OWN:
                continue
        except (ValueError, KeyError, TypeError, RecursionError):
            continue
        if [type(part) for part in found] == [str, str, int, int] and 0 <= found[3] < COUNTABLE:
            yield found


def counted(lines: Iterable[tuple[str, str, int, int]], now: float, into: dict[str, Any], lost: dict[str, int]) -> bool:
    """Add up the lines of the last day; whether one is older, so that all of the day was seen."""
    import datetime

    last, at = "", 0.0
    for when, target, status, size in lines:
        if when != last:
            try:
                last, at = when, datetime.datetime.fromisoformat(when).timestamp()
            except (ValueError, OverflowError, OSError):
                last = ""
                continue
        ago = int((now - at) // HOUR)
        if ago >= HOURS:
            return True
        into["from"] = min(into["from"], int(at))
        into["requests"] += 1
        into["bytes"] += size
        into["hours"][HOURS - 1 - max(0, ago)] += 1
        word = "%dxx" % (status // 100)
        if word in into["status"]:
            into["status"][word] += 1
        if status == 404:
            path = target.partition("?")[0][:PATH].encode("utf-8", "replace").decode("utf-8")
            lost[path] = lost.get(path, 0) + 1
    return False


def traffic(name: str, now: float) -> dict[str, Any] | None:
    """What was asked of the site in the last 24 hours, as far as the end of its logs says: "requests", "bytes", "status":
    how many by class, "hours": how many in each, the oldest first, "missing": what was asked for most and answered with
    404, without its query; "from": since when (seconds since 1970), "whole": whether nothing of the day is missing."""
    log = "trueup-%s.access.log" % name
    try:
        folder = os.open(LOGS, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:
        return None
    found: dict[str, Any] = {"from": int(now), "whole": False, "requests": 0, "bytes": 0, "hours": [0] * HOURS}
    found["status"] = dict.fromkeys(("2xx", "3xx", "4xx", "5xx"), 0)
    lost: dict[str, int] = {}
    try:
        left = TAIL
        for file in (log, log + ".1"):
            try:
                data, all_of_it = tail(folder, file, left)
            except FileNotFoundError:
                if file == log:
                    return None
                found["whole"] = True
                break
            left -= len(data)
            if counted(asked(data), now, found, lost):
                found["whole"] = True
                break
            if not all_of_it or left <= 0:
                break
        else:  # what was rotated earlier is packed
            found["whole"] = not any(os.path.exists("%s/%s.2%s" % (LOGS, log, ending)) for ending in ("", ".gz"))
    except OSError:
        return None
    finally:
        os.close(folder)
    most = sorted(lost.items(), key=lambda item: (-item[1], item[0]))[:MISSING]
    found["missing"] = [{"path": path, "count": count} for path, count in most]
    return found


def one(request: dict[str, Any]) -> dict[str, Any]:
    name = request["name"]
    if not isinstance(name, str) or not WORD.fullmatch(name):
        raise Unreadable("%s is no name of a site" % ascii(name))
    try:
        sites = os.open(SITES, FOLDER)
    except FileNotFoundError:
        return {"absent": True}
    try:
        site = os.open(name, FOLDER, dir_fd=sites)
    except FileNotFoundError:
        return {"absent": True}
    except NotADirectoryError:
        raise Unreadable("%s/%s is not a folder: move it away" % (SITES, name)) from None
    finally:
        os.close(sites)
    try:
        release = served(site)
        state: dict[str, Any] = {"release": release, "altered": [], "kept": [], "certificates": []}
        seen = traffic(name, time.time())
        if seen is not None:
            state["traffic"] = seen
        try:
            releases = os.open("releases", FOLDER, dir_fd=site)
        except FileNotFoundError:
            return {"state": state}
        try:
            state["kept"] = sorted(entry for entry in os.listdir(releases) if WORD.fullmatch(entry))
            if release:
                try:
                    inner = os.open(release, FOLDER, dir_fd=releases)
                except (FileNotFoundError, NotADirectoryError):
                    state["altered"] = ["../release.json"]
                    return {"state": state}
                try:
                    state["altered"] = altered(inner, release, request, state)[:MOST]
                    state.update(tls(inner, name))
                finally:
                    os.close(inner)
        finally:
            os.close(releases)
        return {"state": state}
    finally:
        os.close(site)


# ---------------------------------------------------------------- its certificate


def tls(release: int, site: str) -> dict[str, Any]:
    """{"certificates", "renew", "ending", "authority"}: what the file of the served certificate says, and what follows."""
    told: dict[str, Any] = {"certificates": [], "renew": [], "ending": [], "authority": ""}
    try:
        config = content(release, "site.conf", RECORD).decode("utf-8", "replace")
    except (OSError, ValueError):
        return told  # told as altered
    path, port, domains = (re.search(pattern, config, re.MULTILINE) for pattern in CONFIG)
    if path is None or port is None or domains is None:
        return told
    one, ours = {"path": path.group(1)}, path.group(1) in (MADE % site, ASKED % site)
    told["certificates"].append(one)
    shown = b""
    try:
        read, shown, left, life = certificate(one["path"])
        one.update(read)
        missing = [name for name in domains.group(1).split() if name not in read["names"]]
        if ours and missing:
            told["renew"].append("it is not for %s" % missing[0])
        if left < min(SOON, life / 4):
            ends = "%s %s" % ("ended" if left <= 0 else "ends", read["notAfter"])
            told["ending"].append("%s %s" % (one["path"], ends))
            told["renew"].extend(["it " + ends] if ours else [])
    except FileNotFoundError:
        one["trouble"] = "there is no such file"
    except OSError as error:  # OpenSSL's too
        one["trouble"] = plain(error.strerror or NONE)
    except Exception:
        one["trouble"] = NONE
    if ours and "trouble" in one:
        told["renew"].append(one["trouble"])
    elif shown:
        domain = domains.group(1).split()[0].replace("*", "trueup")
        for pause in (*AGAIN, None):
            if on_the_air(domain, int(port.group(1))) in (b"", shown):
                break
            if pause is None:
                told["renew"].append("nginx shows another one")
            else:
                time.sleep(pause)
    if one["path"] == ASKED % site:
        told["authority"] = authority(site)
    return told


def certificate(path: str) -> tuple[dict[str, Any], bytes, float, float]:
    """{"notAfter", "names", "issuer"} of the first certificate in a file, its DER, the seconds that it has left, and those
    that it has in all. Raises what reading and OpenSSL raise."""
    import ssl
    from _ssl import _test_decode_cert  # type: ignore[attr-defined]

    fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        info = os.fstat(fd)
        if not stat.S_ISREG(info.st_mode) or info.st_size > CHUNK:
            raise ValueError("it is no file of at most 1 MiB")
        text = os.pread(fd, CHUNK, 0).decode("ascii", "replace")
        said = _test_decode_cert("/proc/self/fd/%d" % fd)
    finally:
        os.close(fd)
    begin, end = text.index(ssl.PEM_HEADER), text.index(ssl.PEM_FOOTER)
    first = ssl.PEM_cert_to_DER_cert(text[begin : end + len(ssl.PEM_FOOTER)])
    ends, begins = ssl.cert_time_to_seconds(said["notAfter"]), ssl.cert_time_to_seconds(said["notBefore"])
    issuer = ", ".join(value for part in said.get("issuer", ()) for _, value in part)
    read = {
        "notAfter": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(ends)),
        "names": sorted({plain(name).lower() for kind, name in said.get("subjectAltName", ()) if kind == "DNS"})[:100],
        "issuer": plain(issuer),
    }
    return read, first, ends - time.time(), float(ends - begins)


def plain(text: str) -> str:
    """What a file says, as one short line."""
    return "".join(sign if sign.isprintable() else "?" for sign in text)[:253]


def authority(site: str) -> str:
    """The server that certbot had the site's certificate from; empty when it doesn't say."""
    try:
        with open("/etc/letsencrypt/renewal/trueup-%s.conf" % site, encoding="utf-8", errors="replace") as file:
            found = re.search(r"(?m)^server = (\S+)", file.read(CHUNK))
        return plain(found.group(1)) if found else ""
    except OSError:
        return ""


def on_the_air(host: str, port: int) -> bytes:
    """What this host's nginx shows for the domain, in DER; empty when it shows none."""
    import socket
    import ssl

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    try:
        line = socket.create_connection(("127.0.0.1", port), ASK_LIMIT)
        with line, context.wrap_socket(line, server_hostname=host) as shown:
            return shown.getpeercert(True) or b""
    except (OSError, ValueError):
        return b""


def probe(requests: list[dict[str, Any]]) -> list[dict[str, Any]]:
    answers: list[dict[str, Any]] = []
    for request in requests:
        try:
            answers.append(one(request))
        except Unreadable as why:
            answers.append({"unknown": str(why)})
        except OSError as error:
            answers.append({"unknown": "%s: %s" % (error.filename or SITES, error.strerror or error)})
        except Exception as error:  # one request that can't be read must not cost the others
            answers.append({"unknown": "%s: %s" % (type(error).__name__, error)})
    return answers


if __name__ == "__main__":
    json.dump(probe(json.load(sys.stdin)), sys.stdout)
