"""What a configuration is, beside what it means: the same text for the same site, valid beside others, nothing odd in it."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path

import pytest

from reconciler.systems.sites.rules import headers, redirects
from reconciler.systems.sites.rules.answer import Request, answer
from reconciler.systems.sites.rules.nginx import Place, config
from reconciler.systems.sites.rules.site import BasicAuth, Cors, Entry, RateLimit, Rules, Tree, etag_of, mtime_of
from tests.systems.sites.rules import server
from tests.systems.sites.rules.pages import tree_of

FILES = {"index.html": b"home", "a.txt": b"text"}


def place(folder: Path, site: str = "one", **more: object) -> Place:
    given: dict[str, object] = {
        "domains": (f"{site}.test",),
        "root": str(folder / "now"),
        "release": "r1",
        "ipv6": False,
    }
    return Place(site=site, **{**given, **more})  # type: ignore[arg-type]


def full(folder: Path, site: str) -> str:
    """A site that has something of everything at http level."""
    blocks, _ = headers.parse("/*\n  X-A: $b\n", "_headers", "netlify")
    rules = Rules(
        headers=blocks,
        allow=("10.0.0.0/8", "::1/128"),
        rate_limit=RateLimit(5, 10),
        cors=Cors(("https://a.example",)),
        basic_auth=BasicAuth("R", ("/*",)),
        redirect_https=True,
    )
    crt, key = server.certificate(folder)
    where = place(
        folder,
        site,
        https=(443,),
        certificate=crt,
        key=key,
        previous_root=str(folder / "before"),
        ipv6=True,
        htpasswd=str(folder / "htpasswd"),
        access_log=str(folder / "log"),
        acme=str(folder / "acme"),
    )
    return config(rules, tree_of(FILES), where)


def test_two_sites_stand_side_by_side(tmp_path: Path) -> None:
    assert server.accepts(tmp_path, full(tmp_path, "one") + full(tmp_path, "two")) == ""
    assert "emerg" in server.accepts(tmp_path, full(tmp_path, "one") * 2)


def test_the_same_site_has_the_same_text(tmp_path: Path) -> None:
    one = config(Rules(), Tree({"b": Entry(1, "1"), "a": Entry(2, "2")}), place(tmp_path))
    assert one == config(Rules(), Tree({"a": Entry(2, "2"), "b": Entry(1, "1")}), place(tmp_path))


def test_a_file_more_changes_nothing(tmp_path: Path) -> None:
    """Only the root does: what a plan shows of a release is one line."""
    one = config(Rules(), tree_of(FILES), place(tmp_path))
    assert one == config(Rules(), tree_of({**FILES, "more/b.html": b"b"}), place(tmp_path))


def test_http2_is_said_as_the_version_has_it(tmp_path: Path) -> None:
    crt, key = server.certificate(tmp_path)
    old, new = (
        config(Rules(), Tree({}), place(tmp_path, https=(443,), certificate=crt, key=key, version=version))
        for version in ((1, 18, 0), (1, 26, 3))
    )
    assert "listen 443 ssl http2;" in old and "http2 on;" not in old
    assert "listen 443 ssl;" in new and "http2 on;" in new
    assert server.accepts(tmp_path, old) == ""
    if server.version() >= (1, 25, 1):
        assert server.accepts(tmp_path, new) == ""


def test_ranges_are_only_where_a_packed_form_was_looked_for(tmp_path: Path) -> None:
    """An nginx before 1.23.4 shows no difference: what a newer one is kept from is said, too."""
    lines = [line.strip() for line in full(tmp_path, "one").splitlines()]
    heads = [at for at, line in enumerate(lines) if line.startswith("location ")]
    ranged = [max(head for head in heads if head < at) for at, line in enumerate(lines) if line == "max_ranges 1;"]
    assert ranged and all(lines[at].startswith("location ^~ /.trueup/part/") for at in ranged)
    assert lines.count("max_ranges 0;") == 1
    ways = [at for at, line in enumerate(lines) if "/.trueup/part/" in line and "rewrite ^ " in line]
    assert len(ways) > len(ranged)
    for at in ways:
        place = lines[at].partition("/.trueup/part/")[2]
        assert lines[at - 1].startswith("if (-f ") and lines[at - 1].endswith("/.trueup/whole/" + place)


def test_long_domains_fit_into_nginx(tmp_path: Path) -> None:
    label = "a-branch-with-a-very-long-name-for-its-preview"
    domains = (f"{label}.{label}.example.test", f"*.{label}.example.test", "short.test")
    assert server.accepts(tmp_path, config(Rules(), Tree({}), place(tmp_path, domains=domains))) == ""


@pytest.mark.parametrize(
    "wrong",
    [
        {"root": "/srv/a b"},
        {"root": "relative"},
        {"root": "/srv/$x"},
        {"root": "/srv/../etc"},
        {"root": "/srv/a;b"},
        {"domains": ()},
        {"domains": ("a.test; return 200",)},
        {"domains": ("UPPER.test",)},
        {"release": 'r"1'},
        {"release": ""},
        {"http": (0,)},
        {"https": (443,)},
        {"access_log": "/var/log/x\n"},
    ],
)
def test_a_place_that_cannot_be_written_is_refused(tmp_path: Path, wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError):
        place(tmp_path, **wrong)


def test_a_value_longer_than_a_word_of_nginx_is_sent_whole(tmp_path: Path) -> None:
    value = "$x " * 2_000 + "end"
    blocks, problems = headers.parse(f"/*\n  X-Long: {value}\n", "_headers", "netlify")
    assert not problems
    server.write(tmp_path / "now", FILES)
    port = server.free_port()
    text = config(Rules(headers=blocks), tree_of(FILES), place(tmp_path, http=(port,), address="127.0.0.1"))
    with server.running(tmp_path, {"one": text}):
        assert server.ask(port, "GET", "/a.txt", "one.test", {}).header("X-Long") == value


def test_each_request_is_a_line_of_json(tmp_path: Path) -> None:
    server.write(tmp_path / "now", FILES)
    port = server.free_port()
    log = tmp_path / "access.log"
    where = place(tmp_path, http=(port,), address="127.0.0.1", access_log=str(log))
    with server.running(tmp_path, {"one": config(Rules(), tree_of(FILES), where)}):
        server.ask(port, "GET", "/a.txt?q=\\", "one.test", {"User-Agent": 'odd "agent" \\ \té'})
        server.ask(port, "GET", "/none", "one.test", {})
        deadline = time.monotonic() + 30
        while log.read_text().count("\n") < 2 and time.monotonic() < deadline:
            time.sleep(0.02)  # a line is written behind its answer
    first, second = (json.loads(line) for line in log.read_text().splitlines())
    assert (first["status"], first["target"], first["agent"]) == (200, "/a.txt?q=\\", 'odd "agent" \\ \té')
    assert second["status"] == 404


def test_acme_is_served_before_everything(tmp_path: Path) -> None:
    server.write(tmp_path / "acme", {".well-known/acme-challenge/token": b"proof"})
    server.write(tmp_path / "now", FILES)
    crt, key = server.certificate(tmp_path)
    port, tls = server.free_port(), server.free_port()
    where = place(
        tmp_path, http=(port,), https=(tls,), certificate=crt, key=key, acme=str(tmp_path / "acme"), address="127.0.0.1"
    )
    with server.running(tmp_path, {"one": config(Rules(redirect_https=True), tree_of(FILES), where)}):
        reply = server.ask(port, "GET", "/.well-known/acme-challenge/token", "one.test", {})
        assert (reply.status, reply.body) == (200, b"proof")
        assert server.ask(port, "GET", "/", "one.test", {}).header("Location") == f"https://one.test:{tls}/"


def gated(folder: Path) -> Rules:
    """What would keep an authority out, all at once."""
    server.write(folder, {"htpasswd": b"ada:{PLAIN}secret\n"})
    moved, _ = redirects.rule("/*", "https://elsewhere.example/", 301, "netlify", force=True)
    assert moved is not None
    return Rules(redirects=(moved,), allow=("10.0.0.0/8",), basic_auth=BasicAuth("R", ("/*",), {"ada": ""}))


def test_an_authority_passes_every_gate_and_so_does_nothing_else(tmp_path: Path) -> None:
    """With `acme`, and while it is asked for the first time: then the host lays down what answers it."""
    from reconciler.systems.sites.kinds.site import op_acme

    server.write(tmp_path / "acme", {".well-known/acme-challenge/token": b"proof", ".well-known/other": b"no"})
    server.write(tmp_path / "now", FILES)
    asking = op_acme.SITE % op_acme.CHALLENGES
    server.write(tmp_path / "asking", {"two.site": asking.replace("/srv/trueup", str(tmp_path)).encode()})
    ports = [server.free_port() for _ in range(3)]
    more: tuple[dict[str, str], ...] = (
        {"acme": str(tmp_path / "acme")},
        {"asking": str(tmp_path / "asking")},
        {"asking": str(tmp_path / "none")},
    )
    sites = {
        name: config(
            gated(tmp_path),
            tree_of(FILES),
            place(tmp_path, name, http=(port,), htpasswd=str(tmp_path / "htpasswd"), address="127.0.0.1", **said),
        )
        for name, port, said in zip(("one", "two", "three"), ports, more, strict=True)
    }
    with server.running(tmp_path, sites):
        for name, port in zip(("one", "two"), ports, strict=False):
            reply = server.ask(port, "GET", "/.well-known/acme-challenge/token", f"{name}.test", {})
            assert (reply.status, reply.body) == (200, b"proof"), name
            for path in (
                "other",
                "acme-challenge/",
                "acme-challenge/../other",
                "acme-challenge/%2e%2e/other",
                "acme-challenge/none",
            ):
                assert server.ask(port, "GET", f"/.well-known/{path}", f"{name}.test", {}).status in (
                    301,
                    401,
                    403,
                    404,
                ), path
        assert server.ask(ports[2], "GET", "/.well-known/acme-challenge/token", "three.test", {}).status in (
            301,
            401,
            403,
        )


def test_what_a_host_says_of_all_its_servers_opens_nothing(tmp_path: Path) -> None:
    """nginx.conf is the host's own: without merge_slashes //private/x is no path of /private/*, and the file is the same."""
    server.write(tmp_path / "now", {"index.html": b"home", "private/x.txt": b"secret"})
    server.write(tmp_path, {"htpasswd": b"ada:{PLAIN}secret\n"})
    rules = Rules(basic_auth=BasicAuth("R", ("/private/*",), {"ada": ""}))
    port = server.free_port()
    where = place(tmp_path, http=(port,), htpasswd=str(tmp_path / "htpasswd"), address="127.0.0.1")
    text = config(rules, tree_of({"index.html": b"home", "private/x.txt": b"secret"}), where)
    with server.running(tmp_path, {"one": text}, "  merge_slashes off;\n  satisfy any;\n  allow all;\n"):
        assert server.ask(port, "GET", "/private/x.txt", "one.test", {}).status == 401
        for path in ("//private/x.txt", "/private//x.txt", "/a/..//private/x.txt", "/%2f/private/x.txt"):
            assert server.ask(port, "GET", path, "one.test", {}).status in (400, 401), path
        assert server.ask(port, "GET", "/", "one.test", {}).status == 200


def test_without_a_release_before_names_with_a_hash_lead_nowhere(tmp_path: Path) -> None:
    """`previous` is in every configuration, and is missing until there is a second release; or leads to one that is gone."""
    server.write(tmp_path / "now", FILES)
    server.write(tmp_path / "secret", {"files/app.00000bbb.js": b"secret"})
    (tmp_path / "dangling").symlink_to("releases/gone")
    ports = {name: server.free_port() for name in ("absent", "dangling")}
    sites = {
        name: config(
            Rules(),
            tree_of(FILES),
            place(tmp_path, name, http=(port,), previous_root=str(tmp_path / name / "files"), address="127.0.0.1"),
        )
        for name, port in ports.items()
    }
    asked = (
        "/app.00000bbb.js",
        "/x/app.00000bbb.js",
        "/../secret/files/app.00000bbb.js",
        "/%2e%2e/%2e%2e/secret/files/app.00000bbb.js",
    )
    with server.running(tmp_path, sites):
        for name, port in ports.items():
            for target in asked:
                reply = server.ask(port, "GET", target, f"{name}.test", {})
                assert reply.status in (400, 404) and b"secret" not in reply.body, target
            assert server.ask(port, "GET", "/a.txt", f"{name}.test", {}).status == 200
    log = (tmp_path / "error.log").read_text()
    assert not re.search(r"\[(crit|alert|emerg)\]", log), log


def test_an_mtime_comes_from_the_content_alone() -> None:
    assert mtime_of("00") == mtime_of("00") != mtime_of("01")
    assert all(mtime_of(f"{n:08x}" + "0" * 32) < 2**31 for n in range(0, 2**32, 2**21 + 1))
    assert etag_of(Entry(255, "00")) == f'"{mtime_of("00"):x}-ff"'


def test_an_answer_needs_no_place() -> None:
    given = answer(Rules(), tree_of(FILES), Request(target="/a.txt"))
    assert (given.status, given.file) == (200, "a.txt")
