"""Laws: answer() agrees with nginx on any site and any request, and no word of a site breaks out of the configuration."""

from __future__ import annotations

import re
import shutil
import tempfile
from pathlib import Path

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from reconciler.systems.sites.rules import headers, redirects
from reconciler.systems.sites.rules.answer import Here, Request, answer
from reconciler.systems.sites.rules.nginx import Place, config
from reconciler.systems.sites.rules.pattern import Dialect
from reconciler.systems.sites.rules.site import BasicAuth, Cors, Entry, Hsts, Rules, Tree, etag_of
from tests.hostile import MOST
from tests.systems.sites.rules import server
from tests.systems.sites.rules.compare import content, differences
from tests.systems.sites.rules.pages import tree_of

SEGMENTS = ("a", "b", "a.html", "index", "index.html", "404.html", "a.txt", "a.txt.gz", "a.html.gz")
SEGMENTS += ("a.txt.br", "index.html.gz", "é", "a b.html")
HASHED = ("x.3f2a9c01.js", "x.3f2a9c01.js.gz", "y.0b1c2d3e.css", "index.3f2a9c01.js.html")
ODD = (
    "..",
    ".",
    "",
    "%2e%2e",
    "%2F",
    "%61",
    "a%20b",
    "%C3%A9",
    ".git",
    "_headers",
    "a%0ab",
    "%5C",
    "%zz",
    "a+b",
    "%",
    "~",
)


def paths(segments: tuple[str, ...]) -> st.SearchStrategy[str]:
    return st.lists(st.sampled_from(segments), min_size=1, max_size=3).map("/".join)


@st.composite
def trees(draw: st.DrawFn, segments: tuple[str, ...] = SEGMENTS + HASHED) -> dict[str, bytes]:
    files: dict[str, bytes] = {}
    for path in draw(st.lists(paths(segments), max_size=8, unique=True)):
        folders = {"/".join(path.split("/")[:at]) for at in range(1, path.count("/") + 1)}
        if not folders & set(files) and not any(known.startswith(path + "/") for known in files):
            files[path] = path.encode()
    return files


def froms(dialect: Dialect) -> st.SearchStrategy[str]:
    ends = ("", "/*", "/:x", "/:x/:y", "/") if dialect == "netlify" else ("", "/*", "/:x", "*", "/*/b", "/")
    plain = st.tuples(paths(("a", "b", "index", "a.html", "a.txt", "%C3%A9")), st.sampled_from(ends))
    return st.one_of(plain.map(lambda pair: "/" + "".join(pair)), st.sampled_from(("/*", "/", "/:x", "/:x/a")))


@st.composite
def rule_lines(draw: st.DrawFn, dialect: Dialect) -> str:
    to = draw(
        st.sampled_from(
            [
                "/",
                "/a",
                "/b/:splat",
                "/:x",
                "/:y/:x",
                "/a?own=1",
                "/b#part",
                "/:splat",
                "/a.html",
                "/é",
                "/index.html",
                "/404.html",
                "/x.3f2a9c01.js",
                "https://example.com/:splat",
                "/b/index",
                "/a%20b",
                "/$uri",
                "/a;b}",
            ]
        )
    )
    codes = ("", "200", "301", "302", "303", "307", "308")
    if dialect == "netlify":
        codes += ("404", "410", "200!", "301!", "302!", "307!", "404!")
    query = draw(st.sampled_from(("", "", "", "q=1", "q=:x", "q=:q p=:p"))) if dialect == "netlify" else ""
    host = draw(st.sampled_from(("", "", "", "http://law.test"))) if dialect == "netlify" else ""
    return f"{host}{draw(froms(dialect))} {query} {to} {draw(st.sampled_from(codes))}"


VALUES = st.sampled_from(("one", "two", "$uri;", '"}', "\\", ":splat :x", "a, b"))
NAMES = st.sampled_from(("X-A", "X-B", "x-a", "Cache-Control", "Referrer-Policy", "Access-Control-Allow-Origin"))


@st.composite
def header_texts(draw: st.DrawFn, dialect: Dialect) -> str:
    out = []
    for pattern in draw(st.lists(froms(dialect), max_size=3)):
        out.append(pattern)
        out += [
            f"  {name}: {value}" for name, value in draw(st.lists(st.tuples(NAMES, VALUES), min_size=1, max_size=3))
        ]
        if dialect == "cloudflare" and draw(st.booleans()):
            out.append(f"  ! {draw(NAMES)}")
    return "\n".join(out)


@st.composite
def sites(draw: st.DrawFn) -> Rules:
    dialect: Dialect = draw(st.sampled_from(("netlify", "cloudflare")))
    rules, _ = redirects.parse("\n".join(draw(st.lists(rule_lines(dialect), max_size=5))), "_redirects", dialect)
    blocks, _ = headers.parse(draw(header_texts(dialect)), "_headers", dialect)
    auth = BasicAuth("Law", ("/b/*", "/a"), {"ann": "{PLAIN}secret"})
    return Rules(
        dialect=dialect,
        redirects=rules,
        headers=blocks,
        spa=draw(st.sampled_from((None, None, True, False, "/a.html"))),
        pretty_urls=draw(st.booleans()),
        custom_404=draw(st.sampled_from(("/404.html", "/404.html", "/a.html", None))),
        dir_listing=draw(st.booleans()),
        basic_auth=draw(st.sampled_from((None, None, auth))),
        deny=draw(st.sampled_from(((), (), ("127.0.0.1/32",)))),
        cors=draw(st.sampled_from((None, Cors(("https://a.example",)), Cors(("*",))))),
        cache=draw(st.sampled_from(((), (("/b/*", "max-age=5"), ("*.txt", "max-age=6"))))),
        hsts=draw(st.sampled_from((None, Hsts()))),
        csp=draw(st.sampled_from(({}, {"default-src": ("'self'",)}))),
        noindex=draw(st.booleans()),
    )


ENDS = st.sampled_from(("", "", "", "/", "?q=1", "?p=2&q=x", "?q=..", "?q=%2F&p=1", "?"))


@st.composite
def targets(draw: st.DrawFn, files: dict[str, bytes]) -> str:
    """A path of the site, in one of the forms that people write it in, or any other."""
    if files and draw(st.booleans()):
        path = draw(st.sampled_from(sorted(files)))
        for end in ("index.html", "index", ".html", ".gz"):
            if path.endswith(end) and draw(st.booleans()):
                path = path[: -len(end)]
    else:
        path = "/".join(draw(st.lists(st.sampled_from(SEGMENTS + HASHED + ODD), max_size=4)))
    return "/" + path.replace(" ", "%20") + draw(ENDS)


CREDENTIALS = "Basic YW5uOnNlY3JldA=="
SENT = {
    "accept-encoding": ("gzip", "gzip, br", "br;q=1, gzip;q=0.5", "gzip;q=0", "gzip; q=0.000", "deflate", "xgzip", "*"),
    "range": ("bytes=0-2", "bytes=-1", "bytes=9-", "bytes=0-0,2-2", "lines=0-1", "0", ""),
    "if-range": ('"x"', "Fri, 01 Jan 2100 00:00:00 GMT"),
    "if-none-match": ("*", '"x"'),
    "if-match": ("*", '"x"'),
    "origin": ("https://a.example", "https://b.example"),
    "authorization": (CREDENTIALS, "Basic x"),
}


@st.composite
def headers_sent(draw: st.DrawFn, files: dict[str, bytes]) -> dict[str, str]:
    """Headers that ask for less than a whole page, alone and together; an ETag may be that of a file, in either form."""
    etags = tuple(etag_of(entry) for entry in tree_of(files).values())
    names = draw(st.sampled_from(((), (), ("accept-encoding", "range"), ("accept-encoding", "range", "if-range"))))
    names += tuple(draw(st.lists(st.sampled_from(sorted(SENT)), max_size=2)))
    return {
        name: draw(st.sampled_from(SENT[name] + (etags if name.startswith("if-") else ())))
        for name in dict.fromkeys(names)
    }


METHODS = st.sampled_from(("GET", "GET", "GET", "HEAD", "POST", "OPTIONS"))
Asked = tuple[str, str, dict[str, str]]


@st.composite
def worlds(draw: st.DrawFn) -> tuple[Rules, dict[str, bytes], dict[str, bytes], list[Asked]]:
    """A site, its files, those of the release before, and requests."""
    files = draw(trees())
    before = draw(trees((*HASHED, "a", "a.html")))
    known = {**before, **files}
    asked = st.tuples(METHODS, targets(known), headers_sent(known))
    return draw(sites()), files, before, draw(st.lists(asked, min_size=15, max_size=25))


law = settings(
    max_examples=MOST // 5,
    deadline=None,
    derandomize=True,
    phases=[Phase.explicit, Phase.generate],  # an example takes half a second: what was found is told, not made small
    suppress_health_check=list(HealthCheck),
)


@law
@given(worlds())
def test_answer_agrees_with_nginx(world: tuple[Rules, dict[str, bytes], dict[str, bytes], list[Asked]]) -> None:
    rules, files, before, requests = world
    folder = Path(tempfile.mkdtemp())
    try:
        tree, previous = tree_of(files), tree_of(before)
        server.write(folder / "now", files)
        server.write(folder / "before", before)
        (folder / "htpasswd").write_text("ann:{PLAIN}secret\n")
        port = server.free_port()
        brotli = server.BROTLI is not None and len(files) % 2 == 0  # without it links are refused, too
        place = Place(
            site="law",
            domains=("law.test",),
            root=str(folder / "now"),
            release="r1",
            http=(port,),
            previous_root=str(folder / "before"),
            previous=previous,
            brotli=brotli,
            htpasswd=str(folder / "htpasswd"),
            ipv6=False,
            address="127.0.0.1",
        )
        with server.running(folder, {"law": config(rules, tree, place)}):
            for method, target, sent in requests:
                request = Request(method=method, target=target, host="law.test", headers=sent)
                meant = answer(rules, tree, request, Here(release="r1", previous=previous, brotli=brotli))
                reply = server.ask(port, method, target, "law.test", sent)
                told = differences(meant, reply, method, content(meant, files, before))
                assert not told, (method, target, sent, told)
    finally:
        shutil.rmtree(folder)


OURS = frozenset(
    [
        "geo",
        "map",
        "log_format",
        "limit_req_zone",
        "server",
        "server_name",
        "listen",
        "access_log",
        "root",
        "disable_symlinks",
        "open_file_cache",
        "open_file_cache_valid",
        "open_file_cache_errors",
        "absolute_redirect",
        "satisfy",
        "server_tokens",
        "log_not_found",
        "charset",
        "gzip",
        "gzip_static",
        "uninitialized_variable_warn",
        "gzip_proxied",
        "gzip_http_version",
        "etag",
        "if_modified_since",
        "add_header",
        "max_ranges",
        "default_type",
        "types",
        "auth_basic",
        "auth_basic_user_file",
        "error_page",
        "if",
        "break",
        "return",
        "set",
        "location",
        "internal",
        "rewrite",
        "try_files",
    ]
)


def directives(text: str) -> set[str]:
    """The first words of all statements outside of tables, read as nginx reads them (ngx_conf_read_token)."""
    found: set[str] = set()
    words: list[str] = []
    tables = depth = 0
    for token in re.findall(r'"(?:\\.|[^"\\])*"|#[^\n]*|[{};]|(?:\\.|\$\{|[^\s;{])+', text, re.DOTALL):
        if token.startswith("#") and not words:
            continue
        if token in "{};":
            if words and not tables:
                found.add(words[0])
            if token == "{":
                depth += 1
                tables = tables or (depth if words[0] in ("geo", "map", "types") else 0)
            elif token == "}":
                tables = 0 if tables == depth else tables
                depth -= 1
            words = []
        else:
            words.append(token)
    assert depth == 0
    return found


FRAGMENTS = (
    "a",
    "b",
    '"',
    "'",
    "$",
    "$uri",
    "${host}",
    ";",
    "{",
    "}",
    "\\",
    "#",
    "~",
    "(",
    ")",
    "[",
    "?",
    "%22",
    "%5B",
    "é",
    ":x",
)
"""What means something to nginx, to its patterns and to its variables."""
BARE = st.lists(st.sampled_from(FRAGMENTS), min_size=1, max_size=5).map("".join)
WORDS = st.one_of(BARE, st.lists(BARE, max_size=3).map(" ".join), st.text(st.characters(codec="utf-8"), max_size=20))
DIALECTS: st.SearchStrategy[Dialect] = st.sampled_from(("netlify", "cloudflare"))


@law
@given(
    dialect=DIALECTS,
    lines=st.lists(st.tuples(BARE, BARE, st.sampled_from(("", "200", "301!", "307", "404"))), max_size=6),
    blocks=st.lists(st.tuples(BARE, st.sampled_from(("A", "B")), WORDS), max_size=4),
    realm=WORDS,
    names=st.lists(WORDS, max_size=4),
    long=st.booleans(),
)
def test_no_word_breaks_out_of_the_configuration(
    dialect: Dialect,
    lines: list[tuple[str, str, str]],
    blocks: list[tuple[str, str, str]],
    realm: str,
    names: list[str],
    long: bool,
) -> None:
    """Whatever a site says, nginx takes the file, and every directive in it is one of those that trueup writes."""
    rules, _ = redirects.parse("\n".join(f"/{a} /{b} {code}" for a, b, code in lines), "_redirects", dialect)
    text = "\n".join(f"/{pattern}\n  X-{name}: {value * (200 if long else 1)}" for pattern, name, value in blocks)
    read, _ = headers.parse(text, "_headers", dialect)
    made = [redirects.rule(a, b, None, dialect)[0] for a, b, _ in lines]
    given_ = Rules(
        dialect=dialect,
        redirects=(*rules, *(rule for rule in made if rule is not None)),
        headers=read,
        basic_auth=_auth(realm, names),
        spa=_page(names),
        cache=tuple((name, "max-age=1") for name in names if _cache(name)),
        csp={},
    )
    tree = Tree({name: Entry(1, "00") for name in (*names, "404.html") if name and "\0" not in name})
    folder = Path(tempfile.mkdtemp())
    try:
        place = Place(site=realm, domains=("law.test",), root=str(folder), release="r1", http=(8099,), htpasswd="/x")
        text = config(given_, tree, place)
        assert server.accepts(folder, text) == ""
        assert directives(text) <= OURS
    finally:
        shutil.rmtree(folder)


def _auth(realm: str, paths: list[str]) -> BasicAuth | None:
    try:
        return BasicAuth(realm, tuple("/" + path for path in paths))
    except ValueError:
        return None


def _page(names: list[str]) -> str | None:
    for name in names:
        try:
            Rules(spa="/" + name)
        except ValueError:
            continue
        return "/" + name
    return None


def _cache(pattern: str) -> bool:
    try:
        Rules(cache=((pattern, "max-age=1"),))
    except ValueError:
        return False
    return True
