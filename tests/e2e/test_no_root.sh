#!/usr/bin/env bash
# Without the rights: one line that says what failed, why and what to do; exit 2. What needs no rights works.
# beside
. "$(dirname "$0")/lib.sh"
need_root
need "$WEFT" setpriv
# The build may lie where an ordinary user can't go.
cp "$WEFT" "$TMP_E2E/weft"
chmod 755 "$TMP_E2E" "$TMP_E2E/weft"
as_user() { setpriv --reuid=65534 --regid=65534 --clear-groups --no-new-privs --bounding-set=-all --inh-caps=-all "$@"; }
[ "$(as_user id -u)" = 65534 ] || skip "no right to become another user here"
as_user "$TMP_E2E/weft" --version > /dev/null || skip "an ordinary user can't reach $TMP_E2E"

workload target no_tasks --seconds 60
target=$PID
mkdir -m 777 "$TMP_E2E/theirs"
for command in "record -p $target -o $TMP_E2E/theirs/x.db" "diagnose -p $target --duration 2" "top -p $target"; do
	STATUS=0
	# shellcheck disable=SC2086
	as_user timeout 15 "$TMP_E2E/weft" $command > "$TMP_E2E/out" 2> "$TMP_E2E/err" || STATUS=$?
	equal "exit of weft $command" "$STATUS" 2
	equal "lines of the message of weft $command" "$(wc -l < "$TMP_E2E/err")" 1
	says "$TMP_E2E/err" 'CAP_\|root' || fail "weft $command does not say which right is missing: $(cat "$TMP_E2E/err")"
done
STATUS=0
as_user "$TMP_E2E/weft" check > "$TMP_E2E/check" 2>&1 || STATUS=$?
equal "exit of weft check (this machine can't trace: the answer is no)" "$STATUS" 1
says "$TMP_E2E/check" 'CAP_' || fail "weft check names no capability"

# Root that may not look into the process: that is the message, and not that there is no runtime in it.
STATUS=0
setpriv --bounding-set=-sys_ptrace --inh-caps=-sys_ptrace timeout 15 "$WEFT" record -p "$target" -o "$TMP_E2E/theirs/y.db" \
	> "$TMP_E2E/out" 2> "$TMP_E2E/err" || STATUS=$?
equal "exit without CAP_SYS_PTRACE" "$STATUS" 2
says "$TMP_E2E/err" 'CAP_SYS_PTRACE' || fail "without CAP_SYS_PTRACE: $(cat "$TMP_E2E/err")"
! says "$TMP_E2E/err" 'CAP_BPF' || fail "a right that is held is called missing: $(cat "$TMP_E2E/err")"

# A recording made by root can be read by whoever may read the file.
record mine -p "$target" --duration 1
join "$PID" 20
equal "mode of a recording" "$(stat -c %a "$DB")" 600
cp "$DB" "$TMP_E2E/theirs/read.db"
chmod 644 "$TMP_E2E/theirs/read.db"
as_user "$TMP_E2E/weft" query "$TMP_E2E/theirs/read.db" 'SELECT count(*) FROM tasks' > /dev/null
stop "$target"
