#!/usr/bin/env bash
# The roles against real machines: two Debians that boot systemd in containers. Each playbook is run twice, the second run must
# change nothing, and what it left is verified from inside.
#
#   tests/run.sh PROGRAM FOLDER     PROGRAM is the sinter that is installed; FOLDER keeps Debian between runs
#
# Needs root, mmdebstrap, systemd-nspawn, and what requirements.txt names on PATH.
set -euo pipefail

program=$(realpath "$1")
ansible=$(realpath "$(dirname "${BASH_SOURCE[0]}")/..")
source "$ansible/../.ci/containers.sh"

# Boots a container that playbooks reach.
host() {
    start "$1"
    printf 'ansible_nsenter_pid: %s\n' "${pid[$1]}" >"$run/inventory/host_vars/$1.yml"
}

play() {
    (cd "$ansible" && ansible-playbook --inventory "$run/inventory/hosts.yml" "$@") 2>&1 |
        tee "$run/play.log" | tee --append "$run/plays.log"
}

# Twice: the second run changes nothing.
converge() {
    say "$1"
    play "$@"
    say "$1, again"
    play "$@"
    if grep --extended-regexp --quiet 'changed=[1-9]' "$run/play.log"; then
        echo "$1: the second run changed something" >&2
        return 1
    fi
}

release() { inside "$1" readlink /opt/sinter/current; }

containers "$2"
mkdir -p "$run/inventory/host_vars"
cp "$ansible/tests/hosts.yml" "$run/inventory/"
base=(--extra-vars "base_binary=$program")
host member
host box

converge join-committee.yml "${base[@]}"
seat=$run/inventory/seats/member.toml
verify grep --quiet '^\[\[seats\]\]' "$seat"
verify refused inside member systemctl is-active --quiet sinter-sequencer

# A network of this one member.
chain=$run/inventory/chain.toml
cat "$ansible/tests/chain.toml" "$seat" >"$chain"
echo "genesis_timestamp_ms = $(date +%s)000" | cat - "$chain" >"$chain.new"
mv "$chain.new" "$chain"
converge join-committee.yml "${base[@]}" --extra-vars "sequencer_chain_file=$chain"
verify inside member systemctl is-active --quiet sinter-sequencer
verify says member http://127.0.0.1:7002/metrics '^sinter_healthy 1$'
verify inside member bash -c '[ "$(stat --format %U:%a /var/lib/sinter-sequencer/keys/bls.key)" = sinter-sequencer:600 ]'

converge deploy-aggregator.yml "${base[@]}"
verify inside box systemctl is-active --quiet sinter-aggregator
secret=$(sed -n 's/.*aggregator_l1_key: "\(.*\)"/\1/p' "$ansible/tests/hosts.yml")
verify inside box grep --quiet "$secret" /etc/credstore/sinter-aggregator.l1.key
verify refused grep --recursive --quiet "$secret" "$run/plays.log" "$run/box.log"
verify refused inside box bash -c "journalctl --no-pager | grep --quiet $secret"
verify inside box bash -c '[ "$(stat --format %U:%a /etc/credstore/sinter-aggregator.l1.key)" = root:600 ]'

inside member systemd-run --quiet --unit l1 python3 -c "$(cat "$ansible/tests/l1.py")"
verify refused play deploy-relayer.yml "${base[@]}"
verify grep --quiet "relayer_chain_file: expected the network's chain.toml" "$run/plays.log"
network=("${base[@]}" --extra-vars "relayer_chain_file=$chain rollup_chain_file=$chain")
converge deploy-relayer.yml "${network[@]}"
verify inside member systemctl is-active --quiet sinter-relayer
verify says member http://127.0.0.1:9301/metrics '^sinter_relayer_verified_height 0$'
converge deploy-rollup.yml "${network[@]}"
verify inside box systemctl is-active --quiet sinter-rollup@counter-a
verify says box http://127.0.0.1:7400/status '"problems"'
for secret in $(sed -n 's/.*\(relayer_l1_key\|rollup_l1_key\|rollup_aggregator_token\): "\(.*\)"/\2/p' "$ansible/tests/hosts.yml"); do
    verify refused grep --recursive --quiet "$secret" "$run/plays.log" "$run/box.log" "$run/member.log"
    for host in member box; do
        verify refused inside $host bash -c "journalctl --no-pager | grep --quiet $secret"
    done
done
verify inside member bash -c '[ "$(stat --format %U:%a /etc/credstore/sinter-relayer.l1.key)" = root:600 ]'
verify inside box bash -c '[ "$(stat --format %U:%a /etc/credstore/sinter-rollup-counter-a.token)" = root:600 ]'

converge monitoring.yml
verify inside member promtool query instant http://127.0.0.1:9090 'up'
for job in sinter-sequencer node; do
    verify inside member bash -c "for _ in \$(seq 30); do
        promtool query instant http://127.0.0.1:9090 'up{job=\"$job\"} == 1' | grep --quiet . && exit 0; sleep 1; done; exit 1"
done
verify inside member amtool --alertmanager.url=http://127.0.0.1:9093 config show

# A release that works, one that does not, and the way back. Both are other files than the first, and so other releases.
first=$(release member)
printf '#!/bin/sh\nexec %s/sinter "$@"\n' "$first" >"$run/good"
printf '#!/bin/sh\nexit 1\n' >"$run/bad"
chmod 755 "$run/good" "$run/bad"
converge upgrade.yml --extra-vars "base_binary=$run/good"
second=$(release member)
verify [ "$second" != "$first" ]
verify inside member systemctl is-active --quiet sinter-sequencer
say "upgrade.yml, to a release that does not start"
verify refused play upgrade.yml --limit committee --extra-vars "base_binary=$run/bad upgrade_healthy_within_seconds=6"
verify grep --quiet 'did not become healthy' "$run/plays.log"
verify [ "$(release member)" = "$second" ]
verify [ "$(inside member readlink /opt/sinter/previous)" = "$first" ]
verify inside member systemctl is-active --quiet sinter-sequencer
say "upgrade.yml and rollback.yml"
play upgrade.yml --extra-vars "base_binary=$program"
verify [ "$(release member)" = "$first" ]
play rollback.yml
verify [ "$(release member)" = "$second" ]
for service in sinter-aggregator sinter-rollup@counter-a; do
    verify inside box systemctl is-active --quiet $service
done

say "backup.yml, and restore.yml on a fresh host"
play backup.yml --extra-vars backup_password=a-password
backup=$run/inventory/backup/member.vault
verify grep --quiet '^\$ANSIBLE_VAULT' "$backup"
echo a-password >"$run/password"
ansible-vault decrypt --vault-password-file "$run/password" --output - "$backup" | base64 --decode | tar --list --gzip >"$run/kept"
verify grep --quiet '^var/lib/sinter-sequencer/keys/bls.key$' "$run/kept"
verify grep --quiet '^etc/credstore/sinter-relayer.l1.key$' "$run/kept"
verify refused grep --quiet 'sinter-sequencer/data' "$run/kept"
verify refused play restore.yml --limit member "${base[@]}" --extra-vars backup_password=a-password
stop member
host member
play restore.yml --limit member "${base[@]}" --extra-vars backup_password=a-password
verify inside member bash -c '[ "$(stat --format %U:%a /var/lib/sinter-sequencer/keys/bls.key)" = sinter-sequencer:600 ]'
verify refused play restore.yml --limit member "${base[@]}" --extra-vars backup_password=a-password
inside member systemd-run --quiet --unit l1 python3 -c "$(cat "$ansible/tests/l1.py")"
play deploy-relayer.yml "${network[@]}"
verify inside member systemctl is-active --quiet sinter-relayer
# These keys voted with a directory that is gone: the member says so, and does not vote.
verify refused play join-committee.yml --limit member "${base[@]}" \
    --extra-vars "sequencer_chain_file=$chain sequencer_healthy_within_seconds=4"
verify inside member bash -c 'journalctl --unit sinter-sequencer --no-pager | grep --quiet "has voted with another data directory"'
say "all playbooks hold"
