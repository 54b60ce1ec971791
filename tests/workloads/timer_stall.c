/* SPDX-License-Identifier: MIT */
/*
 * timer-stall, three reasons why timers come late or never:
 *   held      the only worker (--workers 1) is kept for 300 ms at a time; cure: the same inside weft_spawn_blocking()
 *   undriven  a current_thread runtime with armed timers that nobody drives; cure: a thread in weft_runtime_run()
 *   disabled  a runtime built without timers; cure: with them
 */
#include <pthread.h>

#include "tests/workloads/support/workload.h"

struct part {
	WEFT_FRAME;
	struct workload *w;
	struct weft_sleep pause;
	struct weft_job job;
	uint64_t period_ns;
};

static int doze(void *arg)
{
	(void)arg;
	workload_doze(300 * MS);
	return 0;
}

static weft_poll_t ticker(struct weft_cx *cx, struct part *f)
{
	weft_async_begin(f);
	do {
		weft_await(f, weft_sleep(cx, &f->pause, f->period_ns));
	} while (f->rc == 0 && workload_on(f->w));
	weft_async_end(f, f->rc);
}

static weft_poll_t keeper(struct weft_cx *cx, struct part *f)
{
	weft_async_begin(f);
	do {
		if (f->w->healthy)
			weft_await(f, weft_spawn_blocking(cx, &f->job, doze, NULL));
		else
			doze(NULL);
		weft_await(f, weft_sleep(cx, &f->pause, 200 * MS));
	} while (f->rc == 0 && workload_on(f->w));
	weft_async_end(f, 0);
}

static weft_poll_t turn(struct weft_cx *cx, struct part *f)
{
	weft_async_begin(f);
	weft_await(f, weft_sleep(cx, &f->pause, 100 * MS));
	weft_async_end(f, 0);
}

/* Tries again every 100 ms, from outside the runtime. */
static int try_timers(struct workload *w, struct weft_runtime *rt)
{
	bool told = false;
	int rc = 0;

	while (rc == 0 && workload_on(w)) {
		rc = workload_spawn_on(w, rt, turn, ((struct part){ .w = w }), .name = "patient");
		if (!told)
			workload_ready(w, "patient", NULL);
		told = true;
		workload_doze(100 * MS);
	}
	return rc;
}

static void *drive(void *rt)
{
	weft_runtime_run(rt);
	return NULL;
}

static int undriven(struct workload *w, struct weft_runtime *rt)
{
	/* Its timer is not to come at the end of the turn: fired, it would be armed no more. */
	struct part first = { .w = w }, slow = { .w = w, .period_ns = 500 * MS };
	pthread_t thread;
	int rc = weft_spawn(rt, ticker, slow, .name = "ticker", .detach = true);

	if (rc == 0)
		weft_block_on(rt, turn, &first);
	if (w->healthy && pthread_create(&thread, NULL, drive, rt) == 0)
		pthread_detach(thread);
	workload_ready(w, NULL, "task=weft at="); /* the subject is the runtime */
	workload_rest(w);
	return rc;
}

static int held(struct workload *w)
{
	int rc = 0;

	for (int i = 0; i < 4 && rc == 0; i++)
		rc = weft_spawn(w->rt, ticker, ((struct part){ .w = w, .period_ns = 20 * MS }),
				.name = "ticker", .detach = true);
	if (rc == 0)
		rc = workload_spawn(w, keeper, ((struct part){ .w = w }), .name = "keeper");
	workload_ready(w, "keeper", NULL);
	workload_rest(w);
	return rc;
}

int main(int argc, char **argv)
{
	struct weft_config config = { .size = sizeof(config), .workers = 1 };
	struct weft_runtime *rt = NULL;
	struct workload w;
	int rc = 0;

	workload_begin(&w, argc, argv, "held undriven disabled");
	if (workload_is(&w, "undriven"))
		config.flavour = WEFT_CURRENT_THREAD;
	config.no_time = workload_is(&w, "disabled") && !w.healthy;
	if (!workload_is(&w, "held"))
		rc = weft_runtime_new(&config, &rt);
	if (rc == 0)
		rc = !rt                           ? held(&w)
		     : workload_is(&w, "undriven") ? undriven(&w, rt)
						   : try_timers(&w, rt);
	weft_runtime_free(rt);
	return rc < 0 ? 1 : workload_end(&w);
}
