#!/usr/bin/env bash
# task-leak: sessions that wait for ever against sessions that time out. What they wait for is told, and where.
# timeout: 120
# beside
. "$(dirname "$0")/lib.sh"
need_root
need "$WEFT"
pair task-leak task_leak - 40 --only task-leak,busy-loop,blocking-call

line=$(grep -n '^	*weft_await(f, weft_semaphore_acquire(cx, f->heard' tests/workloads/task_leak.c | cut -d: -f1)
file=$TMP_E2E/diagnose.-.sick.out
evidence_has "$file" task-leak " looked at wait for semaphore in session (tests/workloads/task_leak.c:$line)"
findings "$file" "SELECT cause FROM f WHERE id = 'task-leak'" | grep -q 'alive, waiting for semaphore$' || { show_findings "$file"; fail "another cause"; }
