#!/usr/bin/env bash
# The Debian package on a Debian that boots systemd in a container: what installing, upgrading, removing and purging it does and leaves.
#
#   ops/package/test.sh PACKAGE FOLDER     FOLDER keeps Debian between runs
#
# Needs root, mmdebstrap and systemd-nspawn.
set -euo pipefail

package=$(realpath "$1")
root=$(realpath "$(dirname "${BASH_SOURCE[0]}")/../..")
source "$root/.ci/containers.sh"
containers "$2"
start packaged

state=/var/lib/sinter-sequencer
examples=/usr/share/doc/sinter/examples
in_shell() { inside packaged bash -o pipefail -c "$1"; }
install_it() { nsenter --target "${pid[packaged]}" --all -- dpkg --install /tmp/sinter.deb; }
main_pid() { inside packaged systemctl show --property MainPID --value sinter-sequencer; }

say "a host that Ansible set up"
inside packaged bash -c 'cat >/tmp/sinter.deb' <"$package"
in_shell 'ln -s /opt/sinter/current/sinter /usr/bin/sinter'
verify refused install_it
in_shell 'rm /usr/bin/sinter'

say "installed"
install_it
verify in_shell '[ -z "$(systemctl list-units --all --plain --no-legend "sinter-*")" ]'
verify in_shell '! systemctl is-enabled sinter-sequencer sinter-aggregator sinter-relayer | grep --quiet --line-regexp enabled'
verify in_shell 'for user in sequencer aggregator relayer rollup; do id "sinter-$user" >/dev/null || exit 1; done'
verify in_shell '[ "$(stat --format %U:%a /etc/sinter)" = root:755 ] && [ "$(stat --format %U:%a /etc/credstore)" = root:700 ]'
verify in_shell 'sinter --version'
verify in_shell 'grep --quiet "^==== .*tokio-[0-9]" /usr/share/doc/sinter/third-party-licences.txt'

say "a member, from the example and what its first lines say"
in_shell "$(sed -n 's/^#   //p' "$root/ops/examples/node.toml" | sed 's/HOST/127.0.0.1/')"
seat="runuser -u sinter-sequencer -- sinter sequencer seat --keys $state/keys --address 127.0.0.1:7000"
{
    echo "genesis_timestamp_ms = $(date +%s)000"
    cat "$root/ansible/tests/chain.toml"
    in_shell "$seat"
} | inside packaged bash -c 'cat >/etc/sinter/chain.toml'
in_shell "cp $examples/node.toml /etc/sinter/ && systemctl enable --now sinter-sequencer"
verify in_shell "for _ in \$(seq 60); do
    python3 -c 'import urllib.request as r; r.urlopen(\"http://127.0.0.1:7002/health\")' && exit 0; sleep 1; done; exit 1" 2>/dev/null

say "the other examples are taken; what they name and is not there is missed"
in_shell "cp $examples/aggregator.toml $examples/relayer.env /etc/sinter/ && cp $examples/rollup.toml /etc/sinter/rollup-ledger-a.toml"
in_shell 'sinter doctor --aggregator /etc/sinter/aggregator.toml --json >/tmp/doctor.json || true'
verify in_shell 'grep --quiet aggregator /tmp/doctor.json && ! grep --quiet "unknown field\|missing field" /tmp/doctor.json'
verify in_shell '! sinter rollup run --config /etc/sinter/rollup-ledger-a.toml 2>/tmp/rollup && grep "l1.key: No such file" /tmp/rollup'
in_shell 'echo 0x4c0883a69102937d6231471b5dbb6204fe5129617082792ae468d01a3f362318 >/etc/credstore/sinter-relayer.l1.key'
in_shell 'chmod 600 /etc/credstore/sinter-relayer.l1.key; systemctl start sinter-relayer; sleep 3; systemctl stop sinter-relayer'
verify in_shell 'journalctl --unit sinter-relayer --no-pager | grep "reading the light client"'

say "upgraded: what runs goes on, until it is restarted"
before=$(main_pid)
install_it
verify [ "$(main_pid)" = "$before" ]
inside packaged systemctl restart sinter-sequencer
verify inside packaged systemctl is-active --quiet sinter-sequencer

say "removed: nothing runs, keys and data stay"
in_shell 'dpkg --remove sinter'
verify refused inside packaged systemctl is-active --quiet sinter-sequencer
verify in_shell "[ -e $state/keys/bls.key ] && [ -e $state/data ] && [ -e /etc/sinter/node.toml ] && [ ! -e /usr/bin/sinter ]"

say "installed again: as it was enabled, and not started"
install_it
verify inside packaged systemctl is-enabled --quiet sinter-sequencer
verify refused inside packaged systemctl is-active --quiet sinter-sequencer

say "purged: it says what it leaves"
in_shell 'dpkg --purge sinter | tee /tmp/purged'
for left in /etc/sinter /etc/credstore/sinter-relayer.l1.key $state; do
    verify in_shell "grep --quiet --line-regexp 'sinter: left as it is: $left' /tmp/purged && [ -e $left ]"
done
verify in_shell '[ -z "$(find /etc/systemd/system -name "sinter-*")" ]'
say "the package holds"
