#!/usr/bin/env bash
# busy-loop: a poll that never ends, a task that wakes itself, each against its cure. The hot frame is named.
# timeout: 120
. "$(dirname "$0")/lib.sh"
need_root
need "$WEFT"
pair busy-loop busy_loop spin 8 --only busy-loop,blocking-call
stack_has "$TMP_E2E/diagnose.spin.sick.out" busy-loop workload_burn
stack_has "$TMP_E2E/diagnose.spin.sick.out" busy-loop busy_loop.c
pair busy-loop busy_loop storm 8 --only busy-loop,blocking-call
