"""The unit that systemd runs trueup by, shut in as far as its work allows (systemd.exec(5))."""

from __future__ import annotations

from pathlib import Path

MARK = "# Written by `trueup service install`, which writes over it; changes go into: systemctl edit trueup"

UNIT = """\
{mark}
[Unit]
Description=trueup: keeps a fleet of Linux hosts as a Git repository says
Documentation=man:trueup(1)
Wants=network-online.target
After=network-online.target nss-lookup.target
StartLimitIntervalSec=10min
StartLimitBurst=20

[Service]
Type=notify
User=trueup
Group=trueup
ExecStart={program} serve
# Looks at all hosts now, as `trueup sync` does.
ExecReload=/bin/kill -HUP $MAINPID
# The trip under way comes to its end (60 s at most); what is left then is killed with it.
KillMode=mixed
TimeoutStopSec=90
# A start mends and migrates the state if need be.
TimeoutStartSec=10min
Restart=on-failure
RestartSec=5
# The loop says every second that it turns.
WatchdogSec=2min

# /var/lib/trueup and /run/trueup: made with these owners, and the only places that can be written.
StateDirectory=trueup
StateDirectoryMode=0700
RuntimeDirectory=trueup
RuntimeDirectoryMode=0750
ConfigurationDirectory=trueup
ConfigurationDirectoryMode=0750
UMask=0027
Environment=SHELL=/bin/sh LC_ALL=C.UTF-8

# 12 handles a host that is visited, 50 at once.
LimitNOFILE=8192
NoNewPrivileges=yes
CapabilityBoundingSet=
AmbientCapabilities=
ProtectSystem=strict
ProtectHome=yes
PrivateTmp=yes
PrivateDevices=yes
DevicePolicy=closed
ProtectProc=invisible
ProtectClock=yes
ProtectHostname=yes
ProtectControlGroups=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
LockPersonality=yes
MemoryDenyWriteExecute=yes
RemoveIPC=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallFilter=~@privileged @resources
# The socket is given to the group.
SystemCallFilter=@chown
SystemCallErrorNumber=EPERM

[Install]
WantedBy=multi-user.target
"""


def unit(program: Path) -> str:
    """The unit's text; `program` is the command `trueup` by its full path."""
    # systemd expands % and, in ExecStart, $; a path with a blank would be two words.
    shown = str(program).replace("%", "%%").replace("$", "$$")
    if any(sign.isspace() or sign in "\"'\\;" for sign in shown):
        shown = '"' + shown.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return UNIT.format(mark=MARK, program=shown)


__all__ = ["MARK", "unit"]
