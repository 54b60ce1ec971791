# shellcheck shell=bash
# Who did what to whom, and how long it took, against what the program's source and its own clocks say: tests/workloads/{tokio,
# smol,async_std}. Sourced after lib.sh. DB is a recording from before the first task to the end, "$TMP_E2E/NAME.json" what the
# program counted.

# details_of FAMILY(tokio, async_task) NAME SOURCE: copies what is asked for into a database of its own. In it, `born` tells task, parent and
# kind: of Tokio by the place of the spawn, of async-task, which has none, by the future's name.
details_of() {
	local family=$1 source=$3 kind line what kinds=()
	FAMILY=$family COUNTED=$TMP_E2E/$2.json DETAILS=$TMP_E2E/$2.details
	what="l.line = k.at"
	[ "$family" = tokio ] || what="instr(l.name, '::' || k.at || '::')"
	for kind in $(sqlite3 :memory: "SELECT key FROM json_each(CAST(readfile('$COUNTED') AS TEXT), '\$.kinds')"); do
		if [ "$family" = tokio ]; then
			for line in $(grep -nE "spawn\(&${kind^^}," "$source" | cut -d: -f1); do kinds+=("($line, '$kind')"); done
		else
			kinds+=("('$kind', '$kind')")
		fi
	done
	rm -f "$DETAILS"
	"$WEFT" query "$DB" "SELECT t_ns, kind, lane, task, a, b, dur_ns, delay_ns, blocked_ns, runnable_ns, result, waker, waker_kind, reason FROM events
		WHERE kind IN ('task-spawn', 'task-poll', 'task-wake', 'task-end', 'handle-drop', 'worker-park', 'worker-unpark')" --format csv > "$DETAILS.csv"
	"$WEFT" query "$DB" "SELECT site, name, line FROM location" --format csv > "$DETAILS.sites"
	sqlite3 "$DETAILS" "CREATE TABLE e(t_ns INT, kind, lane INT, task INT, a INT, b INT, dur_ns INT, delay_ns INT, blocked_ns INT, runnable_ns INT, result, waker INT,
			waker_kind, reason); CREATE TABLE l(site INT, name, line INT)" ".mode csv" ".import --skip 1 '$DETAILS.csv' e" ".import --skip 1 '$DETAILS.sites' l" \
		"CREATE TABLE events AS SELECT t_ns, kind, lane, nullif(task, '') AS task, a, b, nullif(dur_ns, '') AS dur_ns, nullif(delay_ns, '') AS delay_ns, blocked_ns,
			runnable_ns, result, nullif(waker, '') AS waker, waker_kind, reason FROM e;
		CREATE INDEX by_task ON events(task, kind);
		CREATE TABLE k AS SELECT column1 AS at, column2 AS kind FROM (VALUES $(IFS=, && echo "${kinds[*]}"));
		CREATE TABLE born AS SELECT e.task, nullif(e.a, 0) AS parent, k.kind FROM events e JOIN l ON l.site = e.b JOIN k ON $what WHERE e.kind = 'task-spawn';
		CREATE INDEX by_id ON born(task)"
}
detail() { sqlite3 -separator , "$DETAILS" "SELECT $1"; }
# none WHAT SELECT: columns that say what is wrong
none() {
	local bad
	bad=$(detail "$2" | sort | uniq -c | head -n 5)
	[ -z "$bad" ] || fail "$1: $bad"
}
# own KIND FIELD: what the program counted
own() { json "$COUNTED" "\$.kinds.$1.$2"; }

# who_did_what: parents, wakers, who cancels, handles that are let go; `outside` is among the behaviours.
who_did_what() {
	local pairs="VALUES ('echo_connection', 'echo_server'), ('echo_client', 'echo'), ('echo_connection', 'echo'), ('short_job', 'joiner'), ('short_job', 'dropper'),
		('never_done', 'aborter'), ('detached', 'dropper'), ('panicky', 'panic_parent'), ('leaky_wait', 'leaker'), ('countdown', 'countdowns')"
	none "tasks with another parent than in the source" "c.kind, p.kind FROM born c LEFT JOIN born p ON p.task = c.parent
		WHERE (c.kind, coalesce(p.kind, 'echo')) NOT IN ($pairs) AND (c.parent IS NOT NULL OR c.kind IN
		('short_job', 'never_done', 'detached', 'panicky', 'leaky_wait', 'countdown', 'echo_connection'))"
	holds "tasks with a parent" "$(detail "count(*) FROM born c JOIN born p ON p.task = c.parent") > 100"

	# Whoever ends is awaited by its parent, a channel wakes both ends.
	none "tasks woken by another than in the source" "t.kind, w.kind FROM events e JOIN born t ON t.task = e.task LEFT JOIN born w ON w.task = e.waker
		WHERE e.kind = 'task-wake' AND e.waker_kind = 'task' AND e.waker <> e.task AND CASE WHEN w.kind IS NULL THEN '$FAMILY' = 'tokio' OR t.kind NOT IN ('job_caller', 'countdowns')
		ELSE (w.kind, t.kind) NOT IN ($pairs UNION VALUES ('producer', 'consumer'), ('consumer', 'producer')) END" # nameless: a job is a task to async-std
	equal "wakes by nobody that are a task's" "$(detail "count(*) FROM events WHERE kind = 'task-wake' AND (waker_kind = 'task') <> (waker IS NOT NULL)")" 0
	woken_by consumer "waker_kind = 'task' AND w.kind = 'producer'" "$(($(own consumer polls) - 1))"
	woken_by panic_parent "w.kind = 'panicky'" "$(own panicky panicked)"
	# Another worker may have ended the victim before it is awaited.
	holds "wakes of the aborter by its victims" "$(detail "count(*) FROM events e JOIN born t ON t.task = e.task JOIN born w ON w.task = e.waker
		WHERE e.kind = 'task-wake' AND t.kind = 'aborter' AND w.kind = 'never_done'") BETWEEN $(own never_done cancelled) / 2 AND $(own never_done cancelled) + 3"
	woken_by listener "waker_kind = 'foreign' AND waker IS NULL" "$(($(own listener polls) - 1))"
	none "the listener's wakes by others" "waker_kind FROM events e JOIN born t ON t.task = e.task
		WHERE e.kind = 'task-wake' AND t.kind = 'listener' AND waker_kind <> 'foreign'"

	# Who cancels is seen where that makes the task runnable, in async-task only there: not of one that is queued for its first poll.
	none "cancelled by another than the aborter" "t.kind, w.kind FROM events e JOIN born t ON t.task = e.task LEFT JOIN born w ON w.task = e.a
		WHERE e.kind = 'task-end' AND e.reason = 'cancelled' AND t.kind = 'never_done' AND w.kind IS NOT 'aborter'
		AND NOT ('$FAMILY' = 'async_task' AND e.a = 0 AND (SELECT count(*) FROM events p WHERE p.task = t.task AND p.kind = 'task-poll') = 1)"
	holds "cancelled by the aborter" "$(detail "count(*) FROM events e JOIN born t ON t.task = e.task WHERE e.kind = 'task-end' AND e.reason = 'cancelled'
		AND t.kind = 'never_done'") - $(own never_done cancelled) BETWEEN 0 AND 2 AND $(own never_done cancelled) > 5"

	# Their parents hold the handles of these. What is being ended has no say.
	handles_go "t.kind NOT IN ('short_job', 'never_done', 'panicky', 'countdown', 'nested_ticker')"
	holds "handles let go of tasks that are awaited" "$(detail "count(*) FROM events e JOIN born t ON t.task = e.task
		WHERE e.kind = 'handle-drop' AND e.b = 1 AND t.kind IN ('never_done', 'panicky', 'countdown')") <= 3"
}
# woken_by KIND CONDITION TIMES: the last ones are counted, and not seen, or the other way round.
woken_by() {
	local n
	n=$(detail "count(*) FROM events e JOIN born t ON t.task = e.task LEFT JOIN born w ON w.task = e.waker
		WHERE e.kind = 'task-wake' AND t.kind = '$1' AND $2")
	holds "wakes of $1 where $2: $n of $3" "abs($n - $3) <= $3 / 50 + 3 AND $3 > 5"
}
# handles_go CONDITION: each such task that was polled goes on without its handle, which is told once. In async-task one that is let go during
# the only poll is not.
handles_go() {
	local sums
	sums=$(detail "count(*), total(n = 1), total(n > 1) FROM (SELECT (SELECT count(*) FROM events d WHERE d.task = t.task AND d.kind = 'handle-drop' AND d.b = 1) AS n
		FROM born t WHERE $1 AND EXISTS (SELECT 1 FROM events p WHERE p.task = t.task AND p.kind = 'task-poll' AND p.result <> 'cancelled'))")
	IFS=, read -r all once twice <<< "$sums"
	holds "$once of $all handles let go once, $twice more often" "$twice = 0 AND $all > 30 AND $once BETWEEN $all - $all / 20 AND $all"
}

# rounds DB: there are enough of what how_long and who_did_what look at.
rounds() {
	[ "$(sql "$1" "SELECT total(kind = 'task-poll' AND dur_ns > 59000000) > 12 AND total(kind = 'task-spawn' AND a <> 0) > 120 AND
		total(kind = 'task-end' AND reason = 'cancelled') > 8 AND total(kind = 'task-end' AND reason = 'error') > 8 FROM events")" = 1 ]
}

# rounds_are FIELD KIND MS BLOCKED: polls of that kind but the first two (Weft gets to know a thread a moment after its first poll), as many as it has told: by the
# clock, waiting for a CPU, blocked, against what the program measured. BLOCKED is a share of what is left of them then. Sets wall and runnable.
rounds_are() {
	local all short odd dur blocked delay rounds sums
	rounds=$(json "$COUNTED" "\$.$1_rounds")
	wall=$(json "$COUNTED" "\$.$1_wall_us") delay=$(json "$COUNTED" "\$.$1_delay_us")
	sums=$(detail "count(*), total(dur_ns < ${3}000000), total($4 AND (blocked_ns < 70000000 OR dur_ns - blocked_ns - runnable_ns > 5000000)), total(dur_ns) / 1000, total(runnable_ns) / 1000, total(blocked_ns) / 1000
		FROM (SELECT * FROM events e JOIN born t ON t.task = e.task WHERE e.kind = 'task-poll' AND t.kind = '$2' AND dur_ns > 1000000 ORDER BY t_ns LIMIT $rounds - 2 OFFSET 2)")
	IFS=, read -r all short odd dur runnable blocked <<< "$sums"
	holds "$all polls of $2 after two of $rounds, $short too short, $odd that slept too short, take $dur us of $wall, $runnable of $delay waiting for a CPU, $blocked blocked" \
		"$all >= 3 AND $all = $rounds - 2 AND $short = 0 AND $odd = 0 AND abs($dur - $wall) <= 0.03 * $wall AND abs(($dur - $runnable - $blocked) - (1 - $4) * ($wall - $delay)) <= 0.05 * $wall AND abs($runnable - $delay) <= 0.03 * $wall AND abs($blocked - $4 * ($wall - $delay)) <= 0.02 * $wall"
}

# how_long: polls by the clock, on a CPU, waiting for one, blocked; from wake to poll; parked. `contended`: others want the CPUs, too.
how_long() {
	local contended=${1-} kind max sure told wall runnable
	for kind in blocking_sleep cpu_hog; do
		IFS=, read -r max runnable < <(detail "max(dur_ns) / 1000, runnable_ns / 1000 FROM events e JOIN born t ON t.task = e.task WHERE e.kind = 'task-poll' AND t.kind = '$kind'")
		holds "longest poll of $kind: $max us, $runnable of them for want of a CPU" \
			"$max - $(own $kind poll_max_us) BETWEEN 0 AND 0.05 * $(own $kind poll_max_us) + $runnable"
	done
	rounds_are sleep blocking_sleep 80 1
	rounds_are hog cpu_hog 60 0
	[ -z "$contended" ] || holds "the hog waits for a CPU: $runnable us of $wall" "$runnable > 0.1 * $wall"
	# The first poll is by its spawn, the last by no message. Who wakes may lose its CPU before it has done so, and who is polled
	# before it reads its clock.
	told=$(json "$COUNTED" '$.wake_delay_max_us')
	IFS=, read -r max sure < <(detail "max(delay_ns) / 1000, max(CASE WHEN n < $(own listener polls) - 2 THEN delay_ns END) / 1000
		FROM (SELECT row_number() OVER (ORDER BY t_ns) AS n, delay_ns FROM events e JOIN born t ON t.task = e.task WHERE e.kind = 'task-poll' AND t.kind = 'listener') WHERE n > 1")
	holds "longest time from a wake to the listener's poll: $max us, $sure of them for sure, of $told" \
		"$told - $max <= 5000 + 0.1 * $told + $(json "$COUNTED" '$.wake_call_max_us') + $(own listener poll_max_us) AND $sure - $told <= 1000"
}

# parks WORKERS: as often parked as unparked, but for the last time, and where a poll begins before the thread is seen to be back; parked and polling are no more than the time there is.
parks() {
	none "workers that are parked at wrong times" "* FROM (SELECT lane, total(kind = 'worker-park') AS parks, total(kind = 'worker-unpark') AS unparks,
		total(CASE kind WHEN 'worker-unpark' THEN dur_ns END) AS parked, total(CASE kind WHEN 'task-poll' THEN dur_ns END) AS polled, max(t_ns) - min(t_ns) AS time
		FROM events WHERE kind IN ('worker-park', 'worker-unpark', 'task-poll') GROUP BY lane HAVING parks > 0)
		WHERE parks - unparks NOT BETWEEN 0 AND 1 + parks / 500 OR parked + polled > time + 100000000 OR parked = 0"
	holds "workers that park" "$(detail "count(*) FROM (SELECT lane FROM events WHERE kind = 'worker-park' GROUP BY lane HAVING count(*) > 20)") >= $1"
}
