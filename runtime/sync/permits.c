/* SPDX-License-Identifier: MIT */
#include "runtime/sync/permits.h"

#define ONE    WEFT_PERMITS_ONE
#define QUEUED WEFT_PERMITS_QUEUED
#define CLOSED WEFT_PERMITS_CLOSED

/*
 * Memory order: relaxed loads of the word are hints for a compare-and-swap, or made under the lock,
 * which orders them. A waiter's own compare-and-swap that sets QUEUED acquires what earlier givers
 * released; the lock carries it on to whoever grants.
 */

/*
 * Under the lock, QUEUED set: hands out what there is, as long as it is enough for the first in the
 * queue. Full wakes[]: call again after sending them.
 */
static unsigned grant(struct weft_waiters *q, struct weft_wake *wakes)
{
	uint32_t word = __atomic_load_n(&q->word, __ATOMIC_RELAXED);
	unsigned n = 0;

	while (n < WEFT_WAKES_MAX && q->first) {
		struct weft_waiter *f = q->first;
		uint32_t want = ((struct weft_acquire *)f)->want;

		if (word & CLOSED) {
			wakes[n++] = weft_waiters_take(f, WEFT_WAITER_WOKEN);
			continue;
		}
		if (word / ONE + want > WEFT_PERMITS_MAX)
			break;
		word += want * ONE;
		/* Before it is told: a waiter that is polled for another reason may see GRANTED, and give back, at once. */
		__atomic_store_n(&q->word, word, __ATOMIC_RELEASE);
		weft_waiters_hold(q, f->task ? f->task->head.id : 0);
		wakes[n++] = weft_waiters_take(f, WEFT_WAITER_GRANTED);
	}
	if (!q->first)
		word &= ~QUEUED;
	/* Release: who takes the short way next sees what the giver did. */
	__atomic_store_n(&q->word, word, __ATOMIC_RELEASE);
	return n;
}

/* With the lock, QUEUED set; ends without it. */
static void grant_and_unlock(struct weft_waiters *q)
{
	struct weft_wake wakes[WEFT_WAKES_MAX];
	unsigned n;

	do {
		n = grant(q, wakes);
		weft_waiters_unlock(q);
		for (unsigned i = 0; i < n; i++)
			weft_wake_send(wakes[i]);
		if (n < WEFT_WAKES_MAX)
			return;
		weft_waiters_lock(q);
	} while (__atomic_load_n(&q->word, __ATOMIC_RELAXED) & QUEUED);
	weft_waiters_unlock(q);
}

/* The queue may have lost its first, or its last. */
static void settle(struct weft_waiters *q)
{
	weft_waiters_lock(q);
	if (__atomic_load_n(&q->word, __ATOMIC_RELAXED) & QUEUED)
		grant_and_unlock(q);
	else
		weft_waiters_unlock(q);
}

bool weft_permits_give(struct weft_waiters *q, uint32_t n)
{
	uint32_t word = __atomic_load_n(&q->word, __ATOMIC_RELAXED);

	while (!(word & QUEUED)) {
		if (word / ONE < n)
			return false;
		/* Release: the next holder sees what was done. */
		if (__atomic_compare_exchange_n(&q->word, &word, word - n * ONE, true,
						__ATOMIC_RELEASE, __ATOMIC_RELAXED))
			return true;
	}
	weft_waiters_lock(q);
	word = __atomic_load_n(&q->word, __ATOMIC_RELAXED);
	if (!(word & QUEUED)) {
		weft_waiters_unlock(q);
		return weft_permits_give(q, n);
	}
	if (word / ONE < n) {
		weft_waiters_unlock(q);
		return false;
	}
	/* Release: as in grant(), for those who look without the lock. */
	__atomic_store_n(&q->word, word - n * ONE, __ATOMIC_RELEASE);
	grant_and_unlock(q);
	return true;
}

/* Under the lock. READY, -EPIPE, or PENDING with QUEUED set. */
static weft_poll_t grab_or_queue(struct weft_waiters *q, uint32_t want)
{
	uint32_t word = __atomic_load_n(&q->word, __ATOMIC_RELAXED);

	for (;;) {
		bool fits = word / ONE + want <= WEFT_PERMITS_MAX;

		if (word & CLOSED)
			return -EPIPE;
		if (word & QUEUED)
			return WEFT_PENDING;
		/* Acquire: sees what the last holder did. */
		if (__atomic_compare_exchange_n(&q->word, &word,
						fits ? word + want * ONE : word | QUEUED, true,
						__ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
			return fits ? WEFT_READY : WEFT_PENDING;
	}
}

static weft_poll_t start(struct weft_cx *cx, struct weft_waiters *q, struct weft_acquire *f,
			 uint32_t want, enum weft_wait on)
{
	weft_poll_t rc;

	if (!weft_budget_take(cx))
		return weft_waiter_spent(cx);
	weft_waiters_lock(q);
	rc = f->wait.state == WEFT_WAITER_IDLE ? grab_or_queue(q, want) : -EBUSY;
	if (rc == WEFT_PENDING) {
		f->want = want;
		weft_waiters_add(cx, q, &f->wait);
	}
	weft_waiters_unlock(q);
	if (rc == WEFT_PENDING)
		return weft_waiter_pending(cx, q, on, true);
	if (rc == -EBUSY)
		return weft_waiter_busy(cx);
	if (rc == WEFT_READY) {
		weft_waiters_hold(q, weft_waiter_id(cx));
		weft_waiter_trace(q, weft_waiter_id(cx), WEFT_WAITER_OP_ACQUIRED);
	}
	return rc;
}

/* What was granted in this moment goes on to the next. */
static weft_poll_t give_up(struct weft_cx *cx, struct weft_waiters *q, struct weft_acquire *f)
{
	uint32_t state;

	weft_waiters_lock(q);
	state = weft_waiters_leave(&f->wait);
	weft_waiters_unlock(q);
	if (state == WEFT_WAITER_GRANTED)
		weft_permits_give(q, f->want);
	else if (state == WEFT_WAITER_QUEUED)
		settle(q);
	if (state != WEFT_WAITER_IDLE)
		weft_waiter_trace(q, weft_waiter_id(cx), WEFT_WAITER_OP_LEFT);
	return weft_cancelled(cx);
}

weft_poll_t weft_permits_wait(struct weft_cx *cx, struct weft_waiters *q, struct weft_acquire *f,
			      uint32_t want, enum weft_wait on)
{
	uint32_t state = weft_waiter_state(&f->wait);

	if (!weft_waiter_ours(cx, q, &f->wait))
		return weft_waiter_busy(cx);
	if (cx->cancelled)
		return give_up(cx, q, f);
	if (state == WEFT_WAITER_IDLE)
		return start(cx, q, f, want, on);
	if (state == WEFT_WAITER_QUEUED)
		return weft_pending(cx, on);
	weft_waiter_end(&f->wait);
	weft_waiter_trace(q, weft_waiter_id(cx),
			  state == WEFT_WAITER_GRANTED ? WEFT_WAITER_OP_ACQUIRED
						       : WEFT_WAITER_OP_LEFT);
	return state == WEFT_WAITER_GRANTED ? WEFT_READY : -EPIPE;
}

int weft_permits_block(struct weft_waiters *q, uint32_t want, enum weft_wait on)
{
	struct weft_cx context = WEFT_WAITER_CONTEXT;
	struct weft_acquire f = { .want = 0 };

	return WEFT_WAITER_BLOCK(&f.wait, weft_permits_acquire(&context, q, &f, want, on));
}

bool weft_permits_try(struct weft_waiters *q, uint32_t want)
{
	if (!weft_permits_grab(q, want))
		return false;
	weft_waiters_hold(q, weft_thread.task_id);
	weft_waiter_trace(q, weft_thread.task_id, WEFT_WAITER_OP_ACQUIRED);
	return true;
}

int weft_permits_not_held(void)
{
	weft_misuse(WEFT_M_NOT_HELD, weft_thread.cx ? weft_thread.cx->task : NULL);
	return -EPERM;
}

int weft_permits_done(const struct weft_waiters *q, bool held)
{
	/* Acquire: whoever had it before is done with it. */
	uint32_t word = __atomic_load_n(&q->word, __ATOMIC_ACQUIRE);

	if (!(word & QUEUED) && !(held && word / ONE))
		return 0;
	return weft_waiters_in_use();
}

void weft_permits_close(struct weft_waiters *q)
{
	weft_waiters_lock(q);
	if (__atomic_fetch_or(&q->word, CLOSED, __ATOMIC_RELAXED) & QUEUED)
		grant_and_unlock(q);
	else
		weft_waiters_unlock(q);
}
