/* SPDX-License-Identifier: MIT */
#include "runtime/executor/idle.h"

#include <errno.h>

#include "runtime/base/memory.h"

#define UNPARKED       (1u << 16)
#define SEARCHING_MASK (UNPARKED - 1)

int weft_idle_init(struct weft_idle *idle, uint32_t size, uint32_t active)
{
	idle->sleepers =
		weft_memory_alloc(size * (sizeof(*idle->sleepers) + sizeof(*idle->asleep)));
	if (!idle->sleepers)
		return -ENOMEM;
	pthread_mutex_init(&idle->lock, NULL);
	idle->asleep = (uint8_t *)(idle->sleepers + size);
	idle->workers = active;
	idle->state = active * UNPARKED;
	return 0;
}

void weft_idle_done(struct weft_idle *idle)
{
	pthread_mutex_destroy(&idle->lock);
	weft_memory_free(idle->sleepers);
}

static void mark(struct weft_idle *idle, uint32_t worker, uint8_t asleep)
{
	__atomic_store_n(&idle->asleep[worker], asleep, __ATOMIC_RELAXED);
}

static bool wanted(struct weft_idle *idle)
{
	uint32_t state = __atomic_load_n(&idle->state, __ATOMIC_SEQ_CST);

	return (state & SEARCHING_MASK) == 0 && state / UNPARKED < weft_idle_workers(idle);
}

/* Under the lock. */
static int pick(struct weft_idle *idle)
{
	int worker = -1;

	if (idle->count) {
		worker = idle->sleepers[--idle->count];
		mark(idle, (uint32_t)worker, 0);
		__atomic_fetch_add(&idle->state, UNPARKED + 1, __ATOMIC_SEQ_CST);
	}
	return worker;
}

int weft_idle_pick(struct weft_idle *idle)
{
	int worker = -1;

	if (!wanted(idle))
		return -1;
	pthread_mutex_lock(&idle->lock);
	if (wanted(idle))
		worker = pick(idle);
	pthread_mutex_unlock(&idle->lock);
	return worker;
}

int weft_idle_pick_any(struct weft_idle *idle)
{
	int worker;

	pthread_mutex_lock(&idle->lock);
	worker = pick(idle);
	pthread_mutex_unlock(&idle->lock);
	return worker;
}

/*
 * Between the two stores the word may say that all are unparked though one is not: a pusher then
 * relies on the worker that is coming, which looks at the queues before it parks.
 */
void weft_idle_join(struct weft_idle *idle)
{
	pthread_mutex_lock(&idle->lock);
	__atomic_fetch_add(&idle->state, UNPARKED, __ATOMIC_SEQ_CST);
	__atomic_fetch_add(&idle->workers, 1, __ATOMIC_SEQ_CST);
	pthread_mutex_unlock(&idle->lock);
}

void weft_idle_leave(struct weft_idle *idle, bool searching)
{
	pthread_mutex_lock(&idle->lock);
	__atomic_fetch_sub(&idle->state, UNPARKED + searching, __ATOMIC_SEQ_CST);
	__atomic_fetch_sub(&idle->workers, 1, __ATOMIC_SEQ_CST);
	pthread_mutex_unlock(&idle->lock);
}

bool weft_idle_park(struct weft_idle *idle, uint32_t worker, bool searching)
{
	uint32_t old;

	pthread_mutex_lock(&idle->lock);
	old = __atomic_fetch_sub(&idle->state, UNPARKED + searching, __ATOMIC_SEQ_CST);
	idle->sleepers[idle->count++] = (uint16_t)worker;
	mark(idle, worker, 1);
	pthread_mutex_unlock(&idle->lock);
	return searching && (old & SEARCHING_MASK) == 1;
}

static int find(const struct weft_idle *idle, uint32_t worker)
{
	for (uint32_t i = 0; i < idle->count; i++)
		if (idle->sleepers[i] == worker)
			return (int)i;
	return -1;
}

bool weft_idle_unpark(struct weft_idle *idle, uint32_t worker)
{
	int at;

	pthread_mutex_lock(&idle->lock);
	at = find(idle, worker);
	if (at >= 0) {
		idle->sleepers[at] = idle->sleepers[--idle->count];
		mark(idle, worker, 0);
		__atomic_fetch_add(&idle->state, UNPARKED, __ATOMIC_SEQ_CST);
	}
	pthread_mutex_unlock(&idle->lock);
	return at >= 0;
}

/* Relaxed: the parker's exchange orders it, a picked worker is notified after it is marked. */
bool weft_idle_parked(const struct weft_idle *idle, uint32_t worker)
{
	return __atomic_load_n(&idle->asleep[worker], __ATOMIC_RELAXED);
}

bool weft_idle_search(struct weft_idle *idle)
{
	uint32_t state = __atomic_load_n(&idle->state, __ATOMIC_SEQ_CST);

	if (2 * (state & SEARCHING_MASK) >= weft_idle_workers(idle))
		return false;
	__atomic_fetch_add(&idle->state, 1, __ATOMIC_SEQ_CST);
	return true;
}

bool weft_idle_search_end(struct weft_idle *idle)
{
	return (__atomic_fetch_sub(&idle->state, 1, __ATOMIC_SEQ_CST) & SEARCHING_MASK) == 1;
}
