/* SPDX-License-Identifier: MIT */
#include "runtime/base/memory.h"
#include "runtime/sync/permits.h"

int weft_semaphore_init(struct weft_semaphore *s, uint32_t permits)
{
	if (permits > WEFT_PERMITS_MAX)
		return -EINVAL;
	memset(s, 0, sizeof(*s));
	s->waiters.word = (WEFT_PERMITS_MAX - permits) * WEFT_PERMITS_ONE;
	return 0;
}

int weft_semaphore_done(struct weft_semaphore *s)
{
	return weft_permits_done(&s->waiters, false);
}

int weft_semaphore_new(uint32_t permits, struct weft_semaphore **ret)
{
	struct weft_semaphore *s;
	int rc;

	if (permits > WEFT_PERMITS_MAX)
		return -EINVAL;
	s = weft_memory_alloc(sizeof(*s));
	if (!s)
		return -ENOMEM;
	rc = weft_semaphore_init(s, permits);
	*ret = s;
	return rc;
}

struct weft_semaphore *weft_semaphore_free(struct weft_semaphore *s)
{
	if (s && weft_semaphore_done(s) == 0)
		weft_memory_free(s);
	return NULL;
}

weft_poll_t weft_semaphore_acquire_many(struct weft_cx *cx, struct weft_semaphore *s, uint32_t want,
					struct weft_acquire *f)
{
	if (want > WEFT_PERMITS_MAX)
		return -EINVAL;
	return weft_permits_acquire(cx, &s->waiters, f, want, WEFT_WAIT_SEMAPHORE);
}

weft_poll_t weft_semaphore_acquire(struct weft_cx *cx, struct weft_semaphore *s,
				   struct weft_acquire *f)
{
	return weft_semaphore_acquire_many(cx, s, 1, f);
}

bool weft_semaphore_try_many(struct weft_semaphore *s, uint32_t want)
{
	return want <= WEFT_PERMITS_MAX && weft_permits_try(&s->waiters, want);
}

bool weft_semaphore_try(struct weft_semaphore *s)
{
	return weft_semaphore_try_many(s, 1);
}

int weft_semaphore_release(struct weft_semaphore *s, uint32_t permits)
{
	if (permits > WEFT_PERMITS_MAX)
		return -EOVERFLOW;
	weft_waiter_trace(s, weft_thread.task_id, WEFT_WAITER_OP_RELEASED);
	return weft_permits_give(&s->waiters, permits) ? 0 : -EOVERFLOW;
}

uint32_t weft_semaphore_permits(const struct weft_semaphore *s)
{
	return WEFT_PERMITS_MAX - weft_permits_out(&s->waiters);
}

void weft_semaphore_close(struct weft_semaphore *s)
{
	weft_permits_close(&s->waiters);
}
