/* SPDX-License-Identifier: MIT */
/*
 * task-leak, --count (100) tasks a second, in three ways; 50 tasks that live as long as the program are in all:
 *   waiters  a client that goes away is never noticed, so its session waits for ever; cure: it ends when nothing was heard for 2 s
 *   spawn    each request starts a follower of the news, which come once a second, for ever; cure: the first one serves all
 *   handles  sessions end, and the list of their handles only grows; cure: they are detached
 */
#include "tests/workloads/support/workload.h"

#define HANDLES 65536u

struct session {
	WEFT_FRAME;
	const struct workload *w;
	struct weft_semaphore *heard;
	struct weft_acquire wait;
	struct weft_sleep idle;
	struct weft_waiter news;
	char buffer[512];
};

static weft_poll_t session(struct weft_cx *cx, struct session *f)
{
	weft_async_begin(f);
	if (workload_is(f->w, "handles"))
		weft_await(f, weft_sleep(cx, &f->idle, 20 * MS));
	else if (f->w->healthy)
		weft_await(f, weft_timeout(cx, &f->idle, 2 * SECOND,
					   weft_semaphore_acquire(cx, f->heard, &f->wait)));
	else
		weft_await(f, weft_semaphore_acquire(cx, f->heard, &f->wait));
	weft_async_end(f, f->rc);
}

static struct weft_notify news = { 0 };

static weft_poll_t follower(struct weft_cx *cx, struct session *f)
{
	weft_async_begin(f);
	do {
		weft_await(f, weft_notify_wait(cx, &news, &f->news));
	} while (f->rc == 0 && workload_on(f->w));
	weft_async_end(f, 0);
}

struct server {
	WEFT_FRAME;
	struct workload *w;
	struct weft_semaphore *heard;
	struct weft_sleep pause;
	uint32_t requests;
};

/* Kept for the day when somebody wants to know how they ended. */
static struct weft_join *kept[HANDLES];

static void serve(struct server *f)
{
	struct session s = { .w = f->w, .heard = f->heard };
	struct weft_join **join = &kept[f->requests++ % HANDLES];

	if (workload_is(f->w, "spawn") && f->w->healthy && f->requests > 1)
		return;
	if (workload_is(f->w, "spawn")) {
		workload_spawn(f->w, follower, s, .name = "follower");
	} else if (workload_is(f->w, "handles")) {
		f->w->at_file = __FILE__;
		f->w->at_line = __LINE__ + 1;
		weft_spawn(f->w->rt, session, s, .name = "session", .join = join);
		if (f->w->healthy)
			weft_join_detach(*join);
	} else {
		workload_spawn(f->w, session, s, .name = "session");
	}
}

static weft_poll_t server(struct weft_cx *cx, struct server *f)
{
	weft_async_begin(f);
	while (workload_on(f->w) && !weft_is_cancelled(cx)) {
		serve(f);
		if (f->requests % f->w->count == 0)
			weft_notify_waiters(&news);
		weft_await(f, weft_sleep(cx, &f->pause, SECOND / f->w->count));
	}
	weft_async_end(f, 0);
}

int main(int argc, char **argv)
{
	static struct workload w;
	struct weft_semaphore *heard;
	struct server s;

	workload_begin(&w, argc, argv, "waiters spawn handles");
	w.count = w.count ? w.count : 100;
	if (weft_semaphore_new(0, &heard) < 0)
		return 1;
	s = (struct server){ .w = &w, .heard = heard };
	workload_tickers(&w, 50);
	weft_spawn(w.rt, server, s, .detach = true);
	while (!__atomic_load_n(&w.at_line, __ATOMIC_ACQUIRE))
		workload_doze(MS);
	workload_ready(&w, workload_is(&w, "spawn") ? "follower" : "session", NULL);
	workload_rest(&w);
	return workload_end(&w);
}
