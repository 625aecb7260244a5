"""Archives by URL and by path: what is taken, and all that isn't."""

from __future__ import annotations

import gzip
import io
import lzma
import os
import struct
import subprocess
import tarfile
import time
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reconciler.core.problem import Refused
from reconciler.outside.keeper import Sources
from reconciler.repo import blob_id
from tests.webs import Web

from .conftest import PAGES, contents, refusal, sha256, tarred, zipped

Make = Callable[..., Sources]


class Builds:
    """A folder of archives that the settings name."""

    def __init__(self, folder: Path, make: Make) -> None:
        self.folder = folder
        folder.mkdir()
        self.make = make
        self.sources = make(str(folder))

    def put(self, data: bytes, name: str = "site", **more: str) -> dict[str, str]:
        (self.folder / name).write_bytes(data)
        return {"archive": str(self.folder / name), "sha256": sha256(data), **more}

    def refused(self, data: bytes, **limits: float) -> tuple[str, str]:
        """Code and message; and nothing of it is kept."""
        sources = self.make(str(self.folder), **limits) if limits else self.sources
        told = self.put(data)
        problem = refusal(lambda: sources.resolve(told))
        assert sources.known(told) is None
        return problem.code, problem.message


@pytest.fixture
def builds(tmp_path: Path, make_sources: Make) -> Builds:
    return Builds(tmp_path / "builds", make_sources)


@pytest.mark.parametrize("how", ["tar", "gz", "xz", "zip"])
def test_the_same_files_are_the_same_tree_however_they_are_packed(builds: Builds, how: str) -> None:
    data = zipped(PAGES) if how == "zip" else tarred(PAGES, "" if how == "tar" else how)
    found = builds.sources.resolve(builds.put(data))
    assert contents(builds.sources, found.files) == PAGES
    assert found.files["index.html"] == blob_id(PAGES["index.html"])
    assert found.digest == "sha256:" + sha256(data)
    assert found.tree == builds.sources.resolve(builds.put(tarred(PAGES, "xz"), "other")).tree


@pytest.mark.parametrize("how", ["tar", "gz", "xz", "zip"])
def test_a_file_of_any_size_is_whole_and_so_is_the_next(builds: Builds, how: str) -> None:
    sizes = (0, 1, 511, 512, 513, 32_767, 32_769, 50_000, 65_535, 65_536, 65_537, 100_000, 1_048_577, 2_150_000)
    files = {f"{number:02}": os.urandom(size) for number, size in enumerate(sizes)}
    data = zipped(files) if how == "zip" else tarred(files, "" if how == "tar" else how)
    assert contents(builds.sources, builds.sources.resolve(builds.put(data)).files) == files


def test_a_folder_of_it_is_taken_and_a_missing_one_is_said(builds: Builds) -> None:
    data = tarred({"./dist/a.html": b"a", "./dist/b/c.html": b"c", "./README": b"no"})
    assert list(builds.sources.resolve(builds.put(data, folder="dist")).files) == ["a.html", "b/c.html"]
    told = refusal(lambda: builds.sources.resolve(builds.put(data, folder="build")))
    assert told.code == "source-folder" and "build" in told.message


def test_what_the_system_tar_and_a_real_folder_make_is_taken(builds: Builds, tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    (tree / "empty").mkdir(parents=True)
    for path, data in PAGES.items():
        (tree / path).parent.mkdir(exist_ok=True, parents=True)
        (tree / path).write_bytes(data)
    (tree / ("ü" * 120 + ".html")).write_bytes(b"long")
    for options in (["--format=gnu", "-czf"], ["--format=pax", "-cJf"], ["--format=pax", "-cf"]):
        out = tmp_path / "out"
        subprocess.run(["tar", "-C", tree, *options, out, "."], check=True)
        found = builds.sources.resolve(builds.put(out.read_bytes(), options[0].strip("-=") + options[1]))
        assert contents(builds.sources, found.files) == {**PAGES, "ü" * 120 + ".html": b"long"}


# ---------------------------------------------------------------- the digest


def test_an_archive_that_was_changed_is_never_unpacked(builds: Builds) -> None:
    told = builds.put(tarred(PAGES))
    (builds.folder / "site").write_bytes(tarred({"../evil": b"x"}))
    problem = refusal(lambda: builds.sources.resolve(told))
    assert problem.code == "source-changed" and told["sha256"] in problem.message
    assert sha256(tarred({"../evil": b"x"})) in problem.message


def test_an_archive_is_read_once_since_its_digest_says_all(builds: Builds) -> None:
    told = builds.put(tarred(PAGES))
    first = builds.sources.resolve(told)
    (builds.folder / "site").unlink()
    assert builds.sources.refresh([told]) == ()
    assert builds.make().known(told) == first, "a new process, which trusts nothing, knows it from disk"


# ---------------------------------------------------------------- members that have no place


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("../evil", "leads out"), ("a/../../evil", "leads out"), ("a/..", "leads out"), ("/etc/passwd", "absolute"),
        ("C:/evil", "drive"), ("c:evil", "drive"), ("a\\..\\evil", "backslash"), ("a//b", "empty part"),
        ("a/./b", "empty part"), ("a\nb", "control"), ("a\x1b[2Jb", "control"), (".git/config", "Git's own"),
        ("a/.GIT/hooks/x", "Git's own"), ("x" * 256, "longer"), ("/".join("d" * 70), "64 folders"),
    ],
)  # fmt: skip
def test_a_name_that_means_another_place_is_refused_and_named(builds: Builds, name: str, why: str) -> None:
    for data in (tarred({"ok.html": b"", name: b"x"}), zipped({"ok.html": b"", name: b"x"})):
        code, message = builds.refused(data)
        assert code in ("source-member", "source-too-big") and why in message
        assert "\x1b" not in message and "\n" not in message
        if name.isprintable() and len(name) < 200:
            assert name in message


@pytest.mark.parametrize(
    ("kind", "why"),
    [
        (tarfile.SYMTYPE, "a symbolic link"), (tarfile.LNKTYPE, "a hard link"), (tarfile.CHRTYPE, "a device"),
        (tarfile.BLKTYPE, "a device"), (tarfile.FIFOTYPE, "a named pipe"), (b"Z", "unknown type"),
    ],
)  # fmt: skip
def test_a_tars_member_that_is_no_file_is_refused(builds: Builds, kind: bytes, why: str) -> None:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as tar:
        member = tarfile.TarInfo("inside/odd")
        member.type, member.linkname = kind, "/etc/shadow"
        tar.addfile(member)
    code, message = builds.refused(out.getvalue())
    assert (code, "inside/odd" in message, why in message) == ("source-member", True, True)


@pytest.mark.parametrize(("mode", "why"), [(0o120777, "symbolic link"), (0o020600, "device"), (0o010600, "named pipe")])
def test_a_zips_member_that_is_no_file_is_refused(builds: Builds, mode: int, why: str) -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as made:
        member = zipfile.ZipInfo("inside/odd")
        member.external_attr = mode << 16
        made.writestr(member, "/etc/shadow")
    code, message = builds.refused(out.getvalue())
    assert code == "source-member" and "inside/odd" in message and why in message


def test_a_name_that_comes_twice_or_is_file_and_folder_is_refused(builds: Builds) -> None:
    def tar(*names: str) -> bytes:
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode="w") as made:
            for name in names:
                member = tarfile.TarInfo(name)
                if name.endswith("/"):
                    member.type = tarfile.DIRTYPE
                made.addfile(member)
        return out.getvalue()

    for names, why in [
        (("a", "b", "a"), "comes twice"), (("a", "./a"), "comes twice"), (("a", "a/b"), "is a file"),
        (("a/b/c", "a/b"), "file and a folder"), (("a", "a/"), "file and a folder"), (("a/", "a"), "file and a folder"),
    ]:  # fmt: skip
        code, message = builds.refused(tar(*names))
        assert code == "source-member" and why in message, names
    found = builds.sources.resolve(builds.put(tar("a/", "a/", "./", "a/b")))
    assert list(found.files) == ["a/b"], "a folder may come twice: it has nothing to contradict"


def test_a_name_that_is_not_utf8_is_refused(builds: Builds) -> None:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", encoding="latin-1", format=tarfile.GNU_FORMAT) as tar:
        tar.addfile(tarfile.TarInfo("sm\xf8rrebr\xf8d.html"))
    code, message = builds.refused(out.getvalue())
    assert code == "source-member" and "isn't UTF-8" in message and "udcf8" in message
    data = zipped({"smXrrebrXd": b""}).replace(b"smXrrebrXd", b"sm\xf8rrebr\xf8d")
    code, message = builds.refused(data)
    assert code == "source-member" and "isn't UTF-8" in message
    data = zipped({"smXXrrebrd": b""}).replace(b"smXXrrebrd", "smørrebrd".encode())
    assert list(builds.sources.resolve(builds.put(data)).files) == ["smørrebrd"], (
        "as Info-ZIP writes it, without the flag"
    )


def test_an_encrypted_zip_is_said_to_be(builds: Builds) -> None:
    data = bytearray(zipped({"secret.html": b"x" * 50}))
    data[data.index(b"PK\x01\x02") + 8] |= 1
    data[6] |= 1
    code, message = builds.refused(bytes(data))
    assert code == "source-unpack" and "secret.html" in message and "encrypted" in message


def test_a_method_that_takes_memory_without_end_is_not_unpacked(builds: Builds) -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_LZMA) as made:
        made.writestr("a.html", "x")
    code, message = builds.refused(out.getvalue())
    assert code == "source-unpack" and "method 14" in message


# ---------------------------------------------------------------- bombs


def zeros(size: int, name: str = "zeros") -> bytes:
    """A tar.gz of one file of zeros, made without holding it."""
    out = io.BytesIO()
    with gzip.GzipFile(fileobj=out, mode="wb", compresslevel=9) as packed:
        member = tarfile.TarInfo(name)
        member.size = size
        packed.write(member.tobuf())
        for _ in range(size // 2**20):
            packed.write(bytes(2**20))
        packed.write(bytes(1024))
    return out.getvalue()


def test_what_is_packed_too_tightly_is_a_bomb(builds: Builds) -> None:
    data = zeros(64 * 2**20)
    code, message = builds.refused(data)
    assert code == "source-too-big" and "200 times" in message
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as made:
        made.writestr("padding", os.urandom(400_000))
        made.writestr("zeros", bytes(64 * 2**20))
    code, message = builds.refused(out.getvalue())
    assert code == "source-too-big" and "zeros" in message and "200 times" in message
    code, message = builds.refused(lzma.compress(zeros(64 * 2**20) and bytes(64 * 2**20)))
    assert code in ("source-too-big", "source-unpack")


def test_limits_of_bytes_and_members_are_kept(builds: Builds) -> None:
    code, message = builds.refused(tarred({"a": os.urandom(40_000), "b": os.urandom(40_000)}), size=70_000)
    assert code == "source-too-big" and "70,000 bytes" in message
    code, message = builds.refused(zipped({"a": b"a" * 40_000, "b": b"b" * 40_000}), size=70_000)
    assert code == "source-too-big" and "'b'" in message
    many = {f"f{number}": b"" for number in range(101)}
    for data in (tarred(many), zipped(many)):
        code, message = builds.refused(data, files=100)
        assert code == "source-too-big" and "members" in message


def test_a_header_that_wants_gigabytes_is_not_read(builds: Builds) -> None:
    member = tarfile.TarInfo("pax")
    member.type, member.size = tarfile.XHDTYPE, 1 << 33
    packed = gzip.compress(member.tobuf(tarfile.GNU_FORMAT) + bytes(2**20 * 4))
    code, message = builds.refused(packed)
    assert code == "source-too-big" and "header" in message
    long = tarfile.TarInfo("././@LongLink")
    long.type, long.size = tarfile.GNUTYPE_LONGNAME, 1 << 32
    assert builds.refused(long.tobuf(tarfile.GNU_FORMAT) + bytes(2**21))[0] == "source-too-big"


def test_a_zips_directory_that_says_too_much_is_not_read(builds: Builds) -> None:
    data = bytearray(zipped({"a": b"a"}))
    end = data.rindex(b"PK\x05\x06")
    struct.pack_into("<L", data, end + 12, 100 * 2**20)
    assert builds.refused(bytes(data))[0] == "source-too-big"
    struct.pack_into("<L", data, end + 12, 7)
    assert builds.refused(bytes(data))[0] == "source-unpack"


def test_the_longer_form_of_a_zips_end_counts_too(builds: Builds) -> None:
    """APPNOTE 4.3.14, 4.3.15: zipfile goes by it even where the short form holds numbers that fit."""
    data = zipped({f"f{number}": b"" for number in range(101)})
    end = data.rindex(b"PK\x05\x06")
    count, length, start = struct.unpack_from("<HLL", data, end + 10)
    longer = struct.pack("<4sQHHLLQQQQ", b"PK\x06\x06", 44, 45, 45, 0, 0, count, count, length, start)
    place = struct.pack("<4sLQL", b"PK\x06\x07", 0, end, 1)
    short = struct.pack("<4sHHHHLLH", b"PK\x05\x06", 0, 0, 1, 1, 50, start, 0)
    code, message = builds.refused(data[:end] + longer + place + short, files=100)
    assert code == "source-too-big" and "the zip has 101 members" in message


def test_a_header_of_digits_alone_takes_no_time(builds: Builds) -> None:
    header = tarfile.TarInfo("pax")
    header.type, header.size = tarfile.XHDTYPE, 1000 * 1024
    started = time.process_time()
    assert builds.refused(header.tobuf(tarfile.USTAR_FORMAT) + b"1" * header.size)[0] == "source-too-big"
    header.size = 31 * 1024
    builds.refused(header.tobuf(tarfile.USTAR_FORMAT) + b"1" * header.size)
    assert time.process_time() - started < 10


def test_xz_that_wants_gigabytes_of_memory_is_refused(builds: Builds) -> None:
    packer = lzma.LZMACompressor(lzma.FORMAT_XZ, filters=[{"id": lzma.FILTER_LZMA2, "preset": 0, "dict_size": 2**29}])
    data = packer.compress(tarred(PAGES, "")) + packer.flush()
    code, message = builds.refused(data)
    assert code == "source-unpack" and "emory" in message


# ---------------------------------------------------------------- damage


@pytest.mark.parametrize("how", ["", "gz", "xz", "zip"])
def test_a_cut_archive_is_refused_wherever_it_is_cut(builds: Builds, how: str) -> None:
    files = {f"{name}.bin": os.urandom(3000) for name in "abc"}
    data = zipped(files) if how == "zip" else tarred(files, how)
    whole = builds.sources.resolve(builds.put(data, "whole"))
    for part in range(1, 20):
        cut = data[: len(data) * part // 20]
        told = builds.put(cut, f"cut{part}")
        try:
            found = builds.sources.resolve(told)
        except Refused as refused:
            assert refused.problems[0].code in ("source-unpack", "source-folder")
        else:  # only the zeros at a plain tar's end were missing
            assert how == "" and found.tree == whole.tree


def test_what_follows_the_end_is_not_dropped_in_silence(builds: Builds) -> None:
    plain = tarred({"a": b"a"}, "")
    assert builds.refused(plain + plain)[0] == "source-unpack"
    assert builds.refused(gzip.compress(plain) + b"more")[0] == "source-unpack"
    builds.sources.resolve(builds.put(gzip.compress(plain[:700]) + gzip.compress(plain[700:]) + bytes(100), "streams"))


def test_no_archive_at_all(builds: Builds) -> None:
    for data in (
        b"",
        b"<html>not found</html>",
        bytes(5000),
        os.urandom(5000),
        b"PK\x03\x04",
        b"\x1f\x8b",
        b"\xfd7zXZ\x00",
    ):
        assert builds.refused(data)[0] in ("source-unpack", "source-folder")


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_an_archive_that_was_bent_is_taken_or_refused_and_nothing_else(builds: Builds, data: st.DataObject) -> None:
    """Bytes of real archives changed at random: never a traceback, and never a name that leads out."""
    how = data.draw(st.sampled_from(["", "gz", "zip"]))
    bent = bytearray(zipped(PAGES) if how == "zip" else tarred(PAGES, how))
    if how == "gz":
        bent = bytearray(gzip.decompress(bytes(bent)))
    for _ in range(data.draw(st.integers(1, 8))):
        at = data.draw(st.integers(0, len(bent) - 1))
        bent[at] = data.draw(st.integers(0, 255))
    if how == "gz":
        bent = bytearray(gzip.compress(bytes(bent)))
    told = builds.put(bytes(bent), "bent")
    try:
        found = builds.sources.resolve(told)
    except Refused as refused:
        assert all(problem.code.startswith("source-") for problem in refused.problems)
    else:
        assert not any(path.startswith("/") or ".." in path.split("/") for path in found.files)


PARTS = st.sampled_from(["..", ".", "", "a", "b", "C:", "\\", "\x00", "\ud8ff", ".git", "é", "\u202e", "x" * 300, "~"])


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    names=st.lists(st.lists(PARTS, min_size=1, max_size=5).map("/".join), min_size=1, max_size=6), zip_=st.booleans()
)
def test_hostile_names_come_out_as_they_are_or_not_at_all(builds: Builds, names: list[str], zip_: bool) -> None:
    out = io.BytesIO()
    if zip_:
        with zipfile.ZipFile(out, "w") as made:
            for name in names:
                if name.isascii() and name:
                    member = zipfile.ZipInfo("x")
                    member.filename = member.orig_filename = name
                    with warnings.catch_warnings(action="ignore"):
                        made.writestr(member, name)
    else:
        with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT, errors="surrogateescape") as tar:
            for name in names:
                member = tarfile.TarInfo(name)
                data = name.encode("utf-8", "backslashreplace")
                member.size = len(data)
                try:
                    tar.addfile(member, io.BytesIO(data))
                except UnicodeEncodeError:
                    continue
    try:
        found = builds.sources.resolve(builds.put(out.getvalue(), "named"))
    except Refused:
        return
    for path, content in contents(builds.sources, found.files).items():
        said = content.decode().rstrip("/")  # which pax readers take away
        while said.startswith("./"):
            said = said[2:]
        assert said == path
        assert not {"..", ".", ""} & set(path.split("/")) and "\\" not in path and not path.startswith("/")


# ---------------------------------------------------------------- paths of the controller


def test_only_folders_that_the_settings_name_are_read(builds: Builds, tmp_path: Path) -> None:
    data = tarred(PAGES)
    (tmp_path / "other").mkdir()
    (tmp_path / "builds-of-others").mkdir()
    for name in ("other", "builds-of-others"):
        (tmp_path / name / "site").write_bytes(data)
    for path in (
        f"{tmp_path}/other/site", f"{tmp_path}/builds-of-others/site", f"{builds.folder}/../other/site",
        f"file://{tmp_path}/other/site", f"file://{builds.folder}/../other/site", "/etc/shadow",
    ):  # fmt: skip
        told = refusal(lambda path=path: builds.sources.resolve({"archive": path, "sha256": sha256(data)}))  # type: ignore[misc]
        assert told.code == "source-not-allowed" and "contentFrom" in told.message


def test_a_link_that_leads_out_of_the_folder_is_not_followed(builds: Builds, tmp_path: Path) -> None:
    data = tarred(PAGES)
    (tmp_path / "secret").write_bytes(data)
    (builds.folder / "link").symlink_to(tmp_path / "secret")
    told = refusal(lambda: builds.sources.resolve({"archive": f"{builds.folder}/link", "sha256": sha256(data)}))
    assert told.code == "source-not-allowed" and "leads to" in told.message
    (builds.folder / "real").write_bytes(data)
    (builds.folder / "near").symlink_to("real")
    builds.sources.resolve({"archive": f"{builds.folder}/near", "sha256": sha256(data)})


def test_a_pipe_in_place_of_a_file_does_not_hold_anybody_up(builds: Builds) -> None:
    os.mkfifo(builds.folder / "pipe")
    told = refusal(lambda: builds.sources.resolve({"archive": f"{builds.folder}/pipe", "sha256": "0" * 64}))
    assert told.code == "source-unreachable" and "no plain file" in told.message


def test_by_url(web: Web, make_sources: Make) -> None:
    data = web.pages["/site.tgz"] = tarred(PAGES)
    sources = make_sources(web.url)
    told = {"archive": f"{web.url}/site.tgz", "sha256": sha256(data)}
    assert contents(sources, sources.resolve(told).files) == PAGES
    assert sources.refresh([told]) == () and web.asked == ["/site.tgz"]
