#!/usr/bin/env bash
# emitted = decoded + lost for each kind: at each level, at a flood that the ring can't hold, over many attachments,
# with levels that change by themselves.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/session.sh"
need_root

truncate -s 256 "$TMP_E2E/truth"
fake target -t 2 -s 200 -r 100000 -T "$TMP_E2E/truth"
target=$PID
for level in 1 2 3; do
	session "level$level" -s 0.7 -l $level "$target"
	exact "level$level"
	event "level$level" level-set "^|$level automatic 0"
done
equal "wakes at light" "$(sed -n 's/^  task-wake *emitted \([0-9]*\).*/\1/p' "$TMP_E2E/level1.txt")" 0
session auto -s 2.5 "$target"
exact auto
event auto level-set 'automatic 1'

# A dozen attachments, each from a base of its own.
session cycles -q -s 0.1 -l 2 -r 12 "$target"
exact cycles
equal "attachments" "$(grep -ac '^process 0 emitted' "$TMP_E2E/cycles.txt")" 12
unharmed "$target"
# Detached means silent: with no semaphore up the target writes nothing.
before=$(cksum < "$TMP_E2E/truth")
sleep 0.3
equal "what the target has written since" "$(cksum < "$TMP_E2E/truth")" "$before"
stop "$target"

# Flood into a ring of 64 KiB: losses, but exact ones, and each is a gap.
fake flood -t 2 -s 200
session small -s 1 -l 2 -b 65536 "$PID"
exact small lost
event small gap 'reason 1'
says "$TMP_E2E/small.txt" '^process 0 .* lost [1-9]' || fail "a flood into a small ring lost nothing: the test tests nothing"
session large -s 1 -l 2 "$PID"
exact large lost
unharmed "$PID"
stop "$PID"

# The ABI before this one: libweft is linked into services that nobody rebuilds.
fake old -t 2 -s 200 -r 50000 -a 1
session old -v -s 0.4 -l 2 "$PID"
exact old
says "$TMP_E2E/old.txt" ' batch .* bytes 40[0-9][0-9]$' || fail "no batch of one page: $(grep -a -m 3 ' batch ' "$TMP_E2E/old.txt")"
unharmed "$PID"
stop "$PID"

# libweft itself, every kind of record.
workload flood flood --seconds 200
session weft -s 1 -l 3 "$PID"
exact weft lost
unharmed "$PID"
stop "$PID"
