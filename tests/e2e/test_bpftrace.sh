#!/usr/bin/env bash
# The probe points are plain USDT: bpftrace lists them, and the README's one-liner counts polls by task name.
# beside
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/rust_cycles.sh"
need_root
need bpftrace "$EXAMPLES/demo_service"

line=$(grep -m1 'bpftrace .*task-poll-start' README.md) || fail "README.md holds no bpftrace line"
bpftrace -l "usdt:$EXAMPLES/demo_service:weft:*" > "$TMP_E2E/list"
for point in task-spawn task-poll-start task-poll-end task-terminate worker-thread-park flush_normal; do
	says "$TMP_E2E/list" ":weft:$point\$" || fail "bpftrace -l does not list $point"
done

start service "$EXAMPLES/demo_service" --healthy --truth --seconds 40
service=$PID
must 10 "demo_service is up" says "$TMP_E2E/service.out" http:
line=${line#sudo }
line=${line//PID/$service}
line=${line//.\/build\//$BUILD/}
# bpftrace prints its maps when it is interrupted, and "Attaching" before it attaches.
text_of "$service" "$TMP_E2E/untraced"
traced() { text_of "$service" "$TMP_E2E/text" && ! cmp -s "$TMP_E2E/untraced" "$TMP_E2E/text"; }
start bpftrace bash -c "exec $line"
tracer=$PID
must 20 "bpftrace is attached" traced
sleep 3
stop "$tracer" INT 60
count() { sed -n "s/^@[a-z]*\[$1\]: \([0-9]*\)\$/\1/p" "$TMP_E2E/bpftrace.out"; }
for name in client order session gate; do
	[ -n "$(count $name)" ] || fail "no polls of $name: $(tail -n 12 "$TMP_E2E/bpftrace.out")"
done
stop "$service"
polls() { json "$TMP_E2E/service.out.json" "\$.tasks.$1.polls"; }
tail -n 1 "$TMP_E2E/service.out" > "$TMP_E2E/service.out.json"
# Attached for a part of its life: some, and no more than there were.
for name in client order session gate; do
	holds "polls of $name" "$(count $name) BETWEEN 10 AND $(polls $name)"
done
