-- how many events of each kind are stored
SELECT kind, sum(stored) AS events FROM accounting GROUP BY kind HAVING sum(stored) ORDER BY events DESC;
