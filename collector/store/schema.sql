-- SPDX-License-Identifier: MIT
--
-- A Weft recording: one plain SQLite file. Contract: the views at the end keep their names and columns;
-- application_id is 0x57656674 ("Weft"), user_version the version of this schema (readers refuse a newer one).
-- Times are integers, ns from the start of the recording, unless a name says otherwise. NULL = not seen, 0 = measured zero.
--
-- Events are packed into `chunk`; everything else is small and plain. The stock sqlite3 shell reads all
-- but the inside of chunks; `.load weft_events` adds the table `events` and the table-valued functions.

-- ---------------------------------------------------------------- what was recorded

CREATE TABLE session(
	id INTEGER PRIMARY KEY CHECK (id = 1),
	weft TEXT NOT NULL,              -- version that wrote the file
	boot_id TEXT, kernel TEXT, machine TEXT,
	level INTEGER,                   -- asked for; 0 = automatic
	start_realtime_ns INTEGER,       -- CLOCK_REALTIME and CLOCK_MONOTONIC at the start
	start_mono_ns INTEGER NOT NULL DEFAULT 0,
	end_ns INTEGER,                  -- last time the pipeline passed; NULL until the first commit
	clean INTEGER NOT NULL DEFAULT 0 -- 1 = closed in order, nothing is missing at the end
);

CREATE TABLE process(
	process INTEGER PRIMARY KEY,     -- index in this recording
	pid INTEGER, ns_pid INTEGER, parent INTEGER, uid INTEGER,
	start_ticks INTEGER,             -- with boot_id and pid the process key
	attach_ns INTEGER, exit_ns INTEGER, exit_code INTEGER, exit_signal INTEGER,
	clock INTEGER, from_start INTEGER,
	comm TEXT, exe TEXT, build_id TEXT
);

CREATE TABLE runtime(
	process INTEGER, runtime INTEGER,
	kind TEXT,                       -- weft, tokio, async-std, smol
	flavour INTEGER, workers INTEGER, version TEXT, name TEXT,
	fingerprint INTEGER,             -- xor native_id: that of a task; NULL = its tasks have no ids of their own. Since version 3
	PRIMARY KEY (process, runtime)
) WITHOUT ROWID;

-- A lane belongs to one thread that emits events; worker: the one that it is or was last, NULL = never was one.
CREATE TABLE lane(
	process INTEGER, lane INTEGER, generation INTEGER,
	role INTEGER, runtime INTEGER, worker INTEGER, tid INTEGER, ns_tid INTEGER, name TEXT,
	-- from the last sample; since the attach. busy_ns: inside polls by the clock, blocked and waiting for a CPU too (of tasks: on
	-- the CPU only); cpu_ns, runq_ns: of the thread, by the kernel
	state INTEGER, polls INTEGER, busy_ns INTEGER, poll_max_ns INTEGER, park_ns INTEGER,
	wakes INTEGER, self_wakes INTEGER, steals INTEGER, stolen_tasks INTEGER, parks INTEGER,
	cpu_ns INTEGER, runq_ns INTEGER,
	estimated INTEGER,               -- 1 = polls were watched part of the time: polls, busy_ns, wakes, self_wakes are extrapolated
	PRIMARY KEY (process, lane, generation)
) WITHOUT ROWID;

-- Places in the source where tasks are spawned or await.
CREATE TABLE location(
	process INTEGER, site INTEGER, func TEXT, name TEXT, file TEXT, line INTEGER, kind INTEGER,
	PRIMARY KEY (process, site)
) WITHOUT ROWID;

-- ---------------------------------------------------------------- events

-- 8,192 events or 250 ms, never across a full second. `tasks`: the ids that occur, before the payload, so that a
-- look-up by task skips chunks unread. `counts`: events by (process, kind). `data`: columns (collector/README.md
-- has the layout). `flat`: session events between them, as delivered. n counts both.
CREATE TABLE chunk(
	chunk INTEGER PRIMARY KEY,
	t0 INTEGER NOT NULL, t1 INTEGER NOT NULL, -- of its events, late ones included
	n INTEGER NOT NULL,
	codec INTEGER NOT NULL,                   -- 1
	task0 INTEGER, task1 INTEGER,             -- least and greatest id in `tasks`
	counts BLOB NOT NULL,
	tasks BLOB NOT NULL,
	data BLOB NOT NULL,
	flat BLOB
);

-- Session events that others refer to: kept when the chunk they came in expires. pos: before which event of the chunk.
CREATE TABLE definition(
	id INTEGER PRIMARY KEY,
	chunk INTEGER NOT NULL, pos INTEGER NOT NULL, t_ns INTEGER NOT NULL,
	kind INTEGER NOT NULL, process INTEGER NOT NULL, event BLOB NOT NULL
);

-- Per second: one row for each task that was busy for at least 1 ms in it, the rest by place of spawn (site 0 = not seen).
CREATE TABLE rollup_task(
	second INTEGER, task INTEGER,
	polls INTEGER, busy_ns INTEGER, poll_max_ns INTEGER, wakes INTEGER, blocked_ns INTEGER, runnable_ns INTEGER,
	PRIMARY KEY (second, task)
) WITHOUT ROWID;
CREATE TABLE rollup_site(
	second INTEGER, process INTEGER, site INTEGER,
	polls INTEGER, busy_ns INTEGER, poll_max_ns INTEGER, wakes INTEGER, blocked_ns INTEGER, runnable_ns INTEGER,
	spawned INTEGER, ended INTEGER,
	PRIMARY KEY (second, process, site)
) WITHOUT ROWID;

-- Polls by place of spawn over the chunks `first` to `last`, which lie between t0 and t1 (ns); site 0 = not seen. hist: pairs of
-- varints, empty buckets before this one and polls in it; 16 buckets to a factor of two (collector/store/poll_bucket.h).
-- Percentiles over a long time come from here. Where it has no row, they come from the chunks. Since version 2.
CREATE TABLE poll_sum(
	last INTEGER, process INTEGER, site INTEGER, first INTEGER NOT NULL, t0 INTEGER NOT NULL, t1 INTEGER NOT NULL,
	polls INTEGER, busy_ns INTEGER, max_ns INTEGER, hist BLOB NOT NULL,
	PRIMARY KEY (last, process, site)
) WITHOUT ROWID;

-- Tasks that were born and ended within one chunk have no row in task_row: their totals by place of spawn.
-- The single ones: SELECT * FROM short_tasks (extension, `weft query`).
CREATE TABLE short_total(
	process INTEGER, site INTEGER,
	tasks INTEGER, polls INTEGER, busy_ns INTEGER, blocked_ns INTEGER, runnable_ns INTEGER,
	wakes INTEGER, self_wakes INTEGER, poll_max_ns INTEGER, life_ns INTEGER,
	PRIMARY KEY (process, site)
) WITHOUT ROWID;

-- What the accounting says: produced = stored + lost + filtered + expired. emitted: what the target itself counted, NULL = it did
-- not say; final = 1: its last word. kind 0 = known to be missing, of which kind comes at the end.
CREATE TABLE account(
	process INTEGER, kind INTEGER, name TEXT,
	emitted INTEGER, filtered INTEGER NOT NULL DEFAULT 0, stored INTEGER NOT NULL DEFAULT 0,
	lost INTEGER NOT NULL DEFAULT 0, expired INTEGER NOT NULL DEFAULT 0, final INTEGER NOT NULL DEFAULT 0,
	PRIMARY KEY (process, kind)
) WITHOUT ROWID;
-- What does not add up. Empty in every sound recording.
CREATE TABLE accounting_error(process INTEGER, kind TEXT, text TEXT);

CREATE TABLE gap(t_ns INTEGER, process INTEGER, lane INTEGER, seq_from INTEGER, seq_to INTEGER, reason INTEGER);
CREATE TABLE cannot_see(process INTEGER, what TEXT, why TEXT, PRIMARY KEY (process, what)) WITHOUT ROWID;

-- ---------------------------------------------------------------- what the model and the detectors found

CREATE TABLE type_row(
	type INTEGER PRIMARY KEY, process INTEGER, runtime INTEGER, name TEXT, location TEXT, size INTEGER
);

-- A row for each task that lived past the end of the chunk it was born in, or is the subject of a finding.
-- spawn_ns < 0: before the recording began, as the target remembers it.
-- At level light: polls as the target counts them, since the birth; busy_ns and the like of long polls only; of a task that is raised
-- all of both since then.
CREATE TABLE task_row(
	task INTEGER PRIMARY KEY, native_id INTEGER, process INTEGER, runtime INTEGER, type INTEGER,
	name TEXT, location TEXT, parent INTEGER, state TEXT,
	spawn_ns INTEGER, end_ns INTEGER, end_reason TEXT,
	polls INTEGER, busy_ns INTEGER, blocked_ns INTEGER, runnable_ns INTEGER,
	wakes INTEGER, self_wakes INTEGER, poll_max_ns INTEGER, size INTEGER,
	fingerprint INTEGER
);

CREATE TABLE wake_row(
	waker_kind INTEGER, waker INTEGER, task INTEGER, count INTEGER, first_ns INTEGER, last_ns INTEGER,
	PRIMARY KEY (waker_kind, waker, task)
) WITHOUT ROWID;

-- Timers that fired (task NULL: no single one is known, but how late a driver was for what it was told to wait until): at most 2,000 of a second, and 2,000 more that were 1 ms late or later. All of them: events.
CREATE TABLE timer_row(
	task INTEGER, runtime INTEGER, deadline_ns INTEGER, fire_ns INTEGER, poll_ns INTEGER, lateness_ns INTEGER
);

CREATE TABLE finding_row(
	key INTEGER PRIMARY KEY, fingerprint TEXT, id TEXT, cause TEXT, severity TEXT, confidence REAL,
	subject TEXT, evidence TEXT, related TEXT, stack TEXT,  -- JSON
	harm_task_ms REAL, first_s REAL, last_s REAL, advice TEXT,
	process INTEGER, resolved INTEGER
);

-- ---------------------------------------------------------------- stacks

CREATE TABLE module(module INTEGER PRIMARY KEY, address INTEGER, build_id TEXT, path TEXT);
CREATE TABLE frame(
	frame INTEGER PRIMARY KEY, module INTEGER, offset INTEGER, func TEXT, file TEXT, line INTEGER, inlined INTEGER
);
-- frames: ids, leaf first, blank between; the first `kernel` are the kernel's. why: 1 blocked, 2 on CPU, 3 asked for.
CREATE TABLE stack(
	t_ns INTEGER, process INTEGER, lane INTEGER, task INTEGER, why INTEGER, open_ns INTEGER, syscall INTEGER,
	kernel INTEGER, complete INTEGER, frames TEXT
);
CREATE VIEW symbols AS
	SELECT f.frame, m.build_id, f.offset, f.func, f.file, f.line, m.path
	FROM frame f LEFT JOIN module m ON m.module = f.module;

-- ---------------------------------------------------------------- the contract

CREATE VIEW accounting AS
	SELECT process, name AS kind,
		CASE WHEN final AND emitted IS NOT NULL THEN emitted + filtered ELSE stored + lost + filtered + expired END AS produced,
		stored, lost, filtered, expired
	FROM account;

CREATE VIEW tasks AS
	SELECT task, native_id, process, runtime, type, name, location, parent, state, spawn_ns, end_ns, end_reason,
		polls, busy_ns, blocked_ns, runnable_ns, wakes, self_wakes, poll_max_ns, size,
		CASE WHEN fingerprint IS NOT NULL THEN printf('%016x', fingerprint) END AS fingerprint
	FROM task_row;

CREATE VIEW wakes AS
	SELECT CASE waker_kind WHEN 1 THEN 'task' WHEN 2 THEN 'timer' WHEN 3 THEN 'io' WHEN 4 THEN 'foreign'
		WHEN 5 THEN 'job' WHEN 6 THEN 'spawn' WHEN 7 THEN 'runtime' ELSE 'unknown' END AS waker_kind,
		CASE waker WHEN 0 THEN NULL ELSE waker END AS waker, task, count, first_ns, last_ns
	FROM wake_row;

CREATE VIEW timers AS
	SELECT task, runtime, deadline_ns, fire_ns, poll_ns, lateness_ns FROM timer_row;

-- All tasks by type: those with a row and the short ones, which are known by their place of spawn.
CREATE VIEW task_types AS
	WITH long AS (
		SELECT type, count(*) AS tasks, sum(end_ns IS NULL) AS alive, sum(polls) AS polls, sum(busy_ns) AS busy_ns,
			sum(blocked_ns) AS blocked_ns, sum(wakes) AS wakes, max(poll_max_ns) AS poll_max_ns, max(size) AS size
		FROM task_row GROUP BY type),
	short AS (
		SELECT s.process, l.file || ':' || l.line AS location, sum(s.tasks) AS tasks, sum(s.polls) AS polls,
			sum(s.busy_ns) AS busy_ns, sum(s.blocked_ns) AS blocked_ns, sum(s.wakes) AS wakes,
			max(s.poll_max_ns) AS poll_max_ns
		FROM short_total s JOIN location l USING (process, site) GROUP BY 1, 2)
	SELECT t.type, t.process, t.runtime, t.name, t.location, coalesce(nullif(t.size, 0), long.size) AS size,
		coalesce(long.tasks, 0) + coalesce(short.tasks, 0) AS tasks, coalesce(long.alive, 0) AS alive,
		coalesce(short.tasks, 0) AS short_tasks,
		coalesce(long.polls + short.polls, long.polls, short.polls) AS polls,
		coalesce(long.busy_ns + short.busy_ns, long.busy_ns, short.busy_ns) AS busy_ns,
		coalesce(long.blocked_ns + short.blocked_ns, long.blocked_ns, short.blocked_ns) AS blocked_ns,
		coalesce(long.wakes + short.wakes, long.wakes, short.wakes) AS wakes,
		coalesce(max(long.poll_max_ns, short.poll_max_ns), long.poll_max_ns, short.poll_max_ns) AS poll_max_ns
	FROM type_row t LEFT JOIN long USING (type)
		LEFT JOIN short ON short.process = t.process AND short.location = t.location
	-- Tasks have a type without a place until their place is known.
	WHERE t.location <> '' OR long.tasks > 0;

CREATE VIEW workers AS
	SELECT process, runtime, worker, lane, tid, name, polls, busy_ns, poll_max_ns, park_ns, wakes, self_wakes,
		steals, stolen_tasks, parks, cpu_ns, runq_ns, estimated
	FROM lane WHERE worker IS NOT NULL;

CREATE VIEW findings AS
	SELECT fingerprint, id, cause, severity, confidence, subject, evidence, related, stack, harm_task_ms,
		first_s, last_s, advice
	FROM finding_row;
