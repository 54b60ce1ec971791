-- polls that left the CPU longest, with the stack where one was taken
WITH RECURSIVE one(id, t_ns, rest, func, depth) AS (
	SELECT rowid, t_ns, frames || ' ', '', 0 FROM stack WHERE why = 1
	UNION ALL
	SELECT id, t_ns, substr(rest, instr(rest, ' ') + 1),
		(SELECT func FROM frame WHERE frame = CAST(substr(rest, 1, instr(rest, ' ') - 1) AS INTEGER)), depth + 1
	FROM one WHERE rest <> '' AND depth < 12)
SELECT s.t_ns / 1e6 AS t_ms, s.task, k.name, s.open_ns / 1e6 AS open_ms, s.syscall,
	(SELECT group_concat(func, ' < ') FROM (SELECT func FROM one WHERE id = s.rowid AND depth > 0 ORDER BY depth)) AS stack
FROM stack s LEFT JOIN tasks k USING (task) WHERE s.why = 1 ORDER BY s.open_ns DESC LIMIT 30;
