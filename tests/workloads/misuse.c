/* SPDX-License-Identifier: MIT */
/*
 * Misuse that the runtime refuses, every 100 ms; cure: the right use.
 *   moved   a suspended frame is copied elsewhere and polled there       (not-unpin)
 *   io      a socket in a runtime that was built without IO              (missing-feature)
 *   nested  weft_block_on() inside a task                                (mixed-runtimes)
 *   local   weft_spawn_local() by a task that a worker polls; cure: by one that the thread inside weft_block_on() polls (not-send)
 */
#include "tests/workloads/support/workload.h"

struct inner {
	WEFT_FRAME;
	struct weft_yield yield;
};

struct part {
	WEFT_FRAME;
	struct workload *w;
	struct weft_sleep pause;
	struct inner a, b;
};

static weft_poll_t inner(struct weft_cx *cx, struct inner *f)
{
	weft_async_begin(f);
	weft_await(f, weft_yield(cx, &f->yield));
	weft_async_end(f, 0);
}

static weft_poll_t mover(struct weft_cx *cx, struct part *f)
{
	weft_async_begin(f);
	while (workload_on(f->w) && !weft_is_cancelled(cx)) {
		f->a = f->b = (struct inner){ .rc = 0 };
		if (f->w->healthy) {
			weft_await(f, inner(cx, &f->a));
		} else if (inner(cx, &f->a) == WEFT_PENDING) {
			f->b = f->a;
			inner(cx, &f->b);
		}
		weft_await(f, weft_sleep(cx, &f->pause, 100 * MS));
	}
	weft_async_end(f, 0);
}

static weft_poll_t listener(struct weft_cx *cx, struct part *f)
{
	weft_async_begin(f);
	while (workload_on(f->w) && !weft_is_cancelled(cx)) {
		struct weft_listener *l = NULL;

		if (weft_tcp_listen(weft_runtime_current(), "127.0.0.1", 0, &l) == 0)
			weft_listener_close(l);
		weft_await(f, weft_sleep(cx, &f->pause, 100 * MS));
	}
	weft_async_end(f, 0);
}

static weft_poll_t nester(struct weft_cx *cx, struct part *f)
{
	weft_async_begin(f);
	while (workload_on(f->w) && !weft_is_cancelled(cx)) {
		f->a = (struct inner){ .rc = 0 };
		if (f->w->healthy)
			weft_await(f, inner(cx, &f->a));
		else
			weft_block_on(f->w->rt, inner, &f->b);
		weft_await(f, weft_sleep(cx, &f->pause, 100 * MS));
	}
	weft_async_end(f, 0);
}

static weft_poll_t bound(struct weft_cx *cx, struct part *f)
{
	(void)cx;
	weft_async_begin(f);
	weft_async_end(f, 0);
}

static weft_poll_t binder(struct weft_cx *cx, struct part *f)
{
	weft_async_begin(f);
	while (workload_on(f->w) && !weft_is_cancelled(cx)) {
		weft_spawn_local(bound, ((struct part){ .w = f->w }));
		weft_await(f, weft_sleep(cx, &f->pause, 100 * MS));
	}
	weft_async_end(f, 0);
}

static const char *subject(const struct workload *w)
{
	if (workload_is(w, "io"))
		return "listener";
	if (workload_is(w, "nested"))
		return "nester";
	return workload_is(w, "local") ? "binder" : "mover";
}

int main(int argc, char **argv)
{
	struct weft_config config = { .size = sizeof(config), .workers = 1 };
	struct weft_runtime *rt = NULL;
	struct workload w;
	struct part f = { .w = &w };
	bool here = false;
	int rc = 0;

	workload_begin(&w, argc, argv, "moved io nested local");
	if (workload_is(&w, "io")) {
		config.no_io = !w.healthy;
		rc = weft_runtime_new(&config, &rt);
		if (rc == 0)
			rc = workload_spawn_on(&w, rt, listener, ((struct part){ .w = &w }));
	} else if (workload_is(&w, "nested")) {
		rc = workload_spawn(&w, nester, ((struct part){ .w = &w }));
	} else if (workload_is(&w, "local") && w.healthy) {
		here = true;
	} else if (workload_is(&w, "local")) {
		rc = workload_spawn(&w, binder, ((struct part){ .w = &w }));
	} else {
		rc = workload_spawn(&w, mover, ((struct part){ .w = &w }));
	}
	workload_ready(&w, subject(&w), NULL);
	if (here)
		weft_block_on(w.rt, binder, &f);
	else
		workload_rest(&w);
	weft_runtime_free(rt);
	return rc < 0 ? 1 : workload_end(&w);
}
