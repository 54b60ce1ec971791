/* SPDX-License-Identifier: MIT */
/*
 * Ingest, size and queries over synthetic streams: three mixes of events (tests/bench/support/stream.h). The rows of the
 * contract hold the worst mix; those with a mix in their name are beside them. Medians of rounds; CPU time is that of the
 * process, so the writer's thread counts.
 *
 *   ingest.events_per_s   records in order into columns and into the file, until it is closed; wall time
 *   ingest.events_per_cpu_s  the same over the CPU time of the busier of the two threads: what it is with two CPUs to itself
 *   ingest.cpu_at_2M      the whole way: decode, order, model, detectors, rows, store; CPU time
 *   store.bytes_per_event the file with its events and sums; store.rows_bytes_per_event: with a row for each task besides
 *   query.*               of a file made the whole way, warm
 *
 *   ingest [--quick] [--mix NAME] [--only order|encode|all|query] [--rounds N] [events per mix, default 10,000,000]
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
#include "tests/bench/support/row.h"
#include "tests/bench/support/stream.h"

#define BATCH   512
#define TICK_NS 50000000ull

enum figure {
	ORDER_NS,
	ENCODE_NS,
	ALL_NS,
	WRITER_NS,
	EVENTS_PER_S,
	EVENTS_PER_CPU_S,
	BYTES,
	ROWS_BYTES,
	TOP20_MS,
	P99_MS,
	TIMELINE_MS,
	FIGURES
};

static const struct {
	const char *name, *unit, *worst; /* worst: the row over all mixes */
	const char *stage;
	bool more; /* is better */
} figures[FIGURES] = {
	[ORDER_NS] = { "ingest.order_ns", "ns/event", NULL, "order", false },
	[ENCODE_NS] = { "ingest.store_ns", "ns/event", NULL, "encode", false },
	[ALL_NS] = { "ingest.all_ns", "ns/event", "ingest.cpu_at_2M", "all", false },
	[WRITER_NS] = { "ingest.writer_ns", "ns/event", NULL, "all", false },
	[EVENTS_PER_S] = { "ingest.events_per_s", "1/s", "ingest.events_per_s", "encode", true },
	[EVENTS_PER_CPU_S] = { "ingest.events_per_cpu_s", "1/s", "ingest.events_per_cpu_s",
			       "encode", true },
	[BYTES] = { "store.bytes_per_event", "bytes", "store.bytes_per_event", "encode", false },
	[ROWS_BYTES] = { "store.rows_bytes_per_event", "bytes", NULL, "all", false },
	[TOP20_MS] = { "query.top20_ms", "ms", "query.top20_ms", "query", false },
	[P99_MS] = { "query.p99_ms", "ms", "query.p99_ms", "query", false },
	[TIMELINE_MS] = { "query.timeline_ms", "ms", "query.timeline_ms", "query", false },
};

struct bench {
	struct stream stream;
	struct record *records; /* in order, those of columns */
	size_t nrecords;
	char path[256];
	const char *only;
	unsigned rounds;
	double value[FIGURES][ROW_ROUNDS_MAX];
};

static double clock_of(clockid_t id)
{
	struct timespec t;

	clock_gettime(id, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static double per_event(const struct bench *b, double seconds)
{
	return seconds * 1e9 / (double)b->stream.records;
}

static struct store *create(const struct bench *b)
{
	struct store *store;

	if (store_open(b->path, 0, &store)) {
		fprintf(stderr, "ingest: %s: %s\n", b->path, store_error(NULL));
		exit(1);
	}
	return store;
}

static double file_bytes(const struct bench *b)
{
	struct stat st;

	return stat(b->path, &st) ? 0 : (double)st.st_size / (double)b->stream.records;
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

/* ---- decode and order ---- */

static void measure_order(struct bench *b, unsigned round)
{
	double cpu = clock_of(CLOCK_PROCESS_CPUTIME_ID);

	run(&b->stream, NULL, NULL);
	b->value[ORDER_NS][round] = per_event(b, clock_of(CLOCK_PROCESS_CPUTIME_ID) - cpu);
}

/* ---- encode and insert ---- */

static void keep(void *ctx, struct record *r, size_t n)
{
	struct bench *b = ctx;

	for (size_t i = 0; i < n; i++)
		if (!r[i].ev && b->nrecords < b->stream.records)
			b->records[b->nrecords++] = r[i];
}

static void capture(struct bench *b)
{
	const struct engine_consumer consumer = { .batch = keep, .ctx = b };

	b->nrecords = 0;
	b->records = malloc(b->stream.records * sizeof(*b->records));
	if (!b->records)
		abort();
	run(&b->stream, &consumer, NULL);
}

static void put_all(const struct bench *b, struct store *store)
{
	uint64_t tick = TICK_NS;

	for (size_t i = 0, n; i < b->nrecords; i += n) {
		if (b->records[i].t_ns >= tick) {
			store_tick(store, tick);
			tick += TICK_NS;
		}
		for (n = 0; n < BATCH && i + n < b->nrecords && b->records[i + n].t_ns < tick; n++)
			;
		store_put_all(store, b->records + i, n);
		store_cut(store);
	}
}

static void measure_encode(struct bench *b, unsigned round)
{
	struct store *store = create(b);
	double wall = clock_of(CLOCK_MONOTONIC), cpu = clock_of(CLOCK_PROCESS_CPUTIME_ID),
	       own = clock_of(CLOCK_THREAD_CPUTIME_ID);

	put_all(b, store);
	if (store_close(store))
		fprintf(stderr, "ingest: writing failed\n");
	b->value[EVENTS_PER_S][round] = (double)b->nrecords / (clock_of(CLOCK_MONOTONIC) - wall);
	cpu = clock_of(CLOCK_PROCESS_CPUTIME_ID) - cpu;
	own = clock_of(CLOCK_THREAD_CPUTIME_ID) - own;
	b->value[ENCODE_NS][round] = per_event(b, cpu);
	b->value[EVENTS_PER_CPU_S][round] =
		(double)b->nrecords / (own > cpu - own ? own : cpu - own);
	b->value[BYTES][round] = file_bytes(b);
}

/* ---- the whole way, with the model, the detectors and their rows ---- */

struct whole {
	struct live *live;
	struct store *store;
};

static void feed(void *ctx, struct record *r, size_t n)
{
	struct whole *w = ctx;

	live_feed(w->live, r, n);
	for (size_t i = 0; i < n; i++)
		if (r[i].kind == WEFT_K_TASK_END)
			live_store_record(w->live, w->store, &r[i]);
}

static void tick(void *ctx, uint64_t now_ns, bool idle)
{
	struct whole *w = ctx;

	(void)idle;
	live_tick(w->live, now_ns);
	live_store_tick(w->live, w->store);
}

static void end(void *ctx)
{
	struct whole *w = ctx;

	live_store_end(w->live, w->store);
}

static void measure_all(struct bench *b, unsigned round)
{
	struct live_options options = { 0 };
	struct whole w = { 0 };
	struct engine_consumer consumer = { .batch = feed, .tick = tick, .end = end, .ctx = &w };
	double cpu, own;

	if (live_make(&options, &w.live))
		abort();
	w.store = create(b);
	cpu = clock_of(CLOCK_PROCESS_CPUTIME_ID);
	own = clock_of(CLOCK_THREAD_CPUTIME_ID);
	run(&b->stream, &consumer, w.store);
	cpu = clock_of(CLOCK_PROCESS_CPUTIME_ID) - cpu;
	own = clock_of(CLOCK_THREAD_CPUTIME_ID) - own;
	b->value[ALL_NS][round] = per_event(b, cpu);
	b->value[WRITER_NS][round] = per_event(b, cpu - own);
	store_close(w.store);
	live_close(w.live);
	b->value[ROWS_BYTES][round] = file_bytes(b);
}

/* ---- queries ---- */

static int ignore(void *ctx, int n, const char *const *columns, const struct query_value *values)
{
	(void)n;
	(void)columns;
	*(unsigned *)ctx += values != NULL;
	return 0;
}

static double ask(struct query *q, const char *sql)
{
	unsigned rows = 0;
	double t = clock_of(CLOCK_MONOTONIC);

	if (query_run(q, sql, ignore, &rows) || !rows) {
		fprintf(stderr, "ingest: %s: %s\n", sql,
			query_error(q)[0] ? query_error(q) : "no rows");
		exit(1);
	}
	return (clock_of(CLOCK_MONOTONIC) - t) * 1e3;
}

static void measure_queries(struct bench *b)
{
	char timeline[200];
	struct query *q;

	if (query_open(b->path, &q, NULL)) {
		fprintf(stderr, "ingest: %s\n", query_error(NULL));
		exit(1);
	}
	snprintf(timeline, sizeof(timeline),
		 "SELECT t_ns, kind, worker, dur_ns, delay_ns FROM events WHERE task = %llu",
		 (unsigned long long)b->stream.task);
	ask(q, timeline); /* the file is warm */
	for (unsigned i = 0; i < b->rounds; i++) {
		b->value[TOP20_MS][i] = ask(
			q,
			"SELECT task, name, polls, busy_ns FROM tasks ORDER BY busy_ns DESC LIMIT 20");
		b->value[P99_MS][i] = ask(q, query_find("p99-by-type")->sql);
		b->value[TIMELINE_MS][i] = ask(q, timeline);
	}
	query_close(q);
}

/* ---- the rounds ---- */

static bool wanted(const struct bench *b, const char *stage)
{
	return !b->only || !strcmp(b->only, stage);
}

static void measure(struct bench *b, enum stream_mix mix, uint64_t records)
{
	stream_make(&b->stream, mix, records);
	if (wanted(b, "encode"))
		capture(b);
	for (unsigned i = 0; i < b->rounds; i++) {
		if (wanted(b, "order"))
			measure_order(b, i);
		if (wanted(b, "encode"))
			measure_encode(b, i);
		if (wanted(b, "all"))
			measure_all(b, i);
	}
	if (b->only && !strcmp(b->only, "query"))
		measure_all(b, 0);
	if (wanted(b, "query"))
		measure_queries(b);
	free(b->records);
	b->records = NULL;
	stream_free(&b->stream);
	unlink(b->path);
}

static void say(struct bench *b, enum stream_mix mix, double *worst, bool first)
{
	for (int f = 0; f < FIGURES; f++) {
		double v = row_median(b->value[f], b->rounds);

		if (!wanted(b, figures[f].stage))
			continue;
		printf("%s.%s %.4g %s\n", figures[f].name, stream_name(mix), v, figures[f].unit);
		if (first || (figures[f].more ? v < worst[f] : v > worst[f]))
			worst[f] = v;
	}
	fflush(stdout);
}

static void say_worst(const struct bench *b, const double *worst)
{
	for (int f = 0; f < FIGURES; f++) {
		if (!figures[f].worst || !wanted(b, figures[f].stage))
			continue;
		if (f == ALL_NS)
			printf("%s %.4g %%\n", figures[f].worst, worst[f] * 2e6 / 1e9 * 100);
		else
			printf("%s %.4g %s\n", figures[f].worst, worst[f], figures[f].unit);
	}
}

int main(int argc, char **argv)
{
	static struct bench b = { .rounds = 5 };
	uint64_t records = 10000000;
	double worst[FIGURES] = { 0 };
	const char *only_mix = NULL, *dir = getenv("TMPDIR");
	bool first = true;

	for (int i = 1; i < argc; i++) {
		if (!strcmp(argv[i], "--quick")) {
			records = 1000000;
			b.rounds = 1;
		} else if (!strcmp(argv[i], "--mix") && i + 1 < argc) {
			only_mix = argv[++i];
		} else if (!strcmp(argv[i], "--only") && i + 1 < argc) {
			b.only = argv[++i];
		} else if (!strcmp(argv[i], "--rounds") && i + 1 < argc) {
			b.rounds = (unsigned)strtoul(argv[++i], NULL, 10) % ROW_ROUNDS_MAX;
		} else {
			records = strtoull(argv[i], NULL, 10);
		}
	}
	snprintf(b.path, sizeof(b.path), "%s/weft-ingest-%d.db", dir ? dir : "/tmp", (int)getpid());
	for (int mix = 0; mix < STREAM_MIXES; mix++) {
		if (only_mix && strcmp(only_mix, stream_name((enum stream_mix)mix)))
			continue;
		measure(&b, (enum stream_mix)mix, records);
		say(&b, (enum stream_mix)mix, worst, first);
		first = false;
	}
	say_worst(&b, worst);
	return 0;
}
