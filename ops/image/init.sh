#!/bin/busybox sh
# The initial file system's only program: finds the slot whose root the signed command line names, opens it by its hash, and goes there.
# Whatever fails, the machine starts again, and the firmware's boot menu counts the attempt: there is nobody to ask, and no shell to give.
/bin/busybox --install -s /bin
export PATH=/bin
mount -t devtmpfs dev /dev
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t tmpfs -o mode=755,nosuid,nodev run /run

say() { echo "sinter-boot: $*" >/dev/kmsg; }

fail() {
    say "FAILED: $*: starting again in 5 seconds"
    sleep 5
    reboot -f
}

for word in $(cat /proc/cmdline); do
    case $word in
    sinter.root=*) hash=${word#*=} ;;
    sinter.bytes=*) bytes=${word#*=} ;;
    sinter.version=*) version=${word#*=} ;;
    esac
done

for driver in nvme ahci sd_mod usb_storage uas xhci_pci ehci_pci vmd mpt3sas megaraid_sas smartpqi virtio_blk virtio_scsi virtio_pci \
    dm_verity squashfs; do
    modprobe "$driver" 2>/dev/null
done

# The hash tree's superblock carries the first half of the root hash.
wanted=$(echo "$hash" | cut -c 1-32)
find_slot() {
    for label in sinter-a sinter-b; do
        for found in $(grep -l -x "PARTNAME=$label" /sys/class/block/*/uevent); do
            device=/dev/$(basename "$(dirname "$found")")
            uuid=$(veritysetup dump "$device" --hash-offset "$bytes" 2>/dev/null | sed -n 's/^UUID:[[:space:]]*//p' | tr -d -)
            [ "$uuid" = "$wanted" ] && return 0
        done
    done
    return 1
}

waited=0
until find_slot; do
    [ $waited -lt 30 ] || fail "no slot holds version $version, whose root hash begins with $wanted"
    waited=$((waited + 1))
    sleep 1
done

veritysetup open "$device" root "$device" "$hash" --hash-offset "$bytes" --panic-on-corruption ||
    fail "$label: expected a root with hash $hash, got another: it was changed"
mount -t squashfs -o ro /dev/mapper/root /system || fail "$label: the root does not hold: it was changed"
say "version $version, from $label"
for moved in dev proc sys run; do
    mount --move /$moved /system/$moved
done
exec switch_root /system /usr/lib/systemd/systemd
