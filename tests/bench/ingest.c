/* SPDX-License-Identifier: MIT */
/*
 * Ingest, size and queries over synthetic streams: three mixes of events (tests/bench/support/stream.h). The rows of the
 * contract hold the worst mix; those with a mix in their name are beside them.
 *
 *   ingest [--quick | events per mix, default 10,000,000]     --quick: 1,000,000
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "collector/live_internal.h"
#include "collector/pipeline.h"
#include "collector/query.h"
#include "collector/store/store.h"
#include "tests/bench/support/stream.h"

struct figures {
	double order_ns, ingest_ns, events_per_s, bytes_per_event, cpu_ns, top20_ms, p99_ms,
		timeline_ms;
};

static double clock_of(clockid_t id)
{
	struct timespec t;

	clock_gettime(id, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* What a model would hand to the store at the end: totals of the tasks that are alive. */
struct totals {
	struct store *store;
	struct store_task *task;
	size_t room;
};

static void count(void *ctx, struct record *r, size_t n)
{
	struct totals *t = ctx;

	for (size_t i = 0; i < n; i++) {
		struct store_task *task = r[i].task < t->room ? &t->task[r[i].task] : NULL;

		if (!task)
			continue;
		task->id = r[i].task;
		if (r[i].kind == WEFT_K_TASK_POLL) {
			task->polls++;
			task->busy_ns += r[i].a;
			task->poll_max_ns = r[i].a > task->poll_max_ns ? r[i].a : task->poll_max_ns;
		} else if (r[i].kind == WEFT_K_TASK_WAKE) {
			task->wakes++;
		}
	}
}

static void run(const struct stream *s, const struct engine_consumer *consumer, struct store *store)
{
	struct pipeline_options options = { .consumer = consumer, .store = store };
	struct pipeline *pipeline = NULL;

	if (accounts_new(&options.accounts) || pipeline_new(&options, &pipeline))
		abort();
	for (const struct weft_ev *ev = stream_first(s); ev; ev = stream_next(s, ev)) {
		pipeline_event(pipeline, ev);
		if (ev->kind == WEFT_EV_WATERMARK && store)
			store_accounts(store, options.accounts, false);
	}
	pipeline_finish(pipeline, 0);
	accounts_settle(options.accounts);
	accounts_publish(options.accounts);
	if (store && store_finish(store, pipeline_now(pipeline), options.accounts))
		fprintf(stderr, "ingest: %s\n", store_error(store));
	pipeline_free(pipeline);
	accounts_free(options.accounts);
}

static void measure_store(const struct stream *s, const char *path, struct figures *f)
{
	struct store *store;
	struct stat st;
	double wall, cpu;

	if (store_open(path, 0, &store)) {
		fprintf(stderr, "ingest: %s: %s\n", path, store_error(NULL));
		exit(1);
	}
	wall = clock_of(CLOCK_MONOTONIC);
	cpu = clock_of(CLOCK_PROCESS_CPUTIME_ID);
	run(s, NULL, store);
	wall = clock_of(CLOCK_MONOTONIC) - wall;
	f->ingest_ns = (clock_of(CLOCK_PROCESS_CPUTIME_ID) - cpu) * 1e9 / (double)s->records;
	f->events_per_s = (double)s->records / wall;
	store_close(store);
	f->bytes_per_event = stat(path, &st) ? 0 : (double)st.st_size / (double)s->records;
}

/* ---- the whole way, with the model and the detectors ---- */

static void feed(void *ctx, struct record *r, size_t n)
{
	live_feed(ctx, r, n);
}

static void tick(void *ctx, uint64_t now_ns, bool idle)
{
	(void)idle;
	live_tick(ctx, now_ns);
}

static void measure_all(const struct stream *s, const char *path, struct figures *f)
{
	struct live_options options = { 0 };
	struct live *live = NULL;
	struct store *store = NULL;
	struct engine_consumer consumer = { .batch = feed, .tick = tick };
	double cpu;

	if (live_make(&options, &live) || store_open(path, 0, &store))
		abort();
	consumer.ctx = live;
	cpu = clock_of(CLOCK_PROCESS_CPUTIME_ID);
	run(s, &consumer, store);
	f->cpu_ns = (clock_of(CLOCK_PROCESS_CPUTIME_ID) - cpu) * 1e9 / (double)s->records;
	store_close(store);
	live_close(live);
}

/* ---- queries ---- */

static int ignore(void *ctx, int n, const char *const *columns, const struct query_value *values)
{
	(void)n;
	(void)columns;
	*(unsigned *)ctx += values != NULL;
	return 0;
}

/* Best of three: the file is warm. */
static double ask(struct query *q, const char *sql)
{
	double best = 1e9;

	for (int i = 0; i < 3; i++) {
		unsigned rows = 0;
		double t = clock_of(CLOCK_MONOTONIC);

		if (query_run(q, sql, ignore, &rows) || !rows) {
			fprintf(stderr, "ingest: %s: %s\n", sql,
				query_error(q)[0] ? query_error(q) : "no rows");
			exit(1);
		}
		t = (clock_of(CLOCK_MONOTONIC) - t) * 1e3;
		best = t < best ? t : best;
	}
	return best;
}

static void measure_queries(const struct stream *s, const char *path, struct figures *f)
{
	char timeline[200];
	struct query *q;
	struct totals totals = { .room = 4000000 };
	struct engine_consumer consumer = { .batch = count, .ctx = &totals };

	totals.task = calloc(totals.room, sizeof(*totals.task));
	if (!totals.task || store_open(path, 0, &totals.store))
		abort();
	run(s, &consumer, NULL);
	for (size_t i = 1; i < totals.room; i++) {
		struct store_task *t = &totals.task[i];

		if (t->polls < 3)
			continue;
		t->end_ns = UINT64_MAX;
		t->name = "task";
		t->location = "bench.c:1";
		store_put_task(totals.store, t);
	}
	run(s, NULL, totals.store);
	store_close(totals.store);
	free(totals.task);
	if (query_open(path, &q, NULL)) {
		fprintf(stderr, "ingest: %s\n", query_error(NULL));
		exit(1);
	}
	snprintf(timeline, sizeof(timeline),
		 "SELECT t_ns, kind, worker, dur_ns, delay_ns FROM events WHERE task = %llu",
		 (unsigned long long)s->task);
	f->top20_ms =
		ask(q,
		    "SELECT task, name, polls, busy_ns FROM tasks ORDER BY busy_ns DESC LIMIT 20");
	f->p99_ms = ask(q, query_find("p99-by-type")->sql);
	f->timeline_ms = ask(q, timeline);
	query_close(q);
}

static void measure(enum stream_mix mix, uint64_t records, const char *path, struct figures *f)
{
	struct stream s;
	double cpu;

	stream_make(&s, mix, records);
	cpu = clock_of(CLOCK_PROCESS_CPUTIME_ID);
	run(&s, NULL, NULL);
	f->order_ns = (clock_of(CLOCK_PROCESS_CPUTIME_ID) - cpu) * 1e9 / (double)s.records;
	measure_store(&s, path, f);
	measure_all(&s, path, f);
	measure_queries(&s, path, f);
	stream_free(&s);
	unlink(path);
}

static void say(enum stream_mix mix, const char *what, double value, const char *unit)
{
	char name[64];

	snprintf(name, sizeof(name), "%s.%s", what, stream_name(mix));
	printf("%s %.4g %s\n", name, value, unit);
	fflush(stdout);
}

static void keep_worst(struct figures *worst, const struct figures *f, bool first)
{
	if (first || f->events_per_s < worst->events_per_s)
		worst->events_per_s = f->events_per_s;
	if (first || f->bytes_per_event > worst->bytes_per_event)
		worst->bytes_per_event = f->bytes_per_event;
	if (first || f->cpu_ns > worst->cpu_ns)
		worst->cpu_ns = f->cpu_ns;
	if (first || f->top20_ms > worst->top20_ms)
		worst->top20_ms = f->top20_ms;
	if (first || f->p99_ms > worst->p99_ms)
		worst->p99_ms = f->p99_ms;
	if (first || f->timeline_ms > worst->timeline_ms)
		worst->timeline_ms = f->timeline_ms;
}

int main(int argc, char **argv)
{
	bool quick = argc > 1 && strcmp(argv[1], "--quick") == 0;
	uint64_t records = quick ? 1000000 : argc > 1 ? strtoull(argv[1], NULL, 10) : 10000000;
	struct figures worst = { 0 };
	char path[64];

	snprintf(path, sizeof(path), "/tmp/weft-ingest-%d.db", (int)getpid());
	for (int mix = 0; mix < STREAM_MIXES; mix++) {
		struct figures f = { 0 };

		measure((enum stream_mix)mix, records, path, &f);
		say(mix, "ingest.order_ns", f.order_ns, "ns/event");
		say(mix, "ingest.store_ns", f.ingest_ns, "ns/event");
		say(mix, "ingest.all_ns", f.cpu_ns, "ns/event");
		say(mix, "ingest.events_per_s", f.events_per_s, "1/s");
		say(mix, "store.bytes_per_event", f.bytes_per_event, "bytes");
		say(mix, "query.top20_ms", f.top20_ms, "ms");
		say(mix, "query.p99_ms", f.p99_ms, "ms");
		say(mix, "query.timeline_ms", f.timeline_ms, "ms");
		keep_worst(&worst, &f, mix == 0);
	}
	printf("ingest.events_per_s %.4g 1/s\n", worst.events_per_s);
	printf("ingest.cpu_at_2M %.4g %%\n", worst.cpu_ns * 2e6 / 1e9 * 100);
	printf("store.bytes_per_event %.4g bytes\n", worst.bytes_per_event);
	printf("query.top20_ms %.4g ms\n", worst.top20_ms);
	printf("query.p99_ms %.4g ms\n", worst.p99_ms);
	printf("query.timeline_ms %.4g ms\n", worst.timeline_ms);
	return 0;
}
