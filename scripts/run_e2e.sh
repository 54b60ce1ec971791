#!/usr/bin/env bash
# Runs tests/e2e/test_*.sh one after another, as root. Each gets WEFT, BUILD and a fresh $TMP_E2E.
#   run_e2e.sh [NAME...]    NAME is a part of a file name; without one, all
set -u
cd "$(dirname "$0")/.." || exit 1
BUILD=$(realpath -m "${BUILD:-build}")
export BUILD WEFT="$BUILD/weft" WEFT_TEST_TIMEOUT="${WEFT_TEST_TIMEOUT:-300}"

if [ "$(id -u)" -ne 0 ]; then
	echo "run_e2e.sh: root is needed to load eBPF programs and to attach to processes; run: sudo scripts/run_e2e.sh" >&2
	if [ -n "${WEFT_RESULTS-}" ]; then
		fail=0
		if [ "${CI-}" = true ] || [ "${WEFT_NO_SKIP-}" = 1 ]; then
			fail=1
			echo "FAIL run_e2e.sh no root" >> "$WEFT_RESULTS"
		fi
		echo "count 0 $fail $((1 - fail))" >> "$WEFT_RESULTS"
	fi
	exit 77
fi

tests=()
for t in tests/e2e/test_*.sh; do
	[ -f "$t" ] || continue
	if [ $# -eq 0 ]; then tests+=("$t"); continue; fi
	for want in "$@"; do
		case "$t" in *"$want"*) tests+=("$t"); break ;; esac
	done
done
if [ $# -gt 0 ] && [ ${#tests[@]} -eq 0 ]; then
	echo "run_e2e.sh: no tests/e2e/test_*.sh matches: $*" >&2
	exit 2
fi
exec scripts/run_tests.sh --temp-dir "${tests[@]}"
