# Debians that boot systemd in containers, to try on what operators install. Sourced by ansible/tests/run.sh and ops/package/test.sh.
# Needs root, mmdebstrap and systemd-nspawn.
#
#   containers FOLDER     first of all; FOLDER keeps Debian between runs
#   start NAME, stop NAME, inside NAME COMMAND..., verify COMMAND..., refused COMMAND..., says NAME URL PATTERN

run=$(mktemp --directory)
declare -A pid boot

say() { printf '\n== %s\n' "$*"; }

finish() {
    local code=$?
    for name in "${!boot[@]}"; do
        # The container's init ends everything in it.
        kill -KILL "${pid[$name]}" 2>/dev/null || true
        wait "${boot[$name]}" 2>/dev/null || true
    done
    rm -rf "$run"
    exit $code
}
trap finish EXIT

# A Debian with Python, and the packages that roles install in its cache: containers have no network but their own.
containers() {
    debian=$(realpath --no-symlinks "$1")/debian
    if [ -e "$debian.complete" ]; then
        return
    fi
    say "making a Debian"
    rm -rf "$debian"
    mkdir -p "$(dirname "$debian")"
    local packages="python3-apt procps chrony prometheus prometheus-alertmanager prometheus-node-exporter"
    mmdebstrap --quiet --variant=minbase --include=systemd,systemd-sysv,dbus,python3,ca-certificates,iproute2 \
        --customize-hook='chroot "$1" apt-get update --quiet=2' \
        --customize-hook="chroot \"\$1\" apt-get install --quiet=2 --yes --download-only --no-install-recommends $packages" \
        --skip=cleanup/apt bookworm "$debian"
    touch "$debian.complete"
}

# Boots a container and waits until everything in it is up.
start() {
    local name=$1
    # What was downloaded with Debian counts as new, however old it is: there is nothing newer to be had in there.
    touch "$debian/var/lib/apt/lists" "$debian/var/cache/apt/pkgcache.bin"
    # What it writes goes to memory: nothing is copied, and nothing stays.
    systemd-nspawn --quiet --boot --volatile=overlay --private-network --register=no --keep-unit \
        --directory="$debian" --machine="sinter-$name" >"$run/$name.log" 2>&1 </dev/null &
    boot[$name]=$!
    for _ in $(seq 150); do
        pid[$name]=$(pgrep --parent "${boot[$name]}" || true)
        if [ -n "${pid[$name]}" ] && [ "$(inside "$name" systemctl is-system-running 2>/dev/null)" = running ]; then
            echo "$name is up"
            return
        fi
        sleep 0.2
    done
    cat "$run/$name.log"
    inside "$name" systemctl --failed --no-pager || true
    echo "$name did not come up" >&2
    return 1
}

stop() {
    kill -KILL "${pid[$1]}"
    wait "${boot[$1]}" 2>/dev/null || true
    unset "boot[$1]"
}

inside() {
    local name=$1
    shift
    nsenter --target "${pid[$name]}" --all -- "$@"
}

# A command has to hold.
verify() {
    if ! "$@"; then
        echo "expected to hold: $*" >&2
        return 1
    fi
    echo "holds: $*"
}

refused() { ! "$@"; }

# Whether what a URL inside a container answers has a line that matches.
says() {
    inside "$1" python3 -c 'import sys, urllib.request as r; print(r.urlopen(sys.argv[1]).read().decode())' "$2" >"$run/said" &&
        grep --quiet "$3" "$run/said"
}
