#!/usr/bin/env bash
# Bad ends in a real terminal: the target killed, the console told to stop, the console crashed. The screen says
# what happened, and the terminal is given back each time. Also the ways without a terminal.
# timeout: 150
. "$(dirname "$0")/lib.sh"
need_root
need "$WEFT" "$EXAMPLES/demo_service" tmux
export LC_ALL=C.UTF-8
socket=$TMP_E2E/tmux
on_exit "tmux -S '$socket' kill-server 2> /dev/null"
T() { tmux -S "$socket" "$@"; }
screen() { T capture-pane -p -t con > "$TMP_E2E/screen" && cat "$TMP_E2E/screen"; }
shows() { screen | grep -qE -- "$1"; }
sees() { wait_for "${2:-10}" shows "$1" || { cat "$TMP_E2E/screen" >&2; fail "the screen does not show: $1"; }; }
press() { T send-keys -t con "$@"; }

T -f /dev/null new-session -d -s con -x 80 -y 24 "exec sh"
demo_up() {
	start "demo$1" "$EXAMPLES/demo_service" --workers 2
	demo=$PID
	must 10 "the demo is up" says "$TMP_E2E/demo$1.out" 'pid'
}
# console N: `weft top` in the pane; its pid in $con
console() {
	T respawn-pane -k -t con "stty -g > $TMP_E2E/before; sh -c 'echo \$\$ > $TMP_E2E/con.$1; exec $WEFT top -p $demo';
		echo \"status \$?\"; stty -g > $TMP_E2E/after.$1; exec sleep 600"
	sees '^1 Tasks' 30
	con=$(cat "$TMP_E2E/con.$1")
}
given_back() {
	must 10 "the shell goes on" test -s "$TMP_E2E/after.$1"
	equal "the terminal after it" "$(cat "$TMP_E2E/after.$1")" "$(cat "$TMP_E2E/before")"
	equal "full-screen mode" "$(T display-message -p -t con '#{alternate_on}')" 0
	equal "cursor" "$(T display-message -p -t con '#{cursor_flag}')" 1
}

demo_up 1
console killed
press 1
sees 'POLL/s'
kill -KILL "$demo"
sees 'target gone: killed by signal 9 \(KILL\)'
sees 'db::retry' # the last state stays
press q
sees '^status 0'
given_back killed

demo_up 2
console term
kill -TERM "$con"
sees '^status'
given_back term
running "$demo" || fail "the service has ended with the console"

console crash
kill -SEGV "$con"
sees 'the terminal was put back'
given_back crash
running "$demo" || fail "the service has ended with the crashed console"

# Without a terminal: one look at each screen, and scripts.
"$WEFT" top -p "$demo" > "$TMP_E2E/snapshot"
says "$TMP_E2E/snapshot" 'POLL/s' || fail "no Tasks in the snapshot"
says "$TMP_E2E/snapshot" 'LAST 60 s' || fail "no Workers in the snapshot"
says "$TMP_E2E/snapshot" 'SEV  FINDING' || fail "no Findings in the snapshot"
"$WEFT" top -p "$demo" --size 120x40 --script 'until:blocking-call; key:1; wait:500ms; snap' > "$TMP_E2E/script"
equal "lines of a 120x40 screen" "$(wc -l < "$TMP_E2E/script")" 41
STATUS=0
"$WEFT" top -p "$demo" --script 'jump' > /dev/null 2> "$TMP_E2E/err" || STATUS=$?
equal "exit of a wrong script" "$STATUS" 2
LC_ALL=C "$WEFT" top -p "$demo" --script 'wait:1s; key:2; snap' | LC_ALL=C grep -q '[^ -~]' && fail "not ASCII in the C locale"
stop "$demo"
