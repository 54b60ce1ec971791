/* SPDX-License-Identifier: MIT */
/* How late timers are, and what a sleeping task costs. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "tests/bench/runtimes/micro/micro.h"
#include "tests/bench/support/process.h"

#define MS 1000000ull

struct sleeper {
	WEFT_FRAME;
	uint64_t ns, begin;
	struct weft_sleep sleep;
	double *us;
};

static weft_poll_t sleeper(struct weft_cx *cx, struct sleeper *f)
{
	weft_async_begin(f);
	f->begin = weft_now();
	weft_await(f, weft_sleep(cx, &f->sleep, f->ns));
	*f->us = ((double)(weft_now() - f->begin) - (double)f->ns) / 1e3;
	weft_async_end(f, 0);
}

struct series {
	WEFT_FRAME;
	uint64_t n, i;
	struct sleeper one;
	double *us;
};

static weft_poll_t series(struct weft_cx *cx, struct series *f)
{
	weft_async_begin(f);
	for (f->i = 0; f->i < f->n; f->i++) {
		f->one.us = &f->us[f->i];
		weft_await(f, sleeper(cx, &f->one));
	}
	weft_async_end(f, 0);
}

static void timer_1ms(const struct micro *m, uint64_t n, double *us)
{
	micro_run(m->rt, series, ((struct series){ .n = n, .one.ns = MS, .us = us }));
}

static void timer_10ms(const struct micro *m, uint64_t n, double *us)
{
	micro_run(m->rt, series, ((struct series){ .n = n, .one.ns = 10 * MS, .us = us }));
}

static void timer_100ms(const struct micro *m, uint64_t n, double *us)
{
	micro_run(m->rt, series, ((struct series){ .n = n, .one.ns = 100 * MS, .us = us }));
}

struct chorus {
	WEFT_FRAME;
	struct micro_handles handles;
	struct micro_join_all join;
	double *us;
};

/* n deadlines, spread evenly over 100 ms that begin in 100 ms. */
static weft_poll_t chorus(struct weft_cx *cx, struct chorus *f)
{
	weft_async_begin(f);
	for (uint64_t i = 0; i < f->handles.n; i++)
		micro_must(weft_spawn(NULL, sleeper,
				      ((struct sleeper){ .ns = 100 * MS +
							       100 * MS / f->handles.n * i,
							 .us = &f->us[i] }),
				      .join = &f->handles.at[i]),
			   "spawn");
	weft_await(f, micro_join_all(cx, &f->join, &f->handles));
	weft_async_end(f, 0);
}

static void timers(const struct micro *m, uint64_t n, double *us)
{
	struct chorus f = { .us = us };

	micro_handles_init(&f.handles, n);
	micro_run(m->rt, chorus, f);
	free(f.handles.at);
}

static uint64_t asleep; /* atomic */

struct long_sleeper {
	WEFT_FRAME;
	struct weft_sleep sleep;
};

static weft_poll_t long_sleeper(struct weft_cx *cx, struct long_sleeper *f)
{
	weft_async_begin(f);
	__atomic_fetch_add(&asleep, 1, __ATOMIC_RELAXED);
	weft_await(f, weft_sleep(cx, &f->sleep, 3600 * 1000 * MS));
	weft_async_end(f, 0);
}

struct dormitory {
	WEFT_FRAME;
	uint64_t n;
	struct weft_yield yield;
	struct micro_clock clock;
	struct micro_cost *cost;
};

static weft_poll_t dormitory(struct weft_cx *cx, struct dormitory *f)
{
	weft_async_begin(f);
	f->clock = micro_clock_start();
	for (uint64_t i = 0; i < f->n; i++)
		micro_must(weft_spawn(NULL, long_sleeper, ((struct long_sleeper){ .rc = 0 })),
			   "spawn");
	while (__atomic_load_n(&asleep, __ATOMIC_RELAXED) < f->n)
		weft_await(f, weft_yield(cx, &f->yield));
	*f->cost = micro_clock_stop(&f->clock, f->n);
	weft_async_end(f, 0);
}

static double anonymous_bytes(void)
{
	struct process_memory memory;

	micro_must(process_memory(getpid(), &memory), "smaps_rollup");
	return memory.anonymous;
}

/* They sleep on: once per process. */
static struct micro_cost sleepers(const struct micro *m, uint64_t n)
{
	double before = anonymous_bytes();
	struct micro_cost cost;

	micro_run(m->rt, dormitory, ((struct dormitory){ .n = n, .cost = &cost }));
	printf("value sleeper_bytes %lu %.1f\n", n, (anonymous_bytes() - before) / (double)n);
	return cost;
}

const struct micro_op micro_time_ops[] = {
	{ "timer_1ms", NULL, timer_1ms },     { "timer_10ms", NULL, timer_10ms },
	{ "timer_100ms", NULL, timer_100ms }, { "timers", NULL, timers },
	{ "sleepers", sleepers, NULL },       { NULL, NULL, NULL },
};
