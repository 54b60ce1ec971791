/* SPDX-License-Identifier: MIT */
/*
 * Knows what it did: counts its own spawns, ends, polls and wakes in its own code and prints them at the end, for a
 * recording to be held against. Use --wait: nothing is counted, and no task exists, before SIGUSR1.
 *
 * --count (20,000) tasks "item", 200 alive at a time: each yields 3 times, is woken once by its spawner through a waker, and
 * ends; every tenth is aborted while it waits. One task "spawner" makes them.
 *
 * At the end, when all tasks are gone: {"spawned":N,"ended":N,"cancelled":N,"polls":N,"wakes":N,"yields":N}
 * spawned, ended, polls include the spawner. wakes: calls of weft_waker_wake in this program.
 */
#include "tests/workloads/support/workload.h"

#include <errno.h>

static struct workload w;
static struct {
	atomic_ulong spawned, ended, cancelled, polls, wakes, yields;
} truth;

#define COUNT(what) atomic_fetch_add_explicit(&truth.what, 1, memory_order_relaxed)
#define BATCH       200

/* Where an item leaves its waker for the spawner. */
struct slot {
	_Atomic int state; /* 0 empty, 1 waker there, 2 woken */
	struct weft_waker waker;
};

struct item {
	WEFT_FRAME;
	struct slot *slot;
	struct weft_yield yield;
	int i;
};

static weft_poll_t wait_in_slot(struct weft_cx *cx, struct slot *slot)
{
	if (weft_is_cancelled(cx))
		return weft_cancelled(cx);
	if (atomic_load(&slot->state) == 2)
		return WEFT_READY;
	if (atomic_load(&slot->state) == 0) {
		slot->waker = weft_waker_get(cx);
		atomic_store(&slot->state, 1);
	}
	return weft_pending(cx, WEFT_WAIT_NOTIFY);
}

static weft_poll_t item(struct weft_cx *cx, struct item *f)
{
	COUNT(polls);
	weft_async_begin(f);
	for (f->i = 0; f->i < 3; f->i++) {
		COUNT(yields);
		weft_await(f, weft_yield(cx, &f->yield));
	}
	weft_await(f, wait_in_slot(cx, f->slot));
	if (f->rc == -ECANCELED)
		COUNT(cancelled);
	COUNT(ended);
	weft_async_end(f, f->rc);
}

struct spawner {
	WEFT_FRAME;
	struct slot *slots;
	struct weft_join *joins[BATCH];
	struct weft_sleep pause;
	uint64_t left;
	unsigned i, n;
};

static bool all_wait(const struct spawner *f)
{
	for (unsigned i = 0; i < f->n; i++)
		if (!atomic_load(&f->slots[i].state))
			return false;
	return true;
}

static void spawn_batch(struct spawner *f)
{
	f->n = f->left < BATCH ? (unsigned)f->left : BATCH;
	f->left -= f->n;
	for (unsigned i = 0; i < f->n; i++) {
		atomic_store(&f->slots[i].state, 0);
		if (weft_spawn(w.rt, item, ((struct item){ .slot = &f->slots[i] }), .name = "item",
			       .join = &f->joins[i]) == 0)
			COUNT(spawned);
	}
}

static void wake_or_abort(struct spawner *f)
{
	for (unsigned i = 0; i < f->n; i++) {
		struct slot *slot = &f->slots[i];

		if (i % 10 == 9) {
			weft_join_abort(f->joins[i]);
			weft_waker_drop(&slot->waker);
			continue;
		}
		atomic_store(&slot->state, 2);
		COUNT(wakes);
		weft_waker_wake(&slot->waker);
	}
}

static weft_poll_t spawner(struct weft_cx *cx, struct spawner *f)
{
	COUNT(polls);
	weft_async_begin(f);
	while (f->left) {
		spawn_batch(f);
		while (!all_wait(f))
			weft_await(f, weft_sleep(cx, &f->pause, MS / 2));
		wake_or_abort(f);
		for (f->i = 0; f->i < f->n; f->i++)
			weft_await(f, weft_join(cx, &f->joins[f->i]));
	}
	COUNT(ended);
	weft_async_end(f, 0);
}

int main(int argc, char **argv)
{
	static struct slot slots[BATCH];
	struct weft_runtime_stats stats;
	struct spawner s = { .slots = slots };

	workload_begin(&w, argc, argv, "");
	s.left = w.count ? w.count : 20000;
	workload_ready(&w, NULL, NULL);
	COUNT(spawned);
	if (weft_spawn(w.rt, spawner, s, .name = "spawner", .detach = true) < 0)
		return 1;
	do {
		workload_doze(MS);
		weft_runtime_stats(w.rt, &stats);
	} while (workload_on(&w) && (stats.alive > w.drivers ||
				     atomic_load(&truth.ended) < atomic_load(&truth.spawned)));
	printf("{\"spawned\":%lu,\"ended\":%lu,\"cancelled\":%lu,\"polls\":%lu,\"wakes\":%lu,\"yields\":%lu}\n",
	       truth.spawned, truth.ended, truth.cancelled, truth.polls, truth.wakes, truth.yields);
	fflush(stdout);
	return workload_end(&w);
}
