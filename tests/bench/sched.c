/* SPDX-License-Identifier: MIT */
/*
 * What scheduling costs in each flavour: sched [--quick] [FLAVOUR]. CPU time of the process, ns
 * per operation, one worker, nobody watching. Rows: sched.FLAVOUR.{spawn_join,spawn_join_1000,
 * yield,yield_64,wake}_ns; the cheapest round counts, since other load can only add.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "runtime/weft.h"
#include "tests/bench/support/row.h"

#define BATCH  1000
#define CIRCLE 64

static int scale;

static double cpu_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return (double)ts.tv_sec * 1e9 + (double)ts.tv_nsec;
}

struct empty {
	WEFT_FRAME;
};

static weft_poll_t empty(struct weft_cx *cx, struct empty *f)
{
	(void)cx, (void)f;
	return 0;
}

struct yielder {
	WEFT_FRAME;
	struct weft_yield yield;
	int i, n;
};

static weft_poll_t yielder(struct weft_cx *cx, struct yielder *f)
{
	weft_async_begin(f);
	for (f->i = 0; f->i < f->n; f->i++)
		weft_await(f, weft_yield(cx, &f->yield));
	weft_async_end(f, 0);
}

/* Two tasks that wake each other in turn. */
struct side {
	struct weft_waker waker;
	bool mine;
};
static struct side sides[2];

struct player {
	WEFT_FRAME;
	int me, i, n;
};

static weft_poll_t turn(struct weft_cx *cx, struct side *side)
{
	if (side->mine) {
		side->mine = false;
		return WEFT_READY;
	}
	if (!side->waker.task)
		side->waker = weft_waker_get(cx);
	return weft_pending(cx, WEFT_WAIT_UNKNOWN);
}

static weft_poll_t player(struct weft_cx *cx, struct player *f)
{
	weft_async_begin(f);
	for (f->i = 0; f->i < f->n; f->i++) {
		weft_await(f, turn(cx, &sides[f->me]));
		sides[!f->me].mine = true;
		if (sides[!f->me].waker.task)
			weft_waker_wake_by_ref(&sides[!f->me].waker);
	}
	weft_async_end(f, 0);
}

struct bench {
	WEFT_FRAME;
	int what, i, j, n;
	double from, ns;
	struct weft_join *join[BATCH];
};

static weft_poll_t spawn_join(struct weft_cx *cx, struct bench *f)
{
	weft_async_begin(f);
	f->n = 20 * scale;
	for (f->i = 0; f->i < f->n; f->i++) {
		weft_spawn(NULL, empty, ((struct empty){ .rc = 0 }), .join = &f->join[0]);
		weft_await(f, weft_join(cx, &f->join[0]));
	}
	weft_async_end(f, f->n);
}

static weft_poll_t spawn_join_batch(struct weft_cx *cx, struct bench *f)
{
	weft_async_begin(f);
	f->n = scale / 50;
	for (f->i = 0; f->i < f->n; f->i++) {
		for (f->j = 0; f->j < BATCH; f->j++)
			weft_spawn(NULL, empty, ((struct empty){ .rc = 0 }),
				   .join = &f->join[f->j]);
		for (f->j = 0; f->j < BATCH; f->j++)
			weft_await(f, weft_join(cx, &f->join[f->j]));
	}
	weft_async_end(f, f->n * BATCH);
}

static weft_poll_t yields(struct weft_cx *cx, struct bench *f, int tasks)
{
	weft_async_begin(f);
	f->n = 50 * scale / tasks;
	for (f->j = 0; f->j < tasks; f->j++)
		weft_spawn(NULL, yielder, ((struct yielder){ .n = f->n }), .join = &f->join[f->j]);
	for (f->j = 0; f->j < tasks; f->j++)
		weft_await(f, weft_join(cx, &f->join[f->j]));
	weft_async_end(f, f->n * tasks);
}

static weft_poll_t hops(struct weft_cx *cx, struct bench *f)
{
	weft_async_begin(f);
	f->n = 50 * scale;
	sides[0].mine = true;
	for (f->j = 0; f->j < 2; f->j++)
		weft_spawn(NULL, player, ((struct player){ .me = f->j, .n = f->n }),
			   .join = &f->join[f->j]);
	for (f->j = 0; f->j < 2; f->j++)
		weft_await(f, weft_join(cx, &f->join[f->j]));
	for (f->j = 0; f->j < 2; f->j++)
		weft_waker_drop(&sides[f->j].waker);
	memset(sides, 0, sizeof(sides));
	weft_async_end(f, 2 * f->n);
}

static const char *const names[] = { "spawn_join", "spawn_join_1000", "yield", "yield_64", "wake" };

static weft_poll_t one(struct weft_cx *cx, struct bench *f)
{
	switch (f->what) {
	case 0:
		return spawn_join(cx, f);
	case 1:
		return spawn_join_batch(cx, f);
	case 2:
		return yields(cx, f, 1);
	case 3:
		return yields(cx, f, CIRCLE);
	default:
		return hops(cx, f);
	}
}

/* As a spawned task, on a worker, like the service's own. */
static weft_poll_t root(struct weft_cx *cx, struct bench *f)
{
	weft_async_begin(f);
	weft_spawn(NULL, one, ((struct bench){ .what = f->what }), .join = &f->join[0]);
	weft_await(f, weft_join(cx, &f->join[0]));
	weft_async_end(f, f->rc);
}

static double round_of(struct weft_runtime *rt, int what)
{
	struct bench f = { .what = what };
	double from = cpu_ns();
	int n = weft_block_on(rt, root, &f);

	return n > 0 ? (cpu_ns() - from) / n : 0;
}

static int flavour(uint32_t code, unsigned rounds)
{
	struct weft_config config = { .size = sizeof(config), .flavour = code, .workers = 1 };
	double best[sizeof(names) / sizeof(names[0])];
	struct weft_runtime *rt;

	if (weft_runtime_new(&config, &rt))
		return 1;
	for (unsigned i = 0; i < rounds; i++)
		for (int what = 0; what < (int)(sizeof(names) / sizeof(names[0])); what++) {
			double ns = round_of(rt, what);

			if (i == 0 || ns < best[what])
				best[what] = ns;
		}
	for (unsigned what = 0; what < sizeof(names) / sizeof(names[0]); what++) {
		char name[64];
		struct row row = { .name = name, .unit = "ns" };

		snprintf(name, sizeof(name), "sched.%s.%s_ns", weft_flavour_name(code),
			 names[what]);
		row_add(&row, best[what], 0);
		row_print(&row);
	}
	weft_runtime_free(rt);
	return 0;
}

int main(int argc, char **argv)
{
	bool quick = argc > 1 && strcmp(argv[1], "--quick") == 0;
	uint32_t only = argc > 1 + quick ? weft_flavour_find(argv[1 + quick]) : 0;
	int rc = 0;

	scale = quick ? 200 : 5000;
	for (uint32_t code = 1; code <= WEFT_EXECUTOR; code++)
		if (weft_flavour_name(code) && (!only || only == code))
			rc |= flavour(code, quick ? 2 : 11);
	return rc;
}
