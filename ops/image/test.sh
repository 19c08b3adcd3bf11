#!/usr/bin/env bash
# The appliance's image, built and started: what it does, and what it refuses.
#
#   ops/image/test.sh PROGRAM FOLDER short     builds it, and starts it without firmware to its self-test
#   ops/image/test.sh PROGRAM FOLDER all       and with UEFI and a TPM: enrolment, updates, the way back, what was tampered with
#
# PROGRAM has to run on QEMU's processor, which has no AVX-512. FOLDER gets the image; with IMAGE_KEEP=1 one that is there is not built
# again. Needs root and what build.sh needs, QEMU, OVMF and swtpm. IMAGE_KVM=1 uses KVM.
set -euo pipefail

program=$(realpath "$1")
mkdir -p "$2"
folder=$(realpath "$2")
what=$3
source "$(dirname "${BASH_SOURCE[0]}")/parts.sh"
source "$image/tests/machine.sh"
export SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git -C "$repository" log -1 --format=%ct)}
# What is thrown away again need not be small.
export IMAGE_COMPRESSION=3

# Keys of this test's own, and of somebody else.
keys() {
    for name in owner other; do
        openssl req -new -x509 -newkey rsa:2048 -nodes -days 3650 -subj "/CN=$name/" -keyout "$folder/$name.pem" \
            -out "$folder/$name.crt" 2>/dev/null
        minisign -G -W -f -p "$folder/$name.pub" -s "$folder/$name.key" >/dev/null
    done
}
export IMAGE_VERSION=1 IMAGE_KEY=$folder/owner.pem IMAGE_CERT=$folder/owner.crt
export IMAGE_UPDATE_KEY=$folder/owner.key IMAGE_UPDATE_PUB=$folder/owner.pub

if [ -z "${IMAGE_KEEP:-}" ] || [ ! -e "$folder/sinter-1.bundle" ]; then
    say "built"
    keys
    "$image/build.sh" "$program" "$folder"
fi

say "started without firmware: the self-test folds two small proofs; nobody is asked anything"
direct "$folder/sinter-1.img" "$folder/root.img" "$folder/kept"
expect 60 'sinter-boot: version 1, from sinter-a' \
    'self-test PASSED: version 1 folds' 'not enrolled: expected a volume SINTER_KEYS'
never 'login:'
off
for unwanted in bash login agetty su sulogin sshd dpkg; do
    [ -z "$(find "$folder/tree/usr/bin" "$folder/tree/usr/sbin" -name "$unwanted")" ] ||
        failed "expected no $unwanted in the image"
done
[ "$what" = all ] || exit 0

for part in enrolment update rollback tampering; do
    source "$image/tests/$part.sh"
done
say "the image holds"
