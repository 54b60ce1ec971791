#!/usr/bin/env bash
# An unmodified Tokio program, release build: what Weft sees of it against what the program counted itself, on both
# flavours, who did it and how long it took; it survives attaching and detaching under load, panics included, and its code is left as it was. With LTO, wakes
# that are built into polls whose task a thief has at once. A second file with a runtime is named.
# timeout: 400
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/rust_cycles.sh"
. "$(dirname "$0")/rust_details.sh"
need_root
need "$WEFT" strip
program=$(scripts/rust_workload.sh tokio) || skip "cargo cannot build the Rust workload: no cargo, or no network"

# begin NAME ARGS...: starts it, it waits for SIGUSR1. Sets PID.
begin() {
	local name=$1
	shift
	start "$name" "$program" --wait "$@"
	must 10 "the workload is up" says "$TMP_E2E/$name.out" '^ready'
}
# truth NAME FIELD: its own count, over all kinds of tasks
truth() {
	tail -n +2 "$TMP_E2E/$1.out" > "$TMP_E2E/$1.json"
	sqlite3 :memory: "SELECT sum(json_extract(value, '\$.$2')) FROM json_each(CAST(readfile('$TMP_E2E/$1.json') AS TEXT), '\$.kinds')"
}
count() { sql "$DB" "SELECT count(*) FROM events WHERE kind = '$1' AND ${2:-1}"; }

# compare NAME: the recording in DB with the truth.
compare() {
	local polls cancelled extra
	polls=$(count task-poll)
	cancelled=$(count task-poll "result = 'cancelled'")
	# A task that was cancelled is polled by the runtime, its future is not.
	extra=$((polls - $(truth "$1" polls)))
	holds "polls: $polls, of them $cancelled cancelled, $(truth "$1" polls) of futures" \
		"$extra BETWEEN $cancelled AND $cancelled + 1"
	equal "spawns" "$(count task-spawn)" "$(truth "$1" spawned)"
	equal "ends" "$(count task-end)" "$(truth "$1" spawned)"
	equal "completions" "$(count task-end "reason = 'done'")" "$(truth "$1" completed)"
	equal "panics" "$(count task-end "reason = 'error'")" "$(truth "$1" panicked)"
	equal "cancelled and shut down" "$(count task-end "reason IN ('cancelled', 'shutdown')")" \
		"$(($(truth "$1" cancelled) + $(truth "$1" shut_down)))"
	holds "wakes of itself" "$(count task-wake 'waker = task') >= $(truth "$1" self_wakes)"
	holds "some wakes come from timers" "$(count task-wake "waker_kind = 'timer'") > 100"
	holds "some wakes come from IO" "$(count task-wake "waker_kind = 'io'") > 100"
	equal "jobs of the blocking pool" "$(count job-end)" "$(json "$TMP_E2E/$1.json" '$.jobs_run')"
	equal "tasks found without their birth" "$(sql "$DB" "SELECT count(*) FROM tasks WHERE spawn_ns IS NULL")" 0
	accounting_is_exact "$DB"
}

# seen_whole NAME FLAVOUR (1 multi_thread, 2 current_thread) WORKERS ARGS...: watched from before its first task to its end.
seen_whole() {
	local name=$1 flavour=$2 workers=$3 pid recorder
	shift 3
	begin "$name" "$@"
	pid=$PID
	record "$name" -p "$pid" --level normal
	recorder=$PID
	kill -USR1 "$pid"
	must 30 "long polls in the recording" rounds "$DB"
	stop "$pid"
	equal "exit code of the workload" "$STATUS" 0
	join "$recorder" 20
	equal "exit code of weft record" "$STATUS" 0
	clean_file "$DB"
	compare "$name"
	details_of tokio "$name" tests/workloads/tokio/src/behaviours.rs
	who_did_what
	how_long "${contended-}"
	parks "$workers"
	equal "the runtime" "$(sql "$DB" "SELECT count(*) > 0 FROM runtime WHERE flavour = $flavour AND version LIKE '1.%'")" 1
}
polled() { [ "$(sql "$1" "SELECT count(*) FROM events WHERE kind = 'task-poll'")" -gt "$2" ]; }

# seen_from_start NAME ARGS...: a command that Weft starts
seen_from_start() {
	local name=$1
	shift
	DB=$TMP_E2E/$name.db
	"$WEFT" record --level normal --as-root -o "$DB" -- "$program" --seconds 1.5 "$@" > "$TMP_E2E/$name.out" 2> "$TMP_E2E/$name.err" ||
		fail "weft record -- : $(cat "$TMP_E2E/$name.err")"
	compare "$name"
}

# crowd: tasks that wake themselves, built into their polls, and that workers take from each other before the poll is seen to end
crowd() {
	local program pid recorder i behaviours=()
	program=$(scripts/rust_workload.sh tokio lto)
	for ((i = 0; i < 40; i++)); do behaviours+=(hand_written); done
	begin crowd "${behaviours[@]}"
	pid=$PID
	record crowd -p "$pid" --level normal
	recorder=$PID
	kill -USR1 "$pid"
	must 20 "polls in the recording" polled "$DB" 30000
	stop "$pid"
	equal "exit code of the crowd" "$STATUS" 0
	join "$recorder" 20
	equal "exit code of weft record" "$STATUS" 0
	equal "spawns in the crowd" "$(count task-spawn)" "$(truth crowd spawned)"
	equal "completions in the crowd" "$(count task-end "reason = 'done'")" "$(truth crowd completed)"
	# A timer that is late when it is set is one more.
	holds "wakes of itself in the crowd: $(count task-wake 'waker = task') of $(truth crowd self_wakes)" \
		"$(count task-wake 'waker = task') - $(truth crowd self_wakes) BETWEEN 0 AND 10"
	accounting_is_exact "$DB"
}

# panics_stripped: without names the function that starts to unwind is known by a text
panics_stripped() {
	DB=$TMP_E2E/bare.db
	strip -o "$TMP_E2E/bare.elf" "$program"
	"$WEFT" record --level normal --as-root -o "$DB" -- "$TMP_E2E/bare.elf" --seconds 1.5 panicking joiner > "$TMP_E2E/bare.out" 2> "$TMP_E2E/bare.err" ||
		fail "weft record -- : $(cat "$TMP_E2E/bare.err")"
	holds "panics of a stripped program: $(truth bare panicked)" "$(truth bare panicked) > 5"
	equal "panics, stripped" "$(count task-end "reason = 'error'")" "$(truth bare panicked)"
	equal "completions, stripped" "$(count task-end "reason = 'done'")" "$(truth bare completed)"
}

# second_file: what carries a runtime beside the program, as extensions and plug-ins do, is named
second_file() {
	local pid recorder
	cp "$program" "$TMP_E2E/extension.so"
	"${CC:-gcc}" -shared -fPIC -x c -o "$TMP_E2E/maps.so" - <<- 'C'
		#include <fcntl.h>
		#include <stdlib.h>
		#include <sys/mman.h>
		__attribute__((constructor)) static void map(void)
		{
			mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE, open(getenv("EXTENSION"), O_RDONLY), 0);
		}
	C
	EXTENSION=$TMP_E2E/extension.so LD_PRELOAD=$TMP_E2E/maps.so begin second joiner
	pid=$PID
	record second -p "$pid"
	recorder=$PID
	kill -USR1 "$pid"
	stop "$pid"
	join "$recorder" 20
	equal "a second file" "$(sql "$DB" "SELECT count(*) FROM cannot_see WHERE what = 'a second file with a runtime' AND why LIKE '%extension.so%'")" 1
}

seen_whole mt 1 2 all outside
equal "a second file where there is one" "$(sql "$DB" "SELECT count(*) FROM cannot_see WHERE what = 'a second file with a runtime'")" 0
holds "tasks move between two workers" "$(count steal) > 0"
seen_from_start started all
spinning=()
for ((i = 0; i <= $(nproc); i++)); do start "spin$i" sh -c 'while :; do :; done' && spinning+=("$PID"); done
contended=1 seen_whole ct 2 1 --current-thread sound outside cpu_hog blocking_sleep
for pid in "${spinning[@]}"; do stop "$pid"; done
equal "tasks that move where there is one worker" "$(count steal)" 0
crowd
panics_stripped
attached_often mt.often "${CYCLES:-6}" "$program" all
attached_often lto.often "${CYCLES:-4}" "$(scripts/rust_workload.sh tokio lto)" echo tickers joiner aborter dropper mpsc spawn_blocking self_waker hand_written nested
attached_often ct.often "${CYCLES:-5}" "$TMP_E2E/bare.elf" --current-thread sound
second_file
