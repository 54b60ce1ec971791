/* SPDX-License-Identifier: MIT */
/*
 * never-runs, three ways in which a runnable task is not polled:
 *   undriven  a current_thread runtime that nobody drives after a first turn; cure: a thread stays in weft_runtime_run()
 *   held      every worker is inside one poll; cure: the same work with a yield in it
 *   woken     as undriven, but the task has run before and was woken since
 */
#include <pthread.h>
#include <unistd.h>

#include "tests/workloads/support/workload.h"

struct job {
	WEFT_FRAME;
	struct workload *w;
	struct weft_semaphore *bell;
	struct weft_acquire wait;
	struct weft_yield yield;
	struct weft_sleep pause;
};

static weft_poll_t job(struct weft_cx *cx, struct job *f)
{
	weft_async_begin(f);
	do {
		weft_await(f, weft_sleep(cx, &f->pause, 20 * MS));
	} while (f->rc == 0 && workload_on(f->w));
	weft_async_end(f, 0);
}

/* Waits for the bell; rung from outside. */
static weft_poll_t guest(struct weft_cx *cx, struct job *f)
{
	weft_async_begin(f);
	do {
		weft_await(f, weft_semaphore_acquire(cx, f->bell, &f->wait));
	} while (f->rc == 0 && workload_on(f->w));
	weft_async_end(f, 0);
}

static _Atomic unsigned hogs; /* that have been polled */

static weft_poll_t hog(struct weft_cx *cx, struct job *f)
{
	weft_async_begin(f);
	atomic_fetch_add_explicit(&hogs, 1, memory_order_relaxed);
	while (workload_on(f->w) && !weft_is_cancelled(cx)) {
		workload_burn(MS);
		if (f->w->healthy)
			weft_await(f, weft_sleep(cx, &f->pause, 10 * MS));
	}
	weft_async_end(f, 0);
}

static weft_poll_t turn(struct weft_cx *cx, struct job *f)
{
	weft_async_begin(f);
	weft_await(f, weft_sleep(cx, &f->pause, 100 * MS));
	weft_async_end(f, 0);
}

static void *drive(void *rt)
{
	weft_runtime_run(rt);
	return NULL;
}

/* Two runtimes in this process: the workload's own, and the one that is to be driven. */
static int undriven(struct workload *w, struct weft_runtime *rt)
{
	bool woken = workload_is(w, "woken");
	struct job first = { .w = w }, f = { .w = w };
	pthread_t thread;
	int rc = weft_semaphore_new(0, &f.bell);

	if (rc == 0 && woken)
		rc = workload_spawn_on(w, rt, guest, f, .name = "guest");
	weft_block_on(rt, turn, &first);
	if (w->healthy && pthread_create(&thread, NULL, drive, rt) == 0)
		pthread_detach(thread);
	if (rc == 0 && !woken)
		rc = workload_spawn_on(w, rt, job, f, .name = "job");
	workload_ready(w, woken ? "guest" : "job", NULL);
	while (rc == 0 && workload_on(w)) {
		usleep(20000);
		weft_semaphore_release(f.bell, 1);
	}
	return rc;
}

static int held(struct workload *w)
{
	int rc = 0;

	for (unsigned i = 0; i < w->workers && rc == 0; i++)
		rc = weft_spawn(w->rt, hog, ((struct job){ .w = w }), .name = "hog",
				.detach = true);
	while (rc == 0 && workload_on(w) &&
	       atomic_load_explicit(&hogs, memory_order_relaxed) < w->workers)
		usleep(10000);
	if (rc == 0)
		rc = workload_spawn(w, job, ((struct job){ .w = w }), .name = "job");
	workload_ready(w, "job", NULL);
	workload_rest(w);
	return rc;
}

int main(int argc, char **argv)
{
	struct weft_config config = { .size = sizeof(config), .flavour = WEFT_CURRENT_THREAD };
	struct weft_runtime *rt = NULL;
	struct workload w;
	int rc;

	workload_begin(&w, argc, argv, "undriven held woken");
	if (workload_is(&w, "held")) {
		rc = held(&w);
	} else {
		rc = weft_runtime_new(&config, &rt);
		rc = rc ? rc : undriven(&w, rt);
		weft_runtime_free(rt);
	}
	return rc < 0 ? 1 : workload_end(&w);
}
