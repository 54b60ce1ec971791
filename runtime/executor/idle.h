/* SPDX-License-Identifier: MIT */
/*
 * Who sleeps and who searches (Tokio, runtime/scheduler/multi_thread/idle.rs).
 *
 * One word: unparked workers << 16 | searching workers. Rules that keep wake-ups from being lost:
 *  - whoever makes a task runnable stores it first and then loads the word (both seq_cst);
 *  - a worker that parks changes the word first and, if it was the last searcher, looks at all
 *    queues once more (both seq_cst);
 *  - a woken worker counts as searching, and the last one to stop searching wakes another, so one
 *    wake-up at a time spreads as far as there is work.
 * At most half of the workers search at once.
 */
#ifndef WEFT_RUNTIME_IDLE_H
#define WEFT_RUNTIME_IDLE_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

struct weft_idle {
	uint32_t state;
	uint32_t workers;     /* there now; changed under the lock, atomic */
	pthread_mutex_t lock; /* sleepers */
	uint32_t count;
	uint16_t *sleepers; /* stack of worker indices */
	uint8_t *asleep;    /* per worker, 1 = among the sleepers; atomic */
};

#pragma GCC visibility push(hidden)
/* Room for `size` workers; `active` of them are there, unparked. */
int weft_idle_init(struct weft_idle *idle, uint32_t size, uint32_t active);
void weft_idle_done(struct weft_idle *idle);

/* A sleeper to wake, already counted as unparked and searching; -1 = none needed. */
int weft_idle_pick(struct weft_idle *idle);
/* True: the caller was the last searcher and has to look at all queues again. */
bool weft_idle_park(struct weft_idle *idle, uint32_t worker, bool searching);
/* The worker found work by itself. False: somebody had picked it, so it is counted as searching. */
bool weft_idle_unpark(struct weft_idle *idle, uint32_t worker);
/* Still among the sleepers: nobody picked it. */
bool weft_idle_parked(const struct weft_idle *idle, uint32_t worker);
/*
 * A worker more: unparked, not searching. One less: it must be unparked; whoever pushed meanwhile
 * may have relied on it, so the caller looks at all queues afterwards.
 */
void weft_idle_join(struct weft_idle *idle);
void weft_idle_leave(struct weft_idle *idle, bool searching);
/* Any sleeper, wanted or not, counted like one that was picked; -1 = there is none. */
int weft_idle_pick_any(struct weft_idle *idle);
bool weft_idle_search(struct weft_idle *idle);     /* may it search? then it is counted */
bool weft_idle_search_end(struct weft_idle *idle); /* true: it was the last one */
#pragma GCC visibility pop

static inline uint32_t weft_idle_workers(const struct weft_idle *idle)
{
	/* Seq_cst: as the word itself, see above. */
	return __atomic_load_n(&idle->workers, __ATOMIC_SEQ_CST);
}

#endif
