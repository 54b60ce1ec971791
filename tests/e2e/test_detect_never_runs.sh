#!/usr/bin/env bash
# never-runs: nobody drives the runtime, all workers are held, a woken task; each against its cure. Of one that has been polled: where it stands.
# timeout: 150
. "$(dirname "$0")/lib.sh"
need_root
need "$WEFT"
for variant in undriven woken; do pair_begin never-runs never_runs $variant 8 --only never-runs; done
for variant in undriven woken; do pair_end $variant; done
pair never-runs never_runs held 8 --only never-runs # it takes the CPUs

line=$(grep -n 'weft_semaphore_acquire(cx, f->bell' tests/workloads/never_runs.c | cut -d: -f1)
evidence_has "$TMP_E2E/diagnose.woken.sick.out" never-runs "it stands where it awaits semaphore: guest (never_runs.c:$line)"
