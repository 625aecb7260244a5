"""What is written into files of a host, and read back from them: names, crontabs, sudoers, keys."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from reconciler.core.filename import decoded, encoded
from reconciler.kinds.cronjob import crontab
from reconciler.kinds.cronjob import probe as cron_probe
from reconciler.kinds.cronjob.kind import KIND as CRON
from reconciler.kinds.user import keys, sudoers
from reconciler.kinds.user import probe as user_probe
from reconciler.kinds.user.kind import KIND as USER

quick = settings(max_examples=200, deadline=None)
names = st.text(min_size=1, max_size=40)

# ---------------------------------------------------------------- names of files


@quick
@given(names)
@example("a.b")
@example("a_b")
@example("a_2eb")
@example("é")
@example("_")
@example("A~")
def test_a_name_comes_back_from_its_file(name: str) -> None:
    file = encoded(name)
    assert decoded(file) == name
    assert file.isascii() and all(char.isalnum() or char in "-_" for char in file)


@quick
@given(names, names)
@example("a.b", "a_2eb")
@example("a__b", "a_b")
def test_two_names_never_share_a_file(one: str, other: str) -> None:
    assume(one != other)
    assert encoded(one) != encoded(other)


@pytest.mark.parametrize("file", ["a.b", "a_", "a_x", "_2", "_2E", "_61", "_ff", "é"])
def test_a_file_of_somebody_else_is_no_name(file: str) -> None:
    with pytest.raises(ValueError, match="is not an encoded name"):
        decoded(file)


# ---------------------------------------------------------------- crontabs

printable = st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"])
commands = st.one_of(
    st.text(printable, min_size=1, max_size=60),
    st.text(st.sampled_from("\\%ab \"'$"), min_size=1, max_size=12),
).filter(str.strip)
values = st.one_of(st.text(printable, max_size=30), st.text(st.sampled_from("\"' a#="), max_size=6))
variables = st.dictionaries(st.from_regex(r"[A-Z][A-Z0-9_]{0,5}", fullmatch=True), values, max_size=3)


@quick
@given(names, commands, variables, st.booleans(), st.sampled_from(["0 0 * * *", "@reboot", "*/5,7 1-3 * * 0,6"]))
def test_a_job_comes_back_from_its_file(name: str, command: str, env: dict[str, str], suspend: bool, at: str) -> None:
    assume("\n" not in name and "\r" not in name)
    spec = {"schedule": at, "user": "zada", "command": command, "env": env, "suspend": suspend}
    spoilt = [finding for finding in CRON.check(name, spec) if finding.severity == "error"]
    assume(not spoilt)
    normal = CRON.normal(name, spec)
    text = crontab.text_of(name, normal)
    assert text.endswith("\n") and cron_probe.parsed(text) == {k: v for k, v in normal.items() if k != "content"}


def cron_reads(text: str) -> tuple[str, bool]:
    """What cron's child makes of a command, as its source has it: the command, and whether input follows."""
    out, escaped = "", False
    for char in text:
        if escaped:
            out = out[:-1] + char if char in "%\\" else out + char
            escaped = False
        elif char == "%":
            return out, True
        else:
            out, escaped = out + char, char == "\\"
    return out, False


@quick
@given(commands)
def test_cron_hands_the_shell_what_was_written(command: str) -> None:
    assert cron_reads(crontab.escaped(command)) == (command, False)


@quick
@given(commands)
def test_the_probe_reads_a_command_as_cron_does(text: str) -> None:
    command, has_input = cron_reads(text)
    assert cron_probe.unescaped(text) == (None if has_input else command)


@pytest.mark.hosts
def test_the_real_cron_runs_what_was_written(tmp_path: Path) -> None:
    """cron of this machine, in namespaces of its own, starts @reboot jobs at once."""
    folder, out = tmp_path / "cron.d", tmp_path / "out"
    folder.mkdir()
    out.mkdir()
    tmp_path.chmod(0o755)
    wanted = {
        "plain": "100% of \\% and \\\\ and \\n",
        "dots.in-name_": 'it\'s "here"',
        "spaces": "  a  b  ",
    }
    env = {"A": ' "x"', "B": "it's", "C": "", "D": "a#b=c%d\\e", "E": "  blanks before"}
    for name, text in wanted.items():
        quoted = "'" + text.replace("'", "'\\''") + "'"
        command = f"printf '%s' {quoted} > {out}/{name}; env -0 > {out}/{name}.env"
        normal = CRON.normal(name, {"schedule": "@reboot", "command": command, "env": env})
        (folder / Path(crontab.path_of(name)).name).write_text(crontab.text_of(name, normal))
    script = (
        "mount --make-rprivate / && mount -t proc proc /proc && mount -t tmpfs t /run && mount -t tmpfs t /var/spool/cron"
        f" && mkdir -p /var/spool/cron/crontabs && mount --bind {folder} /etc/cron.d && exec cron -f"
    )
    cron = subprocess.Popen(["unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-c", script])
    try:
        for _ in range(100):
            if len(list(out.glob("*.env"))) == len(wanted):
                break
            with pytest.raises(subprocess.TimeoutExpired):
                cron.wait(0.1)
    finally:
        cron.kill()
        cron.wait(10)
    for name, text in wanted.items():
        assert (out / name).read_text() == text
        seen = dict(pair.split("=", 1) for pair in (out / f"{name}.env").read_text().split("\0") if pair)
        assert {key: seen.get(key) for key in env} == env


# ---------------------------------------------------------------- sudoers

words_of_sudo = st.one_of(
    st.text(st.sampled_from("ab,:=#\\*\"'!()/.-~@%^$&|;[]{} é"), min_size=1, max_size=12).filter(
        lambda s: s.strip()[:1] != "^"
    ),
    st.sampled_from(["^-x [a-z,]+$", "^(a|b)=c:d\\.e$"]),
)
sudo_commands = st.one_of(
    st.just("ALL"),
    st.builds(lambda bang, path, args: f"{bang}/usr/{path} {args}".strip(), st.sampled_from(["", "!"]),
              st.from_regex(r"[a-z][a-z0-9._+-]{0,8}", fullmatch=True), words_of_sudo),
    st.builds(lambda path: f"sudoedit /etc/{path}", st.from_regex(r"[a-z]{1,8}", fullmatch=True)),
)  # fmt: skip
sudo_specs = st.fixed_dictionaries(
    {"commands": st.lists(sudo_commands, min_size=1, max_size=4)},
    optional={"nopasswd": st.booleans(), "runAs": st.sampled_from(["root", "ALL", "ALL:ALL", "www-data", "a.b:c"])},
)
accounts = st.sampled_from(["ada", "ada.l", "_svc-1", "Ada", "box$"])


def _sound(spec: object) -> bool:
    return not [f for f in USER.check("ada", {"sudo": spec}) if f.code == "bad-sudo-command"]


@quick
@given(accounts, sudo_specs)
def test_a_right_comes_back_from_its_file(name: str, spec: dict[str, object]) -> None:
    assume(_sound(spec))
    normal = sudoers.normal(spec)
    assert user_probe.rights_in(name, sudoers.text_of(name, normal)) == normal
    assert sudoers.normal(normal) == normal


@pytest.mark.hosts
@settings(max_examples=60, deadline=None)
@given(accounts, sudo_specs)
def test_visudo_takes_every_right(name: str, spec: dict[str, object]) -> None:
    assume(_sound(spec))
    text = sudoers.text_of(name, sudoers.normal(spec))
    done = subprocess.run(
        [str(shutil.which("visudo", path="/usr/sbin:/sbin:/usr/bin")), "-cf", "-"],
        input=text,
        text=True,
        capture_output=True,
    )
    assert done.returncode == 0, text + done.stderr


@pytest.mark.hosts
@settings(max_examples=60, deadline=None)
@given(sudo_commands.filter(lambda command: " ^" not in command and _sound({"commands": [command]})))
def test_sudo_understands_the_command_that_was_meant(command: str) -> None:
    text = sudoers.text_of("ada", sudoers.normal({"commands": [command]}))
    done = subprocess.run(["cvtsudoers", "-f", "json", "-"], input=text, text=True, capture_output=True, check=True)
    (told,) = json.loads(done.stdout)["User_Specs"][0]["Cmnd_Specs"][0]["Commands"]
    meant = sudoers.normal({"commands": [command]})["commands"][0]
    assert ("!" if told.get("negated") else "") + told["command"] == meant


# ---------------------------------------------------------------- keys


def _key(kind: str, size: int) -> str:
    raw = len(kind).to_bytes(4, "big") + kind.encode() + size.to_bytes(4, "big") + b"k" * size
    return f"{kind} {base64.b64encode(raw).decode()}"


options = st.lists(
    st.sampled_from(
        ["no-pty", "restrict", 'from="10.0.0.0/8,!10.1.1.1"', 'command="a \\"b\\" c"', 'environment="A=b"']
    ),
    max_size=3,
).map(",".join)
lines = st.builds(
    lambda said, key, comment, gap: gap.join(part for part in (said, key, comment) if part),
    options,
    st.builds(_key, st.sampled_from(sorted(keys.TYPES)), st.integers(1, 40)),
    st.text(st.sampled_from("ab@.-\" #'"), max_size=12),
    st.sampled_from([" ", "  ", "\t"]),
)


def _form(module: ModuleType, line: str) -> str:
    if module is user_probe:
        return user_probe.key_line(line.strip())
    return keys.parse(line).text()


@quick
@given(lines)
def test_controller_and_probe_read_a_key_alike(line: str) -> None:
    form = _form(user_probe, line)
    assert form and form == keys.parse(line).text()
    assert user_probe.key_line(form) == form == keys.parse(form).text()


@quick
@given(st.one_of(lines, st.text(st.sampled_from('ssh-ed25519 AAAC3Nz=,"\\#ab'), max_size=80)), st.integers(0, 60))
def test_what_the_probe_takes_for_no_key_the_controller_refuses(line: str, cut: int) -> None:
    line = line[: len(line) - cut] if cut else line
    try:
        form = keys.parse(line).text()
    except keys.BadKey as why:
        assert "AAAA" not in str(why)
    else:
        assert user_probe.key_line(line.strip()) == form


@pytest.mark.hosts
@pytest.mark.parametrize(
    "sort", [["-t", "ed25519"], ["-t", "rsa", "-b", "2048"], ["-t", "rsa", "-b", "1024"], ["-t", "ecdsa"]]
)
def test_keys_of_ssh_keygen_are_keys(tmp_path: Path, sort: list[str]) -> None:
    subprocess.run(["ssh-keygen", "-q", *sort, "-N", "", "-C", "a b", "-f", str(tmp_path / "k")], check=True)
    public, private = (tmp_path / "k.pub").read_text(), (tmp_path / "k").read_text()
    line = keys.parse(public)
    assert line.comment == "a b" and line.text() == public.strip()
    assert keys.rsa_bits(line) == (int(sort[-1]) if "rsa" in sort else 0)
    with pytest.raises(keys.BadKey, match="private key"):
        keys.parse(private)
