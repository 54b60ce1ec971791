#!/usr/bin/env bash
# The target ends while it is being attached to: either an exact account or a clear error, never a hang.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/session.sh"
need_root
need "$FAKE" "$SESSION"

for i in $(seq 1 25); do
	"$FAKE" -t 2 -s "0.$(printf '%03d' $((i * 11)))" > "$TMP_E2E/fake.out" &
	pid=$!
	sleep 0.02
	session "race" -q -s 3 -l 2 "$pid"
	case $STATUS in
	0) ! grep -aq WRONG "$TMP_E2E/race.txt" || fail "round $i: $(cat "$TMP_E2E/race.txt")" ;;
	2) says_error race 'cannot trace process' ;;
	*) fail "round $i: status $STATUS: $(cat "$TMP_E2E/race.txt")" ;;
	esac
	wait "$pid" || fail "round $i: the target ended with $?"
done
