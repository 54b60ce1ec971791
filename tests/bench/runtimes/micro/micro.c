/* SPDX-License-Identifier: MIT */
/*
 * micro --flavour F --workers N [--traced] [--precise] OP:COUNT... | startup
 * micro --flavours		the flavours of this library, one a line
 *
 * One line per operation: "cost OP COUNT wall_ns cpu_ns" (per operation, medians of batches; CPU of
 * the whole process), "late OP COUNT p50_us p99_us max_us", or "value NAME COUNT number".
 * --traced waits until a watcher has raised a level; --precise lets idle threads spin before deadlines.
 */
#include "tests/bench/runtimes/micro/micro.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "runtime/trace_buffer.h"
#include "tests/bench/support/row.h"

#define BATCHES       5
#define TRACE_TENTHS  150
#define FLAVOURS_MOST 16u
#define PRECISE_NS    200000u /* as weft_config advises */

static const struct micro_op *const families[] = { micro_task_ops, micro_wake_ops, micro_queue_ops,
						   micro_time_ops };

static uint64_t now(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

struct micro_clock micro_clock_start(void)
{
	return (struct micro_clock){ .cpu = now(CLOCK_PROCESS_CPUTIME_ID),
				     .wall = now(CLOCK_MONOTONIC) };
}

struct micro_cost micro_clock_stop(const struct micro_clock *since, uint64_t operations)
{
	uint64_t wall = now(CLOCK_MONOTONIC) - since->wall;
	uint64_t cpu = now(CLOCK_PROCESS_CPUTIME_ID) - since->cpu;

	return (struct micro_cost){ (double)wall / (double)operations,
				    (double)cpu / (double)operations };
}

void micro_must(int rc, const char *what)
{
	if (rc >= 0)
		return;
	fprintf(stderr, "micro: %s: %s\n", what, strerror(-rc));
	exit(1);
}

void *micro_alloc(size_t bytes)
{
	void *block = calloc(1, bytes);

	micro_must(block ? 0 : -ENOMEM, "memory");
	return block;
}

int micro_runtime_new(struct micro *m)
{
	struct weft_config config = {
		.size = sizeof(config),
		.flavour = m->flavour,
		.workers = m->workers,
		.name = "micro",
		.precise_timers_ns = m->precise_ns,
	};

	return weft_runtime_new(&config, &m->rt);
}

struct root {
	WEFT_FRAME;
	struct weft_join *task;
};

static weft_poll_t root(struct weft_cx *cx, struct root *f)
{
	weft_async_begin(f);
	weft_await(f, weft_join(cx, &f->task));
	weft_async_end(f, f->rc);
}

void micro_wait(struct weft_runtime *rt, struct weft_join *task)
{
	struct root f = { .task = task };

	micro_must(weft_block_on(rt, root, &f), "task");
}

void micro_handles_init(struct micro_handles *h, uint64_t n)
{
	*h = (struct micro_handles){ .at = micro_alloc(n * sizeof(struct weft_join *)), .n = n };
}

weft_poll_t micro_join_all(struct weft_cx *cx, struct micro_join_all *f, struct micro_handles *h)
{
	weft_async_begin(f);
	for (f->i = 0; f->i < h->n; f->i++)
		weft_await(f, weft_join(cx, &h->at[f->i]));
	weft_async_end(f, 0);
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void report_late(const char *name, uint64_t n, double *us)
{
	qsort(us, n, sizeof(*us), by_value);
	printf("late %s %lu %.1f %.1f %.1f\n", name, n, us[n / 2], us[n * 99 / 100], us[n - 1]);
}

static void run(const struct micro *m, const struct micro_op *op, uint64_t n)
{
	double wall[BATCHES], cpu[BATCHES], *us;
	unsigned batches = strcmp(op->name, "sleepers") ? BATCHES : 1; /* they don't end */

	if (op->late) {
		us = micro_alloc(n * sizeof(*us));
		op->late(m, n, us);
		report_late(op->name, n, us);
		free(us);
		return;
	}
	for (unsigned i = 0; i < batches; i++) {
		struct micro_cost cost = op->cost(m, n);

		wall[i] = cost.wall;
		cpu[i] = cost.cpu;
	}
	printf("cost %s %lu %.1f %.1f\n", op->name, n, row_median(wall, batches),
	       row_median(cpu, batches));
}

static const struct micro_op *find(const char *name, size_t length)
{
	for (unsigned i = 0; i < sizeof(families) / sizeof(families[0]); i++)
		for (const struct micro_op *op = families[i]; op->name; op++)
			if (strlen(op->name) == length && memcmp(op->name, name, length) == 0)
				return op;
	return NULL;
}

static void run_word(const struct micro *m, const char *word)
{
	const char *colon = strchr(word, ':');
	const struct micro_op *op = colon ? find(word, (size_t)(colon - word)) : NULL;

	if (!op || atoll(colon + 1) < 1) {
		fprintf(stderr, "micro: %s is no OP:COUNT\n", word);
		exit(2);
	}
	run(m, op, (uint64_t)atoll(colon + 1));
	fflush(stdout);
}

struct nothing {
	WEFT_FRAME;
};

static weft_poll_t nothing(struct weft_cx *cx, struct nothing *f)
{
	(void)cx, (void)f;
	return 0;
}

static int startup(struct micro *m)
{
	uint64_t begin = now(CLOCK_MONOTONIC), up;

	micro_must(micro_runtime_new(m), "runtime");
	micro_run(m->rt, nothing, ((struct nothing){ .rc = 0 }));
	up = now(CLOCK_MONOTONIC);
	weft_runtime_free(m->rt);
	printf("value startup_us 1 %.1f\n", (double)(up - begin) / 1e3);
	printf("value shutdown_us 1 %.1f\n", (double)(now(CLOCK_MONOTONIC) - up) / 1e3);
	return 0;
}

static int list_flavours(void)
{
	for (uint32_t i = 1; i < FLAVOURS_MOST; i++)
		if (weft_flavour_name(i))
			puts(weft_flavour_name(i));
	return 0;
}

static void wait_until_traced(void)
{
	struct timespec tenth = { .tv_nsec = 100000000 };

	for (unsigned i = 0; i < TRACE_TENTHS && !weft_trace_on(); i++)
		nanosleep(&tenth, NULL);
	micro_must(weft_trace_on() ? 0 : -ETIMEDOUT, "nobody watches");
}

int main(int argc, char **argv)
{
	struct micro m = { .flavour = WEFT_MULTI_THREAD, .workers = 1 };
	bool traced = false;
	int i;

	for (i = 1; i < argc && argv[i][0] == '-'; i++) {
		if (strcmp(argv[i], "--flavours") == 0)
			return list_flavours();
		if (strcmp(argv[i], "--traced") == 0)
			traced = true;
		else if (strcmp(argv[i], "--precise") == 0)
			m.precise_ns = PRECISE_NS;
		else if (strcmp(argv[i], "--flavour") == 0 && i + 1 < argc)
			m.flavour = weft_flavour_find(argv[++i]);
		else if (strcmp(argv[i], "--workers") == 0 && i + 1 < argc)
			m.workers = (uint32_t)atoi(argv[++i]);
		else
			return 2;
	}
	if (i == argc || !m.flavour)
		return 2;
	if (strcmp(argv[i], "startup") == 0)
		return startup(&m);
	micro_must(micro_runtime_new(&m), "runtime");
	if (traced)
		wait_until_traced();
	for (; i < argc; i++)
		run_word(&m, argv[i]);
	if (traced)
		weft_runtime_free(m.rt); /* the watcher's accounts close with it */
	return 0;                        /* what sleeps is not ended one by one */
}
