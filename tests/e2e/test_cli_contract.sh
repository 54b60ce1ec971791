#!/usr/bin/env bash
# The command line as a contract: names, exit codes, one line on stderr, JSON that parses.
# timeout: 200
# beside
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
for c in top record diagnose dump query report list check explain help; do
	run 0 $c --help
	out "^Usage: weft $c"
	run 0 help $c
	run 0 help --man $c
	out '^.TH WEFT'
	run 2 $c --no-such-option
done
run 0 help --completion bash && bash -n "$TMP_E2E/out"
# What it completes, asked as the shell does.
completes() { bash -c ". '$TMP_E2E/out'; COMP_WORDS=($1 ''); COMP_CWORD=\$((\${#COMP_WORDS[@]} - 1)); _weft; echo \${COMPREPLY[*]}"; }
equal "after weft record -l" "$(completes 'weft record -l')" 'auto light normal full'
says <(completes 'weft diagnose') '--fail-on' || fail "options of diagnose: $(completes 'weft diagnose')"
run 0 help --completion zsh && out '^#compdef weft'
run 0 help --completion fish && out "from record' -l level -s l -x -a 'auto light normal full'"
run 2 help --completion csh && err 'bash|zsh|fish'

# Usage errors.
run 2 record -p 1 && err 'give -o'
run 2 record -o "$TMP_E2E/x.db" && err 'no target'
run 2 record -p zero -o "$TMP_E2E/x.db" && err 'process ids'
run 2 record -p 1 --level hard -o "$TMP_E2E/x.db" && err 'auto|light|normal|full'
run 2 diagnose && err 'nothing to look at'
run 2 diagnose -p 4194304 --duration 1 && err 'no such process'
sh -c 'sleep 0.01 & exec sleep 60' & # its first child becomes a zombie
started+=($!)
must 5 "a zombie" pgrep -r Z -P $!
run 2 dump -p "$(pgrep -r Z -P $!)" && err 'no such process'
run 2 diagnose -n no-such-name-here && err 'weft list'
run 2 query && err 'FILE.db'
run 2 query "$TMP_E2E/none.db" 'SELECT 1' && err 'none.db'
run 2 dump -p 1 --format xml && err 'base64'
run 2 diagnose -p 1 --lock Cargo.lock && err '--lock means nothing with a process'
run 2 diagnose "$TMP_E2E/none.db" --duration 3 && err '--duration means nothing with a recording'
run 2 diagnose --cargo "$TMP_E2E/none.json" --set blocking.warn_ms=1 && err '--set means nothing with --cargo'
run 2 top "$TMP_E2E/none.db" --level light && err '--level means nothing with a recording'
run 2 top -p 1 --speed 2 && err '--speed means nothing with a process'
run 2 dump --decode "$TMP_E2E/none.txt" --format json && err '--format means nothing with --decode'
run 2 dump --decode "$TMP_E2E/none.txt" -p 1 && err 'it takes no target'
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
# What was stored is not lost to a target that is wrong.
run 2 record -p 4194304 -o "$TMP_E2E/a.db" --force && err 'no such process'
run 2 record -o "$TMP_E2E/a.db" --force -- "$TMP_E2E/no-such-command" && err 'no-such-command'
clean_file "$TMP_E2E/a.db"
# Where nothing can be written, nothing is started.
run 2 record -o "$TMP_E2E/no/such.db" -- touch "$TMP_E2E/was-started" && err 'no/such.db: No such file'
[ ! -e "$TMP_E2E/was-started" ] || fail "the command was started although there can be no recording"
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

# diagnose: exit codes 1, 3, 0. On a machine that is full 3 s may be too little to see anything in: then it says so, by 3.
for _ in 1 2 3 4; do
	STATUS=0
	"$WEFT" diagnose -p "$demo" --duration 3 --only blocking-call --format json > "$TMP_E2E/out" || STATUS=$?
	[ $STATUS = 3 ] || break
done
equal "exit code of diagnose: $(json "$TMP_E2E/out" '$.checked')" "$STATUS" 1
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
SUDO_UID=65534 SUDO_GID=65534 HOME=/root USER=root "$WEFT" record -o "$TMP_E2E/who.db" -- \
	sh -c 'echo "$(id -u):$(id -G) $HOME $USER $LOGNAME"' > "$TMP_E2E/out" 2> "$TMP_E2E/err"
equal "who the command runs as" "$(cat "$TMP_E2E/out")" \
	"65534:$(id -G 65534) $(getent passwd 65534 | cut -d: -f6) $(id -un 65534) $(id -un 65534)"
equal "owner of the recording" "$(stat -c %u:%a "$TMP_E2E/user.db")" 65534:600
