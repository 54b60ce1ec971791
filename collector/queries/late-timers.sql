-- the timers that fired latest; grade: per timer, or per driver, which had to wait for whatever was due first
SELECT t.task, k.name, CASE WHEN t.task IS NULL THEN 'driver' ELSE 'timer' END AS grade, t.deadline_ns / 1e6 AS deadline_ms, t.fire_ns / 1e6 AS fire_ms, t.poll_ns / 1e6 AS poll_ms,
	t.lateness_ns / 1e6 AS late_ms
FROM timers t LEFT JOIN tasks k USING (task) ORDER BY t.lateness_ns DESC LIMIT 50;
