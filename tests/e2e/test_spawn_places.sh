#!/usr/bin/env bash
# Where the tasks of an unmodified Tokio program are spawned: file and line as in its source, and as many tasks at each of them
# as the program itself counted; with names and without, functions inlined into one another or not.
# timeout: 300
. "$(dirname "$0")/lib.sh"
need_root
need "$WEFT" strip sqlite3
source=tests/workloads/tokio/src/behaviours.rs

# spawned_at CONDITION: tasks seen to be spawned where it holds for the place
spawned_at() {
	sql "$DB" "SELECT count(*) FROM events e LEFT JOIN location l ON l.process = e.process AND l.site = e.b WHERE e.kind = 'task-spawn' AND ($1)"
}
located() { sql "$DB" "SELECT count(*) FROM events WHERE kind = 'task-spawn'"; }
some() { [ "$(located)" -gt 80 ]; }

# check NAME PROGRAM ARGS...: watched from before its first task to its end. Panics would end a build that aborts.
check() {
	local name=$1 pid recorder kind line lines told
	shift
	start "$name" "$@" --wait echo tickers joiner aborter dropper mpsc self_waker hand_written nested leaker mutex_held
	must 10 "the workload is up" says "$TMP_E2E/$name.out" '^ready'
	pid=$PID
	record "$name" -p "$pid" --level normal
	recorder=$PID
	kill -USR1 "$pid"
	must 20 "spawns in the recording" some
	stop "$pid"
	join "$recorder" 20
	equal "exit code of weft record on $name" "$STATUS" 0
	tail -n +2 "$TMP_E2E/$name.out" > "$TMP_E2E/$name.json"
	for kind in $(sqlite3 :memory: "SELECT key FROM json_each(CAST(readfile('$TMP_E2E/$name.json') AS TEXT), '\$.kinds')"); do
		lines=
		for line in $(grep -nE "spawn\(&${kind^^}," "$source" | cut -d: -f1); do lines+="${lines:+, }$line"; done
		told=$(spawned_at "l.file = 'src/behaviours.rs' AND l.line IN ($lines)")
		equal "$name: tasks spawned where the source says ${kind^^} ($lines)" "$told" "$(json "$TMP_E2E/$name.json" "\$.kinds.$kind.spawned")"
	done
	equal "$name: tasks without a place" "$(spawned_at "l.kind IS NOT 0 OR l.line = 0")" 0
}

# ways NAME PROGRAM ARGS...: every way to spawn there is. A line that is marked "at NAME" must have as many tasks as the program says,
# one that is marked "maybe NAME" as many or none, no other line any. Where a spawn can't be seen, which is said, its tasks are.
ways() {
	local name=$1 recorder line mark way n seen marked=0 unseen
	shift
	mkfifo "$TMP_E2E/$name.go"
	exec 9<> "$TMP_E2E/$name.go"
	start "$name" sh -c 'exec "$@" < "$0"' "$TMP_E2E/$name.go" "$@"
	must 10 "the program is up" says "$TMP_E2E/$name.out" '^ready'
	record "$name" -p "$PID" --level normal
	recorder=$PID
	echo go >&9
	join "$recorder" 60
	exec 9>&-
	equal "exit code of weft record on $name" "$STATUS" 0
	unseen=$(sql "$DB" "SELECT count(*) FROM cannot_see WHERE what = 'spawns of some task types'")
	while read -r line mark way; do
		n=$(awk -v way="$way" '$1 == way { print $2 }' "$TMP_E2E/$name.out")
		seen=$(spawned_at "l.file = 'src/spawner.rs' AND l.line = $line AND l.kind = 0")
		marked=$((marked + seen))
		if [ "$seen" = 0 ] && [ "$mark" = at ] && [ "$unseen" -gt 0 ]; then
			holds "$name: tasks of line $line" "$(sql "$DB" "SELECT count(*) FROM task_types WHERE location = 'src/spawner.rs:$line'") > 0"
			continue
		fi
		holds "$name: tasks at line $line ($mark $way): $seen of $n" "$seen = $n OR ('$mark' = 'maybe' AND $seen = 0)"
	done < <(grep -noE '// (at|maybe) [a-z]+$' tests/workloads/tokio/src/spawner.rs | sed 's|:// | |')
	holds "$name: tasks at marked lines: $marked" "$marked > 250"
	equal "$name: tasks said to be spawned at all" "$(spawned_at "l.kind = 0")" "$marked"
}

# With lines nothing is left out.
program=$(scripts/rust_workload.sh tokio lines) || skip "cargo cannot build the Rust workload: no cargo, or no network"
ways lines.ways "${program%workload}spawner"
for way in handle current beside; do
	line=$(grep -n "// maybe $way\$" tests/workloads/tokio/src/spawner.rs | cut -d: -f1)
	holds "lines: tasks at line $line ($way)" "$(spawned_at "l.line = $line AND l.kind = 0") >= 20"
done

for profile in release lto; do
	program=$(scripts/rust_workload.sh tokio $profile) || skip "cargo cannot build the Rust workload: no cargo, or no network"
	check "$profile" "$program"
	ways "$profile.ways" "${program%workload}spawner"
	strip -o "$TMP_E2E/$profile.bare" "$program"
	check "$profile.stripped" "$TMP_E2E/$profile.bare" --current-thread
	strip -o "$TMP_E2E/$profile.ways.bare" "${program%workload}spawner"
	ways "$profile.ways.stripped" "$TMP_E2E/$profile.ways.bare" --current-thread
done
