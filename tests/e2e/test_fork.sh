#!/usr/bin/env bash
# fork, vfork, posix_spawn, raw clone while attached: no child is harmed, the parent's recording is exact. exec: the
# program is another one, the recording ends in order.
. "$(dirname "$0")/lib.sh"
need_root
need "$WEFT"

workload forker forker --wait --seconds 6
target=$PID
record forker -p "$target" --level normal
recorder=$PID
kill -USR1 "$target"
join "$target" 30
join "$recorder" 20
equal "exit of weft record" "$STATUS" 0
tail -n 1 "$TMP_E2E/forker.out" > "$TMP_E2E/children.json"
holds "children were made" "$(json "$TMP_E2E/children.json" '$.children') >= 40"
equal "children ended by a signal" "$(json "$TMP_E2E/children.json" '$.signalled')" 0
equal "children that went well" "$(json "$TMP_E2E/children.json" '$.ok')" "$(json "$TMP_E2E/children.json" '$.children')"
clean_file "$DB"
accounting_is_exact "$DB"
equal "lost" "$(sql "$DB" 'SELECT sum(lost) FROM accounting')" 0
# What the children did is not in the parent's books: its own 8 tasks are all that was spawned.
equal "tasks of the parent" "$(sql "$DB" "SELECT count(*) FROM tasks WHERE name = 'fork_load'")" 8

# A child that starts a runtime of its own is followed, also one by two forks, and beyond the end of its parent.
workload own forker --variant own --wait --seconds 2
target=$PID
record own -p "$target" --level normal
recorder=$PID
kill -USR1 "$target"
join "$target" 30
join "$recorder" 20
equal "exit of weft record with own children" "$STATUS" 0
clean_file "$DB"
accounting_is_exact "$DB"
equal "processes" "$(sql "$DB" 'SELECT count(*) FROM process')" 3
equal "the children's parent" "$(sql "$DB" "SELECT count(*) FROM process WHERE parent = $target")" 1
for pair in fork_load:8 child_load:3 grandchild_load:2; do
	equal "tasks ${pair%:*}" "$(sql "$DB" "SELECT count(*) FROM tasks WHERE name = '${pair%:*}'")" "${pair#*:}"
	holds "polls of ${pair%:*}" "$(sql "$DB" "SELECT min(polls) FROM tasks WHERE name = '${pair%:*}'") > 100"
done
equal "processes with tasks" "$(sql "$DB" 'SELECT count(DISTINCT process) FROM tasks')" 3

workload exec forker --variant exec --wait --seconds 20
target=$PID
record exec -p "$target" --level normal
recorder=$PID
kill -USR1 "$target"
join "$recorder" 20
equal "weft record after exec" "$STATUS" 0
clean_file "$DB"
accounting_is_exact "$DB"
join "$target" 20
equal "the new program came to its end" "$STATUS" 0
