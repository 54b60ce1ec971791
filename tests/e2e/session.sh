# shellcheck shell=bash
# For the tests of probes/session.h by tests/e2e/helpers: sourced after lib.sh.
SESSION=$BUILD/tests/e2e/session_probe
FAKE=$BUILD/tests/e2e/fake_target

# fake NAME ARGS...: starts the fake target and waits until it writes. Sets PID.
fake() {
	local name=$1
	shift
	need "$FAKE"
	start "$name" "$FAKE" "$@"
	must 10 "the fake target is up" says "$TMP_E2E/$name.out" '^ready'
}

# session NAME ARGS...: in the foreground; output in $TMP_E2E/NAME.txt, errors in .err; sets STATUS.
session() {
	local name=$1
	shift
	need "$SESSION"
	STATUS=0
	timeout 60 "$SESSION" "$@" > "$TMP_E2E/$name.txt" 2> "$TMP_E2E/$name.err" || STATUS=$?
	[ $STATUS -lt 124 ] || fail "session_probe $* ended with $STATUS: $(tail -n 3 "$TMP_E2E/$name.err")"
}

# exact NAME [LOST]: the accounting of that run is exact for every process, and (unless LOST is given) nothing was lost.
exact() {
	local text=$TMP_E2E/$1.txt
	[ "$STATUS" = 0 ] || { grep -a '^process\|^disorder' "$text" >&2; cat "$TMP_E2E/$1.err" >&2; fail "session $1: status $STATUS"; }
	says "$text" '^process [0-9]* emitted [1-9].* exact$' || fail "session $1: nothing was recorded"
	[ -n "${2-}" ] || ! grep -aq '^process .* lost [1-9]' "$text" || fail "session $1: $(grep -a '^process .* lost' "$text")"
}

# The target is alive, and its probes and semaphores are as before: it runs at level 0.
unharmed() { running "$1" || fail "the target (pid $1) did not outlive the session"; }

# event NAME KIND [PATTERN]: such an event was delivered.
event() { grep -aEq -- "t[0-9]+ $2( |\$).*${3-}" "$TMP_E2E/$1.txt" || fail "session $1: no event $2 ${3-}"; }
no_event() { ! grep -aEq -- "t[0-9]+ $2( |\$).*${3-}" "$TMP_E2E/$1.txt" || fail "session $1: an event $2 ${3-}"; }

# says_error NAME PATTERN: one line on stderr, which names the trouble.
says_error() {
	equal "status of session $1" "$STATUS" 2
	equal "lines of its error" "$(wc -l < "$TMP_E2E/$1.err")" 1
	says "$TMP_E2E/$1.err" "$2" || fail "session $1: its error is '$(cat "$TMP_E2E/$1.err")', should say '$2'"
}
