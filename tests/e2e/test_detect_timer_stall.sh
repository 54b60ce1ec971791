#!/usr/bin/env bash
# timer-stall: the task that keeps the only worker is named; nobody drives the runtime; timers are off.
# timeout: 150
. "$(dirname "$0")/lib.sh"
need_root
need "$WEFT"
PAIR_ARGS=(--workers 1)
pair_begin timer-stall timer_stall held 8 --only timer-stall
PAIR_ARGS=()
pair_begin timer-stall timer_stall undriven 8 --only timer-stall
pair_begin timer-stall timer_stall disabled 8 --only timer-stall
for variant in held undriven disabled; do pair_end $variant; done
