#!/usr/bin/env bash
# --follow: waits for a service that is not there yet, and attaches again after it ended and came back.
. "$(dirname "$0")/lib.sh"
need_root
need "$WEFT"

# Names of their own: nothing else here may match. The kernel cuts names to 15 bytes.
name=follow-$$
cp "$WORKLOADS/truth" "$TMP_E2E/$name"
watched_line() { says "$TMP_E2E/$1.record.err" "process $2 came up and is watched"; }
# The life of a service: waits until it is watched, works, ends, and says what it did.
life() {
	start "$1" "$TMP_E2E/$name" --wait --count "$2"
	local pid=$PID
	must 10 "$1 is up" says "$TMP_E2E/$1.out" '^ready'
	must 10 "$1 is watched" watched_line "$3" "$pid"
	kill -USR1 "$pid"
	join "$pid" 40
}
as_it_says() {
	tail -n 1 "$TMP_E2E/$1.out" > "$TMP_E2E/truth.json"
	local process pair
	process=$(sql "$DB" "SELECT process FROM process WHERE pid = $(about "$1" pid)")
	for pair in task-spawn:spawned task-end:ended task-poll:polls; do
		equal "$1: ${pair%:*}" "$(sql "$DB" "SELECT stored FROM accounting WHERE process = $process AND kind = '${pair%:*}'")" \
			"$(json "$TMP_E2E/truth.json" "\$.${pair#*:}")"
	done
}

# By name, before it is there; two lives.
DB=$TMP_E2E/named.db
start named.record "$WEFT" record -n "$name" --follow --level normal -o "$DB"
recorder=$PID
must 10 "it waits" says "$TMP_E2E/named.record.err" "waiting for it"
life first 2000 named
life second 3000 named
running "$recorder" || fail "it has ended with the service"
stop "$recorder" INT
equal "exit of record" "$STATUS" 0
clean_file "$DB"
accounting_is_exact "$DB"
equal "processes" "$(sql "$DB" 'SELECT count(*) FROM process')" 2
as_it_says first
as_it_says second

# By pid: its successor, but not the instance beside it, which runs the same file.
start beside "$TMP_E2E/$name" --wait --count 10
beside=$PID
start old "$TMP_E2E/$name" --wait --count 10
old=$PID
must 10 "both are up" says "$TMP_E2E/old.out" '^ready'
must 10 "both are up" says "$TMP_E2E/beside.out" '^ready'
start pid.record "$WEFT" record -p "$old" --follow --level normal -o "$TMP_E2E/pid.db"
recorder=$PID
DB=$TMP_E2E/pid.db
must 15 "it records" recording "$recorder" "$DB"
kill -KILL "$old"
join "$old" 10
life third 1500 pid
stop "$recorder" INT
equal "exit of record -p" "$STATUS" 0
equal "processes by pid" "$(sql "$DB" "SELECT count(*) FROM process WHERE pid <> $beside")" 2
equal "the one beside it" "$(sql "$DB" "SELECT count(*) FROM process WHERE pid = $beside")" 0
as_it_says third
stop "$beside" KILL

# The console: gone, waits, shows the new one.
start before "$TMP_E2E/$name" --wait --count 10
before=$PID
must 10 "it is up" says "$TMP_E2E/before.out" '^ready'
start top "$WEFT" top -n "$name" --follow --size 100x30 \
	--script "until:[$before]; snap; until:waiting for it to come back; snap; until:came up; snap"
top=$PID
must 15 "the console shows it" says "$TMP_E2E/top.out" "$before"
kill -KILL "$before"
join "$before" 10
must 15 "the console waits" says "$TMP_E2E/top.out" "waiting for it to come back"
start after "$TMP_E2E/$name" --wait --count 10
after=$PID
join "$top" 20
equal "exit of top" "$STATUS" 0
says "$TMP_E2E/top.out" "$after" || { cat "$TMP_E2E/top.out" >&2; fail "the console does not show process $after"; }
stop "$after" KILL

# What can't come back.
for args in "record --follow -o x.db -- true" "dump -p $$ --follow" "record --follow -o x.db"; do
	STATUS=0
	# shellcheck disable=SC2086
	"$WEFT" $args > /dev/null 2> "$TMP_E2E/refused.err" || STATUS=$?
	equal "exit of weft $args" "$STATUS" 2
	says "$TMP_E2E/refused.err" "follow" || fail "weft $args: $(cat "$TMP_E2E/refused.err")"
done
