-- the timers that fired latest
SELECT t.task, k.name, t.deadline_ns / 1e6 AS deadline_ms, t.fire_ns / 1e6 AS fire_ms, t.poll_ns / 1e6 AS poll_ms,
	t.lateness_ns / 1e6 AS late_ms
FROM timers t LEFT JOIN tasks k USING (task) ORDER BY t.lateness_ns DESC LIMIT 50;
