/* SPDX-License-Identifier: MIT */
/* --count (200,000) tasks asleep for as long as the program lives, and a few that tick. */
#include "tests/workloads/support/workload.h"

struct sleeper {
	WEFT_FRAME;
	struct weft_sleep sleep;
};

static weft_poll_t sleeper(struct weft_cx *cx, struct sleeper *f)
{
	weft_async_begin(f);
	weft_await(f, weft_sleep(cx, &f->sleep, 3600 * SECOND));
	weft_async_end(f, f->rc);
}

int main(int argc, char **argv)
{
	static struct workload w;
	struct weft_runtime_stats stats;
	char more[64];
	uint64_t n;

	workload_begin(&w, argc, argv, "");
	n = w.count ? w.count : 200000;
	workload_tickers(&w, 5);
	for (uint64_t i = 0; i < n; i++)
		if (workload_spawn(&w, sleeper, ((struct sleeper){ 0 }), .name = "sleeper") < 0)
			return 1;
	/* Up when all are asleep. */
	do {
		workload_burn(MS);
		weft_runtime_stats(w.rt, &stats);
	} while (workload_on(&w) && stats.timers < n);
	snprintf(more, sizeof(more), "alive=%lu", stats.alive);
	workload_ready(&w, "sleeper", more);
	workload_rest(&w);
	return workload_end(&w);
}
