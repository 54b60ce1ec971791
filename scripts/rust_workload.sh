#!/usr/bin/env bash
# Builds a Rust workload of the tests and prints the path of its program.
#   rust_workload.sh NAME [PROFILE [CARGO_OPTION...]]     NAME: a folder of tests/workloads/; PROFILE: release (default), stripped, or one of its Cargo.toml
# WEFT_CARGO_JOBS (all CPUs). Exits 77 where there is no cargo.
set -euo pipefail
cd "$(dirname "$0")/.."
name=$1 profile=${2:-release} from=tests/workloads/$1
shift $(($# < 2 ? $# : 2))
# Those that use the same crates share what is built of them.
case $name in tokio | smol | async_std | mixed | mixed_async_std) shared=runtimes ;; *) shared=$name ;; esac
CARGO_TARGET_DIR=$(realpath -m "${BUILD:-build}")/cargo/$shared
export CARGO_TARGET_DIR
PATH=$PATH:$HOME/.cargo/bin
command -v cargo > /dev/null || { echo "rust_workload: no cargo here; scripts/install_deps.sh --rust" >&2; exit 77; }
version=$(cargo --version | awk '{ print $2 }')
if [ "$(printf '%s\n1.85.0\n' "$version" | sort -V | head -n 1)" != 1.85.0 ]; then
	# Crates that an older compiler can take; a lock file can't say both.
	rm -rf "$CARGO_TARGET_DIR/source"
	mkdir -p "$CARGO_TARGET_DIR/source"
	# They share files.
	for manifest in tests/workloads/*/Cargo.toml; do cp -r "${manifest%/*}" "$CARGO_TARGET_DIR/source"; done
	from=$CARGO_TARGET_DIR/source/$name
	cp "$from/Cargo.lock.rust-1.75" "$from/Cargo.lock"
fi
program=$CARGO_TARGET_DIR/$profile/${name}_workload
[ "$profile" != stripped ] || profile=release
cargo build --quiet --locked ${WEFT_CARGO_JOBS:+-j"$WEFT_CARGO_JOBS"} --profile "$profile" \
	--manifest-path "$from/Cargo.toml" "$@" >&2
whole=$CARGO_TARGET_DIR/$profile/${name}_workload
if [ "$whole" != "$program" ]; then # what cargo leaves out of a file with strip = "symbols"
	mkdir -p "${program%/*}"
	strip -o "$program" "$whole"
fi
echo "$program"
