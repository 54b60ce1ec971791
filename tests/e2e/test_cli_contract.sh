#!/usr/bin/env bash
# The command line as a contract: names, exit codes, one line on stderr, JSON that parses.
# timeout: 200
. "$(dirname "$0")/lib.sh"
need_root
need "$WEFT" "$EXAMPLES/demo_service" sqlite3

# run CODE ARGS...: stdout in $TMP_E2E/out, stderr in $TMP_E2E/err
run() {
	local code=$1
	shift
	STATUS=0
	"$WEFT" "$@" > "$TMP_E2E/out" 2> "$TMP_E2E/err" < /dev/null || STATUS=$?
	[ "$STATUS" = "$code" ] || { cat "$TMP_E2E/err" >&2; fail "weft $*: exit $STATUS, should be $code"; }
	[ "$code" != 2 ] || equal "lines of the message of weft $*" "$(wc -l < "$TMP_E2E/err")" 1
}
out() { says "$TMP_E2E/out" "$1" || { cat "$TMP_E2E/out" >&2; fail "output lacks: $1"; }; }
err() { says "$TMP_E2E/err" "$1" || { cat "$TMP_E2E/err" >&2; fail "message lacks: $1"; }; }
valid_json() { equal "valid JSON in $1" "$(sqlite3 :memory: "SELECT json_valid(CAST(readfile('$1') AS TEXT))")" 1; }

run 0 --version && out '^weft [0-9]'
run 0 help && out 'record'
run 0 --help && out 'diagnose'
run 2 recrod && err 'did you mean record?'
for c in top record diagnose dump query report list check help; do
	run 0 $c --help
	out "^Usage: weft $c"
	run 0 help $c
	run 0 help --man $c
	out '^.TH WEFT'
	run 2 $c --no-such-option
done
run 0 help --completion && bash -n "$TMP_E2E/out"

# Usage errors.
run 2 record -p 1 && err 'give -o'
run 2 record -o "$TMP_E2E/x.db" && err 'no target'
run 2 record -p zero -o "$TMP_E2E/x.db" && err 'process ids'
run 2 record -p 1 --level hard -o "$TMP_E2E/x.db" && err 'auto|light|normal|full'
run 2 diagnose && err 'nothing to look at'
run 2 diagnose -p 4194304 --duration 1 && err 'no such process'
run 2 diagnose -n no-such-name-here && err 'weft list'
run 2 query && err 'FILE.db'
run 2 query "$TMP_E2E/none.db" 'SELECT 1' && err 'none.db'
run 2 dump -p 1 --format base64 && err 'json'
run 0 check
out 'can trace'

start demo "$EXAMPLES/demo_service" --workers 2
demo=$PID
must 10 "the demo is up" says "$TMP_E2E/demo.out" 'pid'
run 0 list --format json
valid_json "$TMP_E2E/out"
equal "the demo in the list" "$(sqlite3 :memory: "SELECT count(*) FROM json_each(CAST(readfile('$TMP_E2E/out') AS TEXT))
	WHERE json_extract(value, '\$.pid') = $demo AND json_extract(value, '\$.runtimes[0].kind') = 'weft'
	AND json_extract(value, '\$.runtimes[0].workers') = 2")" 1
run 0 list && out "$demo .*demo_service"

# dump: every task, once, with its state and place.
run 0 dump -n demo_service --format json
valid_json "$TMP_E2E/out"
run 0 dump -p "$demo" --format json # by its pid: another demo may be running here
valid_json "$TMP_E2E/out"
n=$(json "$TMP_E2E/out" '$.count')
holds "tasks in the dump" "$n > 20"
equal "tasks of the JSON" "$(sqlite3 :memory: "SELECT count(DISTINCT json_extract(value, '\$.task')) FROM
	json_each(CAST(readfile('$TMP_E2E/out') AS TEXT), '\$.tasks')")" "$n"
run 0 dump -p "$demo" && out 'pump .*demo_service.c:'
run 0 dump -p "$demo" --format dot && out '^digraph'

# record: stopped by the clock, by SIGINT, by SIGTERM; says what was stored; one clean file; not over another.
run 0 record -p "$demo" -o "$TMP_E2E/a.db" --duration 2
err 'produced .* = stored .*lost .*weft report'
clean_file "$TMP_E2E/a.db"
equal "mode" "$(stat -c %a "$TMP_E2E/a.db")" 600
run 2 record -p "$demo" -o "$TMP_E2E/a.db" --duration 1 && err 'already there'
run 0 record -p "$demo" -o "$TMP_E2E/a.db" --duration 1 --force
for signal in INT TERM; do
	# A background job of a script ignores SIGINT from the start; a person's doesn't.
	start "record.$signal" env --default-signal=INT "$WEFT" record -p "$demo" -o "$TMP_E2E/$signal.db"
	pid=$PID
	must 15 "it records" recording "$pid" "$TMP_E2E/$signal.db"
	stop "$pid" $signal
	equal "exit after SIG$signal" "$STATUS" 0
	clean_file "$TMP_E2E/$signal.db"
done

# query: formats, named ones, stdin, errors.
run 0 query "$TMP_E2E/a.db" 'SELECT 1 AS one, NULL AS absent' --format csv
equal "csv" "$(tr -d '\r' < "$TMP_E2E/out" | tr '\n' ';')" 'one,absent;1,;'
run 0 query "$TMP_E2E/a.db" 'SELECT 1 AS one, NULL AS absent' --format json
equal "json" "$(json "$TMP_E2E/out" '$[0].one')" 1
echo 'SELECT 40 + 2 AS answer' | "$WEFT" query "$TMP_E2E/a.db" - | grep -q 42 || fail "SQL from stdin"
run 0 query --list
cp "$TMP_E2E/out" "$TMP_E2E/list"
while read -r name _; do run 0 query "$TMP_E2E/a.db" --named "$name"; done < "$TMP_E2E/list"
run 2 query "$TMP_E2E/a.db" 'SELEC 1'
run 2 query "$TMP_E2E/a.db" --named no-such-query

# report and replay of what was recorded.
run 0 report "$TMP_E2E/a.db"
out 'demo_service'
out 'produced'
run 0 top "$TMP_E2E/a.db" && out 'replay' && out 'POLL/s'

# diagnose: exit codes 1, 3, 0.
run 1 diagnose -p "$demo" --duration 3 --only blocking-call --format json
valid_json "$TMP_E2E/out"
equal "verdict" "$(json "$TMP_E2E/out" '$.verdict')" findings
run 3 diagnose -p "$demo" --duration 2 --only task-leak
run 2 diagnose -p "$demo" --duration 1 --set no.such=1
run 2 diagnose -p "$demo" --duration 1 --only no-such-id
stop "$demo"

# -- CMD: its status is ours; it is the invoking user's, and so is the file.
run 7 record -o "$TMP_E2E/cmd.db" -- sh -c 'exit 7'
chmod 777 "$TMP_E2E"
# The tree may be where only root gets to, as in /root.
cp "$EXAMPLES/demo_service" "$TMP_E2E/demo_service"
STATUS=0
SUDO_UID=65534 SUDO_GID=65534 "$WEFT" record -o "$TMP_E2E/user.db" --duration 2 -- \
	"$TMP_E2E/demo_service" --healthy --workers 1 > "$TMP_E2E/out" 2> "$TMP_E2E/err" || STATUS=$?
equal "exit: $(cat "$TMP_E2E/err")" "$STATUS" 0
equal "owner of the recording" "$(stat -c %u:%a "$TMP_E2E/user.db")" 65534:600
