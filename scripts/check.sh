#!/usr/bin/env bash
# Builds Weft and runs its tests: what needs no privilege first, then end to end with eBPF as root.
# Last line: N passed, N failed
set -u
cd "$(dirname "$0")/.." || exit 1
build=${BUILD:-build}
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
outer=${WEFT_RESULTS-}
export WEFT_RESULTS=$work/results
: > "$WEFT_RESULTS"

finish() {
	[ -z "$outer" ] || cat "$WEFT_RESULTS" >> "$outer"
	scripts/run_tests.sh --total "$WEFT_RESULTS"
	exit
}
broken() {
	echo "FAIL $*" >> "$WEFT_RESULTS"
	echo "count 0 1 0" >> "$WEFT_RESULTS"
}
step() {
	echo "== $1"
	shift
	"$@" && return
	broken "$@"
	finish
}
# The test runner does the counting; a stage that ends before it gets to run is a failure of its own.
tests() {
	local before
	before=$(wc -l < "$WEFT_RESULTS")
	echo "== $1"
	shift
	"$@" || [ "$(wc -l < "$WEFT_RESULTS")" -gt "$before" ] || broken "$@"
}

step "dependencies" scripts/install_deps.sh
step "build" make -s -j"$(nproc)" BUILD="$build" all tests

tests "unit and replay tests, layers, headers" make -s BUILD="$build" check

as_root=()
if [ "$(id -u)" -ne 0 ] && command -v sudo > /dev/null; then
	echo "check.sh: loading eBPF programs and attaching to processes needs root; going on through sudo"
	as_root=(sudo)
fi
tests "end to end with eBPF" "${as_root[@]}" env BUILD="$build" WEFT_RESULTS="$WEFT_RESULTS" CI="${CI-}" \
	WEFT_NO_SKIP="${WEFT_NO_SKIP-}" scripts/run_e2e.sh
finish
