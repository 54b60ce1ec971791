/* SPDX-License-Identifier: MIT */
#include "runtime/sync/permits.h"

weft_poll_t weft_rwlock_read(struct weft_cx *cx, struct weft_rwlock *l, struct weft_acquire *f)
{
	return weft_permits_acquire(cx, &l->waiters, f, 1, WEFT_WAIT_RWLOCK);
}

weft_poll_t weft_rwlock_write(struct weft_cx *cx, struct weft_rwlock *l, struct weft_acquire *f)
{
	return weft_permits_acquire(cx, &l->waiters, f, WEFT_PERMITS_MAX, WEFT_WAIT_RWLOCK);
}

int weft_rwlock_blocking_read(struct weft_rwlock *l)
{
	return weft_permits_block(&l->waiters, 1, WEFT_WAIT_RWLOCK);
}

int weft_rwlock_blocking_write(struct weft_rwlock *l)
{
	return weft_permits_block(&l->waiters, WEFT_PERMITS_MAX, WEFT_WAIT_RWLOCK);
}

bool weft_rwlock_try_read(struct weft_rwlock *l)
{
	return weft_permits_try(&l->waiters, 1);
}

bool weft_rwlock_try_write(struct weft_rwlock *l)
{
	return weft_permits_try(&l->waiters, WEFT_PERMITS_MAX);
}

static int give(struct weft_rwlock *l, uint32_t n)
{
	weft_waiter_trace(l, weft_thread.task_id, WEFT_WAITER_OP_RELEASED);
	return weft_permits_give(&l->waiters, n) ? 0 : weft_permits_not_held();
}

/* All permits out: a writer has it. Not even 2^29 readers could take as many. */
int weft_rwlock_unlock_read(struct weft_rwlock *l)
{
	uint32_t out = weft_permits_out(&l->waiters);

	if (out == 0 || out == WEFT_PERMITS_MAX)
		return weft_permits_not_held();
	return give(l, 1);
}

int weft_rwlock_unlock_write(struct weft_rwlock *l)
{
	if (weft_permits_out(&l->waiters) != WEFT_PERMITS_MAX)
		return weft_permits_not_held();
	weft_waiters_hold(&l->waiters, 0);
	return give(l, WEFT_PERMITS_MAX);
}

int weft_rwlock_downgrade(struct weft_rwlock *l)
{
	if (weft_permits_out(&l->waiters) != WEFT_PERMITS_MAX)
		return weft_permits_not_held();
	/* To watchers it is held on: no RELEASED. */
	return weft_permits_give(&l->waiters, WEFT_PERMITS_MAX - 1) ? 0 : weft_permits_not_held();
}

int weft_rwlock_done(struct weft_rwlock *l)
{
	return weft_permits_done(&l->waiters, true);
}
