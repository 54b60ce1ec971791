/* SPDX-License-Identifier: MIT */
/*
 * handle-dropped, three ways in which work stops silently:
 *   drop      an executor whose task handles are dropped at once, which cancels; cure: weft_join_detach()
 *   abort     each task is aborted right after its spawn; cure: it is awaited
 *   shutdown  a runtime that is shut down before its tasks have run; cure: it is driven until they have
 */
#include <pthread.h>

#include "tests/workloads/support/workload.h"

struct part {
	WEFT_FRAME;
	struct workload *w;
	struct weft_sleep pause;
	struct weft_join *join;
	struct weft_yield yield;
};

static weft_poll_t mail(struct weft_cx *cx, struct part *f)
{
	weft_async_begin(f);
	weft_await(f, weft_sleep(cx, &f->pause, 30 * MS));
	weft_async_end(f, f->rc);
}

/* Spawns the task whose end is the symptom; after the first one the program is ready. */
static int spawn_mail(struct workload *w, struct weft_runtime *rt, struct weft_join **ret)
{
	static bool told;
	int rc;

	w->at_file = __FILE__;
	w->at_line = __LINE__ + 1;
	rc = weft_spawn(rt, mail, ((struct part){ .w = w }), .name = "mail", .join = ret);
	if (!told)
		workload_ready(w, "mail", NULL);
	told = true;
	return rc;
}

static weft_poll_t sender(struct weft_cx *cx, struct part *f)
{
	weft_async_begin(f);
	while (workload_on(f->w) && !weft_is_cancelled(cx)) {
		spawn_mail(f->w, NULL, &f->join);
		if (f->w->healthy)
			f->join = weft_join_detach(f->join);
		else
			f->join = weft_join_drop(f->join);
		weft_await(f, weft_sleep(cx, &f->pause, 50 * MS));
	}
	weft_async_end(f, 0);
}

static weft_poll_t hasty(struct weft_cx *cx, struct part *f)
{
	weft_async_begin(f);
	while (workload_on(f->w) && !weft_is_cancelled(cx)) {
		spawn_mail(f->w, NULL, &f->join);
		if (!f->w->healthy)
			weft_join_abort(f->join);
		weft_await(f, weft_join(cx, &f->join));
		weft_await(f, weft_sleep(cx, &f->pause, 50 * MS));
	}
	weft_async_end(f, 0);
}

static weft_poll_t turn(struct weft_cx *cx, struct part *f)
{
	weft_async_begin(f);
	weft_await(f, weft_sleep(cx, &f->pause, 100 * MS));
	weft_async_end(f, 0);
}

static int run_for(struct workload *w, uint32_t flavour)
{
	struct weft_config config = { .size = sizeof(config), .flavour = flavour };
	struct part first = { .w = w };
	struct weft_runtime *rt = NULL;
	int rc = weft_runtime_new(&config, &rt);

	if (rc == 0)
		weft_block_on(rt, sender, &first);
	weft_runtime_free(rt);
	return rc;
}

/* One short-lived runtime a second. */
static int shut_down(struct workload *w)
{
	struct weft_config config = { .size = sizeof(config), .flavour = WEFT_CURRENT_THREAD };
	int rc = 0;

	while (rc == 0 && workload_on(w)) {
		struct part first = { .w = w };
		struct weft_runtime *rt = NULL;
		struct weft_join *join = NULL;

		rc = weft_runtime_new(&config, &rt);
		if (rc == 0)
			rc = spawn_mail(w, rt, &join);
		join = weft_join_detach(join);
		if (rc == 0 && w->healthy)
			weft_block_on(rt, turn, &first);
		workload_doze(200 * MS);
		weft_runtime_free(rt);
		workload_doze(800 * MS);
	}
	return rc;
}

int main(int argc, char **argv)
{
	struct workload w;
	int rc;

	workload_begin(&w, argc, argv, "drop abort shutdown");
	if (workload_is(&w, "shutdown")) {
		rc = shut_down(&w);
	} else if (workload_is(&w, "abort")) {
		rc = weft_spawn(w.rt, hasty, ((struct part){ .w = &w }), .name = "hasty",
				.detach = true);
		workload_rest(&w);
	} else {
		rc = run_for(&w, WEFT_EXECUTOR);
	}
	return rc < 0 ? 1 : workload_end(&w);
}
