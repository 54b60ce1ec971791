-- what the busiest task did, event by event (another: SELECT ... FROM events WHERE task = N)
SELECT t_ns / 1e6 AS t_ms, kind, worker, dur_ns / 1e3 AS dur_us, delay_ns / 1e3 AS delay_us,
	blocked_ns / 1e3 AS blocked_us, result, waker_kind, waker, reason, text
FROM events WHERE task = (SELECT task FROM tasks ORDER BY busy_ns DESC LIMIT 1) ORDER BY t_ns LIMIT 1000;
