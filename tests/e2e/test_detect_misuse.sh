#!/usr/bin/env bash
# not-send, not-unpin, missing-feature and mixed-runtimes as the runtime reports them, each against the right use.
# timeout: 150
. "$(dirname "$0")/lib.sh"
need_root
need "$WEFT"
only=not-unpin,not-send,missing-feature,mixed-runtimes
pair_begin not-unpin misuse moved 6 --only $only
pair_begin missing-feature misuse io 6 --only $only
pair_begin mixed-runtimes misuse nested 6 --only $only
pair_begin not-send misuse local 6 --only $only
for variant in moved io nested local; do pair_end $variant; done
# What was to be bound, and where.
line=$(grep -n 'weft_spawn_local(bound' tests/workloads/misuse.c | cut -d : -f 1)
[ -n "$(findings "$TMP_E2E/diagnose.local.sick.out" "SELECT 1 FROM f WHERE cause LIKE 'weft_spawn_local() on a thread that is in no %' AND
	instr(evidence, 'was to spawn bound at tests/workloads/misuse.c:$line') LIMIT 1")" ] ||
	fail "not-send: $(findings "$TMP_E2E/diagnose.local.sick.out" "SELECT cause, evidence FROM f")"
