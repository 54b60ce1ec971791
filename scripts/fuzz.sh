#!/usr/bin/env bash
# Runs each fuzz target for WEFT_FUZZ_SECONDS (30), beginning with its seeds in tests/fuzz/corpus/NAME.
# New inputs stay under build/; a crash is kept there and named.
#   fuzz.sh PROGRAM...
set -u
cd "$(dirname "$0")/.." || exit 1
rc=0
for program in "$@"; do
	name=${program##*/} work=${program%/*}/found/${program##*/}
	mkdir -p "$work/corpus" "$work/crashes"
	seeds=()
	[ -d "tests/fuzz/corpus/$name" ] && seeds=("tests/fuzz/corpus/$name")
	echo "== $name"
	# Without address randomisation, for the reason given in run_tests.sh.
	wrap=()
	setarch "$(uname -m)" -R true 2> /dev/null && wrap=(setarch "$(uname -m)" -R)
	if ! "${wrap[@]}" "$program" -max_total_time="${WEFT_FUZZ_SECONDS:-30}" -artifact_prefix="$work/crashes/" \
		-print_final_stats=1 "$work/corpus" "${seeds[@]}" > "$work/log" 2>&1; then
		tail -n 40 "$work/log"
		echo "$name: failed; the input is in $work/crashes/"
		rc=1
	fi
	grep -E 'number_of_executed_units|new_units_added' "$work/log"
done
exit $rc
