-- the most frequent wakes: who wakes which task
SELECT w.waker_kind, w.waker, a.name AS waker_name, w.task, b.name AS task_name, w.count,
	w.first_ns / 1e9 AS first_s, w.last_ns / 1e9 AS last_s
FROM wakes w LEFT JOIN tasks a ON a.task = w.waker LEFT JOIN tasks b ON b.task = w.task
ORDER BY w.count DESC LIMIT 50;
