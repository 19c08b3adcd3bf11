# Machines that the image is tried on: QEMU's. Sourced by the tests.
#
#   direct DISK ROOT KERNELS       starts the image without firmware
#   firmware DISK [MEDIUM...]      starts it with UEFI and a TPM, which stay what they are from one start to the next
#   expect SECONDS PATTERN...      waits until the console has said each pattern; never PATTERN: it has not
#   off                            presses the power button; pulls the plug where that does nothing

run=$(mktemp --directory)
machine= tpm=
# Without KVM everything takes longer. A /dev/kvm that opens need not work, so whoever has one that does says so: IMAGE_KVM=1.
if [ -n "${IMAGE_KVM:-}" ]; then
    accelerator=(-accel kvm -cpu host)
    slower=1
else
    accelerator=(-accel tcg,thread=multi -cpu max)
    slower=8
fi

say() { printf '\n== %4d s  %s\n' $SECONDS "$*"; }

finish() {
    local code=$?
    pull
    if [ $code -ne 0 ] && [ -n "${KEEP:-}" ]; then cp "$run/console" "$KEEP"; fi
    rm -rf "$run"
    exit $code
}
trap finish EXIT

start() {
    : >"$run/console"
    qemu-system-x86_64 "${accelerator[@]}" -m 2048 -smp 2 -nodefaults -display none -no-user-config -no-reboot \
        -serial "file:$run/console" -device virtio-rng-pci -nic user,model=virtio-net-pci,restrict=on "$@" >"$run/qemu" 2>&1 </dev/null &
    machine=$!
}

# A TPM counts what opened a key and then lost its power as an attempt to guess, and after some it opens nothing for a while.
off() {
    local from=$SECONDS
    [ -z "$tpm" ] || echo system_powerdown >"$run/monitor.in"
    while [ -n "$tpm" ] && kill -0 $machine 2>/dev/null && [ $((SECONDS - from)) -lt $((10 * slower)) ]; do sleep 0.2; done
    pull
}

pull() {
    for process in $machine $tpm; do
        kill -KILL "$process" 2>/dev/null || true
        wait "$process" 2>/dev/null || true
    done
    machine= tpm=
}

direct() {
    start -machine q35 -kernel "$3/linux" -initrd "$3/initrd" -append "$(command_line "$2" 1)" \
        -drive "file=$1,format=raw,if=virtio,snapshot=on"
}

# Firmware without any key, which takes the image's own, and a TPM without any owner.
new_firmware() {
    rm -rf "$run/tpm"
    mkdir "$run/tpm"
    cp /usr/share/OVMF/OVMF_VARS_4M.fd "$run/variables"
}

firmware() {
    local arguments=(-drive "file=$1,format=raw,if=virtio")
    shift
    for medium in "$@"; do
        arguments+=(-drive "file=$medium,format=raw,if=virtio")
    done
    if [ -z "${NO_TPM:-}" ]; then
        swtpm socket --tpm2 --tpmstate "dir=$run/tpm" --ctrl "type=unixio,path=$run/tpm.socket" --terminate &
        tpm=$!
        for _ in $(seq 50); do [ ! -S "$run/tpm.socket" ] || break; sleep 0.1; done
        arguments+=(-chardev "socket,id=tpm,path=$run/tpm.socket" -tpmdev emulator,id=tpm,chardev=tpm -device tpm-crb,tpmdev=tpm)
    fi
    rm -f "$run"/monitor.{in,out}
    mkfifo "$run"/monitor.{in,out}
    start -machine q35 -monitor "pipe:$run/monitor" -drive if=pflash,unit=0,readonly=on,format=raw,file=/usr/share/OVMF/OVMF_CODE_4M.fd \
        -drive "if=pflash,unit=1,format=raw,file=$run/variables" "${arguments[@]}"
}

# What the console has said, without what colours it.
said() { tr -d '\r' <"$run/console" | sed 's/\x1b\[[0-9;=?]*[A-Za-z]//g'; }

# Not a pipe: what ends early in one fails it.
has() { grep --quiet --text -e "$1" <(said); }

failed() {
    said | tail -n 60
    cat "$run/qemu"
    echo "$*" >&2
    exit 1
}

expect() {
    local within=$(($1 * slower)) from=$SECONDS pattern
    shift
    for pattern in "$@"; do
        until has "$pattern"; do
            sleep 0.5
            [ $((SECONDS - from)) -lt $within ] || failed "expected the console to say '$pattern' within $within s"
            # What was refused, and was not to be, is not waited for any longer.
            ! has 'refused: \|FAILED' || has "$pattern" ||
                failed "expected the console to say '$pattern', got a refusal"
            kill -0 $machine 2>/dev/null || sleep 1
            kill -0 $machine 2>/dev/null || has "$pattern" || failed "the machine ended before it said '$pattern'"
        done
        echo "holds: $(grep --text --max-count 1 -e "$pattern" <(said))"
    done
}

never() {
    if has "$1"; then failed "expected the console never to say '$1'"; fi
    echo "holds: never '$1'"
}

# The machine ends by itself: a machine that starts again does, because of -no-reboot.
ends() {
    local within=$(($1 * slower)) from=$SECONDS
    while kill -0 $machine 2>/dev/null; do
        [ $((SECONDS - from)) -lt $within ] || failed "expected the machine to start again within $within s"
        sleep 0.5
    done
    pull
}

# medium LABEL FILE...: a small volume with files.
medium() {
    local label=$1 output=$run/$1.volume size
    shift
    size=$(du --apparent-size --dereference --summarize --total --block-size=1K "$@" | sed -n 's/\ttotal//p')
    rm -f "$output"
    mkfs.vfat -F 32 -n "$label" -C "$output" $((size + 40960)) >/dev/null
    mcopy -i "$output" "$@" ::
}
