#!/usr/bin/env bash
# What is wrong with an unmodified Tokio service, and that a sound one is not accused: both flavours, release build.
# timeout: 300
. "$(dirname "$0")/lib.sh"
need_root
need "$WEFT"
program=$(scripts/rust_workload.sh tokio) || skip "cargo cannot build the Rust workload: no cargo, or no network"

# watch NAME SECONDS LEVEL ARGS...: the workload with ARGS, diagnosed in the background
declare -A watcher=() watched=()
watch() {
	local name=$1 seconds=$2 level=$3
	shift 3
	[ -z "${WEFT_BREAK-}" ] || set -- sound
	start "$name" "$program" "$@"
	must 10 "the workload is up" says "$TMP_E2E/$name.out" '^ready'
	watched[$name]=$PID
	# A machine that is busy with other work is no fault of the program.
	start "$name.diagnose" "$WEFT" diagnose -p "$PID" --duration "$seconds" --level "$level" --ignore cpu-starved --format json
	watcher[$name]=$PID
}
# found NAME ID [TEXT]: the finding, on the task that is spawned in the workload's line with that text.
found() {
	local file=$TMP_E2E/$1.diagnose.out at line
	join "${watcher[$1]}" 80
	[ "$STATUS" = 1 ] || { show_findings "$file"; fail "exit code of diagnose on $1: $STATUS, $(json "$file" "\$.checked")"; }
	equal "kinds of findings in $1" "$(findings "$file" "SELECT group_concat(DISTINCT id) FROM f")" "$2"
	if [ -n "${3-}" ]; then
		line=$(grep -nF "$3" tests/workloads/tokio/src/behaviours.rs | cut -d: -f1)
		at=$(findings "$file" "SELECT group_concat(DISTINCT location) FROM f WHERE id = '$2'")
		equal "place of $2 in $1" "$at" "src/behaviours.rs:$line"
	fi
	equal "runtime of $1" "$(json "$file" '$.target.runtimes[0].kind')" tokio
	stop "${watched[$1]}"
	equal "exit code of $1" "$STATUS" 0
}
sound() {
	join "${watcher[$1]}" 80
	no_finding "$TMP_E2E/$1.diagnose.out"
	equal "exit code of diagnose on $1" "$STATUS" 0
	stop "${watched[$1]}"
}

watch leak 40 normal leaker
watch sound 36 normal sound
watch sound.ct 36 normal --current-thread sound
watch blocking 8 normal blocking_sleep
watch storm 10 light storm
found blocking blocking-call "drop(spawn(&BLOCKING_SLEEP"
stack_has "$TMP_E2E/blocking.diagnose.out" blocking-call thread::functions::sleep
found storm busy-loop # a Future by hand: no async block that would tell its place
watch mutex 8 normal --current-thread mutex_held
found mutex blocking-call "spawn(&MUTEX_WAITER"
found leak task-leak "spawn(&LEAKY_WAIT"
sound sound
sound sound.ct
