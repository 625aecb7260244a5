"""Asks this host's nginx over HTTP, as a visitor would, whether it serves what it should."""

from __future__ import annotations

import http.client
import socket
import time

TYPE_CHECKING = False
if TYPE_CHECKING:  # not imported on hosts: it would cost each of them milliseconds
    from typing import Any

HERE = "127.0.0.1"
TIMEOUT = 10.0
LIMIT = 60.0
"""Seconds for all questions."""
MOST = 65536
"""Bytes of a body that are read."""
AGAIN = (0.1, 0.4, 1.0)
"""Seconds after which a wrong answer is asked for once more: a worker may take a moment to begin or to end."""


def wrong(expect: list[dict[str, Any]], certificate: str = "", again: tuple[float, ...] = AGAIN) -> str:
    """What the first wrong answer is, and what was expected; empty when all are right. `certificate`: the file of the one
    that is to be shown."""
    end = time.monotonic() + LIMIT
    for one in expect:
        why = check(one, certificate)
        for pause in again:
            if not why:
                break
            time.sleep(pause)
            why = check(one, certificate)
        if why:
            return "%s: %s" % (address(one), why)
        if time.monotonic() > end:
            return "%s: the answers take longer than %g s" % (address(one), LIMIT)
    return ""


def address(one: dict[str, Any]) -> str:
    usual = 443 if one.get("tls") else 80
    port = "" if one["port"] == usual else ":%d" % one["port"]
    return "%s://%s%s%s" % ("https" if one.get("tls") else "http", one["host"], port, one["url"])


def check(one: dict[str, Any], certificate: str = "") -> str:
    """Why this answer is wrong; empty when it is right."""
    try:
        status, headers, body, shown = ask(one)
    except (OSError, http.client.HTTPException) as error:
        return "no answer on %s port %d: %s" % (HERE, one["port"], str(error) or type(error).__name__)
    if status != one["status"]:
        return "answers %d, not %d" % (status, one["status"])
    for field, header in (("etag", "ETag"), ("location", "Location")):
        if one.get(field) is not None and headers.get(header) != one[field]:
            return "%s is %s, not %s" % (header, _short(headers.get(header)), _short(one[field]))
    if one.get("tls") and certificate and shown != first(certificate):
        return "another certificate is shown than the one in %s" % certificate
    if one.get("body") is not None and body.strip() != one["body"].strip():
        return "answers %s, not %s" % (_short(body), _short(one["body"]))
    return ""


def first(path: str) -> bytes:
    """The first certificate in a file, in DER; empty when there is none."""
    import ssl

    try:
        with open(path, encoding="ascii", errors="replace") as file:
            text = file.read(MOST * 16)
        begin, end = text.index(ssl.PEM_HEADER), text.index(ssl.PEM_FOOTER)
        return ssl.PEM_cert_to_DER_cert(text[begin : end + len(ssl.PEM_FOOTER)])
    except (OSError, ValueError):
        return b""


def ask(one: dict[str, Any]) -> tuple[int, Any, str, bytes]:
    """Status, headers, the body's beginning and the certificate that was shown, which isn't judged: whether browsers trust
    it is not the host's to say."""
    connection = http.client.HTTPConnection(HERE, one["port"], timeout=TIMEOUT)
    shown = b""
    try:
        connection.sock = socket.create_connection((HERE, one["port"]), TIMEOUT)
        if one.get("tls"):
            import ssl

            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
            connection.sock = context.wrap_socket(connection.sock, server_hostname=one["host"])
            shown = connection.sock.getpeercert(True) or b""
        headers = {"Host": one["host"], "User-Agent": "trueup", "Connection": "close", "Accept-Encoding": "identity"}
        connection.request("GET", one["url"], headers=headers)
        answer = connection.getresponse()
        body = answer.read(MOST).decode("utf-8", "replace")
        return answer.status, answer.headers, body, shown
    finally:
        connection.close()


def _short(text: Any) -> str:
    return "missing" if text is None else repr(str(text)[:120])
