#!/usr/bin/env bash
# The disk fills up while a flood is recorded: a clear message, a file that opens and is exact, a target that runs on.
. "$(dirname "$0")/lib.sh"
need_root
need "$WEFT"

mkdir "$TMP_E2E/small"
mount -t tmpfs -o size=3m tmpfs "$TMP_E2E/small" 2> /dev/null || skip "no right to mount a tmpfs here"
on_exit "umount '$TMP_E2E/small'"

workload flood flood --seconds 40
target=$PID
DB=$TMP_E2E/small/full.db
start full "$WEFT" record -p "$target" --level normal -o "$DB" --duration 6
recorder=$PID
join "$recorder" 30
[ "$STATUS" -ne 0 ] || fail "weft record says nothing is wrong although the disk was full"
holds "not killed by a signal" "$STATUS < 128"
grep -qi 'space\|disk\|full' "$TMP_E2E/full.err" || fail "the message names no disk: $(cat "$TMP_E2E/full.err")"
running "$target" || fail "the target did not survive"
stop "$target"

equal "integrity" "$(sqlite3 "$DB" 'PRAGMA integrity_check' | head -n 1)" ok
holds "what was stored is there" "$(sql "$DB" "SELECT count(*) FROM events") > 1000"
