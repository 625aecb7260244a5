"""How a site comes by its certificate: a path of the host, a secret, one made there, or an authority's that certbot asks.

Whichever it is, the host's files of it are known by their paths alone: keys are made where they are used, or come as secrets.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from reconciler.core.kind import Claim, Code, Finding, Part
from reconciler.core.model import Json, Op, Ref, State

from .meaning import ROOT, SECRETS

CODES: Mapping[str, Code] = {
    "tls-source": Code.error(
        "`tls` doesn't say, or says twice, where the certificate comes from.",
        "Say `certificate` and `key`, or `selfSigned: true`, or `acme`.",
    ),
    "tls-port": Code.error(
        "A site has plain HTTP and TLS on one port.",
        "Give `port` and `tls.port` two numbers; 80 and 443 are what browsers try.",
    ),
    "acme-wildcard": Code.error(
        "An authority gives a certificate for `*.` by a record in DNS alone, and a web server can't make one.",
        "Name each domain, or bring the certificate by path or secret.",
    ),
    "acme-port": Code.warning(
        "An authority asks a domain on port 80, and the site answers plain HTTP on another.",
        "Leave `port` out, unless something before the host brings port 80 there.",
    ),
}

RELOAD = "[ ! -s /run/nginx.pid ] || ! nginx -t -q || nginx -s reload"
"""Where nginx runs and its configuration is whole, let it read a new certificate. It isn't while a key that belongs to a
certificate comes as a file of its own; then the site's next look finds what is not served yet."""
CHECK = (
    "python3 -Ic \"import ssl, sys; sys.excepthook = lambda kind, error, where: print('public: no certificate with its own key:', error); "
    "ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(sys.argv[1], password='')\" %s"
)
"""Before a certificate with its key goes live: whether they belong together. OpenSSL's reasons quote nothing."""
SELF_SIGNED_DAYS = 90
SOON_DAYS = 21
"""Days before its end from which on a certificate that is made or asked for on the host is renewed (and any is told of,
probe.py); certbot's own timer has renewed it nine days before."""
AUTHORITY = "https://acme-v02.api.letsencrypt.org/directory"
"""Let's Encrypt."""
PATHS = "pem"
"""The field of a resolved spec with the paths of certificate and key."""
LINEAGE = "trueup-"
"""What a certificate is called in certbot's own folders, before the site's name."""
ASK_LIMIT = 300.0
"""Seconds that an authority may take: certbot waits 90 s for each answer to its challenges."""


def source(spec: State) -> str:
    """`given`, `selfSigned` or `acme`; empty without TLS."""
    tls = spec.get("tls")
    if not tls:
        return ""
    return "acme" if tls.get("acme") is not None else "selfSigned" if tls.get("selfSigned") else "given"


def paths(name: str, spec: State) -> tuple[str, str]:
    """Of certificate and key on the host; empty without TLS. One file that holds both is swapped in one step."""
    if PATHS in spec:  # what a secret was called is not to be seen in a spec that was applied
        certificate, key = spec[PATHS]
        return certificate, key
    match source(spec):
        case "":
            return "", ""
        case "selfSigned":
            return (f"{ROOT}/certificates/{name}.pem",) * 2
        case "acme":
            folder = f"/etc/letsencrypt/live/{LINEAGE}{name}"
            return f"{folder}/fullchain.pem", f"{folder}/privkey.pem"
    if _together(spec):
        return (f"{SECRETS}/{name}.pem",) * 2
    return _path(name, spec, "certificate", "crt"), _path(name, spec, "key", "key")


def _path(name: str, spec: State, field: str, ending: str) -> str:
    said = spec["tls"].get(field)
    return said if isinstance(said, str) else f"{SECRETS}/{name}.{ending}"


def _together(spec: State) -> bool:
    """Whether certificate and key both come by the names of secrets: then they are one file."""
    return all(isinstance(said, Mapping) and "secret" in said for said in _said(spec))


def _said(spec: State) -> tuple[Json, Json]:
    """What the manifest says of certificate and key: a path or a secret; nothing without TLS."""
    tls = spec.get("tls") or {}
    return tls.get("certificate"), tls.get("key")


def ports(spec: State) -> tuple[int, ...]:
    """Plain HTTP's, and TLS's where there is any."""
    tls = spec.get("tls")
    return (spec.get("port", 80), tls.get("port", 443)) if tls else (spec.get("port", 80),)


def authority(spec: State) -> str:
    """The server that is asked for the certificate; empty where none is."""
    acme = (spec.get("tls") or {}).get("acme")
    return "" if acme is None else str(acme.get("server", AUTHORITY))


def managed(spec: State) -> State:
    """What a host with TLS is compared with: nothing is to be renewed, and the certificate is of the right authority."""
    if not spec.get("tls"):
        return {}
    return {"renew": [], **({"authority": asked} if (asked := authority(spec)) else {})}


# ---------------------------------------------------------------- what it needs


def parts(name: str, spec: State) -> Iterator[Part]:
    match source(spec):
        case "selfSigned":
            yield Part("Package", "openssl", {"state": "present"})
        case "acme":
            yield Part("Package", "certbot", {"state": "present"})
    file: State = {"owner": "root", "group": "root", "mode": "0600", "parents": True, "sensitive": True}
    file = {**file, "onChange": RELOAD}
    if source(spec) == "given" and _together(spec):
        text = "".join(f"{{{{ secret('{said['secret']}') }}}}\n" for said in _said(spec))
        yield Part("File", paths(name, spec)[0], {**file, "content": text, "template": True, "validate": CHECK})
        return
    for path, said in zip(paths(name, spec), _said(spec), strict=True):
        if isinstance(said, Mapping):
            yield Part("File", path, {**file, "content": said})


def refs(name: str, spec: State) -> Iterator[Ref]:
    """Files that come first if anybody declares them."""
    authority = ((spec.get("tls") or {}).get("acme") or {}).get("caFile")
    for path in (*paths(name, spec), authority):
        if path:
            yield Ref("File", path)


# ---------------------------------------------------------------- what can be wrong


def findings(spec: State) -> Iterator[Finding]:
    tls = spec.get("tls")
    if tls is None:
        return
    given = [field for field in ("certificate", "key") if field in tls]
    sources = [
        *(["certificate and key"] if given else []),
        *(field for field in ("selfSigned", "acme") if field in tls),
    ]
    if len(sources) != 1:
        message = f"tls says {' and '.join(sources)}: one is enough" if sources else "tls says no certificate"
        yield Finding(code="tls-source", message=message, field=("tls",), hint=CODES["tls-source"].cure)
    elif len(given) == 1:
        lacks = "key" if given == ["certificate"] else "certificate"
        message = f"tls says the {given[0]}, and no {lacks}"
        yield Finding(code="tls-source", message=message, field=("tls",), hint=f"say the {lacks} too")
    if not tls:
        return
    plain, secure = ports(spec)
    if "acme" in tls and plain != 80:
        message = f"an authority asks on port 80, and the site answers plain HTTP on {plain}"
        yield Finding(
            code="acme-port", message=message, field=("port",), hint=CODES["acme-port"].cure, severity="warning"
        )
    if plain == secure:
        field = ("tls", "port") if "port" in tls else ("port",)
        message = f"port {plain} can't be for plain HTTP and for TLS at once"
        yield Finding(code="tls-port", message=message, field=field, hint=CODES["tls-port"].cure)
    for index, domain in enumerate(spec["domains"] if "acme" in tls else ()):
        if domain.startswith("*"):
            message = f"no web server can prove to an authority that {domain} is its own: that takes a record in DNS"
            yield Finding(
                code="acme-wildcard", message=message, field=("domains", index), hint=CODES["acme-wildcard"].cure
            )


def claims(spec: State) -> Iterator[Claim]:
    """A port is plain or has TLS, for all sites of a host: nginx would answer one of two with the other's."""
    for port, use in zip(ports(spec), ("plain HTTP", "TLS"), strict=False):
        yield Claim("port", str(port), f"nginx with {use}")


# ---------------------------------------------------------------- on the host


def asked_host(spec: State) -> str:
    """The domain by which a host is asked for the site."""
    return str(spec["domains"][0]).replace("*", "trueup")


def make(name: str, spec: State) -> tuple[Op, ...]:
    """The op that makes or asks for the certificate where the host has none that is good; none where it is given."""
    args: dict[str, Any] = {"do": "certificate", "name": name, "domains": sorted(spec["domains"]), "soon": SOON_DAYS}
    match source(spec):
        case "selfSigned":
            args |= {"by": "selfSigned", "days": SELF_SIGNED_DAYS}
            return (Op(module="trueup.site.certificate", args=args, title="make a certificate", limit=60.0),)
        case "acme":
            acme = spec["tls"]["acme"]
            asked = {field: acme[field] for field in ("email", "caFile") if field in acme}
            args |= {"by": "acme", "server": authority(spec), "port": ports(spec)[0], **asked}
            return (Op(module="trueup.site.certificate", args=args, title="ask for a certificate", limit=ASK_LIMIT),)
    return ()
