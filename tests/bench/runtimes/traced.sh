#!/usr/bin/env bash
# Runs a program with `weft record` attached at normal; its lines come once both have ended.
#   traced.sh COMMAND...    WEFT: the program that records; TMPDIR: where to
set -euo pipefail
db=${TMPDIR:-/tmp}/traced.$$.db
"$@" &
program=$!
trap 'kill -KILL $program ${recorder:-} 2> /dev/null || true; rm -f "$db"*' EXIT
"$WEFT" record -p $program -o "$db" --level normal > /dev/null 2> "$db.err" &
recorder=$!
wait $program || { head -n 3 "$db.err" >&2; exit 1; }
for ((i = 0; i < 100; i++)); do
	kill -0 $recorder 2> /dev/null || exit 0
	sleep 0.05
done
kill -INT $recorder
wait $recorder || true
