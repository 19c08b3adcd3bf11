# What the appliance's image is made of, one function a part. Sourced by build.sh, and by the tests, which make parts of their own.

image=$(realpath "$(dirname "${BASH_SOURCE[0]}")")
repository=$(realpath "$image/../..")
architecture=x86_64
# Each slot has this much room for a root, of which there are two on the disk.
SLOT_MIB=1024
ESP_MIB=256
# Without chance in it, one tree makes one root.
VERITY_SALT=5a17e50000000000000000000000000000000000000000000000000000005a17
DISK_UUID=51a7e500-0000-4000-8000-000000000001
KEYS_OWNER=51a7e500-0000-4000-8000-000000000002

# The root's packages: the system, what opens disks by a TPM, what checks updates, and what talks to graphics cards.
PACKAGES=systemd,systemd-sysv,systemd-boot,systemd-resolved,systemd-timesyncd,udev,kmod,linux-image-amd64,cryptsetup-bin,e2fsprogs,\
libtss2-esys-3.0.2-0,libtss2-mu0,libtss2-rc0,libtss2-tcti-device0,minisign,ca-certificates,libvulkan1,mesa-vulkan-drivers

# What an intruder would look for first, and what nothing here needs: programs that let somebody in, package tools, another shell.
# `sh` stays: the scripts in /usr/lib/sinter are its, and nothing gives a person one.
UNWANTED="bin/bash bin/rbash bin/login bin/su sbin/agetty sbin/getty sbin/sulogin usr/bin/apt* usr/bin/dpkg* usr/bin/perl*
    usr/bin/newgrp usr/bin/chsh usr/bin/chfn usr/bin/passwd usr/bin/chage usr/bin/gpasswd usr/bin/expiry sbin/unix_chkpwd
    usr/lib/apt etc/apt etc/cron* etc/logrotate.d usr/libexec/dpkg var/lib/apt var/lib/dpkg var/cache var/log
    dev/* run/* tmp/* boot vmlinuz* initrd.img* usr/share/doc usr/share/man usr/share/locale usr/share/info usr/share/bug
    usr/share/lintian usr/lib/systemd/system/*getty* usr/lib/systemd/system-generators/systemd-getty-generator
    usr/lib/systemd/system-generators/systemd-debug-generator usr/lib/systemd/system/debug-shell.service
    usr/lib/systemd/system/boot.automount usr/lib/systemd/system-generators/systemd-gpt-auto-generator
    usr/lib/systemd/system/sysinit.target.wants/systemd-boot-system-token.service"
# Drivers of what no appliance has; they would be half of the image.
UNWANTED_DRIVERS="sound drivers/media drivers/net/wireless drivers/bluetooth drivers/iio drivers/staging drivers/infiniband/ulp
    drivers/input/joystick drivers/input/touchscreen drivers/isdn drivers/comedi net/bluetooth net/mac80211 net/wireless"

# What the initial file system can find a disk behind: NVMe, SATA, SAS, USB, RAID controllers, virtual machines.
DISK_DRIVERS="nvme ahci sd_mod usb_storage uas xhci_pci ehci_pci vmd mpt3sas megaraid_sas smartpqi virtio_blk virtio_scsi virtio_pci
    dm_verity squashfs sha256_generic"

# fresh_root TREE KEPT: Debian without a person's way in. The kernel goes to KEPT, because firmware starts it and nobody reads it.
fresh_root() {
    local tree=$1 kept=$2
    mmdebstrap --quiet --variant=essential --include="$PACKAGES${IMAGE_PACKAGES:+,$IMAGE_PACKAGES}" \
        --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
        --dpkgopt='path-exclude=/usr/share/locale/*' bookworm "$tree"
    mkdir -p "$kept"
    cp "$tree"/boot/vmlinuz-* "$kept/linux"
    local modules
    modules=$(echo "$tree"/usr/lib/modules/*)
    for driver in $UNWANTED_DRIVERS; do
        rm -rf "$modules/kernel/$driver"
    done
    depmod --basedir "$tree" "$(basename "$modules")"
}

# furnish TREE PROGRAM: Sinter, its units, and what makes this Debian an appliance.
furnish() {
    local tree=$1 program=$2
    install -D --mode=755 "$program" "$tree/usr/bin/sinter"
    install -D --mode=644 --target-directory="$tree/usr/lib/systemd/system" \
        "$repository/ops/systemd/sinter-aggregator.service"
    install -D --mode=644 "$repository/ops/systemd/sinter.sysusers.conf" "$tree/usr/lib/sysusers.d/sinter.conf"
    install -D --mode=644 "$IMAGE_UPDATE_PUB" "$tree/usr/lib/sinter/update.pub"
    cp --recursive --no-preserve=ownership,mode "$image/files/." "$tree"
    chmod 755 "$tree"/usr/lib/sinter/*.sh
    systemd-sysusers --root="$tree"
    # Where enrolment puts what is this machine's own; nothing else in /etc changes.
    rm -rf "$tree/etc/sinter" "$tree/etc/credstore.encrypted"
    ln -s /var/lib/sinter/etc "$tree/etc/sinter"
    ln -s /var/lib/sinter/credstore.encrypted "$tree/etc/credstore.encrypted"
    ln -sf /run/systemd/resolve/resolv.conf "$tree/etc/resolv.conf"
    : >"$tree/etc/machine-id"
    echo appliance >"$tree/etc/hostname"
    ln -sf multi-user.target "$tree/usr/lib/systemd/system/default.target"
    rm -rf "$tree/etc/systemd/system/default.target" "$tree/etc/systemd/system/getty.target.wants"
    systemctl --quiet --root="$tree" enable systemd-networkd systemd-resolved systemd-timesyncd \
        sinter-aggregator sinter-enrol sinter-selftest sinter-update
    systemctl --quiet --root="$tree" mask systemd-repart systemd-networkd-wait-online apt-daily.timer apt-daily-upgrade.timer \
        dpkg-db-backup.timer e2scrub_all.timer e2scrub_reap.service 2>/dev/null
    sed -i 's/^root:[^:]*:/root:!*:/' "$tree/etc/shadow"
    sed -i 's#:/bin/\(bash\|sh\)$#:/usr/sbin/nologin#' "$tree/etc/passwd"
    (cd "$tree" && rm -rf $UNWANTED)
    mkdir -p "$tree"/{efi,var/lib,var/log,media}
}

# seal_root TREE OUTPUT: OUTPUT is the root, a squashfs with its hash tree behind it; OUTPUT.hash and OUTPUT.bytes name it.
# The superblock of the hash tree carries the first half of the root hash, by which the initial file system tells the slots apart.
seal_root() {
    local tree=$1 output=$2 bytes hash
    rm -f "$output"
    mksquashfs "$tree" "$output" -noappend -quiet -no-progress -comp zstd -Xcompression-level "${IMAGE_COMPRESSION:-15}"
    bytes=$(stat --format %s "$output")
    hash=$(verity "$output" "$bytes" "$DISK_UUID")
    truncate --size "$bytes" "$output"
    [ "$(verity "$output" "$bytes" "$(slot_uuid "$hash")")" = "$hash" ]
    echo "$hash" >"$output.hash"
    echo "$bytes" >"$output.bytes"
    local room=$((SLOT_MIB << 20))
    if [ "$(stat --format %s "$output")" -gt "$room" ]; then
        echo "$output: expected at most $room bytes, which a slot has, got $(stat --format %s "$output")" >&2
        return 1
    fi
}

verity() {
    veritysetup format "$1" "$1" --hash-offset "$2" --data-blocks $(($2 / 4096)) --salt "$VERITY_SALT" --uuid "$3" |
        sed -n 's/^Root hash:[[:space:]]*//p'
}

slot_uuid() { echo "${1:0:32}" | sed 's/\(.\{8\}\)\(....\)\(....\)\(....\)/\1-\2-\3-\4-/'; }

# make_initrd TREE OUTPUT: what finds the root and opens it: busybox, veritysetup, drivers of disks, and `init`.
make_initrd() {
    local tree=$1 output=$2 stage release
    stage=$(mktemp --directory)
    release=$(basename "$tree"/usr/lib/modules/*)
    mkdir -p "$stage"/{bin,dev,proc,sys,run,system,usr/lib,usr/lib64}
    ln -s usr/lib "$stage/lib"
    ln -s usr/lib64 "$stage/lib64"
    install --mode=755 "$image/init.sh" "$stage/init"
    install /bin/busybox "$stage/bin/busybox"
    install -D "$tree/usr/sbin/veritysetup" "$stage/bin/veritysetup" 2>/dev/null ||
        install -D "$tree/sbin/veritysetup" "$stage/bin/veritysetup"
    chroot "$tree" ldd /sbin/veritysetup | grep --only-matching '/[^ ]*' | while read -r library; do
        install -D "$tree/$library" "$stage/$library"
    done
    for driver in $DISK_DRIVERS; do
        modprobe --dirname "$tree" --set-version "$release" --show-depends "$driver" 2>/dev/null |
            sed -n "s#^insmod $tree/\([^ ]*\).*#\1#p" | while read -r module; do
            install -D "$tree/$module" "$stage/$module"
        done
    done
    cp "$tree/usr/lib/modules/$release"/modules.{order,builtin} "$stage/usr/lib/modules/$release/"
    depmod --basedir "$stage" "$release"
    find "$stage" -exec touch --no-dereference --date="@$SOURCE_DATE_EPOCH" {} +
    (cd "$stage" && find . | LC_ALL=C sort | cpio --quiet --create --format newc --owner 0:0 --reproducible) |
        zstd --quiet -T0 -12 -f -o "$output"
    rm -rf "$stage"
}

# command_line ROOT VERSION: all that the kernel is told. It is part of what is signed, and nobody can add to it.
command_line() {
    echo "sinter.root=$(<"$1.hash") sinter.bytes=$(<"$1.bytes") sinter.version=$2" \
        "console=tty0 console=ttyS0,115200 loglevel=7 ro panic=10" \
        "printk.devkmsg=on systemd.import_credentials=no systemd.show_status=no lockdown=integrity"
}

# make_kernel KEPT ROOT VERSION OUTPUT: kernel, initial file system and command line as one program for the firmware, signed.
make_kernel() {
    local kept=$1 root=$2 version=$3 output=$4 stage
    stage=$(mktemp --directory)
    command_line "$root" "$version" | tr -d '\n' >"$stage/cmdline"
    printf 'ID=sinter\nNAME=Sinter\nPRETTY_NAME="Sinter appliance %s"\nIMAGE_ID=sinter\nIMAGE_VERSION=%s\nVERSION_ID=%s\n' \
        "$version" "$version" "$version" >"$stage/osrel"
    objcopy --add-section .osrel="$stage/osrel" --change-section-vma .osrel=0x20000 \
        --add-section .cmdline="$stage/cmdline" --change-section-vma .cmdline=0x30000 \
        --add-section .linux="$kept/linux" --change-section-vma .linux=0x2000000 \
        --add-section .initrd="$kept/initrd" --change-section-vma .initrd=0x4000000 \
        /usr/lib/systemd/boot/efi/linuxx64.efi.stub "$stage/kernel.efi"
    sign "$stage/kernel.efi" "$output"
    rm -rf "$stage"
}

sign() { sbsign --key "$IMAGE_KEY" --cert "$IMAGE_CERT" --output "$2" "$1" 2>/dev/null; }

# secure_boot_keys FOLDER: the owner's key as firmware takes it: the platform's, the one that may change keys, the one that programs
# are signed with. systemd-boot hands them to firmware that has none.
secure_boot_keys() {
    local folder=$1 list name
    mkdir -p "$folder"
    list=$(mktemp)
    cert-to-efi-sig-list -g "$KEYS_OWNER" "$IMAGE_CERT" "$list"
    for name in PK KEK db; do
        sign-efi-sig-list -t "$(date --utc --date="@$SOURCE_DATE_EPOCH" '+%F %T')" -g "$KEYS_OWNER" \
            -k "$IMAGE_KEY" -c "$IMAGE_CERT" "$name" "$list" "$folder/$name.auth" >/dev/null
    done
    rm -f "$list"
}

# make_disk ROOT KERNEL VERSION OUTPUT: what is written to the box's disk: boot volume, slot A, and slot B, which is empty.
# The rest of the disk becomes the state, when the box is enrolled.
make_disk() {
    local root=$1 kernel=$2 version=$3 output=$4 stage
    stage=$(mktemp --directory)
    rm -f "$output"
    truncate --size "$((ESP_MIB + 2 * SLOT_MIB + 4))M" "$output"
    sfdisk --quiet "$output" <<-TABLE
	label: gpt
	label-id: $DISK_UUID
	first-lba: 2048
	size=${ESP_MIB}M, type=C12A7328-F81F-11D2-BA4B-00A0C93EC93B, name=sinter-boot, uuid=51a7e500-0000-4000-8000-00000000000e
	size=${SLOT_MIB}M, type=4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709, name=sinter-a, uuid=51a7e500-0000-4000-8000-00000000000a
	size=${SLOT_MIB}M, type=4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709, name=sinter-b, uuid=51a7e500-0000-4000-8000-00000000000b
	TABLE
    sign /usr/lib/systemd/boot/efi/systemd-bootx64.efi "$stage/boot.efi"
    secure_boot_keys "$stage/auto"
    printf 'timeout 0\neditor no\nauto-firmware no\nsecure-boot-enroll force\n' >"$stage/loader.conf"
    mkfs.vfat -F 32 -n SINTER_BOOT -i 51a7e500 --invariant -C "$stage/esp" $((ESP_MIB * 1024)) >/dev/null
    mmd -i "$stage/esp" ::EFI ::EFI/BOOT ::EFI/Linux ::loader ::loader/keys ::loader/keys/auto
    mcopy -i "$stage/esp" "$stage/boot.efi" ::EFI/BOOT/BOOTX64.EFI
    mcopy -i "$stage/esp" "$stage/loader.conf" ::loader/loader.conf
    mcopy -i "$stage/esp" "$stage"/auto/*.auth ::loader/keys/auto/
    mcopy -i "$stage/esp" "$kernel" "::EFI/Linux/sinter-$version.efi"
    dd if="$stage/esp" of="$output" bs=1M seek=1 conv=notrunc,sparse status=none
    dd if="$root" of="$output" bs=1M seek=$((1 + ESP_MIB)) conv=notrunc,sparse status=none
    rm -rf "$stage"
}

# make_bundle ROOT KERNEL VERSION OUTPUT: an update as one file. Its manifest is signed, and has the hashes of the rest.
make_bundle() {
    local root=$1 kernel=$2 version=$3 output=$4 stage
    stage=$(mktemp --directory)
    cp "$kernel" "$stage/kernel.efi"
    ln -s "$(realpath "$root")" "$stage/root.img"
    {
        echo "version $version"
        echo "architecture $architecture"
        for part in kernel.efi root.img; do
            echo "$part $(stat --dereference --format %s "$stage/$part") $(sha256sum "$stage/$part" | cut -d ' ' -f 1)"
        done
    } >"$stage/manifest"
    minisign -S -s "$IMAGE_UPDATE_KEY" -m "$stage/manifest" -t "sinter appliance $version" </dev/null >/dev/null
    tar --create --dereference --format ustar --owner 0 --group 0 --mtime "@$SOURCE_DATE_EPOCH" --directory "$stage" \
        --file "$output" manifest manifest.minisig kernel.efi root.img
    rm -rf "$stage"
}
