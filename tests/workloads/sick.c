/* SPDX-License-Identifier: MIT */
/*
 * Troubles beside the three of busy_loop.c, blocking_call.c and task_leak.c, for the verdicts of the detectors:
 *   fsync      5 MB to a file and fsync, in a poll; --healthy: on the blocking pool
 *   join       pthread_join of a thread that works for 100 ms; --healthy: on the blocking pool
 *   short      2 ms of nanosleep every 20 ms, with others that wait behind it
 *   hot        polls of 15 ms, one after the other
 *   long       polls of 150 ms, one after the other
 *   slow-leak  2 tasks a second that never end
 *   fast-leak  500 a second
 *   churn      5 a second that never end, beside 200 a second of another type that do
 *   held       50 a second end, and nobody joins or drops their handles
 */
#include "tests/workloads/support/workload.h"

#include <fcntl.h>
#include <pthread.h>
#include <time.h>
#include <unistd.h>

static struct workload w;

struct sick {
	WEFT_FRAME;
	struct weft_sleep pause;
	struct weft_yield yield;
	struct weft_job job;
	int fd;
};

static int write_and_sync(void *arg)
{
	static char block[1 << 20];
	int fd = *(int *)arg;

	for (int i = 0; i < 5; i++)
		if (pwrite(fd, block, sizeof(block), (off_t)i * (off_t)sizeof(block)) < 0)
			return -1;
	return fsync(fd);
}

static weft_poll_t save(struct weft_cx *cx, struct sick *f)
{
	weft_async_begin(f);
	while (workload_on(&w) && !weft_is_cancelled(cx)) {
		if (w.healthy)
			weft_await(f, weft_spawn_blocking(cx, &f->job, write_and_sync, &f->fd));
		else
			write_and_sync(&f->fd);
		weft_await(f, weft_sleep(cx, &f->pause, 100 * MS));
	}
	weft_async_end(f, 0);
}

static void *work(void *arg)
{
	workload_doze(100 * MS);
	return arg;
}

static int wait_for_thread(void *arg)
{
	pthread_t thread;

	if (!pthread_create(&thread, NULL, work, arg))
		pthread_join(thread, NULL);
	return 0;
}

static weft_poll_t gather(struct weft_cx *cx, struct sick *f)
{
	weft_async_begin(f);
	while (workload_on(&w) && !weft_is_cancelled(cx)) {
		if (w.healthy)
			weft_await(f, weft_spawn_blocking(cx, &f->job, wait_for_thread, NULL));
		else
			wait_for_thread(NULL);
		weft_await(f, weft_sleep(cx, &f->pause, 100 * MS));
	}
	weft_async_end(f, 0);
}

static weft_poll_t nap(struct weft_cx *cx, struct sick *f)
{
	weft_async_begin(f);
	while (workload_on(&w) && !weft_is_cancelled(cx)) {
		workload_doze(2 * MS);
		weft_await(f, weft_sleep(cx, &f->pause, 18 * MS));
	}
	weft_async_end(f, 0);
}

/* So much CPU time, however long others make it wait for that. */
static __attribute__((noinline)) void compute(uint64_t ns)
{
	struct timespec now, end;
	volatile uint64_t x = 1;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &end);
	ns += (uint64_t)end.tv_sec * SECOND + (uint64_t)end.tv_nsec;
	do {
		for (unsigned i = 0; i < 5000; i++)
			x ^= x << 13, x ^= x >> 7, x ^= x << 17;
		clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
	} while ((uint64_t)now.tv_sec * SECOND + (uint64_t)now.tv_nsec < ns);
}

static weft_poll_t grind(struct weft_cx *cx, struct sick *f)
{
	weft_async_begin(f);
	while (workload_on(&w) && !weft_is_cancelled(cx)) {
		compute(workload_is(&w, "long") ? 150 * MS : 15 * MS);
		weft_await(f, weft_yield(cx, &f->yield));
	}
	weft_async_end(f, 0);
}

static weft_poll_t stays(struct weft_cx *cx, struct sick *f)
{
	weft_async_begin(f);
	while (!weft_is_cancelled(cx))
		weft_await(f, weft_pending(cx, WEFT_WAIT_NOTIFY));
	weft_async_end(f, 0);
}

static weft_poll_t goes(struct weft_cx *cx, struct sick *f)
{
	weft_async_begin(f);
	weft_await(f, weft_sleep(cx, &f->pause, 50 * MS));
	weft_async_end(f, 0);
}

struct spawner {
	WEFT_FRAME;
	struct weft_sleep pause;
	uint64_t n, every_ns;
};

static weft_poll_t spawner(struct weft_cx *cx, struct spawner *f)
{
	static struct weft_join *handle[50 * 600];

	weft_async_begin(f);
	while (workload_on(&w) && !weft_is_cancelled(cx)) {
		f->n++;
		if (workload_is(&w, "held"))
			w.at_line = __LINE__ + 1,
			weft_spawn(w.rt, goes, ((struct sick){ 0 }), .name = "kept",
				   .join = &handle[f->n % (50 * 600)]);
		else if (!workload_is(&w, "churn") || f->n % 40 == 0)
			workload_spawn(&w, stays, ((struct sick){ 0 }), .name = "stays");
		if (workload_is(&w, "churn"))
			weft_spawn(w.rt, goes, ((struct sick){ 0 }), .name = "goes",
				   .detach = true);
		weft_await(f, weft_sleep(cx, &f->pause, f->every_ns));
	}
	weft_async_end(f, 0);
}

static int start_leak(void)
{
	struct spawner s = { .every_ns = 5 * MS };

	if (workload_is(&w, "slow-leak"))
		s.every_ns = 500 * MS;
	if (workload_is(&w, "fast-leak"))
		s.every_ns = 2 * MS;
	if (workload_is(&w, "held"))
		s.every_ns = 20 * MS;
	return weft_spawn(w.rt, spawner, s, .detach = true);
}

int main(int argc, char **argv)
{
	struct sick s = { 0 };
	int rc;

	workload_begin(&w, argc, argv, "fsync join short hot long slow-leak fast-leak churn held");
	workload_tickers(&w, 20);
	workload_ready(&w, NULL, NULL);
	if (workload_is(&w, "join"))
		rc = workload_spawn(&w, gather, s, .name = "gather");
	else if (workload_is(&w, "short"))
		rc = workload_spawn(&w, nap, s, .name = "nap");
	else if (workload_is(&w, "hot") || workload_is(&w, "long"))
		rc = workload_spawn(&w, grind, s, .name = "grind");
	else if (strstr(w.variant, "leak") || workload_is(&w, "churn") || workload_is(&w, "held"))
		rc = start_leak();
	else {
		char path[] = "weft-sick-XXXXXX";

		s.fd = mkstemp(path);
		unlink(path);
		rc = s.fd < 0 ? -1 : workload_spawn(&w, save, s, .name = "save");
	}
	if (rc < 0)
		return 1;
	workload_rest(&w);
	return workload_end(&w);
}
