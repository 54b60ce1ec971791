-- the 20 tasks that were busy longest
SELECT task, name, location, state, polls, busy_ns / 1e6 AS busy_ms, blocked_ns / 1e6 AS blocked_ms,
	poll_max_ns / 1e6 AS poll_max_ms, wakes
FROM tasks ORDER BY busy_ns DESC LIMIT 20;
