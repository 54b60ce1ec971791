-- tasks born and ended per second by place of spawn, and how many more there are
SELECT r.second, l.name, l.file || ':' || l.line AS location, r.spawned, r.ended,
	sum(r.spawned - r.ended) OVER (PARTITION BY r.process, r.site ORDER BY r.second) AS grown
FROM rollup_site r LEFT JOIN location l USING (process, site)
WHERE r.spawned OR r.ended ORDER BY r.second, grown DESC;
