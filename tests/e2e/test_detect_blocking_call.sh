#!/usr/bin/env bash
# blocking-call: sleep, a mutex held elsewhere, a slow FIFO, each against its cure. The stack of the blocker is named.
# timeout: 150
. "$(dirname "$0")/lib.sh"
need_root
need "$WEFT"
# With one worker there is nobody to take over what waits behind the blocker.
PAIR_ARGS=(--workers 1)
for variant in sleep mutex fifo; do pair_begin blocking-call blocking_call $variant 8 --only busy-loop,blocking-call; done
for variant in sleep mutex fifo; do
	pair_end $variant
	stack_has "$TMP_E2E/diagnose.$variant.sick.out" blocking-call "query_$variant"
	stack_has "$TMP_E2E/diagnose.$variant.sick.out" blocking-call blocking_call.c
	holds "harm to the tickers" "$(findings "$TMP_E2E/diagnose.$variant.sick.out" 'SELECT max(harm) FROM f') > 1000"
done
