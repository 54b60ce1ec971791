#!/usr/bin/env bash
# never-runs: nobody drives the runtime, all workers are held, a woken task; each against its cure.
# timeout: 150
. "$(dirname "$0")/lib.sh"
need_root
need "$WEFT"
pair never-runs never_runs undriven 8 --only never-runs
pair never-runs never_runs held 8 --only never-runs
pair never-runs never_runs woken 8 --only never-runs
