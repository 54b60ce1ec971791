-- the types of task: how many, how busy
SELECT name, location, tasks, alive, short_tasks, polls, busy_ns / 1e6 AS busy_ms, blocked_ns / 1e6 AS blocked_ms, wakes,
	poll_max_ns / 1e6 AS poll_max_ms
FROM task_types WHERE tasks > 0 ORDER BY busy_ns DESC;
