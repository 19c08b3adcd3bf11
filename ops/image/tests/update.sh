# Updates: one that the owner signed is taken into the other slot and started; what is not whole, not the owner's, or older is not.

# offer BUNDLE: as a medium in the machine.
offer() {
    cp "$1" "$run/sinter.bundle"
    medium SINTER_NEXT "$run/sinter.bundle"
    rm "$run/sinter.bundle"
    firmware "$disk" "$run/SINTER_NEXT.volume"
}

# Its root is another: by it the initial file system tells the slots apart.
next=$folder/kernel-2.efi
rm -rf "$folder/two"
cp --archive --link "$folder/tree" "$folder/two"
echo 2 >"$folder/two/usr/lib/sinter/generation"
seal_root "$folder/two" "$folder/two.img"
rm -rf "$folder/two"
make_kernel "$folder/kept" "$folder/two.img" 2 "$next"
make_bundle "$folder/two.img" "$next" 2 "$folder/sinter-2.bundle"

say "an update with a changed byte"
cp "$folder/sinter-2.bundle" "$run/changed"
printf 'changed' | dd of="$run/changed" bs=1 seek=$(($(stat --format %s "$run/changed") / 2)) conv=notrunc status=none
offer "$run/changed"
expect 100 'update refused: root.img: expected SHA-256'
off

say "half an update"
head -c $(($(stat --format %s "$folder/sinter-2.bundle") / 2)) "$folder/sinter-2.bundle" >"$run/changed"
offer "$run/changed"
expect 100 'update refused: root.img: expected [0-9]* bytes, got'
off

say "somebody else's update"
IMAGE_UPDATE_KEY=$folder/other.key make_bundle "$folder/two.img" "$next" 2 "$run/changed"
offer "$run/changed"
expect 100 'update refused: manifest: expected a signature by'
off

say "another architecture's"
architecture=aarch64 make_bundle "$folder/two.img" "$next" 2 "$run/changed"
offer "$run/changed"
expect 100 'update refused: architecture: expected x86_64, got aarch64'
off
rm "$run/changed"

say "the owner's: slot B gets it, and it starts with the state and the keys"
offer "$folder/sinter-2.bundle"
expect 100 'version 2 is installed beside version 1: starting it'
ends 60
firmware "$disk" "$run/SINTER_NEXT.volume"
expect 100 'sinter-boot: version 2, from sinter-b' 'self-test PASSED: version 2' 'version 2 runs already' "$up"
off
mdir -b -i "$disk@@1M" ::EFI/Linux | tee "$run/kernels"
grep --quiet '/sinter-2.efi' "$run/kernels" && grep --quiet '/sinter-1.efi' "$run/kernels" ||
    failed "expected both versions, known to be good"

say "an older one"
offer "$folder/sinter-1.bundle"
expect 100 'update refused: version: expected one above 2, got 1'
off
