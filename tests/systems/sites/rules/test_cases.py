"""Every case, against answer(), against nginx and against the preview server, which must agree in every header too, not only in
those that a page names."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from reconciler.repo import FolderFiles
from reconciler.systems.sites.preview.content import InFolder
from reconciler.systems.sites.preview.looking import Shown, files_in
from reconciler.systems.sites.rules.answer import Answer, Here, Request, answer
from reconciler.systems.sites.rules.nginx import Place, config
from reconciler.systems.sites.rules.site import Tree
from reconciler.systems.sites.web.preview import Site, app
from reconciler.web import serve, tls
from tests.systems.sites.rules import pages, server
from tests.systems.sites.rules.compare import content, differences

HERE = Path(__file__).parent / "cases"
PATHS = sorted(HERE.glob("*.md"))
CASES = {path.stem: pages.read(path) for path in PATHS}


@dataclass(frozen=True)
class Server:
    """A site for every case, told apart by the host asked for."""

    name: str
    http: int
    https: int

    def ask(self, case: pages.Case, asked: pages.Asked) -> server.Reply:
        tls = asked.scheme == "https"
        port = self.https if tls else self.http
        host = host_of(case)
        sent = {name: value for name, value in asked.sent.items() if name != "host"}
        return server.ask(
            port, asked.method, asked.target, asked.sent.get("host", host), sent, tls=tls, source=asked.address
        )


def host_of(case: pages.Case) -> str:
    return f"{case.path.stem}.test"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of every case."""
    made = tmp_path_factory.mktemp("cases")
    for name, case in CASES.items():
        server.write(made / name / "now", case.files, case.links)
        server.write(made / name / "before", case.previous)
    return made


@pytest.fixture(scope="module")
def certificate(folder: Path) -> tuple[str, str]:
    return server.certificate(folder)


@pytest.fixture(scope="module")
def nginx(folder: Path, certificate: tuple[str, str]) -> Iterator[Server]:
    http, https = server.free_port(), server.free_port()
    sites = {}
    for name, case in CASES.items():
        passwords = folder / name / "htpasswd"
        users = case.rules.basic_auth.users if case.rules.basic_auth else {}
        passwords.write_text("".join(f"{user}:{stored}\n" for user, stored in users.items()))
        sites[name] = config(case.rules, case.tree, place(case, folder, http, https, *certificate))
    with server.running(folder, sites):
        yield Server("nginx", http, https)


@pytest.fixture(scope="module")
def preview(folder: Path, certificate: tuple[str, str]) -> Iterator[Server]:
    """The server of `trueup site preview`, that reads the cases' folders itself."""
    https = server.free_port()
    by_host: dict[str, Site] = {}
    for name, case in CASES.items():
        shown = Shown(
            name=name,
            rules=case.rules,
            tree=read(folder / name / "now"),
            lies=InFolder(folder / name / "now"),
            previous=read(folder / name / "before"),
            previous_lies=InFolder(folder / name / "before"),
        )
        here = here_of(case, https)
        for host in {host_of(case), *(asked.sent["host"] for asked in case.requests if "host" in asked.sent)}:
            by_host[host] = Site(shown=shown, here=here, host=host)
    crt, key = certificate
    made = app(lambda host: by_host.get(host))
    plain = serve.run(made, "127.0.0.1:0")
    secure = serve.run(made, f"127.0.0.1:{https}", tls=tls.Files(certificate=Path(crt), key=Path(key)))
    yield Server("preview", plain.port, https)
    plain.close()
    secure.close()


def read(folder: Path) -> Tree:
    return files_in(InFolder(folder), FolderFiles(folder).paths(), {})[0]


def place(case: pages.Case, folder: Path, http: int, https: int, crt: str, key: str) -> Place:
    here = folder / case.path.stem
    extra = {rule.source.host.partition("://")[2] for rule in case.rules.redirects if rule.source.host}
    extra |= {asked.sent["host"] for asked in case.requests if "host" in asked.sent}
    return Place(
        site=case.path.stem,
        domains=(host_of(case), *sorted(extra)),
        root=str(here / "now"),
        release=case.release,
        http=(http,),
        https=(https,) if case.tls else (),
        certificate=crt if case.tls else "",
        key=key if case.tls else "",
        previous_root=str(here / "before") if case.previous else None,
        previous=pages.tree_of(case.previous),
        htpasswd=str(here / "htpasswd"),
        brotli=brotli(case),
        ipv6=False,
        address="127.0.0.1",
        access_log=str(here / "access.log"),
    )


def brotli(case: pages.Case) -> bool:
    """Whether its site asks for it: the others are served as most are, links refused."""
    return server.BROTLI is not None and any(path.endswith(".br") for path in (*case.files, *case.previous))


def meant(case: pages.Case, at: int, https: int) -> Answer:
    asked = case.requests[at]
    limit = case.rules.rate_limit
    request = Request(
        method=asked.method,
        target=asked.target,
        host=asked.sent.get("host", host_of(case)),
        scheme=asked.scheme,
        headers=asked.sent,
        address=asked.address,
        over_limit=limit is not None and at > limit.burst,
    )
    return answer(case.rules, case.tree, request, here_of(case, https))


def here_of(case: pages.Case, https: int) -> Here:
    return Here(
        release=case.release,
        previous=pages.tree_of(case.previous),
        brotli=brotli(case),
        tls=case.tls,
        https_port=https,
    )


def unmet(
    asked: pages.Asked, given: Answer | server.Reply, body: bytes | None, files: Mapping[str, bytes], https: int
) -> list[str]:
    """What of the page's expectation isn't so."""
    out = []
    if given.status != asked.status:
        out.append(f"status {given.status}, not {asked.status}")
    if 300 < asked.status < 400 and asked.status != 304:
        location = (given.header("Location") or "").replace(f":{https}/", "/")
        if location != asked.rest:
            out.append(f"Location {location!r}, not {asked.rest!r}")
    elif asked.rest.startswith('"'):
        if body != asked.rest[1:-1].encode():
            out.append(f"body {body!r}, not {asked.rest}")
    elif asked.rest and asked.method != "HEAD" and body != files[asked.rest]:
        out.append(f"body {body!r}, not the content of {asked.rest}")
    for name, value in asked.headers:
        real = given.header(name)
        if real != (None if value == "-" else value):
            out.append(f"{name}: {real!r}, not {value!r}")
    return out


@pytest.mark.parametrize("name", CASES)
def test_case(name: str, nginx: Server, preview: Server) -> None:
    case = CASES[name]
    assert case.told == case.problems, "what is said of the rules"
    wrong: list[str] = []
    known = {**case.previous, **case.files}
    for at, asked in enumerate(case.requests):
        told = []
        for real in (nginx, preview):
            given = meant(case, at, real.https)
            body = content(given, case.files, case.previous)
            reply = real.ask(case, asked)
            told += [f"answer(): {each}" for each in unmet(asked, given, body, known, real.https)]
            told += [f"{real.name}: {each}" for each in unmet(asked, reply, reply.body, known, real.https)]
            told += differences(given, reply, asked.method, body, real.name)
        if told:
            wrong.append("\n".join([asked.text, *("    " + each for each in told)]))
    assert not wrong, "\n\n".join(wrong)


def test_every_file_is_a_case() -> None:
    assert [path.name for path in HERE.iterdir() if path.suffix != ".md"] == []
    assert len(CASES) >= 60
    titles = [case.title for case in CASES.values()]
    assert len(set(titles)) == len(titles)


def test_a_page_that_nobody_reads_is_no_case(tmp_path: Path) -> None:
    text = (HERE / PATHS[0].name).read_text()
    for broken in (
        text.replace("text requests", "text request"),
        text.replace("# ", "", 1),
        text + "\n```text files\n",
    ):
        page = tmp_path / "page.md"
        page.write_text(broken)
        with pytest.raises(pages.BadPage):
            pages.read(page)
