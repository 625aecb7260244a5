"""What a lab host sees in place of the machine's own files.

A host's root is an overlay whose lower layer is `/` (or a debootstrap root). What is private on the machine is hidden,
people's accounts and their hashes are left out, and what makes a Debian host a host (sshd's configuration, sudoers,
host keys, machine-id) is written anew, as Debian's own packages bring it.
"""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
from collections.abc import Iterable
from pathlib import Path

HIDDEN = (
    # People and this run of the machine.
    "/root", "/home", "/tmp", "/var/tmp", "/run", "/mnt", "/media", "/srv", "/dev", "/proc", "/sys",
    "/var/mail", "/var/spool/cron", "/var/log", "/var/backups",
    # Keys, and what decides who may come in.
    "/etc/ssh", "/etc/sudoers", "/etc/sudoers.d", "/etc/cron.d", "/etc/ssl/private", "/etc/letsencrypt", "/etc/wireguard",
    "/etc/machine-id", "/var/lib/dbus/machine-id", "/etc/hostname", "/etc/hosts", "/etc/passwd-", "/etc/shadow-", "/etc/group-", "/etc/gshadow-",
    # trueup's own: a lab host starts as one that trueup never saw.
    "/etc/trueup", "/var/lib/trueup", "/var/lib/trueup-server",
    # Container images forbid services to start with this file; on a host they do.
    "/usr/sbin/policy-rc.d",
)  # fmt: skip

FOLDERS = {
    "root": 0o700,
    "home": 0o755,
    "tmp": 0o1777,
    "run": 0o755,
    "mnt": 0o755,
    "media": 0o755,
    "srv": 0o755,
    "dev": 0o755,
    "proc": 0o555,
    "sys": 0o555,
    "var/tmp": 0o1777,
    "var/mail": 0o2775,
    "var/log": 0o755,
    "var/backups": 0o755,
    "var/spool/cron": 0o755,
    "var/spool/cron/crontabs": 0o1730,
    "etc/ssh/sshd_config.d": 0o755,
    "etc/sudoers.d": 0o750,
    "etc/cron.d": 0o755,
    "etc/ssl/private": 0o710,
    "var/lib/trueup": 0o700,
}

SSHD_CONFIG = """\
# As Debian's openssh-server has it.
Include /etc/ssh/sshd_config.d/*.conf
Port {port}
KbdInteractiveAuthentication no
UsePAM yes
X11Forwarding yes
PrintMotd no
AcceptEnv LANG LC_*
Subsystem sftp /usr/lib/openssh/sftp-server
"""

SUDOERS = """\
# As Debian's sudo has it.
Defaults env_reset
Defaults mail_badpass
Defaults secure_path="/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
root ALL=(ALL:ALL) ALL
%sudo ALL=(ALL:ALL) ALL
@includedir /etc/sudoers.d
"""

NODES = (("null", 1, 3), ("zero", 1, 5), ("full", 1, 7), ("random", 1, 8), ("urandom", 1, 9), ("tty", 5, 0))
LINKS = (
    ("ptmx", "pts/ptmx"),
    ("fd", "/proc/self/fd"),
    ("stdin", "/proc/self/fd/0"),
    ("stdout", "/proc/self/fd/1"),
    ("stderr", "/proc/self/fd/2"),
)


def folder(path: Path, mode: int = 0o755) -> None:
    """Make a folder with just this mode, whatever the umask; those on the way get 0755."""
    if not path.parent.exists():
        folder(path.parent)
    path.mkdir(exist_ok=True)
    path.chmod(mode)


def write(path: Path, text: str, mode: int = 0o644) -> None:
    """Write a file with its mode from the start, folders as needed (0755)."""
    if not path.parent.exists():
        folder(path.parent)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "w", encoding="utf-8") as file:
        file.write(text)
    path.chmod(mode)


def hide(tree: Path, lower: Path, paths: Iterable[str]) -> None:
    """Make `tree` an upper layer in which `paths` of `lower` don't exist: a character device 0:0 hides a name
    (kernel, filesystems/overlayfs, whiteouts). The folders on the way keep the mode and owner they have below."""
    hidden: set[Path] = set()
    for path in sorted({path.rstrip("/") for path in paths} - {""}, key=len):
        if hidden & {Path(path), *Path(path).parents} or not os.path.lexists(lower / path.strip("/")):
            continue
        hidden.add(Path(path))
        here = Path()
        for part in Path(path.strip("/")).parent.parts:
            here /= part
            if not (tree / here).exists():
                (tree / here).mkdir()
                below = (lower / here).stat()
                os.chown(tree / here, below.st_uid, below.st_gid)
                (tree / here).chmod(stat.S_IMODE(below.st_mode))
        os.mknod(tree / path.strip("/"), stat.S_IFCHR, os.makedev(0, 0))


def devices(tree: Path) -> None:
    """The few devices of a host."""
    tree.mkdir()
    for name, major, minor in NODES:
        os.mknod(tree / name, stat.S_IFCHR | 0o666, os.makedev(major, minor))
        (tree / name).chmod(0o666)
    for name, target in LINKS:
        (tree / name).symlink_to(target)
    (tree / "pts").mkdir()
    (tree / "shm").mkdir()


def _accounts(lower: Path, tree: Path) -> None:
    """The system accounts of `lower` without any person's (uid 1000 to 59999), and without a password hash."""
    people: set[str] = set()
    lines = []
    for line in (lower / "etc/passwd").read_text(encoding="utf-8", errors="replace").splitlines():
        fields = line.split(":")
        if len(fields) != 7:
            continue
        if 1000 <= int(fields[2] or 0) < 60000:
            people.add(fields[0])
        elif fields[2] == "0" and fields[0] == "root":
            lines.append("root:x:0:0:root:/root:/bin/bash")
        else:
            lines.append(line)
    write(tree / "etc/passwd", "\n".join(lines) + "\n")
    names = [line.split(":", 1)[0] for line in lines]
    write(tree / "etc/shadow", "".join(f"{name}:*:19800:0:99999:7:::\n" for name in names), 0o640)
    groups = []
    for line in (lower / "etc/group").read_text(encoding="utf-8", errors="replace").splitlines():
        fields = line.split(":")
        if len(fields) != 4 or 1000 <= int(fields[2] or 0) < 60000:
            continue
        members = ",".join(name for name in fields[3].split(",") if name and name not in people)
        groups.append(":".join([*fields[:3], members]))
    write(tree / "etc/group", "\n".join(groups) + "\n")
    write(tree / "etc/gshadow", "".join(f"{g.split(':')[0]}:*::{g.split(':')[3]}\n" for g in groups), 0o640)
    shadow = next((int(g.split(":")[2]) for g in groups if g.startswith("shadow:")), 0)
    for name in ("shadow", "gshadow"):
        os.chown(tree / "etc" / name, 0, shadow)
    for name in ("subuid", "subgid"):
        write(tree / "etc" / name, "")


def _log_folders(lower: Path, tree: Path) -> None:
    """The folders below /var/log that packages brought, empty: nginx doesn't start without its own."""
    for below in sorted(path for path in (lower / "var/log").glob("*/") if path.is_dir() and not path.is_symlink()):
        made, info = tree / "var/log" / below.name, below.stat()
        folder(made, stat.S_IMODE(info.st_mode))
        os.chown(made, info.st_uid, info.st_gid)


def fill(tree: Path, lower: Path, public_key: str) -> None:
    """Write what every host of a lab has in place of what is hidden; `public_key` may log in as root."""
    for path, mode in sorted(FOLDERS.items()):
        folder(tree / path, mode)
    _log_folders(lower, tree)
    _accounts(lower, tree)
    gids = {g.split(":")[0]: int(g.split(":")[2]) for g in (tree / "etc/group").read_text().splitlines()}
    os.chown(tree / "var/mail", 0, gids.get("mail", 0))
    os.chown(tree / "var/spool/cron/crontabs", 0, gids.get("crontab", 0))
    write(tree / "etc/sudoers", SUDOERS, 0o440)
    write(tree / "root/.ssh/authorized_keys", public_key, 0o600)
    (tree / "root/.ssh").chmod(0o700)
    for name in (".bashrc", ".profile"):
        if (lower / "etc/skel" / name).is_file():
            shutil.copy(lower / "etc/skel" / name, tree / "root" / name)


def own(tree: Path, *, name: str, machine_id: str, address: str, port: int) -> str:
    """Write what one host has alone; gives its public host key, `ssh-ed25519 AAAA…`."""
    write(tree / "etc/hostname", f"{name}\n")
    write(tree / "etc/hosts", f"127.0.0.1\tlocalhost\n{address}\t{name}\n::1\tlocalhost ip6-localhost\n")
    write(tree / "etc/machine-id", f"{machine_id}\n", 0o444)
    write(tree / "etc/ssh/sshd_config", SSHD_CONFIG.format(port=port))
    return keypair(tree / "etc/ssh/ssh_host_ed25519_key", comment=f"root@{name}")


def person(tree: Path, common: Path, *, user: str, public_key: str, sudo: str) -> None:
    """Add a login account to one host: uid 1000, its own group, a home, a key, and a sudo rule (`none`, `nopasswd`,
    `password`)."""
    for name, line in (
        ("passwd", f"{user}:x:1000:1000::/home/{user}:/bin/bash\n"),
        ("shadow", f"{user}:*:19800:0:99999:7:::\n"),
        ("group", f"{user}:x:1000:\n"),
        ("gshadow", f"{user}:!::\n"),
    ):
        shutil.copy2(common / "etc" / name, tree / "etc" / name)
        below = (common / "etc" / name).stat()
        os.chown(tree / "etc" / name, below.st_uid, below.st_gid)
        with (tree / "etc" / name).open("a", encoding="utf-8") as file:
            file.write(line)
    home = tree / "home" / user
    write(home / ".ssh/authorized_keys", public_key, 0o600)
    (home / ".ssh").chmod(0o700)
    for path in (home, home / ".ssh", home / ".ssh/authorized_keys"):
        os.chown(path, 1000, 1000)
    if sudo != "none":
        folder(tree / "etc/sudoers.d", 0o750)
        tag = "NOPASSWD: " if sudo == "nopasswd" else ""
        write(tree / "etc/sudoers.d" / user, f"{user} ALL=(ALL:ALL) {tag}ALL\n", 0o440)


def keypair(path: Path, comment: str) -> str:
    """Make an ed25519 key pair at `path`; gives the public key without its comment."""
    if not path.parent.exists():
        folder(path.parent)
    subprocess.run(
        ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", str(path)],
        check=True,
        capture_output=True,
        timeout=20,
    )
    return " ".join(path.with_suffix(".pub").read_text(encoding="utf-8").split()[:2])


def parts() -> tuple[str, ...]:
    """Folders of the machine's root that are file systems of their own and that a host needs: an overlay of / doesn't see them."""
    return tuple(path for path in ("/usr", "/etc", "/var", "/opt") if os.path.ismount(path))


def pythons(lower: Path) -> list[str]:
    """Every Python of a root, as paths in it."""
    found = [path for place in ("usr/bin", "usr/local/bin", "usr/libexec") for path in (lower / place).glob("*python*")]
    return ["/" + str(path.relative_to(lower)) for path in found]
