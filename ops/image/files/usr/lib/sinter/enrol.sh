#!/bin/sh
# Makes a machine the owner's: its state is encrypted with a key that its TPM keeps, and so are the secrets that a volume SINTER_KEYS
# brings. Once; from then on it opens what it made. There is no other way in: without a TPM, or without Secure Boot, it refuses.
set -eu

data=/dev/disk/by-partlabel/sinter-data
volume=/dev/disk/by-label/SINTER_KEYS
medium=/run/sinter-enrol
state=/var/lib/sinter
# Secure Boot's keys, and which of them signed what was started: an update that the same owner signed opens what was sealed.
pcr=7

refuse() {
    echo "<3>enrolment refused: $*"
    exit 1
}

# What a sealed key would be worth without them: nothing.
trusted_platform() {
    [ -c /dev/tpmrm0 ] || refuse "TPM: expected a TPM 2.0, got none: enable it in the firmware's setup"
    secure=/sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c
    [ -e $secure ] && [ "$(od -An -t u1 -j 4 -N 1 $secure | tr -d ' ')" = 1 ] ||
        refuse "Secure Boot: expected it to be on, got off: enrol the image's keys in the firmware's setup"
}

open_state() {
    udevadm settle --timeout=30 || true
    /usr/lib/systemd/systemd-cryptsetup attach sinter-data $data - "tpm2-device=auto,headless=1" ||
        refuse "state: expected this machine's TPM, with the Secure Boot keys of the day it was enrolled, to open it, got a refusal"
    mount -o nosuid,nodev,noexec /dev/mapper/sinter-data /var/lib
}

# Names, sizes and kinds of what is on the medium, before anything is done with it.
looked_through() {
    for file in $medium/*; do
        case $(basename "$file") in
        aggregator.toml | l1.key | tls.key | *.pem | *.network) ;;
        "System Volume Information") ;;
        *) refuse "$(basename "$file"): expected aggregator.toml, l1.key, tls.key, NAME.pem or NAME.network, got a file that is none" ;;
        esac
    done
    [ -f $medium/aggregator.toml ] || refuse "aggregator.toml: expected it on the volume SINTER_KEYS, got none"
    [ "$(blockdev --getro $volume)" = 0 ] || refuse "the volume SINTER_KEYS: expected it writable, so that it can be wiped, got read-only"
}

# The disk's rest becomes the state. What is interrupted here leaves no partition, and is begun again.
make_state() {
    root=$(readlink -f /dev/disk/by-partlabel/sinter-a)
    disk=/dev/$(basename "$(dirname "$(readlink -f "/sys/class/block/$(basename "$root")")")")
    systemd-repart --dry-run=no --definitions=/usr/lib/sinter/repart.d --tpm2-device=auto --tpm2-pcrs=$pcr "$disk" ||
        refuse "$disk: expected room for the state, and a TPM that seals its key, got a failure"
}

# Public files lie open, keys are sealed; `enrolled` is written when all of it is on the disk.
take_over() {
    mkdir -p $state/etc $state/credstore.encrypted
    chmod 700 $state/credstore.encrypted
    for file in $medium/*; do
        name=$(basename "$file")
        case $name in
        *.key)
            systemd-creds encrypt --with-key=tpm2 --tpm2-device=auto --tpm2-pcrs=$pcr --name="$name" \
                "$file" "$state/credstore.encrypted/sinter-aggregator.$name"
            echo "sealed: $name"
            ;;
        *.toml | *.pem | *.network) install -m 644 "$file" "$state/etc/$name" ;;
        esac
    done
    blkid --match-tag UUID --output value $volume >$state/medium
    sync
    touch $state/enrolled
    sync
}

# All of the volume, because a file system keeps copies that nobody asked for.
wipe() {
    umount $medium
    bytes=$(blockdev --getsize64 $volume)
    if head -c "$bytes" /dev/zero | dd of="$(readlink -f $volume)" bs=1M iflag=fullblock conv=fsync status=none; then
        rm $state/medium
        sync
        echo "the medium is wiped"
    else
        echo "<3>the medium could not be wiped: destroy it, the keys are on it"
    fi
}

mount_medium() {
    mkdir -p $medium
    mount -t vfat -o ro,nosuid,nodev,noexec,umask=0077 $volume $medium
}

wait_for_medium() {
    waited=0
    while [ ! -e $volume ] && [ $waited -lt 15 ]; do
        waited=$((waited + 1))
        sleep 1
    done
    [ -e $volume ]
}

enrol() {
    mount_medium
    looked_through
    take_over
    wipe
    echo "enrolled: the state and the keys are sealed to this machine's TPM"
}

udevadm settle --timeout=30 || echo "<4>devices are still being looked for"
if [ ! -e $data ]; then
    if ! wait_for_medium; then
        echo "not enrolled: expected a volume SINTER_KEYS, got none: start again with it"
        exit 0
    fi
    trusted_platform
    mount_medium
    looked_through
    umount $medium
    make_state
fi
open_state
if [ ! -e $state/enrolled ]; then
    wait_for_medium || refuse "expected the volume SINTER_KEYS, with which enrolment was begun, got none"
    trusted_platform
    enrol
elif [ -e $volume ]; then
    if [ "$(blkid --match-tag UUID --output value $volume)" = "$(cat $state/medium 2>/dev/null)" ]; then
        mount_medium
        wipe
    else
        echo "<4>this machine is enrolled: the volume SINTER_KEYS was not read"
    fi
fi
if [ -n "$(find $state/etc -name '*.network')" ]; then
    mkdir -p /run/systemd/network
    cp $state/etc/*.network /run/systemd/network/
    networkctl reload
fi
echo "the state is open"
