# Tampering: what the owner did not sign does not start, and a root in which a byte differs is not read.

# The byte is a part of the root's date, which nothing needs: only the hash can notice.
say "one byte of the root"
cp --sparse=always "$disk" "$run/tampered"
printf '\377' | dd of="$run/tampered" bs=1 seek=$((((1 + ESP_MIB + SLOT_MIB) << 20) + 8)) conv=notrunc status=none
firmware "$run/tampered"
expect 100 'verity.* is corrupted'
ends 60
never 'self-test'

say "a kernel that nobody signed"
cp --sparse=always "$disk" "$run/tampered"
sbattach --remove "$next" 2>/dev/null
mcopy -o -i "$run/tampered@@1M" "$next" ::EFI/Linux/sinter-2.efi
mdel -i "$run/tampered@@1M" ::EFI/Linux/sinter-3+0-2.efi
firmware "$run/tampered"
expect 60 'Access [Dd]enied\|Security [Vv]iolation\|Security [Pp]olicy [Vv]iolation'
never 'sinter-boot'
off
rm "$run/tampered"
