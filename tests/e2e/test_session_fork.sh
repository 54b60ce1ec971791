#!/usr/bin/env bash
# fork, vfork, posix_spawn and raw clone of a traced target, all the time: children end well, the parent's accounting stays exact,
# and it is said once that forked children are not seen.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/session.sh"
need_root

fake forks -t 2 -r 100000 -m forks
session forks -s 2 -l 2 "$PID"
exact forks
event forks process-fork 'child [1-9]'
equal "said" "$(grep -ac 'cannot-see forked child' "$TMP_E2E/forks.txt")" 1
unharmed "$PID"

# With the real runtime.
workload forker forker --seconds 20
session weft -s 1.5 -l 2 "$PID"
exact weft
unharmed "$PID"
