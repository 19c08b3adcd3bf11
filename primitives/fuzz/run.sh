#!/usr/bin/env bash
# run.sh SECONDS [TARGET …]: runs each fuzz target (all of them by default) for so many seconds.
# Needs a stable Rust toolchain and a C++ compiler. What it finds lies in target/fuzz/artifacts.
set -euo pipefail

seconds=${1:?usage: run.sh SECONDS [TARGET …]}
shift
here=$(cd "$(dirname "$0")" && pwd)
work=$(cd "$here/../.." && pwd)/target/fuzz
host=$(rustc -vV | sed -n 's/^host: //p')

# libFuzzer's coverage by LLVM's own pass: the stable compiler has it, under no stable name.
coverage=(
    -Cpasses=sancov-module
    -Cllvm-args=-sanitizer-coverage-level=4
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters
    -Cllvm-args=-sanitizer-coverage-pc-table
    -Cllvm-args=-sanitizer-coverage-trace-compares
    --cfg fuzzing
)
# With a target named, build scripts and macros stay without instrumentation.
RUSTFLAGS="${coverage[*]}" CARGO_TARGET_DIR="$work" \
    cargo build --locked --quiet --release --target "$host" --manifest-path "$here/Cargo.toml" --bins

if [ $# -eq 0 ]; then
    for source in "$here"/fuzz_targets/*.rs; do
        set -- "$@" "$(basename "$source" .rs)"
    done
fi
for target in "$@"; do
    corpus=$work/corpus/$target
    artifacts=$work/artifacts/$target
    mkdir -p "$corpus" "$artifacts" "$work/seeds/$target"
    # What tests read is a seed, too: it is never older than the decoders.
    for seed in "$here/seeds/$target"/* "$here/../tests/fixtures"/*; do
        [ ! -f "$seed" ] || cp "$seed" "$work/seeds/$target/"
    done
    log=$work/$target.log
    echo "fuzz $target for $seconds s"
    if ! "$work/$host/release/$target" "$corpus" "$work/seeds/$target" -max_total_time="$seconds" -timeout=10 \
        -rss_limit_mb=2048 -max_len=16384 -artifact_prefix="$artifacts/" -verbosity=1 >"$log" 2>&1; then
        tail -n 60 "$log"
        echo "fuzz $target failed: the input is in $artifacts"
        exit 1
    fi
    grep -E '^(Done|#[0-9]+.*DONE)' "$log" || tail -n 3 "$log"
done
