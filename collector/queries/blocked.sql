-- polls that left the CPU longest, with the stack where one was taken
SELECT s.t_ns / 1e6 AS t_ms, s.task, k.name, s.open_ns / 1e6 AS open_ms, s.syscall,
	(SELECT group_concat(func, ' < ') FROM (SELECT f.func FROM frame f
		WHERE ' ' || s.frames || ' ' LIKE '% ' || f.frame || ' %'
		ORDER BY instr(' ' || s.frames || ' ', ' ' || f.frame || ' '))) AS stack
FROM stack s LEFT JOIN tasks k USING (task) WHERE s.why = 1 ORDER BY s.open_ns DESC LIMIT 30;
