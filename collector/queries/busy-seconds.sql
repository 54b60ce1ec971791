-- per second: polls, busy time and wakes of all tasks
SELECT second, sum(polls) AS polls, sum(busy_ns) / 1e6 AS busy_ms, sum(wakes) AS wakes
FROM (SELECT second, polls, busy_ns, wakes FROM rollup_task UNION ALL SELECT second, polls, busy_ns, wakes FROM rollup_site)
GROUP BY second ORDER BY second;
