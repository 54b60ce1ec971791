/* SPDX-License-Identifier: MIT */
#include "runtime/sync/permits.h"

#define ONE    WEFT_PERMITS_ONE
#define QUEUED WEFT_PERMITS_QUEUED
#define CLOSED WEFT_PERMITS_CLOSED
#define LOCKED WEFT_PERMITS_LOCKED

/*
 * Memory order: relaxed loads of the word are hints for a compare-and-swap. Taking the lock acquires
 * what earlier givers and owners released, unlocking hands it on, also to those who then take
 * permits without the lock.
 */

/* The word without LOCKED, which only the caller changes until it unlocks. */
static uint32_t lock(struct weft_waiters *q)
{
	uint32_t word = __atomic_load_n(&q->word, __ATOMIC_RELAXED);
	unsigned n = 0;

	for (;;) {
		if (word & LOCKED) {
			weft_waiters_pause(n++);
			word = __atomic_load_n(&q->word, __ATOMIC_RELAXED);
		} else if (__atomic_compare_exchange_n(&q->word, &word, word | LOCKED, true,
						       __ATOMIC_ACQUIRE, __ATOMIC_RELAXED)) {
			return word;
		}
	}
}

/* Release: who locks next, or takes permits the short way, sees what was done. */
static void unlock(struct weft_waiters *q, uint32_t word)
{
	__atomic_store_n(&q->word, word, __ATOMIC_RELEASE);
}

static bool fits(uint32_t word, uint32_t want)
{
	return word / ONE + want <= WEFT_PERMITS_MAX;
}

static uint32_t want_of(const struct weft_waiter *f)
{
	return ((const struct weft_acquire *)f)->want;
}

/* Is there anything for the first in the queue: permits, or the end? */
static bool due(const struct weft_waiters *q, uint32_t word)
{
	return q->first && (word & CLOSED || fits(word, want_of(q->first)));
}

/* Under the lock, with due(): takes the first off the queue. */
static struct weft_wake grant(struct weft_waiters *q, uint32_t *word)
{
	struct weft_waiter *f = q->first;

	if (*word & CLOSED)
		return weft_waiters_take(f, WEFT_WAITER_WOKEN);
	*word += want_of(f) * ONE;
	weft_waiters_hold(q, f->task ? f->task->head.id : 0);
	return weft_waiters_take(f, WEFT_WAITER_GRANTED);
}

/* With the lock: hands out what there is, as long as it is enough for the first in the queue; ends without it. */
static void grant_and_unlock(struct weft_waiters *q, uint32_t word)
{
	struct weft_wake wakes[WEFT_WAKES_MAX];
	unsigned n = 0;
	bool more;

	do {
		while (n < WEFT_WAKES_MAX && due(q, word))
			wakes[n++] = grant(q, &word);
		more = due(q, word);
		unlock(q, q->first ? word : word & ~QUEUED);
		n = weft_wakes_send(wakes, n, more);
		if (more)
			word = lock(q);
	} while (more);
}

bool weft_permits_give(struct weft_waiters *q, uint32_t n)
{
	uint32_t word = __atomic_load_n(&q->word, __ATOMIC_RELAXED);

	while (!(word & (QUEUED | LOCKED))) {
		if (word / ONE < n)
			return false;
		/* Release: the next holder sees what was done. */
		if (__atomic_compare_exchange_n(&q->word, &word, word - n * ONE, true,
						__ATOMIC_RELEASE, __ATOMIC_RELAXED))
			return true;
	}
	word = lock(q);
	if (word / ONE < n) {
		unlock(q, word);
		return false;
	}
	grant_and_unlock(q, word - n * ONE);
	return true;
}

/* Under the lock. READY with permits, -EPIPE, or PENDING: to be queued. */
static weft_poll_t grab(uint32_t *word, uint32_t want)
{
	if (*word & CLOSED)
		return -EPIPE;
	if (*word & QUEUED || !fits(*word, want))
		return WEFT_PENDING;
	*word += want * ONE;
	return WEFT_READY;
}

static weft_poll_t start(struct weft_cx *cx, struct weft_waiters *q, struct weft_acquire *f,
			 uint32_t want, enum weft_wait on)
{
	weft_poll_t rc;
	uint32_t word;

	if (!weft_budget_take(cx))
		return weft_waiter_spent(cx);
	word = lock(q);
	rc = f->wait.state == WEFT_WAITER_IDLE ? grab(&word, want) : -EBUSY;
	if (rc == WEFT_PENDING) {
		word |= QUEUED;
		f->want = want;
		weft_waiters_add(cx, q, &f->wait);
	}
	unlock(q, word);
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

/* As weft_waiters_lock_told(). */
static uint32_t lock_told(struct weft_waiters *q, const struct weft_waiter *f)
{
	uint32_t word;

	for (unsigned n = 0;; n++) {
		word = lock(q);
		/* Acquire: as in weft_waiter_state(); it is told without the lock. */
		if (__atomic_load_n(&f->state, __ATOMIC_ACQUIRE) != WEFT_WAITER_TAKEN)
			return word;
		unlock(q, word);
		weft_waiters_pause(n);
	}
}

/* What was granted in this moment goes on to the next; the queue may have lost its first, or its last. */
static weft_poll_t give_up(struct weft_cx *cx, struct weft_waiters *q, struct weft_acquire *f)
{
	uint32_t word = lock_told(q, &f->wait);
	uint32_t state = weft_waiters_leave(&f->wait);

	if (state == WEFT_WAITER_GRANTED)
		word -= f->want * ONE;
	grant_and_unlock(q, word);
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

/* The short way also fails where somebody has the lock just now. */
static bool grab_locked(struct weft_waiters *q, uint32_t want)
{
	weft_poll_t rc;
	uint32_t word;

	if (!(__atomic_load_n(&q->word, __ATOMIC_RELAXED) & LOCKED))
		return weft_permits_grab(q, want);
	word = lock(q);
	rc = grab(&word, want);
	unlock(q, word);
	return rc == WEFT_READY;
}

bool weft_permits_try(struct weft_waiters *q, uint32_t want)
{
	if (!weft_permits_grab(q, want) && !grab_locked(q, want))
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
	uint32_t word;

	/* Acquire: whoever had it before is done with it; so is whoever is at it now, once it unlocks. */
	for (unsigned n = 0; (word = __atomic_load_n(&q->word, __ATOMIC_ACQUIRE)) & LOCKED; n++)
		weft_waiters_pause(n);
	if (!(word & QUEUED) && !(held && word / ONE))
		return 0;
	return weft_waiters_in_use();
}

void weft_permits_close(struct weft_waiters *q)
{
	grant_and_unlock(q, lock(q) | CLOSED);
}
