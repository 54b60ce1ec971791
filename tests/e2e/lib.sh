# shellcheck shell=bash
# Helpers of the end-to-end tests; sourced first. A test gets WEFT, BUILD and TMP_E2E from scripts/run_e2e.sh
# and works without them too. It ends only what it started, by pid; it waits for conditions, never for a time.
set -Eeuo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
BUILD=$(realpath -m "${BUILD:-build}")
WEFT=$(realpath -m "${WEFT:-$BUILD/weft}")
# A config file of who runs this changes nothing.
export BUILD WEFT WEFT_CONFIG=
if [ -z "${TMP_E2E-}" ]; then
	TMP_E2E=$(mktemp -d)
	export TMP_E2E
	own_tmp=1
fi
LOAD=$BUILD/bench/load
WORKLOADS=$BUILD/workloads
EXAMPLES=$BUILD/examples

started=()
cleanup_hooks=()

# ---------------------------------------------------------------- ending

fail() {
	trap - ERR
	echo "FAIL: $*" >&2
	exit 1
}
skip() {
	echo "$*"
	exit 77
}

on_exit() { cleanup_hooks+=("$*"); }

cleanup() {
	local rc=$? pid hook
	trap - EXIT ERR
	set +e
	for pid in ${started[@]+"${started[@]}"}; do
		kill -KILL "$pid"
		wait "$pid"
	done 2> /dev/null
	for hook in ${cleanup_hooks[@]+"${cleanup_hooks[@]}"}; do eval "$hook"; done
	# WEFT_KEEP=FOLDER: what a failing test wrote is kept there.
	[ $rc -eq 0 ] || [ $rc -eq 77 ] || [ -z "${WEFT_KEEP-}" ] || { mkdir -p "$WEFT_KEEP" && cp -r "$TMP_E2E" "$WEFT_KEEP/$(basename "$0" .sh).$$"; }
	[ -z "${own_tmp-}" ] || rm -rf "$TMP_E2E"
	exit $rc
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
trap 'echo "FAIL: line $LINENO: $BASH_COMMAND" >&2' ERR

need_root() {
	[ "$(id -u)" -eq 0 ] || skip "needs root to load eBPF programs and to attach"
}
need() {
	local f
	for f in "$@"; do
		[ -x "$f" ] || command -v "$f" > /dev/null || skip "$f is not there; run: make all"
	done
}

# ---------------------------------------------------------------- processes

# start NAME COMMAND...: in the background; sets PID; output in $TMP_E2E/NAME.out and .err
start() {
	local name=$1
	shift
	"$@" > "$TMP_E2E/$name.out" 2> "$TMP_E2E/$name.err" < /dev/null &
	PID=$!
	started+=("$PID")
}

# A pid that is a zombie has ended.
running() {
	local state
	state=$(sed -n 's/^State:[[:space:]]*\(.\).*/\1/p' "/proc/$1/status" 2> /dev/null) || return 1
	[ -n "$state" ] && [ "$state" != Z ] && [ "$state" != X ]
}
ended() { ! running "$1"; }

# join PID SECONDS: waits for the end of a process that start() made; sets STATUS.
join() {
	local pid=$1 p keep=()
	if ! wait_for "$2" ended "$pid"; then fail "pid $pid did not end within $2 s"; fi
	STATUS=0
	wait "$pid" || STATUS=$?
	for p in "${started[@]}"; do [ "$p" = "$pid" ] || keep+=("$p"); done
	started=(${keep[@]+"${keep[@]}"})
}

# stop PID [SIGNAL [SECONDS]]: asks it to end and waits; sets STATUS.
stop() {
	kill "-${2:-TERM}" "$1" 2> /dev/null || true
	join "$1" "${3:-20}"
}

# wait_for SECONDS COMMAND...: until it succeeds; false when the time is up.
wait_for() {
	local deadline=$((SECONDS + $1))
	shift
	until "$@" 2> /dev/null; do
		[ $SECONDS -le $deadline ] || return 1
		sleep 0.05
	done
}
# must SECONDS WHAT COMMAND...: the same, or the test fails.
must() {
	local seconds=$1 what=$2
	shift 2
	wait_for "$seconds" "$@" || fail "$what: not within $seconds s"
}

says() { grep -q -- "$2" "$1"; }

# workload NAME PROGRAM ARGS...: starts one of tests/workloads and waits until it is up. Sets PID.
# What it says of itself on its first line, "ready key=value ...", is read with `about`.
workload() {
	local name=$1 program=$2
	shift 2
	need "$WORKLOADS/$program"
	start "$name" "$WORKLOADS/$program" "$@"
	must 10 "$program is up" says "$TMP_E2E/$name.out" '^ready'
}
about() { sed -n "1s/.* $2=\([^ ]*\).*/\1/p" "$TMP_E2E/$1.out"; }

# record NAME ARGS...: `weft record ARGS... -o $TMP_E2E/NAME.db`, returns when it records. Sets PID, DB.
record() {
	local name=$1
	shift
	DB=$TMP_E2E/$name.db
	start "$name.record" "$WEFT" record "$@" -o "$DB"
	local pid=$PID
	if ! wait_for 15 recording "$pid" "$DB"; then
		cat "$TMP_E2E/$name.record.err" >&2
		fail "weft record $*: nothing is recorded after 15 s"
	fi
}
# It has written its first chunk, or has ended.
recording() {
	running "$1" || return 0
	[ "$(sqlite3 -readonly "$2" 'SELECT count(*) > 0 FROM chunk')" = 1 ]
}

# ---------------------------------------------------------------- answers

# sql DB STATEMENT: rows as CSV without the heading, through weft query.
sql() { "$WEFT" query "$1" "$2" --format csv | tail -n +2 | tr -d '\r'; }

# json FILE PATH: one value of a JSON document, e.g. json out.json '$.verdict'
json() {
	sqlite3 :memory: "SELECT json_extract(CAST(readfile('$1') AS TEXT), '$2')"
}

# findings FILE SELECT...: SQL over the findings of a diagnose document. Columns: id, cause, severity,
# confidence, kind, subject, name, location, stack (one text), evidence (one text), harm, body (JSON).
findings() {
	local file=$1
	shift
	sqlite3 -separator '|' :memory: "CREATE TEMP TABLE f AS SELECT
		json_extract(value, '\$.id') id, json_extract(value, '\$.cause') cause,
		json_extract(value, '\$.severity') severity, json_extract(value, '\$.confidence') confidence,
		json_extract(value, '\$.subject.kind') kind, json_extract(value, '\$.subject.id') subject,
		json_extract(value, '\$.subject.name') name, json_extract(value, '\$.subject.location') location,
		json_extract(value, '\$.stack') stack, json_extract(value, '\$.evidence') evidence,
		json_extract(value, '\$.harm_task_ms') harm, value body
		FROM json_each(CAST(readfile('$file') AS TEXT), '\$.findings'); $*"
}

show_findings() { findings "$1" "SELECT severity, id, kind, subject, name, location, cause FROM f" >&2; }
# The same, and why the rest is not clean.
show_document() {
	show_findings "$1"
	sqlite3 :memory: "SELECT json_extract(d, '\$.window_s') || ' s at ' || json_extract(d, '\$.level') || ', ' || json_extract(d, '\$.events')
		FROM (SELECT CAST(readfile('$1') AS TEXT) d);
		SELECT json_extract(value, '\$.id') || ' ' || json_extract(value, '\$.verdict') || ': ' || json_extract(value, '\$.why')
		FROM json_each(CAST(readfile('$1') AS TEXT), '\$.checked') WHERE json_extract(value, '\$.verdict') = 'not-checked'" >&2
}

# equal WHAT IS SHOULD
equal() {
	[ "$2" = "$3" ] || fail "$1: is '$2', should be '$3'"
}
# holds WHAT EXPRESSION: an arithmetic or comparing expression of SQL
holds() {
	[ "$(sqlite3 :memory: "SELECT ($2) IS TRUE")" = 1 ] || fail "$1: $2 does not hold"
}

# diagnose NAME ARGS...: in the foreground; JSON in $TMP_E2E/NAME.json; sets STATUS.
diagnose() {
	local name=$1
	shift
	STATUS=0
	"$WEFT" diagnose "$@" --format json > "$TMP_E2E/$name.json" 2> "$TMP_E2E/$name.err" || STATUS=$?
	[ $STATUS -ne 2 ] || fail "weft diagnose $*: $(cat "$TMP_E2E/$name.err")"
}

# accounting_is_exact DB: produced = stored + lost + filtered + expired, for each process and kind.
accounting_is_exact() {
	local bad
	bad=$(sql "$1" "SELECT process, kind, produced, stored, lost, filtered, expired FROM accounting
		WHERE produced <> stored + lost + filtered + expired")
	[ -z "$bad" ] || fail "accounting (process, kind, produced, stored, lost, filtered, expired): $bad"
	# The view fills in what the target did not say; then the sum would prove nothing.
	bad=$(sql "$1" "SELECT process, name FROM account WHERE kind BETWEEN 1 AND 63 AND stored > 0 AND NOT (final AND emitted IS NOT NULL)")
	[ -z "$bad" ] || fail "no last word of the target on: $bad"
	bad=$(sql "$1" "SELECT kind, text FROM accounting_error")
	[ -z "$bad" ] || fail "the recording itself says: $bad"
	holds "something was recorded" "$(sql "$1" 'SELECT total(produced) FROM accounting') > 0"
}

# clean_file DB: one file, closed, whole.
clean_file() {
	[ -s "$1" ] || fail "$1 is not there"
	[ ! -e "$1-wal" ] || fail "$1-wal was left behind"
	equal "integrity of $1" "$(sqlite3 -readonly "$1" 'PRAGMA integrity_check' | head -n 1)" ok
}

# ---------------------------------------------------------------- sick program and healthy twin

# only_finding FILE ID NAME LOCATION: the document holds findings of this id on this subject and nothing else.
only_finding() {
	local file=$1 id=$2 name=$3 at=$4 n
	n=$(findings "$file" "SELECT count(*) FROM f WHERE id = '$id' AND name = '$name' AND location = '$at'")
	[ "$n" -ge 1 ] || { show_findings "$file"; fail "no $id on $name at $at among the findings above"; }
	n=$(findings "$file" "SELECT count(*) FROM f WHERE NOT (severity = 'info' AND id = 'cpu-starved') AND NOT (id = '$id' AND name = '$name')")
	[ "$n" = 0 ] || { show_findings "$file"; fail "$n findings beside $id on $name"; }
}
no_finding() {
	local n
	n=$(findings "$1" "SELECT count(*) FROM f WHERE NOT (severity = 'info' AND id = 'cpu-starved')")
	[ "$n" = 0 ] || { show_findings "$1"; fail "$n findings on a healthy program"; }
	equal "verdict on a healthy program" "$(json "$1" '$.verdict')" clean
}

# pair ID PROGRAM VARIANT SECONDS [DIAGNOSE_ARGS...]: both (options for them: PAIR_ARGS=(...)) twins run and are watched side by side, or with
# PAIR_IN_TURN=1 (where they would take each other's CPUs) one after the other. The sick one has just this finding, the healthy one has
# none. PAIR_EXIT: exit code for the sick one (1). WEFT_BREAK=1 makes the sick one healthy: then the test must fail.
# Reports: $TMP_E2E/diagnose.VARIANT.sick.out and .well.out.
pair() {
	pair_begin "$@"
	pair_end "$3"
}
# The two halves of it: pairs that need little CPU are begun all, then ended one by one.
declare -A pairs=() twin_pid=() watcher_pid=()
pair_begin() {
	pairs[$3]="$*"
	twin_begin sick "$@"
	[ -n "${PAIR_IN_TURN-}" ] || twin_begin well "$@"
}
# twin_begin sick|well ID PROGRAM VARIANT SECONDS [DIAGNOSE_ARGS...]
twin_begin() {
	local key=$4.$1 program=$3 seconds=$5 args=(--seconds $(($5 + 30)) ${PAIR_ARGS[@]+"${PAIR_ARGS[@]}"})
	[ "$4" = - ] || args+=(--variant "$4")
	[ "$1" = sick ] && [ -z "${WEFT_BREAK-}" ] || args+=(--healthy)
	shift 5
	workload "$key" "$program" "${args[@]}"
	twin_pid[$key]=$PID
	start "diagnose.$key" "$WEFT" diagnose -p "$PID" --duration "$seconds" --format json "$@"
	watcher_pid[$key]=$PID
}
pair_end() {
	local variant=$1 id program seconds
	# shellcheck disable=SC2086
	set -- ${pairs[$1]}
	id=$1 program=$2 seconds=$4
	join "${watcher_pid[$variant.sick]}" $((seconds + 20))
	[ "$STATUS" -ne 2 ] || fail "weft diagnose on $program $variant: $(cat "$TMP_E2E/diagnose.$variant.sick.err")"
	only_finding "$TMP_E2E/diagnose.$variant.sick.out" "$id" "$(about "$variant.sick" task)" "$(about "$variant.sick" at)"
	equal "exit code on the sick program" "$STATUS" "${PAIR_EXIT:-1}"
	stop "${twin_pid[$variant.sick]}"
	[ -z "${PAIR_IN_TURN-}" ] || twin_begin well "$@"
	join "${watcher_pid[$variant.well]}" $((seconds + 20))
	no_finding "$TMP_E2E/diagnose.$variant.well.out"
	equal "exit code on the healthy program" "$STATUS" 0
	stop "${twin_pid[$variant.well]}"
}
# evidence_has FILE ID TEXT: a row of the finding's evidence contains the text.
evidence_has() {
	local n
	n=$(findings "$1" "SELECT count(*) FROM f, json_each(f.evidence) e WHERE f.id = '$2' AND instr(json_extract(e.value, '\$.text'), '$3')")
	[ "$n" -ge 1 ] || {
		findings "$1" "SELECT id, evidence FROM f" >&2
		fail "no '$3' in the evidence of $2"
	}
}
# stack_has FILE ID TEXT: a frame of the finding's stack contains the text.
stack_has() {
	local n
	n=$(findings "$1" "SELECT count(*) FROM f, json_each(f.stack) s WHERE f.id = '$2' AND instr(s.value, '$3')")
	[ "$n" -ge 1 ] || {
		findings "$1" "SELECT id, stack FROM f" >&2
		fail "no frame with '$3' in the stack of $2"
	}
}
