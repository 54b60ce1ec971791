/* SPDX-License-Identifier: MIT */
/*
 * What waiting for each other costs, in loops that any benchmark can run beside a peer's. Each
 * gives CPU ns of the calling thread (which runs the tasks of a runtime of one worker by
 * weft_block_on(), or of the worker) per operation.
 */
#ifndef WEFT_BENCH_SYNC_LOOP_H
#define WEFT_BENCH_SYNC_LOOP_H

#include "runtime/weft.h"

/* Lock and unlock, nobody else there: n pairs awaited in one task. */
double sync_loop_mutex(struct weft_runtime *rt, unsigned n);

/*
 * n messages of 8 bytes from one task to another on the same worker, through a channel of
 * `capacity` (0 = unbounded).
 */
double sync_loop_mpsc(struct weft_runtime *rt, unsigned n, uint32_t capacity);

#endif
