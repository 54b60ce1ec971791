/* SPDX-License-Identifier: MIT */
/*
 * Dies of a segmentation fault in the middle of its work, inside a poll of task "crasher", --count (1000) ms after
 * the start of the work. Before it dies it writes what it last did: "last poll=N task=ID ns=CLOCK_MONOTONIC".
 * --variant spare: never crashes by itself; for kill -9.
 */
#include "tests/workloads/support/workload.h"

#include <unistd.h>

struct victim {
	WEFT_FRAME;
	struct workload *w;
	struct weft_yield yield;
	struct weft_sleep pause;
	uint64_t polls, crash_ns;
	unsigned i;
};

static volatile int *volatile nowhere;

/* 50 polls, then a pause: busy, and yet no flood that a recorder might lose a part of. */
static weft_poll_t worker(struct weft_cx *cx, struct victim *f)
{
	weft_async_begin(f);
	while (workload_on(f->w) && !weft_is_cancelled(cx)) {
		for (f->i = 0; f->i < 50; f->i++)
			weft_await(f, weft_yield(cx, &f->yield));
		weft_await(f, weft_sleep(cx, &f->pause, MS));
	}
	weft_async_end(f, 0);
}

static weft_poll_t crasher(struct weft_cx *cx, struct victim *f)
{
	f->polls++;
	if (f->crash_ns && weft_now() > f->crash_ns) {
		char line[96];
		int n = snprintf(line, sizeof(line), "last poll=%lu task=%lu ns=%lu\n", f->polls,
				 weft_task_id(cx), weft_now());

		if (write(STDOUT_FILENO, line, (size_t)n) == n)
			*nowhere = 0;
	}
	return worker(cx, f);
}

int main(int argc, char **argv)
{
	static struct workload w;
	uint64_t crash_ns = 0;

	workload_begin(&w, argc, argv, "crash spare");
	for (int i = 0; i < 20; i++)
		workload_spawn(&w, worker, ((struct victim){ .w = &w }), .name = "worker");
	w.at_file = NULL;
	workload_ready(&w, NULL, NULL);
	if (!workload_is(&w, "spare"))
		crash_ns = weft_now() + (w.count ? w.count : 1000) * MS;
	workload_spawn(&w, crasher, ((struct victim){ .w = &w, .crash_ns = crash_ns }),
		       .name = "crasher");
	workload_rest(&w);
	return workload_end(&w);
}
