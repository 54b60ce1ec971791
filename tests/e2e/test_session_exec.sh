#!/usr/bin/env bash
# exec of a traced target; commands started under trace: direct, through a shell, with libweft as a shared library, failing.
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/session.sh"
need_root

# The old image is finished with all it wrote, the new one is a process of its own.
fake exec -t 2 -r 50000 -m exec -w
session exec -s 3 -l 2 "$PID"
exact exec
event exec process-exec
equal "processes" "$(grep -ac '^process . emitted [1-9]' "$TMP_E2E/exec.txt")" 2

# The ring is full, as nobody reads it while the session stands still: the exec is noticed all the same, and that forks are not
# followed is said.
new_image() { tr '\0' '\n' < "/proc/$1/environ" | grep -qx FAKE_TARGET_MODE=seal; }
while_full() { # NAME TARGET-PID COMMAND...: runs it while the session NAME has no room left
	local name=$1 target=$2 probe
	shift 2
	start "$name" "$SESSION" -b 65536 -s 20 -l 2 "$target"
	probe=$PID
	must 10 "attached" says "$TMP_E2E/$name.out" ' runtime id'
	sleep 0.3
	kill -STOP "$probe"
	sleep 0.5
	"$@"
	kill -CONT "$probe"
	join "$probe" 40
	mv "$TMP_E2E/$name.out" "$TMP_E2E/$name.txt"
}
exec_now() {
	kill -USR1 "$1"
	must 10 "exec" new_image "$1"
}
fake full -t 2 -s 3 -m told -w
while_full full "$PID" exec_now "$PID"
exact full lost
says "$TMP_E2E/full.txt" '^process 0.* lost [1-9]' || fail "the ring was not full"
event full process-exec
equal "processes, the ring full" "$(grep -ac '^process . emitted [1-9]' "$TMP_E2E/full.txt")" 2
fake forked -t 2 -s 3 -m forks -w
while_full forked "$PID" sleep 0.5
event forked cannot-see 'processes started'

# From the first instruction, to the exit status.
session direct -s 10 -l 2 -- "$FAKE" -t 2 -r 50000 -s 0.5 -e 7
exact direct
event direct process 'start 1'
event direct process-exit 'code 7 signal 0'

# A descendant.
session shell -s 10 -l 2 -- sh -c "$FAKE -t 2 -r 50000 -s 0.8 -w -e 3; true"
exact shell
event shell process-exit 'code 3 signal 0'

# A shared library: the points are in its file.
[ -e "$BUILD/libweft.so" ] || skip "no libweft.so; run: make all"
cc=${CC:-gcc}
need "$cc"
"$cc" -o "$TMP_E2E/shared" "$BUILD/obj/runtime/examples/demo_service.o" -L"$BUILD" -l:libweft.so.0 -Wl,-rpath,"$BUILD" -pthread
start shared "$TMP_E2E/shared" --seconds 20
must 10 "the service is up" says "$TMP_E2E/shared.out" 'pid'
session shared -s 1 -l 2 "$PID"
exact shared
unharmed "$PID"

session missing -s 1 -- "$TMP_E2E/no-such-program"
says_error missing 'cannot start'
session plain -s 5 -- true
equal "a command without a runtime" "$STATUS" 0
