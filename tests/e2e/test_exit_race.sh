#!/usr/bin/env bash
# The target ends while it is being attached to: a message or an empty recording, never a hang or a signal.
. "$(dirname "$0")/lib.sh"
need_root
need "$WEFT"

for i in 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15; do
	start "short.$i" "$WORKLOADS/truth" --count 200 --seconds 5
	target=$PID
	sleep "0.0$((i % 8 * 12 + 10))"
	start "record.$i" "$WEFT" record -p "$target" -o "$TMP_E2E/race$i.db"
	recorder=$PID
	join "$target" 10
	join "$recorder" 15
	case $STATUS in
	0)
		clean_file "$TMP_E2E/race$i.db"
		[ -z "$(sql "$TMP_E2E/race$i.db" "SELECT kind FROM accounting WHERE produced <> stored + lost + filtered + expired")" ] || fail "round $i: accounting"
		;;
	2) equal "lines of the message" "$(wc -l < "$TMP_E2E/record.$i.err")" 1 ;;
	*) fail "round $i: exit $STATUS: $(cat "$TMP_E2E/record.$i.err")" ;;
	esac
done
