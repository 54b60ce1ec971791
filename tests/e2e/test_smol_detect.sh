#!/usr/bin/env bash
# What is wrong with unmodified smol and async-std programs, release builds, and that their healthy twins are not accused.
# timeout: 300
. "$(dirname "$0")/lib.sh"
need_root
need "$WEFT"

declare -A program=() watcher=() watched=()
for crate in smol async_std; do
	program[$crate]=$(scripts/rust_workload.sh $crate) || skip "cargo cannot build the Rust workload: no cargo, or no network"
done

# watch CRATE SECONDS BEHAVIOUR [--healthy]: diagnosed in the background, as $name
watch() {
	local crate=$1 seconds=$2
	shift 2
	name=$crate.$1${2-}
	[ -z "${WEFT_BREAK-}" ] || set -- "$1" --healthy
	start "$name" "${program[$crate]}" "$@"
	watched[$name]=$PID
	must 10 "$name is up" says "$TMP_E2E/$name.out" '^ready'
	# A machine that is busy with other work is no fault of the program; there, tasks end some time after they were cancelled.
	start "$name.diagnose" "$WEFT" diagnose -p "$PID" --duration "$seconds" --level normal --ignore cpu-starved,task-leak --set dropped.at_once_ms=500 --format json
	watcher[$name]=$PID
}
sick() {
	local name
	watch "$@"
	watch "$1" "$2" "$3" --healthy
}
# over NAME EXIT-CODE...
over() {
	join "${watcher[$1]}" 80
	case " ${*:2} " in *" $STATUS "*) ;; *) show_document "$TMP_E2E/$1.diagnose.out"; fail "exit code of diagnose on $1: $STATUS" ;; esac
	stop "${watched[$1]}"
	equal "exit code of $1" "$STATUS" 0
}
# found CRATE BEHAVIOUR ID CAUSE [FRAME]: on the task that is defined in the line of sick.rs with $place; and its twin is clean.
found() {
	local name=$1.$2 file=$TMP_E2E/$1.$2.diagnose.out at line
	over "$name" 1
	equal "kinds of findings in $name" "$(findings "$file" "SELECT group_concat(id) FROM (SELECT DISTINCT id FROM f ORDER BY id)")" "$3"
	equal "cause in $name" "$(findings "$file" "SELECT count(*) > 0 FROM f WHERE instr(cause, '$4')")" 1
	if [ -n "${place-}" ]; then
		line=$(grep -nF "$place" tests/workloads/smol/src/sick.rs | cut -d: -f1)
		at=$(findings "$file" "SELECT group_concat(DISTINCT location) FROM f WHERE id = '$3'")
		case $at in */sick.rs:$line) ;; *) fail "place in $name: $at, should be sick.rs:$line" ;; esac
	fi
	[ -z "${5-}" ] || stack_has "$file" "$3" "$5"
	[ -n "${alone-}" ] || sound "$name--healthy" "${3%%,*}"
}
found_only() { alone=1 found "$@"; } # without a twin
# sound NAME ID: nothing is found, and that could be told of this symptom. Of others it depends on the level, which a busy machine lowers.
sound() {
	local file=$TMP_E2E/$1.diagnose.out verdict
	over "$1" 0 3
	equal "findings in $1" "$(findings "$file" "SELECT group_concat(id) FROM f")" ""
	verdict=$(sqlite3 :memory: "SELECT json_extract(value, '\$.verdict') FROM
		json_each(CAST(readfile('$file') AS TEXT), '\$.checked') WHERE json_extract(value, '\$.id') = '$2'")
	[ "$verdict" = clean ] || show_document "$file"
	equal "verdict on $2 in $1" "$verdict" clean
}

sick smol 8 drop_at_once
sick smol 8 drop_later
sick smol 8 cancel_at_once
sick async_std 8 cancel_at_once
sick smol 8 undriven
sick smol 8 woken
sick async_std 8 late
sick smol 8 lost
sick smol 8 cycle
sick async_std 8 lost
sick smol 8 crash
sick async_std 8 block_mutex
# There a dropped handle lets its task go: sound.
watch async_std 8 drop_at_once

place="async fn job("
found smol drop_at_once handle-dropped "by the drop of its handle" async_task::task::Task
found smol drop_later handle-dropped "by the drop of its handle" sick::close
found smol cancel_at_once handle-dropped "as soon as it is spawned" Counted
found async_std cancel_at_once handle-dropped "as soon as it is spawned" Counted
place=
found smol undriven never-runs "no thread drives the runtime"
found smol woken never-runs "runnable, but not polled: no thread drives the runtime"
found async_std late "blocking-call,timer-stall" "timers have fired"
place="start_task(&LOST, async move {"
found smol lost lost-waker "nobody holds a waker"
place='async fn side(' found smol cycle wait-cycle "await each other"
found async_std lost lost-waker "nobody holds a waker"
place="async fn crash("
found smol crash detached-panic panicked
place="start_task(&LOCKER, async move {"
found async_std block_mutex blocking-call futex
sound async_std.drop_at_once handle-dropped

# Polls that were open before the watching began, one of which never ends: after the others, as it takes a CPU.
watch smol 12 spin
sick smol 12 held
watch async_std 12 spin
place="async fn spin("
found_only smol spin busy-loop "spins in one poll"
found_only async_std spin busy-loop "spins in one poll"
place=
found smol held "blocking-call,never-runs" "every worker is inside one poll"
