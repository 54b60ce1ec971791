/* SPDX-License-Identifier: MIT */
#include "runtime/sync/permits.h"

weft_poll_t weft_mutex_lock(struct weft_cx *cx, struct weft_mutex *m, struct weft_acquire *f)
{
	return weft_permits_acquire(cx, &m->waiters, f, WEFT_PERMITS_MAX, WEFT_WAIT_MUTEX);
}

int weft_mutex_blocking_lock(struct weft_mutex *m)
{
	return weft_permits_block(&m->waiters, WEFT_PERMITS_MAX, WEFT_WAIT_MUTEX);
}

bool weft_mutex_try_lock(struct weft_mutex *m)
{
	return weft_permits_try(&m->waiters, WEFT_PERMITS_MAX);
}

/* The holder stays written: "had it last". */
int weft_mutex_unlock(struct weft_mutex *m)
{
	struct weft_waiters *q = &m->waiters;
	uint32_t word = WEFT_PERMITS_ALL;

	weft_waiter_trace(q, weft_thread.task_id, WEFT_WAITER_OP_RELEASED);
	/* Release: the next holder sees what was done. */
	if (__builtin_expect(__atomic_compare_exchange_n(&q->word, &word, 0, false,
							 __ATOMIC_RELEASE, __ATOMIC_RELAXED),
			     1))
		return 0;
	return weft_permits_give(q, WEFT_PERMITS_MAX) ? 0 : weft_permits_not_held();
}

int weft_mutex_done(struct weft_mutex *m)
{
	return weft_permits_done(&m->waiters, true);
}
