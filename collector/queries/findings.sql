-- what was found, worst first
SELECT id, cause, severity, confidence, json_extract(subject, '$.name') AS subject, json_extract(subject, '$.location') AS location,
	harm_task_ms, first_s, last_s, advice
FROM findings ORDER BY CASE severity WHEN 'crit' THEN 0 WHEN 'warn' THEN 1 ELSE 2 END, harm_task_ms DESC;
