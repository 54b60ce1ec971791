#!/usr/bin/env bash
# A target whose trace mapping is not sealed, is cut to nothing while it is read, or holds nonsense. The watcher
# survives and says so; nothing of it reaches the recording.
. "$(dirname "$0")/lib.sh"
need_root
need "$WEFT"

for variant in cut garbage; do
	workload "fake.$variant" fake_map --variant $variant
	target=$PID
	start "record.$variant" "$WEFT" record -p "$target" -o "$TMP_E2E/$variant.db" --duration 3
	recorder=$PID
	sleep 1
	kill -USR1 "$target"
	join "$recorder" 20
	holds "exit of weft record ($variant)" "$STATUS IN (0, 2)"
	[ "$STATUS" -eq 0 ] || equal "lines of the message" "$(wc -l < "$TMP_E2E/record.$variant.err")" 1
	if [ "$STATUS" -eq 0 ]; then
		clean_file "$TMP_E2E/$variant.db"
		equal "books that do not add up ($variant)" "$(sql "$TMP_E2E/$variant.db" "SELECT count(*) FROM accounting
			WHERE produced <> stored + lost + filtered + expired OR min(produced, stored, lost, filtered, expired) < 0")" 0
		equal "$variant: what a reader gets of it" "$("$WEFT" query "$TMP_E2E/$variant.db" 'SELECT count(*) >= 0 AS ok FROM events' --format csv | tail -n 1)" 1
	fi
	"$WEFT" list > "$TMP_E2E/list" || fail "weft list beside such a process"
	timeout 20 "$WEFT" dump -p "$target" > "$TMP_E2E/dump" 2> "$TMP_E2E/err" || holds "exit of weft dump" "$? <= 2"
	stop "$target"
done
