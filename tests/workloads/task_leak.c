/* SPDX-License-Identifier: MIT */
/*
 * task-leak: --count (100) sessions a second arrive; a client that goes away is never noticed, so its session waits for ever.
 * Cure: a session ends when nothing was heard for 2 s. 50 tasks that live as long as the program are in both.
 */
#include "tests/workloads/support/workload.h"

struct session {
	WEFT_FRAME;
	struct weft_semaphore *heard;
	struct weft_acquire wait;
	struct weft_sleep idle;
	bool healthy;
	char buffer[512];
};

static weft_poll_t session(struct weft_cx *cx, struct session *f)
{
	weft_async_begin(f);
	if (f->healthy)
		weft_await(f, weft_timeout(cx, &f->idle, 2 * SECOND,
					   weft_semaphore_acquire(cx, f->heard, &f->wait)));
	else
		weft_await(f, weft_semaphore_acquire(cx, f->heard, &f->wait));
	weft_async_end(f, f->rc);
}

struct server {
	WEFT_FRAME;
	struct workload *w;
	struct weft_semaphore *heard;
	struct weft_sleep pause;
};

static weft_poll_t server(struct weft_cx *cx, struct server *f)
{
	struct session s;

	weft_async_begin(f);
	while (workload_on(f->w) && !weft_is_cancelled(cx)) {
		s = (struct session){ .heard = f->heard, .healthy = f->w->healthy };
		workload_spawn(f->w, session, s, .name = "session");
		weft_await(f, weft_sleep(cx, &f->pause, SECOND / f->w->count));
	}
	weft_async_end(f, 0);
}

int main(int argc, char **argv)
{
	static struct workload w;
	struct weft_semaphore *heard;
	struct server s;

	workload_begin(&w, argc, argv, "");
	w.count = w.count ? w.count : 100;
	if (weft_semaphore_new(0, &heard) < 0)
		return 1;
	s = (struct server){ .w = &w, .heard = heard };
	workload_tickers(&w, 50);
	weft_spawn(w.rt, server, s, .detach = true);
	while (!__atomic_load_n(&w.at_line, __ATOMIC_ACQUIRE))
		workload_doze(MS);
	workload_ready(&w, "session", NULL);
	workload_rest(&w);
	return workload_end(&w);
}
