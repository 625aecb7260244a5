"""A certificate of an authority, asked for by certbot: the host answers the authority's question over plain HTTP first.

    /srv/trueup/acme/.well-known/acme-challenge/…  certbot's answers; nginx serves them for every site with `acme`
    /srv/trueup/asking/NAME.site                   serves them for a site that is served without, while it asks
    /srv/trueup/asking/NAME.server                 serves them for domains that nothing is served for yet, while it asks
    /srv/trueup/asking/NAME.json                   when it was asked last, for what, and how often it failed since

An authority counts: Let's Encrypt takes five failures of a name in an hour and five equal certificates in a week
(letsencrypt.org/docs/rate-limits). So it is asked only when the host itself sees the answer, and after a failure later and
later, whatever the visits do meanwhile.
"""

from __future__ import annotations

import http.client
import json
import os
import re
import shutil
import time

from . import op_disk as disk
from . import op_tls as tls
from .op_disk import Failure
from .op_nginx import ENVIRONMENT, Nginx, run

TYPE_CHECKING = False
if TYPE_CHECKING:  # not imported on hosts: it would cost each of them milliseconds
    from typing import Any

LINEAGE = "trueup-%s"
CERTIFICATE = "/etc/letsencrypt/live/%s/fullchain.pem"
RENEWAL = "/etc/letsencrypt/renewal/%s.conf"
HOOK = "nginx -t -q && nginx -s reload"
"""What certbot does with each certificate that it renews."""
WAITS = (600.0, 1800.0, 3600.0, 7200.0, 14400.0, 43200.0)
"""Seconds to the next try after the first, second … failure."""
BETWEEN = 3600.0
"""Seconds between two certificates for the same names, as long as the first is there."""
LIMIT = 240.0
CHALLENGES = "/.well-known/acme-challenge/"

SITE = """if ($uri ~ "^/\\\\.well-known/acme-challenge/") { break; }
location ^~ %s { access_log off; auth_basic off; root "/srv/trueup/acme"; default_type text/plain; open_file_cache off; }
"""
SERVER = """server {
  listen %d;
  listen [::]:%d;
  server_name %s;
  access_log off;
  location ^~ %s { root "/srv/trueup/acme"; default_type text/plain; }
  location / { return 503; }
}
"""


def ask(home: int, args: dict[str, Any]) -> tuple[bool, str]:
    """The site's certificate is there and good from now on; (changed, what is worth telling). Raises Failure, OSError."""
    name, domains = args["name"], args["domains"]
    lineage = LINEAGE % name
    at = disk.folder(home, "asking", make=True)
    try:
        for ending in (".site", ".server"):  # of a work that was cut short
            disk.remove_tree(at, name + ending)
        why = tls.lacks(CERTIFICATE % lineage, domains, float(args["soon"])) or _from_elsewhere(lineage, args["server"])
        if not why:
            return False, ""
        wanted = {"server": args["server"], "domains": domains, "email": args.get("email", "")}
        asked = _asked(at, name, wanted)
        _wait(asked, name, os.path.exists(CERTIFICATE % lineage))
        certbot = shutil.which("certbot", path=ENVIRONMENT["PATH"])
        if certbot is None:
            raise Failure("certbot is not installed on this host: declare Package/certbot, or install it")
        nginx = Nginx()
        folder = os.path.join(disk.where(home, "acme"), CHALLENGES.strip("/"))
        os.makedirs(folder, mode=0o755, exist_ok=True)
        opened = _open(at, folder, nginx, args)
        try:
            failure = _certbot(certbot, lineage, args)
        finally:
            if opened:
                _close(at, nginx, name)
        _note(
            at, name, {**wanted, "at": time.time(), "failures": asked["failures"] + 1 if failure else 0, "why": failure}
        )
        if failure:
            raise Failure("%s gives no certificate: %s" % (args["server"], failure))
        return True, "certificate of %s" % args["server"]
    finally:
        os.close(at)


def _from_elsewhere(lineage: str, server: str) -> str:
    try:
        with open(RENEWAL % lineage, encoding="utf-8", errors="replace") as file:
            found = re.search(r"(?m)^server = (\S+)", file.read(1 << 20))
    except OSError:
        return "certbot doesn't know it"
    return "" if found and found.group(1) == server else "it is of another authority"


# ---------------------------------------------------------------- how often


def _asked(at: int, name: str, wanted: dict[str, Any]) -> dict[str, Any]:
    """What is known of the last time that just this was asked for."""
    try:
        known = json.loads(disk.read(at, name + ".json", 1 << 20).decode("utf-8"))
        if {key: known[key] for key in wanted} == wanted:
            return {"at": float(known["at"]), "failures": int(known["failures"]), "why": str(known["why"])}
    except (OSError, ValueError, KeyError, TypeError):
        pass
    return {"at": 0.0, "failures": 0, "why": ""}


def _wait(asked: dict[str, Any], name: str, there: bool) -> None:
    """Raises Failure when it is too early to ask again."""
    failures = asked["failures"]
    pause = WAITS[min(failures, len(WAITS)) - 1] if failures else BETWEEN if there else 0.0
    left = asked["at"] + pause - time.time()
    if 0 < left <= pause:
        until = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(asked["at"] + pause))
        why = "it failed: %s" % asked["why"] if failures else "one was given an hour ago at most"
        raise Failure(
            "the authority is not asked again before %s, as it counts; %s. To ask at once: remove /srv/trueup/asking/%s.json"
            % (until, why, name)
        )


def _note(at: int, name: str, told: dict[str, Any]) -> None:
    part = "." + name + ".new"
    disk.remove_tree(at, part)
    disk.write(at, part, json.dumps(told, sort_keys=True).encode("utf-8"))
    os.rename(part, name + ".json", src_dir_fd=at, dst_dir_fd=at)
    os.fsync(at)


# ---------------------------------------------------------------- the answer over plain HTTP


def _open(at: int, folder: str, nginx: Nginx, args: dict[str, Any]) -> bool:
    """Every domain is answered from certbot's folder from now on; whether that took something that has to go again.
    Raises Failure when it isn't."""
    token = "trueup-%d-%d" % (os.getpid(), time.time_ns())
    path = os.path.join(folder, token)
    with open(path, "w", encoding="ascii") as file:
        file.write(token)
    try:
        os.chmod(path, 0o644)
        if not _unanswered(args, token):
            return False
        try:
            for ending, text in ((".site", SITE % CHALLENGES), (".server", _server(args))):
                disk.write(at, args["name"] + ending, text.encode("ascii"))
            well, said = nginx.test_in_place()
            if not well:
                raise Failure("nginx refuses the configuration: %s" % said)
            nginx.go_on()
            why = _unanswered(args, token)
            if why:
                raise Failure(why)
        except Failure as failure:
            _close(at, nginx, args["name"])
            raise Failure("%s. The authority was not asked, what is served stays" % failure) from None
        return True
    finally:
        os.unlink(path)


def _server(args: dict[str, Any]) -> str:
    port = int(args["port"])
    return SERVER % (port, port, " ".join(args["domains"]), CHALLENGES)


def _close(at: int, nginx: Nginx, name: str) -> None:
    for ending in (".site", ".server"):
        disk.remove_tree(at, name + ending)
    if nginx.master():
        nginx.go_on()


def _unanswered(args: dict[str, Any], token: str) -> str:
    """The first domain for which this host doesn't answer as the authority will want it; empty when all are answered."""
    for domain in args["domains"]:
        status, body = _get(domain, int(args["port"]), CHALLENGES + token)
        if body != token:
            return "this host answers http://%s%s… with %s" % (domain, CHALLENGES, status)
    return ""


def _get(domain: str, port: int, url: str) -> tuple[str, str]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", url, headers={"Host": domain, "User-Agent": "trueup", "Connection": "close"})
        answer = connection.getresponse()
        return str(answer.status), answer.read(4096).decode("utf-8", "replace")
    except (OSError, http.client.HTTPException) as error:
        return "nothing (%s)" % (str(error) or type(error).__name__), ""
    finally:
        connection.close()


# ---------------------------------------------------------------- certbot


def _certbot(certbot: str, lineage: str, args: dict[str, Any]) -> str:
    """Why certbot has no certificate; empty when it has one."""
    argv = [certbot, "certonly", "--non-interactive", "--agree-tos", "--webroot", "-w", "/srv/trueup/acme"]
    argv += ["--server", args["server"], "--cert-name", lineage, "--renew-with-new-domains", "--force-renewal"]
    argv += ["--email", args["email"]] if args.get("email") else ["--register-unsafely-without-email"]
    argv += ["--deploy-hook", HOOK]
    for domain in args["domains"]:
        argv += ["-d", domain]
    more = {}
    if args.get("caFile"):
        if not os.path.isfile(args["caFile"]):
            raise Failure("there is no file %s, which acme.caFile names" % args["caFile"])
        # Its timer knows nothing of this root, and would fail each day.
        argv.append("--no-autorenew")
        more["REQUESTS_CA_BUNDLE"] = args["caFile"]
    code, said = run(argv, LIMIT, **more)
    if code == 0 and not tls.lacks(CERTIFICATE % lineage, args["domains"], 0.0):
        return ""
    if "Another instance of Certbot is already running" in said:
        raise Failure("certbot is at work on this host already: the next visit asks")
    return words(said)


def words(said: str) -> str:
    """Why, in certbot's own words: what the authority has against each domain, else its last line that says something."""
    said = "".join(sign if sign.isprintable() or sign == "\n" else "?" for sign in said)
    blocks = re.findall(r"^  Domain: (.*)\n  Type: +(.*)\n  Detail: (.*)$", said, re.MULTILINE)
    if blocks:
        return "; ".join("%s (%s): %s" % block for block in blocks)[:600]
    noise = (
        "Saving debug log",
        "Ask for help",
        "See the logfile",
        "Plugins selected",
        "Account registered",
        "Requesting a",
    )
    lines = [line.strip() for line in said.splitlines() if line.strip() and not line.startswith(noise)]
    return (" ".join(lines[-3:]) or "certbot says nothing")[-600:]


def forget(home: int, name: str) -> None:
    """certbot forgets the site's certificate and its key, and renews it no more."""
    lineage = LINEAGE % name
    try:
        at = disk.folder(home, "asking")
    except FileNotFoundError:
        return
    try:
        for ending in (".site", ".server", ".json"):
            disk.remove_tree(at, name + ending)
    finally:
        os.close(at)
    certbot = shutil.which("certbot", path=ENVIRONMENT["PATH"])
    if certbot is not None and os.path.exists(RENEWAL % lineage):
        code, said = run([certbot, "delete", "--non-interactive", "--cert-name", lineage], LIMIT)
        if code != 0:
            raise Failure("certbot doesn't forget %s: %s" % (lineage, words(said)))
