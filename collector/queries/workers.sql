-- the workers: busy and parked time, steals
SELECT process, runtime, worker, tid, polls, busy_ns / 1e6 AS busy_ms, poll_max_ns / 1e6 AS poll_max_ms, park_ns / 1e6 AS park_ms,
	parks, wakes, steals, stolen_tasks
FROM workers ORDER BY process, runtime, worker;
