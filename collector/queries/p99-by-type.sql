-- how long polls take, by type of task
SELECT name, location, polls, p50_ns / 1e3 AS p50_us, p90_ns / 1e3 AS p90_us, p99_ns / 1e3 AS p99_us,
	max_ns / 1e3 AS max_us, busy_ns / 1e6 AS busy_ms
FROM poll_percentiles ORDER BY p99_ns DESC;
