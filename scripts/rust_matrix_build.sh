#!/usr/bin/env bash
# One build of the matrix of Rust services: prints the path of its program.
#   rust_matrix_build.sh RUNTIME BUILD MANGLING
#     RUNTIME   tokio (newest), tokio-1.38, tokio-1.24, smol (2), smol-1, async_std: a folder of tests/workloads/, or one of its lock files
#     BUILD     dev (not optimised), release, lines (debug = 1), lto (fat, one unit, panic = abort), thin (ThinLTO), pgo, musl (static); with
#               -stripped at its end: that one after strip(1), as cargo's strip = "symbols" leaves it
#     MANGLING  legacy or v0
# WEFT_CARGO_JOBS (all CPUs). Exits 77 where there is no cargo or no such target, with one line why.
set -euo pipefail
self=$(realpath "$0")
cd "$(dirname "$0")/.."
[ $# -eq 3 ] || { echo "usage: rust_matrix_build.sh RUNTIME BUILD MANGLING" >&2; exit 2; }
runtime=$1 build=$2 mangling=$3 target='' flags='' profile=release folder=release
name=${runtime%%-*} out=$(realpath -m "${BUILD:-build}")/cargo/matrix
export PATH=$PATH:$HOME/.cargo/bin
unavailable() { echo "$*" >&2; exit 77; }
command -v cargo > /dev/null || unavailable "no cargo; scripts/install_deps.sh --rust"

# The program is named NAME_workload; what a build leaves beside it is of no use later.
program=$out/$runtime.$build.$mangling
[ ! -e "$program" ] || [ -n "$(find tests/workloads/*/src tests/workloads/*/Cargo* "$self" -newer "$program")" ] || { echo "$program"; exit; }

if [ "${build%-stripped}" != "$build" ]; then
	whole=$("$self" "$runtime" "${build%-stripped}" "$mangling")
	mkdir -p "$out" # the whole one may lie elsewhere
	strip -o "$program" "$whole"
	echo "$program"
	exit
fi
if [ "$runtime.$build.$mangling" = "$name.release.legacy" ]; then
	exec scripts/rust_workload.sh "$name" # as other tests have built it
fi

# Sources of all workloads, since they share files, under the lock file that is asked for.
source=$out/source.$runtime
rm -rf "$source"
mkdir -p "$source"
for manifest in tests/workloads/*/Cargo.toml; do cp -r "${manifest%/*}" "$source"; done
lock=$source/$name/Cargo.lock
version=$(cargo --version | awk '{ print $2 }')
if [ "$runtime" != "$name" ]; then
	cp "$lock.$runtime" "$lock"
elif [ "$(printf '%s\n1.85.0\n' "$version" | sort -V | head -n 1)" != 1.85.0 ]; then
	cp "$lock.rust-1.75" "$lock"
fi

case $build in
release) ;;
dev) profile=dev folder=debug ;;
lines) export CARGO_PROFILE_RELEASE_DEBUG=1 ;;
lto) export CARGO_PROFILE_RELEASE_LTO=fat CARGO_PROFILE_RELEASE_CODEGEN_UNITS=1 CARGO_PROFILE_RELEASE_PANIC=abort ;;
thin) export CARGO_PROFILE_RELEASE_LTO=thin ;;
pgo)
	profdata=$(find "$(rustc --print sysroot)" -name llvm-profdata -print -quit)
	[ -n "$profdata" ] || unavailable "no llvm-profdata of this rustc: rustup component add llvm-tools"
	;;
musl)
	target=x86_64-unknown-linux-musl
	[ -d "$(rustc --print sysroot)/lib/rustlib/$target/lib" ] || rustup target add $target > /dev/null 2>&1 || true
	[ -d "$(rustc --print sysroot)/lib/rustlib/$target/lib" ] || unavailable "no target $target for this rustc: rustup target add $target"
	;;
*) echo "rust_matrix_build: unknown build $build" >&2; exit 2 ;;
esac
case $mangling in
v0) flags="-C symbol-mangling-version=v0" ;;
legacy) ;; # what rustc does by itself: asking for it is not stable
*) echo "rust_matrix_build: unknown mangling $mangling" >&2; exit 2 ;;
esac

# cargo_build FLAGS
cargo_build() {
	CARGO_TARGET_DIR=$out/target.$runtime RUSTFLAGS=$1 cargo build --quiet --profile $profile --locked ${WEFT_CARGO_JOBS:+-j"$WEFT_CARGO_JOBS"} \
		${target:+--target $target} --manifest-path "$source/$name/Cargo.toml" >&2
}
built=$out/target.$runtime/${target:+$target/}$folder/${name}_workload
if [ "$build" = pgo ]; then
	counts=$out/profile.$runtime
	rm -rf "$counts"
	cargo_build "$flags -C profile-generate=$counts"
	"$built" --seconds 3 sound > /dev/null
	"$profdata" merge -o "$counts/merged" "$counts"
	flags="$flags -C profile-use=$counts/merged"
fi
cargo_build "$flags"
cp "$built" "$program.new"
mv "$program.new" "$program"
echo "$program"
