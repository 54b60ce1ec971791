#!/usr/bin/env bash
# A part of the gallery (tests/gallery/tokio.txt) on unmodified Tokio: troubles that were there before the watching began, and their healthy
# twins. What hangs has no hit of a probe to tell of it.
# timeout: 230
. "$(dirname "$0")/lib.sh"
need_root
need "$WEFT"
program=$(scripts/rust_workload.sh tokio) || skip "cargo cannot build the Rust workload: no cargo, or no network"
src=tests/workloads/tokio

declare -A watcher=() watched=()
# watch NAME SECONDS FLAVOUR VARIANT [--healthy]: in the background, once the trouble is there
watch() {
	local name=$1 seconds=$2
	[ -z "${WEFT_BREAK-}" ] || set -- "$1" "$2" "$3" "$4" --healthy
	start "$name" "$program" --seconds 120 --flavour "$3" --variant "$4" ${5:+"$5"}
	must 10 "the workload is up" says "$TMP_E2E/$name.out" '^ready'
	watched[$name]=$PID
	start "$name.diagnose" "$WEFT" diagnose -p "$PID" --duration "$seconds" --ignore cpu-starved --format json
	watcher[$name]=$PID
}
# over NAME: ends both. A program whose only thread spins hears no signal but this one.
over() {
	join "${watcher[$1]}" 60
	local rc=$STATUS
	if [ -n "${watched[$1]}" ]; then
		kill -KILL "${watched[$1]}" 2> /dev/null || true
		join "${watched[$1]}" 20
	fi
	[ "$rc" -ne 2 ] || fail "weft diagnose on $1: $(cat "$TMP_E2E/$1.diagnose.err")"
}
# found NAME ID CAUSE VARIANT: one finding of this id, with the cause, at one of the places that the source marks
found() {
	local file=$TMP_E2E/$1.diagnose.out at places
	over "$1"
	[ "$(findings "$file" "SELECT count(*) > 0 FROM f WHERE id = '$2' AND cause LIKE '$3'")" = 1 ] || {
		show_findings "$file"
		fail "$1: no $2 with '$3'"
	}
	at=$(findings "$file" "SELECT DISTINCT location FROM f WHERE id = '$2' AND location <> ''")
	places=$(cd $src && grep -rnE "// gallery: ([a-z_]+ )*$4( |\$)" src | cut -d: -f1,2)
	[ -z "$at" ] || grep -qxF "$(cut -d: -f1,2 <<< "$at")" <<< "$places" || fail "place of $2 in $1: $at, marked are $places"
}
clean() {
	over "$1"
	equal "findings in $1" "$(findings "$TMP_E2E/$1.diagnose.out" "SELECT group_concat(DISTINCT id) FROM f")" ""
}

watch held 12 multi_thread held
watch undriven 12 multi_thread undriven
watch woken 12 multi_thread woken
watch panic 12 multi_thread panic
watch held.well 12 multi_thread held --healthy
watch undriven.well 12 multi_thread undriven --healthy
watch woken.well 12 multi_thread woken --healthy
watch panic.well 12 current_thread panic --healthy
found held never-runs '%polled: every worker is inside one poll' held
equal "blockers beside it" "$(findings "$TMP_E2E/held.diagnose.out" "SELECT count(*) FROM f WHERE id = 'blocking-call'")" 1
stack_has "$TMP_E2E/held.diagnose.out" blocking-call thread::functions::sleep
equal "the two are related" "$(findings "$TMP_E2E/held.diagnose.out" "SELECT count(*) FROM f a, f b, json_each(a.body, '\$.related') r
	WHERE a.id = 'never-runs' AND b.id = 'blocking-call' AND r.value = json_extract(b.body, '\$.fingerprint')")" 1
found undriven never-runs '%polled: no thread drives%' undriven
found woken never-runs '%not polled: no thread drives%' woken
found panic detached-panic '%panicked' panic
for name in held undriven woken panic; do clean $name.well; done

# A runtime that nobody drives any more: what was armed or woken there is known to one who has watched from the start.
begun() {
	local name=$1
	shift
	[ -z "${WEFT_BREAK-}" ] || set -- "$1" --healthy
	# What the program prints becomes a file where weft runs.
	start "$name.diagnose" env -C "$TMP_E2E" "$(realpath "$WEFT")" diagnose --duration 8 --level normal --ignore cpu-starved --format json -- \
		"$program" --seconds 60 --variant "$@"
	watcher[$name]=$PID
	watched[$name]=
}
begun unturned unturned
begun left woken
begun unturned.well unturned --healthy
begun left.well woken --healthy
found unturned timer-stall '%no thread drives%' unturned
found left never-runs '%not polled: no thread drives%' woken
for name in unturned left; do clean $name.well; done

# The thread is there, and the future that was given to block_on has it.
watch root 10 multi_thread root_channel
watch root.well 10 multi_thread root_channel --healthy
watch root.many 10 multi_thread root_sleep --healthy
watch alarm 12 multi_thread unturned
watch alarm.well 12 multi_thread unturned --healthy
found root never-runs '%not polled: the future given to block_on blocks its thread' root_channel
found alarm timer-stall '%no thread drives%' unturned
for name in root.well root.many alarm.well; do clean $name; done

watch cycle 10 multi_thread cycle
watch cycle.well 10 multi_thread cycle --healthy
watch abort 10 multi_thread abort
watch abort.well 10 multi_thread abort --healthy
"$WEFT" dump -p "${watched[cycle]}" > "$TMP_E2E/cycle.dump" || fail "weft dump: exit code $?"
equal "tasks that await one" "$(grep -c 'waits for join of task' "$TMP_E2E/cycle.dump")" 2
# One runtime after the other, each gone when its task is done: their memory is nobody's.
watch gone.well 10 multi_thread shutdown --healthy
found cycle wait-cycle '2 tasks await each other%' cycle
# Who aborts them, and from where.
found abort handle-dropped 'aborted as soon as it is spawned' abort
file=$TMP_E2E/abort.diagnose.out
by=$(findings "$file" "SELECT json_extract(e.value, '\$.text') FROM f, json_each(f.evidence) e WHERE json_extract(e.value, '\$.text') LIKE 'by task %'")
line=$(grep -n 'spawn(&HASTY, async' $src/src/sick/handles.rs | head -n 1 | cut -d: -f1)
grep -qE "^by task [0-9]+ tokio_workload::sick::handles::abort::\{async fn\}, spawned at src/sick/handles.rs:$line\$" <<< "$by" || fail "who aborts: '$by'"
evidence_has "$file" handle-dropped "the last by <tokio_workload::truth::Counted"
stack_has "$file" handle-dropped remote_abort
for name in cycle gone abort; do clean $name.well; done

watch spin 8 current_thread spin
watch spin.well 8 current_thread spin --healthy
found spin busy-loop 'spins in one poll%' spin
clean spin.well
