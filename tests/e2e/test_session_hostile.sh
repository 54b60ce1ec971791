#!/usr/bin/env bash
# Targets whose mapping is garbage, is cut under the reader, is scribbled over all the time, is not sealed, has no descriptor any more.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/session.sh"
need_root

fake garbage -m garbage
session garbage -s 1 "$PID"
says_error garbage 'header makes no sense'
unharmed "$PID"

fake cut -t 2 -r 50000 -m cut -w
session cut -s 2 -l 2 "$PID"
exact cut lost
event cut cannot-see 'not sealed'

fake scribble -t 2 -r 50000 -m scribble
session scribble -s 2 -l 3 "$PID" # no number in it means anything; the session has to live
says "$TMP_E2E/scribble.txt" '^longest drain' || fail "the session did not reach its end"

fake unsealed -t 2 -r 50000 -m unsealed
session unsealed -s 1 -l 2 "$PID"
exact unsealed

fake closed -t 2 -r 50000 -m closed
session closed -s 1 -l 2 "$PID"
exact closed

# What is no target at all.
start sleeper sleep 30
session sleeper -s 1 "$PID"
says_error sleeper 'no runtime that Weft knows'
session nobody -s 1 999999
says_error nobody 'no such process'
