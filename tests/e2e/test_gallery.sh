#!/usr/bin/env bash
# scripts/gallery.sh itself: a few lines of the gallery are as they should be, and lines that expect what is not so are told as bad, each with
# its word.
# timeout: 120
. "$(dirname "$0")/lib.sh"
need_root
need "$WEFT" "$WORKLOADS/blocking_call"

# gallery NAME FOLDER [VARIABLE=VALUE]... [WORD]...: in the background
gallery() {
	local name=$1 folder=$2
	shift 2
	start "$name" env GALLERY_FOLDER="$folder" GALLERY_LISTS=c GALLERY_HEALTHY_SECONDS=8 "$@"
}
# ends NAME PID STATUS LAST-LINE
ends() {
	join "$2" 100
	[ "$STATUS" = "$3" ] || { cat "$TMP_E2E/$1.out" "$TMP_E2E/$1.err" >&2; fail "$1: exit code $STATUS, should be $3"; }
	equal "last line of $1" "$(tail -n 1 "$TMP_E2E/$1.out")" "$4"
}
# told NAME ROW TEXT: in the list of bad cells
told() {
	grep -q "^round 1: c  $2.*: .*$3" "$TMP_E2E/$1.out" || { cat "$TMP_E2E/$1.out" >&2; fail "no '$3' of '$2'"; }
}

mkdir "$TMP_E2E/good" "$TMP_E2E/bad" "$TMP_E2E/late"
cp tests/gallery/c.txt "$TMP_E2E/good"
[ -z "${WEFT_BREAK-}" ] || sed -i 's/aborted.as.soon.as/held.as.long.as/' "$TMP_E2E/good/c.txt"
gallery good "$TMP_E2E/good" GALLERY_FLAVOURS=m,c GALLERY_SECONDS=10 scripts/gallery.sh fifo abort disabled moved
ends good "$PID" 0 "1 rounds, 0 bad cells"
equal "cells of good" "$(grep -o ' / clean' "$TMP_E2E/good.out" | wc -l)" 6

cat > "$TMP_E2E/bad/c.txt" << 'LIST'
columns  m=multi_thread  c=current_thread  r=reactor_pool  e=executor
allow  blocking-call  handle_dropped  *  r  handle-dropped  another column
handle-dropped  handle_dropped  abort  own  6+  drop.of.its.handle
blocking-call   handle_dropped  drop   own  3+  -
timer-stall     timer_stall     held   c    6+  its.polls.keep  --workers 1
blocking-call   sick            short  m    6+  -
busy-loop       never_runs      held   m    6+  spins
handle-dropped  no_such_program -      own  6+  -
LIST
echo "columns m=multi_thread
handle-dropped  handle_dropped  abort  own  6+  aborted" > "$TMP_E2E/late/c.txt"
gallery bad "$TMP_E2E/bad" GALLERY_SECONDS=10 scripts/gallery.sh
bad=$PID
gallery late "$TMP_E2E/late" GALLERY_SECONDS=0.01 GALLERY_ROUNDS=2 scripts/gallery.sh
ends late "$PID" 1 "2 rounds, 2 bad cells"
told late "handle-dropped  handle_dropped abort" "LATE [0-9.]* s 0.9[0-9]* / clean$"
ends bad "$bad" 1 "1 rounds, 6 bad cells"
told bad "handle-dropped  handle_dropped abort" "CAUSE aborted as soon"
told bad "blocking-call  handle_dropped drop" "MISSED +handle-dropped"
told bad "timer-stall  timer_stall held" "BESIDE blocking-call / clean" # such a sleep is found before any timer can be late by it
told bad "blocking-call  sick short" "/ FALSE blocking-call"
told bad "busy-loop  never_runs held" "PLACE .*never_runs.c:[0-9]"
told bad "handle-dropped  no_such_program" "NO START / NO START"

gallery none "$TMP_E2E/late" scripts/gallery.sh no_such_word
join "$PID" 20
equal "exit code without a line" "$STATUS" 2
