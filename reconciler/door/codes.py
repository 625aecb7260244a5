"""What a command, the daemon and the page can refuse, beyond what is wrong with manifests, Git or a host: code → meaning
and cure. The documentation is made from it."""

from __future__ import annotations

from collections.abc import Mapping

from ..core.kind import Code

ASKED: Mapping[str, Code] = {
    "unknown-host": Code.error("The inventory has no host of this name.", "trueup status --all lists the hosts."),
    "no-host": Code.error("The selector picks no host.", "trueup status --where SELECTOR --all shows what one picks."),
    "unknown-resource": Code.error("Nobody declares this resource for the host.", "trueup blame HOST lists them."),
    "unknown-commit": Code.error("trueup has not read such a commit.", "Give the id of one that trueup history shows."),
    "not-one-commit": Code.error("Several commits begin with these signs.", "Give more of its id."),
    "not-on-branch": Code.error("The fleet's branch does not hold this commit.", "Push it there first."),
    "unknown-report": Code.error("There is no such report.", "trueup report lists them."),
    "report-wrong": Code.error("A report's folder is not whole.", "reports/README.md says what belongs into it."),
    "selector": Code.error(
        "The selector can't be read.", "A host's name, a glob (web-*), or labels: role=web, !legacy."
    ),
    "bad-span": Code.error("This is no span of time.", "Write 90s, 30m, 2h or 3d."),
    "why-missing": Code.error(
        "A pause or a rollback needs a reason: others will ask.", 'Give one: --why "moving rack 4".'
    ),
    "rollback-of-what": Code.error(
        "Git declares nothing of this name that can be put back to an earlier version.",
        "git revert takes back anything.",
    ),
    "no-such-version": Code.error(
        "This version was not applied, as far as is remembered.", "trueup rollback NAME --list shows what was."
    ),
    "rollback-alone": Code.error(
        "The earlier version rests on what Git has taken away since, or takes what another has now.",
        "git revert takes back all of it.",
    ),
    "not-rolled-back": Code.error("It is as Git says, so there is nothing to end.", "trueup rollback NAME --list."),
    "plan-changed": Code.error(
        "The plan is no longer the one that was shown.", "Read trueup plan again, accept that one."
    ),
    "no-such-guard": Code.error("This guard does not stop the plan.", "trueup plan names those that do."),
    "guard-final": Code.error("No approval lets a plan remove trueup's own way in.", "Give the manifest back."),
    "base-has-errors": Code.error(
        "The base of a comparison has errors.", "trueup check --rev BASE, or take another one."
    ),
    "observed-unreadable": Code.error("The file of --observed can't be read.", "Correct its path."),
    "manifests": Code.error("The repository has errors.", "trueup check shows them all."),
    "usage": Code.error("The command was not given what it needs.", "See its --help."),
}

SET_UP: Mapping[str, Code] = {
    "no-repo": Code.error("No repository is configured.", "`repo: PATH` in server.yaml, or TRUEUP_REPO=PATH."),
    "no-commit": Code.error("The branch has no commit yet.", "Push the first one."),
    "repo-foreign-hook": Code.error(
        "A hook that is not trueup's stands there.", "Move it away, then trueup init --bare."
    ),
    "repo-group": Code.error("The group that shall push can't be set.", "Make the group first, or run as root."),
    "repo-not-bare": Code.error("This folder is a repository with a work tree.", "Name a folder that isn't there yet."),
    "repo-not-empty": Code.error("This folder holds something else.", "Name an empty folder, or one that isn't there."),
    "settings": Code.error(
        "A setting has a wrong value.", "Correct it where the message says; docs/reference/settings.md."
    ),
    "settings-missing": Code.error("The settings file that was named isn't there.", "Correct TRUEUP_CONFIG."),
    "settings-unreadable": Code.error("The settings can't be read.", "Run as root or as trueup's user."),
    "fleet-key-broken": Code.error("The fleet's key file holds something else.", "Give it back from a backup."),
    "cannot-open": Code.error(
        "A secret or a file of a change can't be had here.", "trueup sync reads the commit again."
    ),
    "repo-followed": Code.error(
        "The copy of a remote that is followed is the daemon's alone.",
        "Work in a clone of your own; or as that user: sudo -u trueup trueup plan.",
    ),
    "denied": Code.error(
        "A file that the command needs is another user's.",
        "As that user: sudo -u trueup trueup …; while a daemon runs, it answers most questions of its group.",
    ),
    "state-owner": Code.error(
        "The state belongs to another user, whose daemon could not open what root writes there.",
        "systemctl start trueup; by hand: sudo -u trueup trueup serve.",
    ),
    "daemon-running": Code.error("Another daemon serves this state.", "End it first, or use another TRUEUP_STATE_DIR."),
    "daemon-stopping": Code.error("The daemon is being stopped.", "Its next start goes on with the roll-out."),
    "bundle": Code.error(
        "What trueup doctor collects can't be written there.", "The message says why; name another file."
    ),
    "need-root": Code.error("This changes the machine: only root may.", "Use sudo."),
    "service-place": Code.error(
        "This trueup lies where a service may not run it from.", "Install it below /opt or /usr."
    ),
    "service-step": Code.error("A step of installing the service failed.", "The message says which, and why."),
    "service-unit": Code.error("The unit that stands there isn't trueup's.", "Move it away."),
}

PAGE: Mapping[str, Code] = {
    "bad-listen": Code.error("This is no address and port.", "Write 127.0.0.1:8080."),
    "listen-failed": Code.error(
        "The page can't listen there.",
        "Is the port taken? ss -ltnp shows by whom. One below 1024 is root's: take 8443. Another: --listen.",
    ),
    "listen-not-loopback": Code.error(
        "Others would reach the page, and nothing asks who they are.",
        "listen: 127.0.0.1:8080; or a token under TLS, or a proxy (docs/operate.md).",
    ),
    "no-such-page": Code.error("There is no such page.", "Start at /."),
    "bad-question": Code.error("The address asks in a way that can't be read.", "/openapi.json says how."),
    "page-proxy": Code.error("The proxy in front of the page isn't set up as the settings say.", "docs/page.md."),
    "page-tls": Code.error("The page's certificate or its key can't be used.", "docs/page.md."),
    "page-token": Code.error("The file of the page's tokens can't be used.", "docs/page.md."),
}

SECRETS: Mapping[str, Code] = {
    "bad-recipients": Code.error("A recipient of secrets can't be read.", "One age recipient a line."),
    "no-recipients": Code.error("Nobody is named for whom secrets are encrypted.", "Name the controller's recipient."),
    "identity-there": Code.error(
        "A key stands there already.", "It is not overwritten: move it away, if that is meant."
    ),
    "nothing-to-rekey": Code.error("There is no encrypted file.", "trueup --help says how one is made."),
    "cannot-rekey": Code.error("An encrypted file can't be encrypted anew.", "The message says which, and why."),
}

__all__ = ["ASKED", "PAGE", "SECRETS", "SET_UP"]
