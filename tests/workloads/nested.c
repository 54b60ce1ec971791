/* SPDX-License-Identifier: MIT */
/* --count (10) tasks that wait three calls deep: outer -> middle -> inner, asleep for an hour. */
#include "tests/workloads/support/workload.h"

struct inner {
	WEFT_FRAME;
	struct weft_sleep sleep;
};

static weft_poll_t inner(struct weft_cx *cx, struct inner *f)
{
	weft_async_begin(f);
	weft_await(f, weft_sleep(cx, &f->sleep, 3600 * SECOND));
	weft_async_end(f, f->rc);
}

struct middle {
	WEFT_FRAME;
	struct inner inner;
};

static weft_poll_t middle(struct weft_cx *cx, struct middle *f)
{
	weft_async_begin(f);
	weft_await(f, inner(cx, &f->inner));
	weft_async_end(f, f->rc);
}

struct outer {
	WEFT_FRAME;
	struct middle middle;
};

static weft_poll_t outer(struct weft_cx *cx, struct outer *f)
{
	weft_async_begin(f);
	weft_await(f, middle(cx, &f->middle));
	weft_async_end(f, f->rc);
}

int main(int argc, char **argv)
{
	static struct workload w;
	struct weft_runtime_stats stats;
	uint64_t n;

	workload_begin(&w, argc, argv, "");
	n = w.count ? w.count : 10;
	for (uint64_t i = 0; i < n; i++)
		if (workload_spawn(&w, outer, ((struct outer){ 0 })) < 0)
			return 1;
	/* Up when all are asleep. */
	do {
		workload_burn(MS);
		weft_runtime_stats(w.rt, &stats);
	} while (workload_on(&w) && stats.timers < n);
	workload_ready(&w, "outer", NULL);
	workload_rest(&w);
	return workload_end(&w);
}
