#!/usr/bin/env bash
# The console on the demo service in a real terminal: what a person does within the first minute.
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
lacks() { ! shows "$1"; }
press() { T send-keys -t con "$@"; }

start demo "$EXAMPLES/demo_service" --workers 2
demo=$PID
must 10 "the demo is up" says "$TMP_E2E/demo.out" 'pid'
# Under sudo: what the console writes is the user's.
mkdir "$TMP_E2E/user"
chown 65534:65534 "$TMP_E2E/user"
T -f /dev/null new-session -d -s con -x 80 -y 24 -c "$TMP_E2E/user" \
	"stty -g > $TMP_E2E/before; SUDO_UID=65534 SUDO_GID=65534 WEFT_CONFIG=$TMP_E2E/user/weft.conf $WEFT top -p $demo; echo \"status \$?\"; stty -g > $TMP_E2E/after; exec sleep 600"

# It opens on what is critical, with task, cause and advice.
sees 'crit blocking-call|>rit blocking-call|blocking-call .*db::retry' 30
sees '^1 Tasks  2 Workers  3 Findings'
sees 'advice .*weft_sleep'
press Enter
sees 'stack .*k:'
press End
sees ' sick +usleep\(50000\);'
sees ' healthy +weft_await\(f, weft_sleep\('
press e
sees 'written to weft-finding-blocking-call-[0-9-]+.txt and .json'
press Escape
sees 'SEV  FINDING'

# A finding is muted by id and place, and no longer.
press m
sees '^muted in .*/user/weft.conf'
sees '^(m|>)ute blocking-call'
sees '^[0-9]+ findings?: .* 1 muted$|^no findings .* 1 muted$'
says "$TMP_E2E/user/weft.conf" '^mute = blocking-call runtime/examples/demo_service.c:[0-9]*$' || fail "the config: $(cat "$TMP_E2E/user/weft.conf")"
equal "owners of what was written" "$(stat -c %u:%g:%a "$TMP_E2E"/user/* | sort -u)" 65534:65534:600
equal "what was written" "$(ls "$TMP_E2E/user" | sed 's/[0-9-]*\././')" $'weft-finding-blocking-call.json\nweft-finding-blocking-call.txt\nweft.conf'
equal "its JSON" "$(json "$(echo "$TMP_E2E"/user/weft-finding-*.json)" "\$.id")" blocking-call
STATUS=0
"$WEFT" diagnose -p "$demo" --duration 8 --only blocking-call --config "$TMP_E2E/user/weft.conf" > "$TMP_E2E/diagnose" || STATUS=$?
says "$TMP_E2E/diagnose" '^1 muted by the config file:' || fail "diagnose: $(cat "$TMP_E2E/diagnose")"
equal "exit code of diagnose" "$STATUS" 0
press m
sees '^no longer muted in'
sees '^(c|>)rit blocking-call'

# Tasks: the troublemakers on top, columns, details.
press 1
sees '^. +ID STATE +BUSY%'
sees 'demo_service\['
sees '^tasks [0-9,]+: idle'
sees 'db::retry'
press / && press -l pump && press Enter
sees '^> .*pump'
press Enter
sees '^ task [0-9]+  pump'
sees 'polls +[0-9]'
sees '100us   1ms'
press Escape
press '\' && press -l gate && press Enter
sees ' \\gate'
wait_for 5 lacks ' pump$' || fail "the filter lets other tasks through"
press Escape
sees ' pump'
press t
sees 'tree'
press t

# Workers, and a pause that holds the picture.
press 2
sees 'LAST 60 s'
press p
sees 'PAUSED'
held=$(screen | sed -n 8,9p)
wait_for 2 false || true
equal "the paused screen" "$(screen | sed -n 8,9p)" "$held"
press p
wait_for 5 lacks PAUSED || fail "p does not go on"

# Sizes.
T resize-window -t con -x 60 -y 15
sees 'weft needs 80x24'
T resize-window -t con -x 132 -y 40
press 1
sees 'SPAWNED AT'
press '?'
sees 'Signs'
press Escape
T resize-window -t con -x 80 -y 24
sees '^1 Tasks'

# Leaving gives the terminal back, and the service runs on.
press q
sees '^status 0'
cmp "$TMP_E2E/before" "$TMP_E2E/after" || fail "the terminal is not as it was"
running "$demo" || fail "the service has ended"
