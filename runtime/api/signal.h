/* SPDX-License-Identifier: MIT */
/* Signals, by signalfd. Part of weft.h. */
#ifndef WEFT_API_SIGNAL_H
#define WEFT_API_SIGNAL_H

#include "runtime/api/base.h"

#ifdef __cplusplus
extern "C" {
#endif

/*
 * A signal that tasks wait for has to be blocked in every thread, or its handler or default action
 * takes it first. Threads inherit the mask: call weft_signal_block() at the start of main, before the
 * first runtime or any other thread is made. Children of weft_child_start() get a clean mask.
 * Not for signals that a fault of the thread itself raises (SIGSEGV, SIGFPE, ...), SIGKILL, SIGSTOP.
 *
 * Blocks the given signals, a list that ends with 0, in the calling thread. -EINVAL.
 */
WEFT_API int weft_signal_block(const int *signals);

/*
 * State of one waiter; zero before first use, reusable once ready. While pending it must not
 * move. Every waiter gets every signal that comes after its first wait, in the next wait if it
 * wasn't waiting then. Several of one kind between two waits count as one, as always with signals.
 */
struct weft_signal {
	struct weft_signal *next, **link;
	struct weft_task *task;
	uint64_t seen; /* signals of this kind before the last wait, + 1 */
	int32_t number;
	uint32_t state;
};
/*
 * Ready with 0 when the signal has come. -EPERM: it isn't blocked in some thread of the process.
 * -EINVAL: no such signal. Signals sent before the first wait of any task, once blocked, are not lost.
 */
WEFT_API weft_poll_t weft_signal_wait(struct weft_cx *cx, struct weft_signal *f, int number);

#ifdef __cplusplus
}
#endif

#endif
