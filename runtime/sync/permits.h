/* SPDX-License-Identifier: MIT */
/*
 * Permits, handed out in the order of arrival: the core of mutex (one that takes all), rwlock
 * (readers take one, writers all) and semaphore. After Tokio's batch semaphore.
 *
 * waiters.word = permits out << 3 | LOCKED | CLOSED | QUEUED. LOCKED is the queue's lock (waiters.lock
 * is not used): while it is set only its owner changes the word. While both it and QUEUED are clear,
 * permits are taken and given by compare-and-swap; so whoever takes them the short way overtakes nobody.
 *
 * The store that unlocks is also the one that lets go of the permits, and the owner's last access to
 * the object: whoever takes them next may find itself the last to use the object, and free it.
 */
#ifndef WEFT_RUNTIME_PERMITS_H
#define WEFT_RUNTIME_PERMITS_H

#include "runtime/sync/waiters.h"

#define WEFT_PERMITS_QUEUED 1u
#define WEFT_PERMITS_CLOSED 2u
#define WEFT_PERMITS_LOCKED 4u
#define WEFT_PERMITS_ONE    8u
#define WEFT_PERMITS_ALL    (WEFT_PERMITS_MAX * WEFT_PERMITS_ONE)

#pragma GCC visibility push(hidden)
/* All but the short way of acquire. */
weft_poll_t weft_permits_wait(struct weft_cx *cx, struct weft_waiters *q, struct weft_acquire *f,
			      uint32_t want, enum weft_wait on);
int weft_permits_block(struct weft_waiters *q, uint32_t want, enum weft_wait on);
bool weft_permits_try(struct weft_waiters *q, uint32_t want);
/* False: fewer are out. */
bool weft_permits_give(struct weft_waiters *q, uint32_t n);
/* WEFT_M_NOT_HELD, -EPERM. */
int weft_permits_not_held(void);
/* -EBUSY and misuse while permits are waited for or, with `held`, out. */
int weft_permits_done(const struct weft_waiters *q, bool held);
void weft_permits_close(struct weft_waiters *q);
#pragma GCC visibility pop

static inline uint32_t weft_permits_out(const struct weft_waiters *q)
{
	/* Relaxed: a hint, or the caller's own. */
	return __atomic_load_n(&q->word, __ATOMIC_RELAXED) / WEFT_PERMITS_ONE;
}

/*
 * The short way: one compare-and-swap. Who takes all needs no look at the word first: it must be 0.
 */
static inline bool weft_permits_grab(struct weft_waiters *q, uint32_t want)
{
	uint32_t word = 0;

	if (want != WEFT_PERMITS_MAX)
		word = __atomic_load_n(&q->word, __ATOMIC_RELAXED);
	do {
		if (word & (WEFT_PERMITS_ONE - 1) ||
		    word / WEFT_PERMITS_ONE + want > WEFT_PERMITS_MAX)
			return false;
		/* Acquire: sees what the last holder did. */
	} while (!__atomic_compare_exchange_n(&q->word, &word, word + want * WEFT_PERMITS_ONE,
					      false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED));
	return true;
}

static inline __attribute__((always_inline)) weft_poll_t weft_permits_acquire(
	struct weft_cx *cx, struct weft_waiters *q, struct weft_acquire *f, uint32_t want,
	enum weft_wait on)
{
	uint64_t id;

	/* Relaxed: IDLE means that nobody else knows f. */
	if (__builtin_expect(!cx->cancelled && cx->budget &&
				     __atomic_load_n(&f->wait.state, __ATOMIC_RELAXED) ==
					     WEFT_WAITER_IDLE &&
				     weft_permits_grab(q, want),
			     1)) {
		id = weft_waiter_id(cx);
		cx->budget--;
		weft_waiters_hold(q, id);
		weft_waiter_trace(q, id, WEFT_WAITER_OP_ACQUIRED);
		return WEFT_READY;
	}
	return weft_permits_wait(cx, q, f, want, on);
}

#endif
