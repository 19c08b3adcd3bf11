#!/usr/bin/env bash
# Starts libvirt and sushy-tools with one virtual machine, which never runs, and tests the client against them. Needs root and
# Debian; what is missing is installed, sushy-tools into the target directory. Takes some minutes, most of them libvirt's first look
# at QEMU.
set -euo pipefail
cd "$(dirname "$0")/../../.."

readonly VERSION=2.2.0
readonly URI=qemu:///system
readonly NAME=sinter-sushy
readonly UUID=5e72a1d0-6a54-4f1e-9c55-0d1f6b7c2a90
readonly PORT="${SINTER_SUSHY_PORT:-8765}"
work="$(realpath "${CARGO_TARGET_DIR:-target}")/sushy"
mkdir -p "$work"

if ! command -v libvirtd virsh qemu-system-x86_64 > /dev/null || ! /usr/bin/python3 -c 'import libvirt, venv' 2> /dev/null; then
    apt-get update
    DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends libvirt-daemon libvirt-daemon-system \
        libvirt-daemon-driver-qemu libvirt-clients python3-libvirt python3-venv qemu-system-x86 ovmf
fi
# libvirt's module is Debian's, and made for Debian's Python.
if ! "$work/python/bin/pip" show sushy-tools 2> /dev/null | grep --quiet "^Version: $VERSION$"; then
    /usr/bin/python3 -m venv --system-site-packages "$work/python"
    "$work/python/bin/pip" install --quiet --disable-pip-version-check "sushy-tools==$VERSION"
fi

started=""
emulator=""
end() {
    if [ -n "$emulator" ]; then kill "$emulator" || true; fi
    virsh --connect "$URI" undefine --nvram "$NAME" > /dev/null 2>&1 || true
    if [ -n "$started" ]; then kill "$started" || true; fi
}
trap end EXIT

if ! virsh --connect "$URI" list > /dev/null 2>&1; then
    libvirtd &
    started=$!
    for _ in $(seq 60); do
        if virsh --connect "$URI" list > /dev/null 2>&1; then break; fi
        sleep 1
    done
fi
virsh --connect "$URI" undefine --nvram "$NAME" > /dev/null 2>&1 || true
cat > "$work/domain.xml" <<XML
<domain type='qemu'>
  <name>$NAME</name>
  <uuid>$UUID</uuid>
  <memory unit='MiB'>64</memory>
  <vcpu>1</vcpu>
  <os>
    <type arch='x86_64' machine='q35'>hvm</type>
    <loader readonly='yes' secure='no' type='pflash'>/usr/share/OVMF/OVMF_CODE_4M.fd</loader>
    <nvram template='/usr/share/OVMF/OVMF_VARS_4M.fd'>$work/vars.fd</nvram>
  </os>
  <features><acpi/><smm state='on'/></features>
  <devices><emulator>/usr/bin/qemu-system-x86_64</emulator></devices>
</domain>
XML
virsh --connect "$URI" define "$work/domain.xml"
cat > "$work/sushy.conf" <<CONF
SUSHY_EMULATOR_LISTEN_IP = '127.0.0.1'
SUSHY_EMULATOR_LISTEN_PORT = $PORT
SUSHY_EMULATOR_LIBVIRT_URI = '$URI'
SUSHY_EMULATOR_BOOT_LOADER_MAP = {'UEFI': {'x86_64': '/usr/share/OVMF/OVMF_CODE_4M.secboot.fd'}, 'Legacy': {'x86_64': None}}
SUSHY_EMULATOR_SECURE_BOOT_ENABLED_NVRAM = '/usr/share/OVMF/OVMF_VARS_4M.ms.fd'
SUSHY_EMULATOR_SECURE_BOOT_DISABLED_NVRAM = '/usr/share/OVMF/OVMF_VARS_4M.fd'
CONF
"$work/python/bin/sushy-emulator" --config "$work/sushy.conf" > "$work/sushy.log" 2>&1 &
emulator=$!
for _ in $(seq 60); do
    if (exec 3<> "/dev/tcp/127.0.0.1/$PORT") 2> /dev/null; then break; fi
    sleep 1
done
export SINTER_SUSHY="http://127.0.0.1:$PORT" SINTER_SUSHY_SYSTEM="$UUID"
cargo test --locked --package sinter-firmware --features sushy --test redfish sushy::
