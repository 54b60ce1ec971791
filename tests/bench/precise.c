/* SPDX-License-Identifier: MIT */
/*
 * How late a sleeping task wakes, with precise timers and without, in turn in the same run.
 *
 *   timer.precise.{1,10}ms.p50   us after the deadline, against the default; 1 worker
 *   timer.precise.cpu            us of CPU per wait of 1 ms, against the default
 *
 *   precise [--quick]
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "runtime/weft.h"
#include "tests/bench/support/row.h"

#define SPIN_NS 200000u
#define MAX     400u

struct sleeper {
	WEFT_FRAME;
	struct weft_sleep sleep;
	uint64_t ns, deadline;
	unsigned i, n;
	double late[MAX];
};

static weft_poll_t sleeper(struct weft_cx *cx, struct sleeper *f)
{
	weft_async_begin(f);
	for (f->i = 0; f->i < f->n; f->i++) {
		f->deadline = weft_now() + f->ns;
		weft_await(f, weft_sleep_until(cx, &f->sleep, f->deadline));
		f->late[f->i] = (double)(weft_now() - f->deadline) / 1e3;
	}
	weft_async_end(f, 0);
}

struct outcome {
	double p50, cpu;
};

static double cpu_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return (double)ts.tv_sec * 1e6 + (double)ts.tv_nsec / 1e3;
}

/* The sleeper runs on the worker, as tasks do; the main thread only waits. */
struct joiner {
	WEFT_FRAME;
	struct weft_join *join;
};

static weft_poll_t joiner(struct weft_cx *cx, struct joiner *f)
{
	weft_async_begin(f);
	weft_await(f, weft_join(cx, &f->join));
	weft_async_end(f, f->rc);
}

static struct sleeper *result;

static weft_poll_t reported(struct weft_cx *cx, struct sleeper *f)
{
	weft_poll_t rc = sleeper(cx, f);

	if (rc != WEFT_PENDING)
		*result = *f;
	return rc;
}

static struct outcome measure(uint64_t precise_ns, uint64_t ns, unsigned n)
{
	struct weft_config config = { .size = sizeof(config),
				      .workers = 1,
				      .precise_timers_ns = precise_ns };
	static struct sleeper f;
	struct joiner j = { .join = NULL };
	struct weft_runtime *rt;
	struct outcome o;

	memset(&f, 0, sizeof(f));
	f.ns = ns;
	f.n = n;
	result = &f;
	if (weft_runtime_new(&config, &rt))
		exit(1);
	o.cpu = cpu_us();
	if (weft_spawn(rt, reported, f, .join = &j.join) || weft_block_on(rt, joiner, &j))
		exit(1);
	o.cpu = (cpu_us() - o.cpu) / n;
	o.p50 = row_median(f.late, n);
	weft_runtime_free(rt);
	return o;
}

int main(int argc, char **argv)
{
	bool quick = argc > 1 && strcmp(argv[1], "--quick") == 0;
	struct row rows[] = {
		{ .name = "timer.precise.1ms.p50", .unit = "us", .against = "default" },
		{ .name = "timer.precise.10ms.p50", .unit = "us", .against = "default" },
		{ .name = "timer.precise.cpu", .unit = "us", .against = "default" },
	};

	for (unsigned round = 0; round < (quick ? 3 : 9); round++) {
		struct outcome p1 = measure(SPIN_NS, 1000000, MAX / 2),
			       d1 = measure(0, 1000000, MAX / 2);
		struct outcome p10 = measure(SPIN_NS, 10000000, 40), d10 = measure(0, 10000000, 40);

		row_add(&rows[0], p1.p50, d1.p50);
		row_add(&rows[1], p10.p50, d10.p50);
		row_add(&rows[2], p1.cpu, d1.cpu);
	}
	for (unsigned i = 0; i < 3; i++)
		row_print(&rows[i]);
	return 0;
}
