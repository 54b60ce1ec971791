/* SPDX-License-Identifier: MIT */
/*
 * busy-loop, three ways to keep a CPU at 100 % for nothing:
 *   spin      one poll that computes and never gives the worker back; cure: work in short polls with a sleep between
 *   storm     a task that wakes itself in order to look again; cure: look every 2 ms
 *   pingpong  two tasks that wake each other without end; cure: the same, on one of them
 */
#include "tests/workloads/support/workload.h"

struct loop {
	WEFT_FRAME;
	struct workload *w;
	struct weft_semaphore *mine, *other;
	struct weft_acquire wait;
	struct weft_sleep pause;
	struct weft_yield yield;
};

static weft_poll_t cruncher(struct weft_cx *cx, struct loop *f)
{
	weft_async_begin(f);
	while (workload_on(f->w)) {
		workload_burn(MS);
		if (f->w->healthy)
			weft_await(f, weft_sleep(cx, &f->pause, 9 * MS));
	}
	weft_async_end(f, 0);
}

static weft_poll_t poller(struct weft_cx *cx, struct loop *f)
{
	weft_async_begin(f);
	while (workload_on(f->w) && !weft_is_cancelled(cx)) {
		if (f->w->healthy)
			weft_await(f, weft_sleep(cx, &f->pause, 2 * MS));
		else
			weft_await(f, weft_yield(cx, &f->yield));
	}
	weft_async_end(f, 0);
}

static weft_poll_t player(struct weft_cx *cx, struct loop *f)
{
	weft_async_begin(f);
	while (workload_on(f->w) && !weft_is_cancelled(cx)) {
		weft_await(f, weft_semaphore_acquire(cx, f->mine, &f->wait));
		if (f->w->healthy)
			weft_await(f, weft_sleep(cx, &f->pause, 2 * MS));
		weft_semaphore_release(f->other, 1);
	}
	weft_async_end(f, 0);
}

static int start_players(struct workload *w)
{
	struct weft_semaphore *ping, *pong;
	struct loop a, b;

	if (weft_semaphore_new(1, &ping) < 0 || weft_semaphore_new(0, &pong) < 0)
		return -1;
	a = (struct loop){ .w = w, .mine = ping, .other = pong };
	b = (struct loop){ .w = w, .mine = pong, .other = ping };
	for (int i = 0; i < 2; i++)
		if (workload_spawn(w, player, i ? b : a, .name = "player") < 0)
			return -1;
	return 0;
}

int main(int argc, char **argv)
{
	static struct workload w;
	const char *task = "cruncher";
	int rc;

	workload_begin(&w, argc, argv, "spin storm pingpong");
	workload_tickers(&w, 10);
	if (workload_is(&w, "pingpong"))
		task = "player", rc = start_players(&w);
	else if (workload_is(&w, "storm"))
		task = "poller",
		rc = workload_spawn(&w, poller, ((struct loop){ .w = &w }), .name = "poller");
	else
		rc = workload_spawn(&w, cruncher, ((struct loop){ .w = &w }), .name = "cruncher");
	if (rc < 0)
		return 1;
	workload_ready(&w, task, NULL);
	workload_rest(&w);
	return workload_end(&w);
}
