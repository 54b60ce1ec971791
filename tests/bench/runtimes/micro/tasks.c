/* SPDX-License-Identifier: MIT */
/* Spawning, joining, yielding. */
#include <stdlib.h>

#include "tests/bench/runtimes/micro/micro.h"

#define SPAWNS 100000u
#define YIELDS 64000u

struct number {
	WEFT_FRAME;
	uint64_t i;
};

static weft_poll_t number(struct weft_cx *cx, struct number *f)
{
	(void)cx;
	return (int)(f->i & 0xffff);
}

struct one_by_one {
	WEFT_FRAME;
	uint64_t n, i;
	struct weft_join *task;
	struct micro_clock clock;
	struct micro_cost *cost;
};

static weft_poll_t one_by_one(struct weft_cx *cx, struct one_by_one *f)
{
	weft_async_begin(f);
	f->clock = micro_clock_start();
	for (f->i = 0; f->i < f->n; f->i++) {
		micro_must(weft_spawn(NULL, number, ((struct number){ .i = f->i }),
				      .join = &f->task),
			   "spawn");
		weft_await(f, weft_join(cx, &f->task));
	}
	*f->cost = micro_clock_stop(&f->clock, f->n);
	weft_async_end(f, 0);
}

static struct micro_cost spawn_join(const struct micro *m, uint64_t n)
{
	struct micro_cost cost;

	micro_run(m->rt, one_by_one, ((struct one_by_one){ .n = n, .cost = &cost }));
	return cost;
}

struct many {
	WEFT_FRAME;
	uint64_t left, times;
	struct micro_handles handles;
	struct micro_join_all join;
	struct micro_clock clock;
	struct micro_cost *cost;
};

static weft_poll_t many(struct weft_cx *cx, struct many *f)
{
	weft_async_begin(f);
	f->clock = micro_clock_start();
	for (f->left = f->times; f->left; f->left--) {
		for (uint64_t i = 0; i < f->handles.n; i++)
			micro_must(weft_spawn(NULL, number, ((struct number){ .i = i }),
					      .join = &f->handles.at[i]),
				   "spawn");
		weft_await(f, micro_join_all(cx, &f->join, &f->handles));
	}
	*f->cost = micro_clock_stop(&f->clock, f->times * f->handles.n);
	weft_async_end(f, 0);
}

/* n at a time, SPAWNS or a little more in all. */
static struct micro_cost spawn_many(const struct micro *m, uint64_t n)
{
	struct micro_cost cost;
	struct many f = { .times = (SPAWNS + n - 1) / n, .cost = &cost };

	micro_handles_init(&f.handles, n);
	micro_run(m->rt, many, f);
	free(f.handles.at);
	return cost;
}

struct yielder {
	WEFT_FRAME;
	uint64_t n;
	struct weft_yield yield;
	struct micro_clock clock;
	struct micro_cost *cost;
};

static weft_poll_t yielder(struct weft_cx *cx, struct yielder *f)
{
	weft_async_begin(f);
	for (; f->n; f->n--)
		weft_await(f, weft_yield(cx, &f->yield));
	weft_async_end(f, 0);
}

static weft_poll_t lone_yielder(struct weft_cx *cx, struct yielder *f)
{
	weft_async_begin(f);
	f->clock = micro_clock_start();
	for (; f->n; f->n--)
		weft_await(f, weft_yield(cx, &f->yield));
	*f->cost = micro_clock_stop(&f->clock, 1);
	weft_async_end(f, 0);
}

static struct micro_cost yield_alone(const struct micro *m, uint64_t n)
{
	struct micro_cost cost;

	micro_run(m->rt, lone_yielder, ((struct yielder){ .n = n, .cost = &cost }));
	return (struct micro_cost){ cost.wall / (double)n, cost.cpu / (double)n };
}

struct crowd {
	WEFT_FRAME;
	uint64_t each;
	struct micro_handles handles;
	struct micro_join_all join;
	struct micro_clock clock;
	struct micro_cost *cost;
};

static weft_poll_t crowd(struct weft_cx *cx, struct crowd *f)
{
	weft_async_begin(f);
	f->clock = micro_clock_start();
	for (uint64_t i = 0; i < f->handles.n; i++)
		micro_must(weft_spawn(NULL, yielder, ((struct yielder){ .n = f->each }),
				      .join = &f->handles.at[i]),
			   "spawn");
	weft_await(f, micro_join_all(cx, &f->join, &f->handles));
	*f->cost = micro_clock_stop(&f->clock, f->each * f->handles.n);
	weft_async_end(f, 0);
}

static struct micro_cost yield_many(const struct micro *m, uint64_t tasks)
{
	struct micro_cost cost;
	struct crowd f = { .each = YIELDS / tasks > 100 ? YIELDS / tasks : 100, .cost = &cost };

	micro_handles_init(&f.handles, tasks);
	micro_run(m->rt, crowd, f);
	free(f.handles.at);
	return cost;
}

const struct micro_op micro_task_ops[] = {
	{ "spawn_join", spawn_join, NULL },
	{ "spawn_many", spawn_many, NULL },
	{ "yield", yield_alone, NULL },
	{ "yield_many", yield_many, NULL },
	{ NULL, NULL, NULL },
};
