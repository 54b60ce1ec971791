#!/usr/bin/env bash
# kill -9 of a flooding target at random moments: each record up to the last one that was committed is delivered, the counts are
# exact and agree with what the target noted for itself. SESSION_KILLS sets how often (150).
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/session.sh"
need_root
kill=$BUILD/tests/e2e/session_kill
need "$kill" "$FAKE"
kills=${SESSION_KILLS:-150}

timeout $((120 + kills)) "$kill" -n "$kills" "$FAKE" -t 2 -s 60 > "$TMP_E2E/fake.txt" || fail "$(tail -n 5 "$TMP_E2E/fake.txt")"
says "$TMP_E2E/fake.txt" ' 0 wrong,' || fail "$(tail -n 1 "$TMP_E2E/fake.txt")"
holds "most were traced" "$(sed -n 's/.*wrong, \([0-9]*\) died.*/\1/p' "$TMP_E2E/fake.txt") * 10 < $kills"

need "$WORKLOADS/flood"
timeout $((120 + kills)) "$kill" -x -n $((kills / 4)) -w 60 "$WORKLOADS/flood" --seconds 60 > "$TMP_E2E/weft.txt" ||
	fail "$(tail -n 5 "$TMP_E2E/weft.txt")"

# The crash tail names what each worker was polling.
workload spin busy_loop --seconds 30
target=$PID
start tail "$SESSION" -s 20 -l 2 "$target"
watcher=$PID
must 10 "the session is attached" says "$TMP_E2E/tail.out" ' runtime id'
sleep 0.3
kill -KILL "$target"
join "$watcher" 20
equal "session_probe after the kill" "$STATUS" 0
mv "$TMP_E2E/tail.out" "$TMP_E2E/tail.txt"
event tail lane-sample 'flags 5'
event tail process-exit 'code -1 signal 9'

# The end is known also when the ring is full at that moment.
fake flooding -t 8 -s 60
target=$PID
start full "$SESSION" -b 32768 -s 20 -l 2 "$target"
watcher=$PID
must 10 "the session is attached" says "$TMP_E2E/full.out" ' runtime id'
kill -STOP "$watcher"
sleep 2 # off-CPU records of 8 threads fill what the batches leave
kill -KILL "$target"
must 10 "the target is dead" ended "$target"
kill -CONT "$watcher"
join "$watcher" 20
mv "$TMP_E2E/full.out" "$TMP_E2E/full.txt"
event full gap 'reason 1'
event full process-exit 'code -1 signal 9'
