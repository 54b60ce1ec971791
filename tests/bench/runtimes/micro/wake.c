/* SPDX-License-Identifier: MIT */
/* Tasks that wake each other: on one worker, on two, and by being stolen. */
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>

#include "tests/bench/runtimes/micro/micro.h"

#define HOPS          200000u
#define STEAL_MOST_NS 50000000u

/* Two tasks in turn, through wakers that each left once. turn and met are atomic. */
struct pair {
	uint32_t turn, met;
	struct weft_waker waker[2];
};

struct player {
	WEFT_FRAME;
	struct pair *pair;
	uint64_t left, hops;
	uint32_t me;
	struct weft_yield yield;
	struct micro_clock clock;
	struct micro_cost *cost; /* NULL: the other player measures */
};

static weft_poll_t my_turn(struct weft_cx *cx, const struct player *f)
{
	/* Acquire: what the other one did before it gave the turn away. */
	if (__atomic_load_n(&f->pair->turn, __ATOMIC_ACQUIRE) == f->me)
		return WEFT_READY;
	return weft_pending(cx, WEFT_WAIT_UNKNOWN);
}

static weft_poll_t player(struct weft_cx *cx, struct player *f)
{
	weft_async_begin(f);
	f->pair->waker[f->me] = weft_waker_get(cx);
	/* Release: the waker is there before it counts; acquire: so is the other's. */
	__atomic_fetch_add(&f->pair->met, 1, __ATOMIC_ACQ_REL);
	while (__atomic_load_n(&f->pair->met, __ATOMIC_ACQUIRE) < 2)
		weft_await(f, weft_yield(cx, &f->yield));
	f->clock = micro_clock_start();
	for (f->left = f->hops; f->left; f->left--) {
		weft_await(f, my_turn(cx, f));
		__atomic_store_n(&f->pair->turn, 1 - f->me, __ATOMIC_RELEASE);
		weft_waker_wake_by_ref(&f->pair->waker[1 - f->me]);
	}
	if (f->cost)
		*f->cost = micro_clock_stop(&f->clock, 2 * f->hops);
	weft_async_end(f, 0);
}

static void pair_done(struct pair *pair)
{
	weft_waker_drop(&pair->waker[0]);
	weft_waker_drop(&pair->waker[1]);
}

struct match {
	WEFT_FRAME;
	struct pair *pairs;
	uint64_t each;
	struct micro_handles handles;
	struct micro_join_all join;
	struct micro_clock clock;
	struct micro_cost *cost;
};

static weft_poll_t match(struct weft_cx *cx, struct match *f)
{
	weft_async_begin(f);
	f->clock = micro_clock_start();
	for (uint32_t i = 0; i < f->handles.n; i++)
		micro_must(weft_spawn(NULL, player,
				      ((struct player){ .pair = &f->pairs[i / 2],
							.hops = f->each,
							.me = i % 2 }),
				      .join = &f->handles.at[i]),
			   "spawn");
	weft_await(f, micro_join_all(cx, &f->join, &f->handles));
	*f->cost = micro_clock_stop(&f->clock, f->each * f->handles.n);
	weft_async_end(f, 0);
}

static struct micro_cost wake(const struct micro *m, uint64_t pairs)
{
	uint64_t each = HOPS / pairs / 2;
	struct micro_cost cost;
	struct match f = { .each = each > 100 ? each : 100, .cost = &cost };

	f.pairs = micro_alloc(pairs * sizeof(*f.pairs));
	micro_handles_init(&f.handles, 2 * pairs);
	micro_run(m->rt, match, f);
	for (uint64_t i = 0; i < pairs; i++)
		pair_done(&f.pairs[i]);
	free(f.handles.at);
	free(f.pairs);
	return cost;
}

struct side {
	struct micro m;
	struct player player;
	pthread_t thread;
};

/* A CPU for each side: the kernel likes to put two threads that wake each other on one. */
static void *side_main(void *arg)
{
	struct side *s = arg;
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(s->player.me, &set);
	sched_setaffinity(0, sizeof(set), &set);
	micro_must(micro_runtime_new(&s->m), "runtime");
	micro_run(s->m.rt, player, s->player);
	return NULL;
}

/* Each player has a runtime of its own: every hop has to reach a thread that has nothing to do. */
static struct micro_cost wake_cross(const struct micro *m, uint64_t hops)
{
	struct micro_cost cost;
	struct pair pair = { 0 };
	struct side side[2];

	for (uint32_t i = 0; i < 2; i++) {
		side[i].m = (struct micro){ .flavour = m->flavour, .workers = 1 };
		side[i].player = (struct player){
			.pair = &pair, .hops = hops, .me = i, .cost = i ? NULL : &cost
		};
		micro_must(-pthread_create(&side[i].thread, NULL, side_main, &side[i]), "thread");
	}
	for (uint32_t i = 0; i < 2; i++)
		pthread_join(side[i].thread, NULL);
	pair_done(&pair);
	for (uint32_t i = 0; i < 2; i++)
		weft_runtime_free(side[i].m.rt);
	return cost;
}

struct flag {
	WEFT_FRAME;
	uint32_t *run;
};

static weft_poll_t flag(struct weft_cx *cx, struct flag *f)
{
	(void)cx;
	__atomic_store_n(f->run, 1, __ATOMIC_RELEASE);
	return 0;
}

struct thief {
	WEFT_FRAME;
	uint64_t n, i;
	double *us;
	uint32_t run;
	struct weft_sleep pause;
	struct micro_handles handles;
	struct micro_join_all join;
};

static double until_run(const uint32_t *run, uint64_t begin)
{
	while (!__atomic_load_n(run, __ATOMIC_ACQUIRE) && weft_now() - begin < STEAL_MOST_NS)
		;
	return (double)(weft_now() - begin) / 1e3;
}

/* Time until another worker has one of two tasks that a worker spawned which is busy then. */
static weft_poll_t thief(struct weft_cx *cx, struct thief *f)
{
	uint64_t begin;

	weft_async_begin(f);
	for (f->i = 0; f->i < f->n; f->i++) {
		weft_await(f, weft_sleep(cx, &f->pause, 1000000));
		f->run = 0;
		begin = weft_now();
		for (unsigned k = 0; k < 2; k++)
			micro_must(weft_spawn(NULL, flag, ((struct flag){ .run = &f->run }),
					      .join = &f->handles.at[k]),
				   "spawn");
		f->us[f->i] = until_run(&f->run, begin);
		weft_await(f, micro_join_all(cx, &f->join, &f->handles));
	}
	weft_async_end(f, 0);
}

static void steal(const struct micro *m, uint64_t n, double *us)
{
	struct thief f = { .n = n, .us = us };

	micro_handles_init(&f.handles, 2);
	micro_run(m->rt, thief, f);
	free(f.handles.at);
}

const struct micro_op micro_wake_ops[] = {
	{ "wake", wake, NULL },
	{ "wake_cross", wake_cross, NULL },
	{ "steal", NULL, steal },
	{ NULL, NULL, NULL },
};
