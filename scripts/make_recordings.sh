#!/usr/bin/env bash
# Makes the recordings in tests/recordings anew, by real runs; root. Replay tests compare what they find in them
# with the table in tests/replay/test_recordings.c.
#   make_recordings.sh [NAME...]
# The programs are built with the tree's path mapped away, and run at a place that is the same everywhere, in a mount
# namespace of their own: paths and build ids in a recording say nothing of who made it.
set -eu
cd "$(dirname "$0")/.."
BUILD=${BUILD:-build}
place=/mnt/weft
if [ -z "${WEFT_IN_PLACE-}" ]; then
	case $PWD/ in /mnt/*) echo "make_recordings.sh: not from a tree below /mnt" >&2; exit 2 ;; esac
	make -s BUILD="$BUILD/recordings" CFLAGS="-O2 -g -ffile-prefix-map=$PWD=$place" \
		"$BUILD"/recordings/workloads/{busy_loop,blocking_call,task_leak,crasher}
	make -s BUILD="$BUILD" "$BUILD/weft"
	WEFT_IN_PLACE=1 exec unshare --mount scripts/make_recordings.sh "$@"
fi
mount -t tmpfs tmpfs /mnt
mkdir -p $place/build
mount --bind "$BUILD/recordings" $place/build
out=tests/recordings
most=$((200 << 10)) # bytes of one

# name, seconds, program; leaks are judged with a shorter window (leak.window_s) to keep the files small
list='busy-loop 4 workloads/busy_loop
busy-storm 6 workloads/busy_loop --variant storm
blocking-call 4 workloads/blocking_call
blocking-mutex 4 workloads/blocking_call --variant mutex
task-leak 14 workloads/task_leak --count 12
healthy-busy-loop 6 workloads/busy_loop --healthy
healthy-blocking-call 6 workloads/blocking_call --healthy
healthy-task-leak 14 workloads/task_leak --healthy --count 12
crash 3 workloads/crasher'

make_one() {
	local name=$1 seconds=$2 program=$3 db=$tmp/$1.db
	shift 3
	"$BUILD/weft" record -o "$db" --duration "$seconds" --level light --as-root -- \
		$place/build/"$program" "$@" --workers 1 --seconds 60 > "$tmp/log" 2>&1 || [ -s "$db" ]
	# Small pages: most tables of a short recording are nearly empty.
	sqlite3 "$db" 'PRAGMA page_size = 1024; VACUUM'
	[ "$(stat -c %s "$db")" -le $most ] || {
		echo "make_recordings.sh: $name is larger than $most bytes: $(stat -c %s "$db")" >&2
		exit 1
	}
	mv "$db" "$out/$name.db"
	chmod 644 "$out/$name.db"
	ls -l "$out/$name.db"
}

mkdir -p $out
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
while read -r name rest; do
	case " $* " in "  " | *" $name "*) ;; *) continue ;; esac
	# shellcheck disable=SC2086 # words of the list
	make_one "$name" $rest < /dev/null
done <<< "$list"
