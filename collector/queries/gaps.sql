-- where events are missing
SELECT t_ns / 1e6 AS t_ms, process, lane, seq_from, seq_to,
	CASE reason WHEN 1 THEN 'ring full' WHEN 2 THEN 'read failed' WHEN 3 THEN 'not attached' ELSE 'unknown' END AS reason
FROM gap ORDER BY t_ns;
