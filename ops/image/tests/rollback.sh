# The way back: a version whose self-test fails is started twice, and then the one before it runs again, and does not take it once more.

say "an update that is signed and does not work"
rm -rf "$folder/bad"
cp --archive --link "$folder/tree" "$folder/bad"
rm "$folder/bad/usr/bin/sinter"
ln -s false "$folder/bad/usr/bin/sinter"
seal_root "$folder/bad" "$folder/bad.img"
rm -rf "$folder/bad"
make_kernel "$folder/kept" "$folder/bad.img" 3 "$folder/kernel-3.efi"
make_bundle "$folder/bad.img" "$folder/kernel-3.efi" 3 "$folder/sinter-3.bundle"
offer "$folder/sinter-3.bundle"
expect 100 'version 3 is installed beside version 2: starting it'
ends 60
for attempt in first second; do
    say "its $attempt start"
    firmware "$disk" "$run/SINTER_NEXT.volume"
    expect 100 'sinter-boot: version 3, from sinter-a' 'self-test FAILED' 'this version did not become good: starting again'
    ends 60
done
say "the one before it"
firmware "$disk" "$run/SINTER_NEXT.volume"
expect 100 'sinter-boot: version 2, from sinter-b' 'self-test PASSED: version 2' 'the state is open' "$up" \
    'update refused: version 3: expected one that starts on this machine, got one that failed to'
off
