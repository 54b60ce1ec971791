-- every event produced: stored, lost, filtered or expired
SELECT process, kind, produced, stored, lost, filtered, expired, produced - stored - lost - filtered - expired AS error
FROM accounting ORDER BY process, kind;
