#!/usr/bin/env bash
# After session_drop_rights the process is another user's with five capabilities; level changes, census and stacks still work.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/session.sh"
need_root

workload block blocking_call --seconds 30
session dropped -u 65534 -s 6 "$PID"
exact dropped
event dropped level-set '2 automatic 1'
event dropped snapshot-end 'tasks [1-9]'
event dropped stack 'why 1'
event dropped frame '[a-z_]+ .*\.c:[0-9]+'
unharmed "$PID"
