"""Certificates of a host: what one says, whether its key belongs to it, and one that the host signs itself.

Reading goes by the Python of the host (`_ssl._test_decode_cert`, there from 3.8 to today): openssl may not be installed.
"""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
import time

from . import op_disk as disk
from .op_disk import Failure
from .op_nginx import run

TYPE_CHECKING = False
if TYPE_CHECKING:  # not imported on hosts: it would cost each of them milliseconds
    from typing import Any

FOLDER = "certificates"
"""Below /srv/trueup: what the host signed itself, NAME.pem, certificate and key in one file."""
MOST = 1 << 20
"""Bytes of a certificate's file that are looked at."""
DAY = 86400.0
OPENSSL_LIMIT = 60.0

REQUEST = """[req]
prompt = no
distinguished_name = who
x509_extensions = what
[who]
O = trueup, self-signed
CN = %s
[what]
subjectAltName = %s
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = serverAuth
"""


def said(path: str) -> dict[str, Any]:
    """{"names", "begins", "ends"} of the first certificate in a file. Raises OSError, ValueError."""
    import ssl
    from _ssl import _test_decode_cert  # type: ignore[attr-defined]

    fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        info = os.fstat(fd)
        if not stat.S_ISREG(info.st_mode) or info.st_size > MOST:
            raise ValueError("%s is no file of a certificate" % path)
        found = _test_decode_cert("/proc/self/fd/%d" % fd)
    finally:
        os.close(fd)
    return {
        "names": [name.lower() for kind, name in found.get("subjectAltName", ()) if kind == "DNS"],
        "begins": ssl.cert_time_to_seconds(found["notBefore"]),
        "ends": ssl.cert_time_to_seconds(found["notAfter"]),
    }


def lacks(path: str, domains: list[str], soon: float) -> str:
    """Why the certificate in a file is not good for these domains; empty when it is, for `soon` days more (a quarter of its
    life, where it lives for less than four times as long)."""
    try:
        found = said(path)
    except FileNotFoundError:
        return "there is none"
    except (OSError, ValueError, KeyError, TypeError) as error:
        return "%s can't be read: %s" % (path, error)
    missing = [domain for domain in domains if domain not in found["names"]]
    if missing:
        return "it is not for %s" % missing[0]
    left = found["ends"] - time.time()
    if left < min(soon * DAY, (found["ends"] - found["begins"]) / 4):
        return "it has ended" if left <= 0 else "it ends in %.1f days" % (left / DAY)
    return ""


def apart(certificate: str, key: str) -> str:
    """Why nginx can't serve this pair, if the reason is in the files themselves; empty when it can."""
    import ssl

    for path in (certificate, key):
        if not os.path.isfile(path):
            return "there is no file %s" % path
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key, password="")
    except ssl.SSLError as error:
        # The latter of a key of another type than the certificate's: nginx would start with it, and serve nobody.
        if error.reason in ("KEY_VALUES_MISMATCH", "KEY_TYPE_MISMATCH", "NO_CERTIFICATE_ASSIGNED"):
            return "the key in %s is not the one of the certificate in %s" % (key, certificate)
        return "certificate and key can't be read from %s and %s: %s" % (certificate, key, error.reason or error)
    except (OSError, ValueError) as error:
        return "certificate and key can't be read from %s and %s: %s" % (certificate, key, error)
    return ""


# ---------------------------------------------------------------- made here


def self_signed(home: int, name: str, domains: list[str], days: int, soon: float) -> tuple[bool, str]:
    """The site's own certificate is there and good from now on; (changed, what is worth telling). Raises Failure, OSError."""
    at = disk.folder(home, FOLDER, make=True)
    try:
        for entry in os.listdir(at):
            if entry.startswith("."):  # of a work that was cut short
                disk.remove_tree(at, entry)
        pem = disk.where(at, name + ".pem")
        if not lacks(pem, domains, soon) and not apart(pem, pem) and _ours(pem):
            return False, ""
        openssl = shutil.which("openssl", path="/usr/local/bin:/usr/bin:/bin")
        if openssl is None:
            raise Failure("openssl is not installed on this host: declare Package/openssl, or install it")
        folder = tempfile.mkdtemp(dir=disk.where(at, ""), prefix=".")
        try:
            made = _made(openssl, folder, name, domains, days)
            os.rename(made, pem)
            os.fsync(at)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        return True, ""
    finally:
        os.close(at)


def _ours(path: str) -> bool:
    info = os.lstat(path)
    return stat.S_ISREG(info.st_mode) and info.st_uid == 0 and stat.S_IMODE(info.st_mode) == 0o600


def _made(openssl: str, folder: str, name: str, domains: list[str], days: int) -> str:
    """A file with a new certificate and its key, root's alone."""
    request, key, certificate = (os.path.join(folder, part) for part in ("request", "key", "crt"))
    with open(request, "w", encoding="ascii") as file:
        file.write(REQUEST % (name[:64], ",".join("DNS:" + domain for domain in domains)))
    kind = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-sha256", "-days", str(days)]
    argv = [openssl, "req", "-x509", *kind, "-config", request, "-keyout", key, "-out", certificate]
    code, told = run(argv, OPENSSL_LIMIT)
    if code != 0:
        raise Failure("openssl makes no certificate: %s" % told.strip()[-300:])
    both = os.path.join(folder, "pem")
    fd = os.open(both, disk.MAKE, 0o600)
    with os.fdopen(fd, "wb") as file_:
        for path in (certificate, key):
            with open(path, "rb") as part:
                file_.write(part.read())
        file_.flush()
        os.fchmod(fd, 0o600)
        os.fsync(fd)
    return both


def forget(home: int, name: str) -> None:
    """What the host signed itself for a site goes."""
    try:
        at = disk.folder(home, FOLDER)
    except FileNotFoundError:
        return
    try:
        disk.remove_tree(at, name + ".pem")
    finally:
        os.close(at)
