#!/usr/bin/env bash
# Runs test programs and prints one line for each: first, a few at a time, scripts that say "# beside" (they neither compute for long nor mind when
# others do), then the others one after another.
#   run_tests.sh [--temp-dir] NAME...    NAME is an executable or a script; --temp-dir: each gets a fresh $TMP_E2E
#   run_tests.sh --total FILE            prints the grand total of a results file, fails if one failed
#
# A test passes with 0, is skipped with 77 (its last line says why), fails otherwise. The single tests of
# a cmocka program are counted one by one. A script may set its own limit: "# timeout: SECONDS".
#
# WEFT_TEST_TIMEOUT  seconds per test (120)         WEFT_RESULTS  file that collects over several runs
# WEFT_TEST_WRAP     command put before each test   WEFT_NO_SKIP=1, CI=true  a skip counts as a failure
# SAN                address | thread, as given to make
set -u
cd "$(dirname "$0")/.." || exit 1

total() {
	awk -v fail=0 -v ok=0 '$1 == "count" { ok += $2; fail += $3 }
		END { printf "%d passed, %d failed\n", ok, fail; exit fail > 0 }' "$1"
}

if [ "${1-}" = --total ]; then
	grep '^FAIL' "$2" | sed 's/^/  /'
	total "$2"
	exit
fi
temp_dir=
if [ "${1-}" = --temp-dir ]; then temp_dir=1; shift; fi

strict=
if [ "${CI-}" = true ] || [ "${WEFT_NO_SKIP-}" = 1 ]; then strict=1; fi
read -r -a wrap <<< "${WEFT_TEST_WRAP-}"
# The sanitizers of gcc 12 and clang 14 reserve fixed address ranges. Kernels since 6.x map with
# vm.mmap_rnd_bits=32 and may place a library inside them ("unexpected memory mapping", or a crash
# before main), so instrumented tests run without address randomisation.
case "${SAN-}" in
address | thread)
	# Where a container forbids it, the tests run as they are.
	setarch "$(uname -m)" -R true 2> /dev/null && wrap=(setarch "$(uname -m)" -R "${wrap[@]}")
	;;
esac
export UBSAN_OPTIONS=${UBSAN_OPTIONS-print_stacktrace=1}
supp=tests/tsan.supp
export TSAN_OPTIONS=${TSAN_OPTIONS-second_deadlock_stack=1 history_size=4$([ -f $supp ] && echo " suppressions=$PWD/$supp")}

work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
results=$work/results
: > "$results"
out=$work/out

# Sets passed, failed, skipped and why from the exit code and the output of one program.
judge() {
	local rc=$1
	passed=0 failed=0 skipped=0 why=
	if grep -q '^\[==========\] .*Running [0-9]* test' "$out"; then
		passed=$(grep -c '^\[       OK \]' "$out")
		skipped=$(grep -c '^\[  SKIPPED \] [^0-9]' "$out")
		failed=$(grep -c '^\[  FAILED  \] [^0-9]' "$out")
		# The summary names failed tests a second time.
		failed=$((failed - $(sed -n '/ FAILED  \] [0-9]* test/,$p' "$out" | grep -c '^\[  FAILED  \] [^0-9]')))
		skipped=$((skipped - $(sed -n '/ SKIPPED \] [0-9]* test/,$p' "$out" | grep -c '^\[  SKIPPED \] [^0-9]')))
		[ "$skipped" -gt 0 ] && why="skipped single tests"
	elif [ "$rc" -eq 0 ]; then
		passed=1
	elif [ "$rc" -eq 77 ]; then
		skipped=1 why=$(grep . "$out" | tail -n 1)
	fi
	case $rc in
	124 | 137) why="no end after $limit s" ;;
	0 | 77) ;;
	12[89] | 1[3-9][0-9]) why="killed by signal $((rc - 128))" ;;
	*) [ "$failed" -gt 0 ] || why="exit code $rc" ;;
	esac
	# Where a log is kept in part only, this line is what remains.
	[ "$rc" -eq 0 ] || why="$why$(grep -a -m 1 -o 'SUMMARY: [A-Z].*' "$out" | cut -c1-200 | sed 's/^/; /')"
	if [ "$rc" -ne 0 ] && [ "$rc" -ne 77 ] && [ "$failed" -eq 0 ]; then failed=1; fi
	if [ -n "$strict" ] && [ "$skipped" -gt 0 ]; then
		failed=$((failed + skipped)) skipped=0 why="a skip counts as a failure here: $why"
	fi
}

# What a test left running: only processes that carry its own $TMP_E2E are ended.
end_leftovers() {
	local env pid
	for env in /proc/[0-9]*/environ; do
		pid=${env#/proc/} pid=${pid%/environ}
		if tr '\0' '\n' < "$env" 2> /dev/null | grep -qxF "TMP_E2E=$1"; then
			echo "      left behind: $pid $(tr '\0' ' ' < "/proc/$pid/cmdline" | cut -c1-80)"
			kill -9 "$pid" 2> /dev/null
		fi
	done 2> /dev/null
}

run_one() {
	local name=$1 dir=$work/temp start seconds rc verdict
	limit=$(sed -n 's/^# timeout: \([0-9][0-9]*\)$/\1/p;30q' "$name" 2> /dev/null | head -n 1)
	limit=${limit:-${WEFT_TEST_TIMEOUT:-120}}
	start=$(date +%s%N)
	if [ ! -x "$name" ]; then
		echo "$name: no such executable" > "$out"
		rc=1
	else
		if [ -n "$temp_dir" ]; then
			mkdir -p "$dir"
			# Readable for the invoking user that traced commands run as.
			chmod 755 "$work" "$dir"
			export TMP_E2E=$dir
		fi
		timeout -k 5 "$limit" "${wrap[@]}" "$(realpath "$name")" < /dev/null > "$out" 2>&1
		rc=$?
		if [ -n "$temp_dir" ]; then
			unset TMP_E2E
			end_leftovers "$dir"
			rm -rf "$dir"
		fi
	fi 2> /dev/null
	seconds=$(awk -v ns=$(($(date +%s%N) - start)) 'BEGIN { printf "%.2f", ns / 1e9 }')
	judge $rc
	verdict=ok
	if [ "$failed" -gt 0 ]; then verdict=FAIL; elif [ "$passed" -eq 0 ] && [ "$skipped" -gt 0 ]; then verdict=skip; fi
	printf '%-4s  %s%s  %s s%s\n' $verdict "${name#"$PWD"/}" \
		"$([ $((passed + failed)) -gt 1 ] && echo " ($passed of $((passed + failed + skipped)))")" \
		"$seconds" "${why:+  -- $why}"
	if [ $verdict = FAIL ]; then
		tail -n "${WEFT_TEST_LINES:-200}" "$out" | tr -d '\000' | sed 's/^/      | /'
		echo "FAIL $name $why" >> "$results"
	fi
	echo "count $passed $failed $skipped" >> "$results"
}

# run_beside NAME: with a folder of its own, in the background
run_beside() (
	work=$(mktemp -d "$work/beside.XXXXXX")
	out=$work/out
	run_one "$1" > "$work/lines"
	cat "$work/lines"
)

beside=() alone=()
for name in "$@"; do
	if head -n 30 "$name" 2> /dev/null | grep -aqx '# beside'; then beside+=("$name"); else alone+=("$name"); fi
done
chmod 755 "$work"
running=0
for name in ${beside[@]+"${beside[@]}"}; do
	if [ $running -eq 3 ]; then wait -n; else running=$((running + 1)); fi
	run_beside "$name" &
done
wait
for name in ${alone[@]+"${alone[@]}"}; do run_one "$name"; done
skips=$(awk '$1 == "count" { n += $4 } END { print n + 0 }' "$results")
[ "$skips" -eq 0 ] || echo "$skips skipped"
[ -z "${WEFT_RESULTS-}" ] || cat "$results" >> "$WEFT_RESULTS"
total "$results"
