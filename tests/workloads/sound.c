/* SPDX-License-Identifier: MIT */
/*
 * Healthy programs that look like trouble, for the verdicts of the detectors: none of them gives a finding.
 *   ramp      tasks (--count, 10,000) appear within some seconds and stay
 *   bursts    500 tasks at once, every 2 s, that all end
 *   tickers   --count (5,000) interval timers of 100 ms
 *   yields    polls of 30 us that do their work and yield, without end
 *   pool      CPU work and blocking calls in weft_spawn_blocking
 *   sleepers  1,000 tasks that sleep for a minute
 *   log       20 tasks that write a line to stdout every 5 ms
 *   memory    50 MB touched for the first time, 5 ms in a poll
 *   start     800 ms of work in main after the runtime is up, then tickers
 */
#include "tests/workloads/support/workload.h"

#include <sys/mman.h>
#include <unistd.h>

static struct workload w;

struct task {
	WEFT_FRAME;
	struct weft_sleep pause;
	struct weft_yield yield;
	struct weft_job job;
	uint64_t ns, i;
	char *memory;
	size_t done;
};

static weft_poll_t sleeper(struct weft_cx *cx, struct task *f)
{
	weft_async_begin(f);
	weft_await(f, weft_sleep(cx, &f->pause, f->ns));
	weft_async_end(f, 0);
}

static weft_poll_t waits(struct weft_cx *cx, struct task *f)
{
	weft_async_begin(f);
	while (!weft_is_cancelled(cx))
		weft_await(f, weft_pending(cx, WEFT_WAIT_NOTIFY));
	weft_async_end(f, 0);
}

static weft_poll_t ramp(struct weft_cx *cx, struct task *f)
{
	weft_async_begin(f);
	/* By the clock: where timers come late it takes no longer. */
	f->ns = weft_now();
	for (f->i = 0; f->i < (w.count ? w.count : 10000); f->i++) {
		weft_spawn(w.rt, waits, ((struct task){ 0 }), .name = "connection", .detach = true);
		if (f->i % 5 == 4 && weft_now() < f->ns + f->i * MS)
			weft_await(f, weft_sleep_until(cx, &f->pause, f->ns + f->i * MS));
	}
	weft_async_end(f, 0);
}

static weft_poll_t bursts(struct weft_cx *cx, struct task *f)
{
	weft_async_begin(f);
	while (workload_on(&w) && !weft_is_cancelled(cx)) {
		for (int i = 0; i < 500; i++)
			weft_spawn(w.rt, sleeper,
				   ((struct task){ .ns = 300 * MS + (uint64_t)i * MS }),
				   .name = "burst", .detach = true);
		weft_await(f, weft_sleep(cx, &f->pause, 2 * SECOND));
	}
	weft_async_end(f, 0);
}

static weft_poll_t interval(struct weft_cx *cx, struct task *f)
{
	weft_async_begin(f);
	while (workload_on(&w) && !weft_is_cancelled(cx))
		weft_await(f, weft_sleep(cx, &f->pause, 100 * MS));
	weft_async_end(f, 0);
}

static weft_poll_t worker(struct weft_cx *cx, struct task *f)
{
	weft_async_begin(f);
	while (workload_on(&w) && !weft_is_cancelled(cx)) {
		workload_burn(30000);
		weft_await(f, weft_yield(cx, &f->yield));
	}
	weft_async_end(f, 0);
}

static int heavy(void *arg)
{
	workload_burn(200 * MS);
	workload_doze(100 * MS);
	return arg != NULL;
}

static weft_poll_t pooled(struct weft_cx *cx, struct task *f)
{
	weft_async_begin(f);
	while (workload_on(&w) && !weft_is_cancelled(cx))
		weft_await(f, weft_spawn_blocking(cx, &f->job, heavy, NULL));
	weft_async_end(f, 0);
}

static weft_poll_t logger(struct weft_cx *cx, struct task *f)
{
	static const char line[] =
		"2026-01-01T00:00:00Z INFO request served in 120 us, 512 bytes\n";

	weft_async_begin(f);
	while (workload_on(&w) && !weft_is_cancelled(cx)) {
		if (write(1, line, sizeof(line) - 1) < 0)
			break;
		weft_await(f, weft_sleep(cx, &f->pause, 5 * MS));
	}
	weft_async_end(f, 0);
}

#define BUFFER ((size_t)50 << 20)

static weft_poll_t toucher(struct weft_cx *cx, struct task *f)
{
	uint64_t until;

	weft_async_begin(f);
	while (workload_on(&w) && !weft_is_cancelled(cx)) {
		f->memory = mmap(NULL, BUFFER, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
				 -1, 0);
		for (f->done = 0; f->done < BUFFER;) {
			until = weft_now() + 5 * MS;
			for (; f->done < BUFFER && weft_now() < until; f->done += 65536)
				memset(f->memory + f->done, 1, 65536);
			weft_await(f, weft_yield(cx, &f->yield));
		}
		munmap(f->memory, BUFFER);
		weft_await(f, weft_sleep(cx, &f->pause, 500 * MS));
	}
	weft_async_end(f, 0);
}

static int spawn_many(weft_poll_t (*fn)(struct weft_cx *, struct task *), uint64_t n, struct task t)
{
	int rc = 0;

	for (uint64_t i = 0; i < n && !rc; i++)
		rc = weft_spawn(w.rt, fn, t, .detach = true);
	return rc;
}

int main(int argc, char **argv)
{
	struct task t = { .ns = 60 * SECOND };

	workload_begin(&w, argc, argv, "ramp bursts tickers yields pool sleepers log memory start");
	if (workload_is(&w, "start"))
		workload_burn(800 * MS);
	workload_tickers(&w, 20);
	workload_ready(&w, NULL, NULL);
	if (workload_is(&w, "bursts"))
		spawn_many(bursts, 1, t);
	else if (workload_is(&w, "tickers"))
		spawn_many(interval, w.count ? w.count : 5000, t);
	else if (workload_is(&w, "yields"))
		spawn_many(worker, 3, t);
	else if (workload_is(&w, "pool"))
		spawn_many(pooled, 4, t);
	else if (workload_is(&w, "sleepers"))
		spawn_many(sleeper, 1000, t);
	else if (workload_is(&w, "log"))
		spawn_many(logger, 20, t);
	else if (workload_is(&w, "memory"))
		spawn_many(toucher, 1, t);
	else if (!workload_is(&w, "start"))
		spawn_many(ramp, 1, t);
	workload_rest(&w);
	return workload_end(&w);
}
