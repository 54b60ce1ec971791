#!/usr/bin/env bash
# Two sessions on one process at different levels, from different bases; one session on two processes.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/session.sh"
need_root

fake target -t 2 -r 50000
target=$PID
start light "$SESSION" -q -s 3 -l 1 "$target"
light=$PID
sleep 0.5
session full -s 1 -l 3 "$target"
exact full
session normal -s 0.5 -l 2 "$target"
exact normal
join "$light" 20
equal "the session at light" "$STATUS" 0
says "$TMP_E2E/light.out" '^process 0 emitted [1-9].* lost 0 .* exact$' || fail "at light: $(cat "$TMP_E2E/light.out")"
unharmed "$target"

fake other -t 1 -r 50000
session both -s 1 -l 2 "$target" "$PID"
exact both
equal "processes" "$(grep -ac '^process . emitted [1-9]' "$TMP_E2E/both.txt")" 2
session again -s 0.3 "$target" "$target"
says_error again 'already being traced'
