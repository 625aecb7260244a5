#!/bin/sh
# Installs what is missing, and only that: `setup.sh demo` what a controller and the demo need, `setup.sh test` also what
# the tests need, `setup.sh bench` also what is measured against. Called by make; a second call does nothing and takes a moment.
set -eu
cd "$(dirname "$0")/.."
level=${1:-demo}

say() { printf 'setup: %s\n' "$*" >&2; }
die() { printf 'setup: error: %s\n' "$*" >&2; exit 1; }
quietly() { # what a command says is shown when it fails
    words=$(mktemp)
    if ! "$@" >"$words" 2>&1; then
        tail -n 30 "$words" >&2
        rm -f "$words"
        die "this failed: $*"
    fi
    rm -f "$words"
}
has() { PATH="$PATH:/usr/sbin:/sbin" command -v "$1" >/dev/null 2>&1; }

# ---- a Python of 3.11 or newer

python=${PYTHON:-}
if [ -z "$python" ]; then
    for name in python3 python3.13 python3.12 python3.11; do
        if has "$name" && "$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
            python=$name
            break
        fi
    done
fi
[ -n "$python" ] || die "trueup needs Python 3.11 or newer. Debian 12 and 13 and Ubuntu 24.04 have it: apt-get install python3"

# ---- packages

missing=
want() { # PROGRAM PACKAGE
    has "$1" || missing="$missing $2"
}
want git git
want ssh openssh-client
want sshd openssh-server
want cron cron
want ip iproute2
want unshare util-linux
want sudo sudo
want ps procps
want nginx nginx # lab hosts have the machine's programs
want curl curl # what docs/tour.md asks the site with
"$python" -c 'import ensurepip, venv' 2>/dev/null || [ -x .venv/bin/python ] ||
    missing="$missing $("$python" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')"
# Ansible's apt module wants it in the hosts' own Python, and lab hosts have the machine's.
/usr/bin/python3 -c 'import apt' 2>/dev/null || missing="$missing python3-apt"
if [ "$level" != demo ]; then
    want nft nftables
    want debootstrap debootstrap
    want systemd-nspawn systemd-container
    want systemd-analyze systemd
    want man man-db
    want openssl openssl
    want xz xz-utils
    want chattr e2fsprogs
    want dpkg-scanpackages dpkg-dev
    [ -e /usr/lib/nginx/modules/ngx_http_brotli_static_module.so ] || missing="$missing libnginx-mod-http-brotli-static"
    want certbot certbot
    want pebble pebble
    want node nodejs
    want npm npm
    want chromium chromium
fi
if [ "$level" = bench ]; then
    want wrk wrk
    want caddy caddy
    want rsync rsync
fi

if [ -n "$missing" ]; then
    has apt-get || die "these packages are missing, and this machine has no apt to get them:$missing"
    if [ "$(id -u)" = 0 ]; then
        root=
    elif has sudo; then
        root=sudo
    else
        die "as root, first: apt-get install --no-install-recommends$missing"
    fi
    say "installing by apt:$missing"
    before=$(mktemp)
    dpkg-query -W -f '${Package} ${db:Status-Status}\n' | sort >"$before"
    # No service of a package starts on this machine: lab hosts run their own.
    policy=/usr/sbin/policy-rc.d
    ours=
    if [ ! -e $policy ]; then
        ours=yes
        printf '#!/bin/sh\nexit 101\n' | $root tee $policy >/dev/null
        $root chmod 755 $policy
    fi
    cleanup() {
        [ -z "$ours" ] || $root rm -f $policy
        rm -f "$before"
    }
    trap cleanup EXIT
    trap 'exit 130' INT TERM
    get() {
        # shellcheck disable=SC2086 # a list of words
        $root env DEBIAN_FRONTEND=noninteractive apt-get -q -y -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 \
            install --no-install-recommends $missing
    }
    log=$(mktemp)
    if ! get >"$log" 2>&1; then # a list that is old or empty: renew it, once
        say "renewing apt's lists"
        $root apt-get -q -o DPkg::Lock::Timeout=300 update >"$log" 2>&1 || { tail -n 20 "$log" >&2; die "apt-get update failed"; }
        get >"$log" 2>&1 || { tail -n 20 "$log" >&2; die "apt-get could not install:$missing"; }
    fi
    rm -f "$log"
    # Nor at the next start of the machine.
    if [ -d /run/systemd/system ]; then
        dpkg-query -W -f '${Package} ${db:Status-Status}\n' | sort | comm -13 "$before" - | while read -r package _; do
            dpkg -L "$package" 2>/dev/null | sed -n 's,^\(/usr\)\?/lib/systemd/system/\([^/@]*\.\(service\|socket\)\)$,\2,p'
        done | while read -r unit; do
            if [ "$(systemctl is-enabled "$unit" 2>/dev/null)" = enabled ]; then
                $root systemctl --quiet disable --now "$unit" || true
                say "$unit is installed and does not run here"
            fi
        done
    fi
fi

# ---- the venv, with locked versions

case $level in
demo) lock=requirements/base.txt kept=.venv/setup-demo ;;
test | bench) lock=requirements/dev.txt kept=.venv/setup-test ;;
*) die "setup.sh demo, setup.sh test, or setup.sh bench" ;;
esac
stamp() { # of all that the venv depends on
    { cat "$lock" pyproject.toml && .venv/bin/python -VV && pwd; } 2>/dev/null | sha256sum | cut -c1-64
}
if [ ! -x .venv/bin/python ] || ! .venv/bin/python -c 'import pip' 2>/dev/null; then
    say "making .venv with $("$python" -V)"
    rm -rf .venv
    "$python" -m venv .venv
fi
if [ "$(cat "$kept" 2>/dev/null)" != "$(stamp)" ]; then
    say "installing into .venv what $lock names"
    quietly .venv/bin/python -m pip install --disable-pip-version-check --require-hashes -r "$lock"
    quietly .venv/bin/python -m pip install --disable-pip-version-check --no-deps --no-build-isolation --editable .
    .venv/bin/python -m compileall -q reconciler lab || true
    stamp >"$kept"
fi

if [ "$level" != demo ] && [ -f tests/node/package-lock.json ]; then
    if ! cmp -s tests/node/package-lock.json tests/node/node_modules/.setup 2>/dev/null; then
        say "installing the language server for its test"
        (cd tests/node && quietly npm ci --no-audit --no-fund)
        cp tests/node/package-lock.json tests/node/node_modules/.setup
    fi
fi
