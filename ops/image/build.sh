#!/usr/bin/env bash
# The appliance's image: a Debian that nobody can log in to and nobody can change, and Sinter.
#
#   ops/image/build.sh PROGRAM FOLDER
#
#   IMAGE_VERSION      a number that only rises: a box takes no update whose number is not above its own
#   IMAGE_KEY          the owner's Secure Boot key (PEM), with its certificate in IMAGE_CERT: what the firmware starts is signed with it
#   IMAGE_UPDATE_KEY   the secret minisign key that updates are signed with; IMAGE_UPDATE_PUB, which the image carries, checks them
#   IMAGE_PACKAGES     more Debian packages for the root, separated by commas
#
# FOLDER gets sinter-VERSION.img, which is written to a disk, and sinter-VERSION.bundle, which updates a box; `tree` and `kept` in it
# are what they were made of. Needs root, and the packages that .ci/src/image.rs lists.
set -euo pipefail

program=$(realpath "$1")
mkdir -p "$2"
output=$(realpath "$2")
for variable in IMAGE_VERSION IMAGE_KEY IMAGE_CERT IMAGE_UPDATE_KEY IMAGE_UPDATE_PUB; do
    if [ -z "${!variable:-}" ]; then
        echo "$variable: expected it to be set, got nothing: the first lines of $0 say what it is" >&2
        exit 1
    fi
done
if ! [[ $IMAGE_VERSION =~ ^[1-9][0-9]{0,8}$ ]]; then
    echo "IMAGE_VERSION: expected a number from 1 to 999999999, got $IMAGE_VERSION" >&2
    exit 1
fi
source "$(dirname "${BASH_SOURCE[0]}")/parts.sh"
export SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git -C "$repository" log -1 --format=%ct)}

step() { printf '%4d s  %s\n' $SECONDS "$*"; }

tree=$output/tree kept=$output/kept root=$output/root.img kernel=$output/kernel.efi
step "Debian"
rm -rf "$tree" "$kept"
fresh_root "$tree" "$kept"
step "the initial file system"
make_initrd "$tree" "$kept/initrd"
step "Sinter, and no way in"
furnish "$tree" "$program"
step "the root, and its hash tree"
seal_root "$tree" "$root"
step "the kernel, signed"
make_kernel "$kept" "$root" "$IMAGE_VERSION" "$kernel"
step "the disk and the update"
make_disk "$root" "$kernel" "$IMAGE_VERSION" "$output/sinter-$IMAGE_VERSION.img"
make_bundle "$root" "$kernel" "$IMAGE_VERSION" "$output/sinter-$IMAGE_VERSION.bundle"
step "version $IMAGE_VERSION: root hash $(<"$root.hash"), $(stat --format %s "$root") bytes"
