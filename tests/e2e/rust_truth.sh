# shellcheck shell=bash
# What Weft recorded of a Rust workload against what the program counted itself: tests/workloads/{tokio,smol,async_std}. Sourced
# after lib.sh. Nothing ends the test here: what is wrong is listed, a row of the matrix must not hide the next one.

# rust_compare FAMILY(tokio, async_task) SOURCE DB OUT: OUT is what the program printed. Sets WRONG and PARTLY, lists of words.
#   WRONG    a count that is not the program's own
#   PARTLY   what could not be looked at, because Weft tells no name of a type or says that it can't see it
rust_compare() {
	local family=$1 source=$2 db=$3 out=$4 line
	WRONG=() PARTLY=()
	tail -n +2 "$out" > "$out.json"
	"$WEFT" query "$db" "SELECT kind, result, reason, waker_kind, waker = task AS self, count(*) AS n FROM events
		GROUP BY 1, 2, 3, 4, 5" --format csv > "$out.counts" || :
	# Wakes by the type of task that was woken.
	"$WEFT" query "$db" "WITH born AS (SELECT process, task, b AS site FROM events WHERE kind = 'task-spawn')
		SELECT t.name AS name, t.file || ':' || t.line AS location, w.waker_kind, w.waker = w.task AS self, count(*) AS n
		FROM events w JOIN born b ON b.process = w.process AND b.task = w.task
		JOIN location t ON t.process = b.process AND t.site = b.site
		WHERE w.kind = 'task-wake' GROUP BY 1, 2, 3, 4" --format csv > "$out.wakes" || :
	"$WEFT" query "$db" "SELECT what, why FROM cannot_see" --format csv > "$out.gaps" || :
	"$WEFT" query "$db" "SELECT * FROM (SELECT total(tasks) AS all_tasks, total(tasks * (location LIKE 'src/%:%' OR name LIKE '%behaviours::%')) AS named FROM task_types)
		, (SELECT count(*) AS inexact FROM accounting WHERE produced <> stored + lost + filtered + expired)
		, (SELECT total(lost) AS lost FROM accounting), (SELECT count(*) AS unborn FROM tasks WHERE spawn_ns IS NULL)" --format csv > "$out.sums" || :
	# Where a kind's future is defined; nameless types are told by where they are spawned.
	grep -nE 'async fn (ticker|echo_connection|consumer|self_waker)\(|\(&(NESTED_TICKER|TICKER|ECHO_CONNECTION|CONSUMER|SELF_WAKER),' "$source" |
		sed -nE 's/^([0-9]+):.*(async fn |&(NESTED_)?)(ticker|echo_connection|consumer|self_waker|TICKER|ECHO_CONNECTION|CONSUMER|SELF_WAKER)[(,].*/\L\4\E,src\/behaviours.rs:\1/p' > "$out.places"
	while read -r line; do
		case $line in
		wrong*) WRONG+=("${line#wrong }") ;;
		partly*) PARTLY+=("${line#partly }") ;;
		esac
	done < <(rust_differences "$family" "$out")
	[ -s "$out.counts" ] || WRONG+=("nothing was read from the recording")
}

# Lines "wrong WHAT" and "partly WHAT".
rust_differences() {
	local family=$1 out=$2
	sqlite3 -separator ' ' :memory: ".mode csv" ".import '$out.counts' c" ".import '$out.wakes' w" ".import '$out.sums' sums" \
		"CREATE TABLE gap (what, why);" ".import --skip 1 '$out.gaps' gap" "CREATE TABLE place (kind, at);" ".import '$out.places' place" ".mode list" \
		"$(rust_checks "$out" | sed "s/FAMILY/'$family'/g")"
}

rust_checks() {
	cat <<-SQL
	CREATE TABLE k AS SELECT key AS kind, CAST(json_extract(value, '\$.spawned') AS INT) spawned, json_extract(value, '\$.polls') polls,
		json_extract(value, '\$.completed') completed, json_extract(value, '\$.cancelled') cancelled, json_extract(value, '\$.panicked') panicked,
		json_extract(value, '\$.shut_down') shut_down, json_extract(value, '\$.self_wakes') self_wakes
		FROM json_each(CAST(readfile('$1.json') AS TEXT), '\$.kinds');
	CREATE TABLE t AS SELECT total(spawned) spawned, total(polls) polls, total(completed) completed, total(cancelled) cancelled, total(panicked) panicked,
		total(shut_down) shut_down, total(self_wakes) self_wakes,
		json_extract(CAST(readfile('$1.json') AS TEXT), '\$.jobs_asked') asked, json_extract(CAST(readfile('$1.json') AS TEXT), '\$.jobs_run') run FROM k;
	-- what Weft saw
	CREATE TABLE s AS SELECT total(n * (kind = 'task-spawn')) spawns, total(n * (kind = 'task-poll')) polls, total(n * (kind = 'task-end')) ends,
		total(n * (kind = 'task-poll' AND result = 'cancelled')) cancelled_polls,
		total(n * (kind = 'task-end' AND reason = 'done')) done, total(n * (kind = 'task-end' AND reason = 'error')) panics,
		total(n * (kind = 'task-end' AND reason = 'cancelled')) cancelled, total(n * (kind = 'task-end' AND reason = 'shutdown')) shutdowns,
		total(n * (kind = 'job-end')) jobs, total(n * (kind = 'task-wake' AND self = '1')) self_wakes,
		total(n * (kind = 'task-wake' AND waker_kind = 'io')) io, total(n * (kind = 'task-wake' AND waker_kind = 'timer')) timer FROM c;
	-- Where Weft says that it can't tell panics, they are completions to it.
	CREATE TABLE blind AS SELECT EXISTS (SELECT 1 FROM gap WHERE what = 'panics') AS panics;
	UPDATE s SET done = done - (SELECT panicked FROM t), panics = (SELECT panicked FROM t) WHERE panics = 0 AND (SELECT panics FROM blind);
	SELECT 'partly panics (said)' FROM blind, t WHERE blind.panics AND t.panicked > 0;
	CREATE TABLE ready (what TEXT, ok INT, is_ TEXT, family TEXT);
	-- Tokio polls a task that was cancelled, its future is not polled.
	INSERT INTO ready SELECT 'polls', s.polls - t.polls BETWEEN s.cancelled_polls AND s.cancelled_polls + 1, s.polls || ' of ' || t.polls, 'tokio' FROM s, t
	UNION ALL SELECT 'spawns', s.spawns = t.spawned, s.spawns || ' of ' || t.spawned, 'tokio' FROM s, t
	UNION ALL SELECT 'ends', s.ends = t.spawned, s.ends || ' of ' || t.spawned, 'tokio' FROM s, t
	UNION ALL SELECT 'completions', s.done = t.completed, s.done || ' of ' || t.completed, 'tokio' FROM s, t
	UNION ALL SELECT 'panics', s.panics = t.panicked, s.panics || ' of ' || t.panicked, '*' FROM s, t
	UNION ALL SELECT 'cancelled and shut down', s.cancelled + s.shutdowns = t.cancelled + t.shut_down,
		s.cancelled + s.shutdowns || ' of ' || (t.cancelled + t.shut_down), 'tokio' FROM s, t
	UNION ALL SELECT 'jobs', s.jobs = t.run, s.jobs || ' of ' || t.run, 'tokio' FROM s, t
	-- async-task: jobs of the blocking pool are tasks, too; what ends while the program ends may be seen and not counted.
	UNION ALL SELECT 'spawns', s.spawns - t.spawned BETWEEN 0 AND t.asked, s.spawns || ' of ' || t.spawned || ' and ' || t.asked || ' jobs', 'async_task' FROM s, t
	UNION ALL SELECT 'polls', s.polls - s.cancelled - t.polls BETWEEN -3 AND 3 * (s.spawns - t.spawned) + 6, s.polls || ' of ' || t.polls, 'async_task' FROM s, t
	UNION ALL SELECT 'completions', s.done - t.completed BETWEEN -1 AND s.spawns - t.spawned + 3, s.done || ' of ' || t.completed, 'async_task' FROM s, t
	UNION ALL SELECT 'cancelled', abs(s.cancelled - t.cancelled) <= 3, s.cancelled || ' of ' || t.cancelled, 'async_task' FROM s, t
	-- Late timers are more of them, see below; the last are counted, and not seen.
	UNION ALL SELECT 'wakes of itself', s.self_wakes >= t.self_wakes - 3, s.self_wakes || ' of ' || t.self_wakes, '*' FROM s, t
	UNION ALL SELECT 'accounting', inexact = '0', inexact || ' kinds', '*' FROM sums
	UNION ALL SELECT 'lost', CAST(lost AS INT) = 0, lost, '*' FROM sums
	UNION ALL SELECT 'tasks without their birth', unborn = '0', unborn, 'tokio' FROM sums;
	SELECT 'wrong ' || what || ' ' || is_ FROM ready WHERE family IN (FAMILY, '*') AND ok IS NOT TRUE;
	-- async-io's timers are told apart from IO where they are seen at all.
	CREATE TABLE by_what AS SELECT CASE WHEN FAMILY = 'tokio' OR EXISTS (SELECT 1 FROM c WHERE kind = 'timer-fire') THEN 'timer' ELSE 'io' END AS ticks;
	-- Tasks that wait for one thing only: each poll but the first is a wake by it.
	CREATE TABLE mine AS SELECT kind, w.* FROM (SELECT DISTINCT kind FROM place) p JOIN w ON instr(w.name, '::' || p.kind || '::')
		OR EXISTS (SELECT 1 FROM place WHERE place.kind = p.kind AND w.location IN (at, 'src/../../smol/' || at)); -- async_std has smol's sources
	CREATE TABLE woken AS SELECT kind, (SELECT total(polls - spawned) FROM k WHERE k.kind = p.kind OR (p.kind = 'ticker' AND k.kind = 'nested_ticker')) AS should,
		(SELECT sum(n) FROM mine WHERE mine.kind = p.kind) AS wakes,
		(SELECT total(n * CASE p.kind WHEN 'ticker' THEN waker_kind = (SELECT ticks FROM by_what) OR self = '1' WHEN 'echo_connection' THEN waker_kind = 'io'
			WHEN 'consumer' THEN waker_kind = 'task' AND self = '0' ELSE self = '1' END) FROM mine WHERE mine.kind = p.kind) AS right,
		(SELECT total(n) FROM mine WHERE p.kind = 'ticker' AND mine.kind = p.kind AND self = '1') AS at_once,
		(SELECT self_wakes FROM k WHERE k.kind = p.kind) AS own FROM (SELECT DISTINCT kind FROM place) p;
	-- A late timer is due when it is set, and wakes the task that sets it, often more than once in a poll. The last wakes have no poll. async-task's reactor may wake a task again before it was polled.
	CREATE TABLE verdict AS SELECT kind, CASE kind WHEN 'self_waker' THEN own ELSE should END AS should, wakes, right, at_once,
		(SELECT shut_down FROM k WHERE k.kind = woken.kind) + 2 + CASE FAMILY WHEN 'tokio' THEN 0 ELSE should / 50 + 6 END AS more,
		EXISTS (SELECT 1 FROM gap WHERE (kind = 'ticker' AND (what LIKE '%timer%' OR what LIKE '%wake%')) OR (kind = 'echo_connection' AND what LIKE '%wake%')) AS said FROM woken;
	SELECT 'partly no name or place of ' || kind FROM verdict WHERE wakes IS NULL;
	SELECT 'partly who wakes ' || kind || ' (said)' FROM verdict WHERE right NOT BETWEEN should - 2 AND should + more AND said AND wakes IS NOT NULL;
	SELECT 'wrong wakes of ' || kind || ': ' || right || ' of ' || should || ', of them at once ' || at_once FROM verdict
		WHERE NOT (right >= should - 2 AND right - at_once <= should + more) AND NOT said AND wakes IS NOT NULL;
	SELECT 'partly ' || CAST(100 - 100.0 * named / all_tasks AS INT) || ' % of tasks without a place' FROM sums WHERE 0.0 + named < 0.5 * all_tasks;
	SQL
}
