/* SPDX-License-Identifier: MIT */
/* As many events as a program can make: --count (64) tasks that do nothing but yield. */
#include "tests/workloads/support/workload.h"

struct spinner {
	WEFT_FRAME;
	struct workload *w;
	struct weft_yield yield;
	unsigned i;
};

static weft_poll_t spinner(struct weft_cx *cx, struct spinner *f)
{
	weft_async_begin(f);
	for (f->i = 0; (f->i & 1023) || (workload_on(f->w) && !weft_is_cancelled(cx)); f->i++)
		weft_await(f, weft_yield(cx, &f->yield));
	weft_async_end(f, 0);
}

int main(int argc, char **argv)
{
	static struct workload w;
	uint64_t n;

	workload_begin(&w, argc, argv, "");
	n = w.count ? w.count : 64;
	for (uint64_t i = 0; i < n; i++)
		if (workload_spawn(&w, spinner, ((struct spinner){ .w = &w }), .name = "spinner") <
		    0)
			return 1;
	workload_ready(&w, "spinner", NULL);
	workload_rest(&w);
	return workload_end(&w);
}
