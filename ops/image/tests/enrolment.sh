# Enrolment: firmware takes the owner's keys; without a TPM nothing is enrolled; with one, state and keys are sealed to it, once.

secret=0x4c0883a69102937d6231471b5dbb6204fe5129617082792ae468d01a3f362318
disk=$run/disk
cp --sparse=always "$folder/sinter-1.img" "$disk"
truncate --size +512M "$disk"
cat >"$run/aggregator.toml" <<'TOML'
data_dir = "/var/lib/sinter-aggregator/data"
listen = "127.0.0.1:7300"
metrics = "127.0.0.1:9300"
memory_bytes = 17179869184

[batch]
places_max = 16
age_max_ms = 1000

[l1]
url = "http://127.0.0.1:8545"
chain_id = 1
hub = "0x0000000000000000000000000000000000000001"
key_file = "/run/credentials/sinter-aggregator.service/l1.key"
TOML
echo "$secret" >"$run/l1.key"
medium SINTER_KEYS "$run/aggregator.toml" "$run/l1.key"
# The appliance has its configuration and its key.
up='the appliance is up'

say "firmware without keys takes the image's"
new_firmware
firmware "$disk"
ends 60

say "no TPM: not enrolled, and the medium stays as it is"
NO_TPM=1 firmware "$disk" "$run/SINTER_KEYS.volume"
expect 100 'enrolment refused: TPM: expected a TPM 2.0, got none'
off
grep --quiet --text "$secret" "$run/SINTER_KEYS.volume"

say "enrolled: the keys are sealed, the medium is wiped, the appliance starts"
firmware "$disk" "$run/SINTER_KEYS.volume"
expect 100 'sealed: l1.key' 'the medium is wiped' 'enrolled: the state and the keys are sealed' "$up"
off
for place in "$run/SINTER_KEYS.volume" "$disk"; do
    if LC_ALL=C grep --quiet --text "$secret" "$place"; then failed "expected $place without the key, got it in the clear"; fi
done

say "started again: the TPM opens what it sealed"
firmware "$disk"
expect 100 'the state is open' "$up"
off

say "another machine's TPM does not"
cp --recursive "$run/tpm" "$run/tpm.own"
rm "$run"/tpm/*
firmware "$disk"
expect 100 'enrolment refused: state: expected this machine.s TPM'
never "$up"
off
rm -r "$run/tpm"
mv "$run/tpm.own" "$run/tpm"
