#!/bin/sh
# Takes an update: sinter.bundle, from a volume SINTER_NEXT, into the slot that does not run. The order is what makes it safe to be
# killed at any point: all of it is checked before anything is written; what would start the other slot is removed before that slot
# changes, and written last. The slot that runs, which is known to be good, is never touched.
set -eu

volume=/dev/disk/by-label/SINTER_NEXT
work=/run/sinter-update
kernels=/efi/EFI/Linux
# How often a version may fail to start before the other slot has its turn.
tries=2

refuse() {
    echo "<3>update refused: $*"
    exit 1
}

part() { tar --extract --to-stdout --file "$bundle" "$1" 2>/dev/null; }
said() { awk -v name="$1" -v field="$2" '$1 == name { print $field }' $work/manifest; }
hash_of() { sha256sum | cut -d ' ' -f 1; }

signed() {
    part manifest | head -c 4096 >$work/manifest
    part manifest.minisig | head -c 4096 >$work/manifest.minisig
    [ -s $work/manifest ] && [ -s $work/manifest.minisig ] || refuse "sinter.bundle: expected a manifest and its signature, got none"
    if ! got=$(minisign -V -q -p /usr/lib/sinter/update.pub -m $work/manifest -x $work/manifest.minisig 2>&1); then
        refuse "manifest: expected a signature by $(sed -n 's/^untrusted comment: //p' /usr/lib/sinter/update.pub), got: $got"
    fi
}

suitable() {
    architecture=$(said architecture 2)
    [ "$architecture" = "$(uname -m)" ] || refuse "architecture: expected $(uname -m), got $architecture"
    version=$(said version 2)
    running=$(sed -n 's/.*sinter\.version=\([0-9]*\).*/\1/p' /proc/cmdline)
    if [ "$version" = "$running" ]; then
        echo "version $version runs already"
        exit 0
    fi
    [ "$version" -gt "$running" ] || refuse "version: expected one above $running, got $version"
    [ -e "$kernels/sinter-$running.efi" ] ||
        refuse "version $running: expected it to be known good before the other slot changes, got one on trial"
    for failed in "$kernels/sinter-$version"+0*.efi; do
        [ ! -e "$failed" ] || refuse "version $version: expected one that starts on this machine, got one that failed to"
    done
}

whole() {
    for name in kernel.efi root.img; do
        bytes=$(part $name | wc -c)
        [ "$bytes" = "$(said $name 2)" ] || refuse "$name: expected $(said $name 2) bytes, got $bytes"
        hash=$(part $name | hash_of)
        [ "$hash" = "$(said $name 3)" ] || refuse "$name: expected SHA-256 $(said $name 3), got $hash"
    done
}

# The slot that the running root is not in.
other_slot() {
    for device in /sys/class/block/dm-*; do
        if [ "$(cat "$device/dm/name")" = root ]; then
            case $(cat "$device"/slaves/*/uevent) in
            *PARTNAME=sinter-a*) echo /dev/disk/by-partlabel/sinter-b ;;
            *PARTNAME=sinter-b*) echo /dev/disk/by-partlabel/sinter-a ;;
            esac
        fi
    done
}

write() {
    slot=$(other_slot)
    [ -b "$slot" ] || refuse "expected another slot beside the one that runs, got none"
    bytes=$(said root.img 2)
    room=$(blockdev --getsize64 "$slot")
    [ "$bytes" -le "$room" ] || refuse "root.img: expected at most $room bytes, got $bytes"
    for old in $kernels/*; do
        [ "$old" = "$kernels/sinter-$running.efi" ] || rm "$old"
    done
    sync
    free=$(df --block-size=1 --output=avail /efi | tail -n 1)
    [ "$(said kernel.efi 2)" -lt "$free" ] || refuse "boot volume: expected $(said kernel.efi 2) bytes free, got $free"
    part root.img | dd of="$slot" bs=1M iflag=fullblock conv=fsync status=none
    blockdev --flushbufs "$slot"
    [ "$(head -c "$bytes" "$slot" | hash_of)" = "$(said root.img 3)" ] ||
        refuse "$slot: expected what was written to it, got something else"
    part kernel.efi >$kernels/new
    sync
    [ "$(hash_of <$kernels/new)" = "$(said kernel.efi 3)" ] || refuse "boot volume: expected what was written to it, got something else"
    mv $kernels/new "$kernels/sinter-$version+$tries.efi"
    sync
}

mkdir -p $work/medium
mount -o ro,nosuid,nodev,noexec $volume $work/medium
trap 'umount $work/medium' EXIT
bundle=$work/medium/sinter.bundle
[ -f $bundle ] || refuse "expected sinter.bundle on the volume SINTER_NEXT, got none"
signed
suitable
whole
write
echo "version $version is installed beside version $running: starting it"
systemctl reboot
