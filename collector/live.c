/* SPDX-License-Identifier: MIT */
/*
 * The consumer of the engine: model and detectors, under one lock per batch. The engine's thread is the
 * only writer; everything else asks under the same lock.
 */
#include "collector/live.h"
#include "collector/live_internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "collector/store/store.h"

#define WAIT_STEP_MS 50

static char open_error[256]; /* of the last failed open; under open_lock */
static pthread_mutex_t open_lock = PTHREAD_MUTEX_INITIALIZER;

static int fail_open(struct live *l, int rc, const char *why)
{
	pthread_mutex_lock(&open_lock);
	snprintf(open_error, sizeof(open_error), "%s", why && *why ? why : strerror(-rc));
	pthread_mutex_unlock(&open_lock);
	live_close(l);
	return rc;
}

const char *live_error(const struct live *l)
{
	return l ? l->error : open_error;
}

/* ---- the consumer: engine thread ---- */

static struct store *store_of(struct live *l)
{
	return l->engine ? engine_store(l->engine) : NULL;
}

static void consume_batch(void *ctx, struct record *records, size_t n)
{
	struct live *l = ctx;

	pthread_mutex_lock(&l->lock);
	live_feed(l, records, n);
	pthread_mutex_unlock(&l->lock);
}

void live_feed(struct live *l, struct record *records, size_t n)
{
	struct store *s = store_of(l);

	model_apply_all(l->model, records, n);
	for (size_t i = 0; s && i < n; i++)
		if (records[i].kind == WEFT_K_TASK_END)
			live_store_record(l, s, &records[i]);
		else if (records[i].flags & RECORD_LATE)
			live_store_late(l, s, &records[i]);
}

/* Lost share of all produced. */
static void look_at_accounts(struct live *l)
{
	struct engine_account rows[512];
	uint64_t produced = 0, lost = 0;
	int n;

	if (!l->engine)
		return;
	n = engine_accounts(l->engine, rows, 512);
	for (int i = 0; i < n && i < 512; i++) {
		produced += rows[i].produced;
		lost += rows[i].lost;
	}
	l->lost = produced ? (double)lost / (double)produced : 0;
}

void live_tick(struct live *l, uint64_t now_ns)
{
	struct store *s = store_of(l);

	model_tick(l->model, now_ns);
	if (model_now(l->model) / 1000000000 != l->account_second) {
		l->account_second = model_now(l->model) / 1000000000;
		look_at_accounts(l);
	}
	detect_tick(l->detect, model_now(l->model), l->lost);
	if (s)
		live_store_tick(l, s);
	pthread_cond_broadcast(&l->moved);
}

static void consume_tick(void *ctx, uint64_t now_ns, bool idle)
{
	struct live *l = ctx;

	(void)idle;
	pthread_mutex_lock(&l->lock);
	live_tick(l, now_ns);
	pthread_mutex_unlock(&l->lock);
}

static void consume_end(void *ctx)
{
	struct live *l = ctx;
	struct store *s;

	pthread_mutex_lock(&l->lock);
	/* The last word of the targets: much that was lost is known only now. */
	look_at_accounts(l);
	detect_lost(l->detect, l->lost);
	s = store_of(l);
	if (s)
		live_store_end(l, s);
	pthread_cond_broadcast(&l->moved);
	pthread_mutex_unlock(&l->lock);
}

static void want(void *ctx, const struct session_want *w)
{
	struct live *l = ctx;

	if (l->engine)
		engine_request(l->engine, w);
}

static void finding_row(void *ctx, const struct live_finding *f)
{
	struct live *l = ctx;
	struct store *s = store_of(l);

	if (s)
		live_store_finding(l, s, f);
}

/* ---- life ---- */

static int make_parts(struct live *l, const struct live_options *options)
{
	struct detect_options detect = { .only = options->only,
					 .ignore = options->ignore,
					 .thresholds = options->thresholds,
					 .want = want,
					 .row = finding_row,
					 .ctx = l };
	int rc = model_new(&l->model);

	return rc ? rc : detect_new(l->model, &detect, &l->detect, l->error, sizeof(l->error));
}

int live_make(const struct live_options *options, struct live **ret)
{
	struct live *l = calloc(1, sizeof(*l));
	pthread_condattr_t attr;
	int rc;

	if (!l)
		return fail_open(NULL, -ENOMEM, NULL);
	pthread_mutex_init(&l->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&l->moved, &attr);
	pthread_condattr_destroy(&attr);
	l->replay = !options->session;
	rc = make_parts(l, options);
	if (rc)
		return fail_open(l, rc, l->error);
	*ret = l;
	return 0;
}

int live_open(const struct live_options *options, struct live **ret)
{
	struct engine_options engine = { .session = options->session,
					 .replay_path = options->replay_path,
					 .replay_speed = options->replay_speed,
					 .store_path = options->store_path,
					 .max_bytes = options->max_bytes };
	struct engine_consumer consumer = { .batch = consume_batch,
					    .tick = consume_tick,
					    .end = consume_end };
	struct live *l;
	int rc = live_make(options, &l);

	if (rc)
		return rc;
	consumer.ctx = l;
	/* The engine's thread calls back before engine_open returns: it waits here until `engine` is set. */
	pthread_mutex_lock(&l->lock);
	rc = engine_open(&engine, &consumer, &l->engine);
	if (rc)
		l->engine = NULL;
	pthread_mutex_unlock(&l->lock);
	if (rc)
		return fail_open(l, rc, engine_error(NULL));
	*ret = l;
	return 0;
}

int live_stop(struct live *l)
{
	int rc;

	if (l->stopped || !l->engine)
		return 0;
	rc = engine_stop(l->engine);
	l->stopped = true;
	if (rc)
		snprintf(l->error, sizeof(l->error), "%s", engine_error(l->engine));
	return rc;
}

struct live *live_close(struct live *l)
{
	if (!l)
		return NULL;
	live_stop(l);
	if (l->engine)
		engine_close(l->engine);
	detect_free(l->detect);
	model_free(l->model);
	live_tasks_done(l);
	pthread_cond_destroy(&l->moved);
	pthread_mutex_destroy(&l->lock);
	free(l);
	return NULL;
}

bool live_done(struct live *l)
{
	return !l->engine || engine_done(l->engine);
}

bool live_failed(struct live *l)
{
	return l->engine && engine_failed(l->engine);
}

static struct timespec time_in(int ms)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	t.tv_sec += ms / 1000;
	t.tv_nsec += ms % 1000 * 1000000L;
	if (t.tv_nsec >= 1000000000L) {
		t.tv_sec++;
		t.tv_nsec -= 1000000000L;
	}
	return t;
}

static bool is_before(const struct timespec *a, const struct timespec *b)
{
	return a->tv_sec != b->tv_sec ? a->tv_sec < b->tv_sec : a->tv_nsec < b->tv_nsec;
}

int live_wait(struct live *l, uint64_t t_ns, int timeout_ms)
{
	struct timespec until = time_in(timeout_ms > 0 ? timeout_ms : 0), now, step;
	uint64_t version;

	pthread_mutex_lock(&l->lock);
	version = detect_version(l->detect);
	while (model_now(l->model) < t_ns && version == detect_version(l->detect) &&
	       !live_done(l)) {
		clock_gettime(CLOCK_MONOTONIC, &now);
		if (!is_before(&now, &until))
			break;
		/* The end of the input wakes nobody: look for it between short waits. */
		step = time_in(WAIT_STEP_MS);
		pthread_cond_timedwait(&l->moved, &l->lock,
				       is_before(&step, &until) ? &step : &until);
	}
	pthread_mutex_unlock(&l->lock);
	return 0;
}

int live_request(struct live *l, const struct session_want *w)
{
	return l->engine ? engine_request(l->engine, w) : -ENOTCONN;
}

void live_replay_control(struct live *l, bool paused, double speed)
{
	if (!l->replay || !l->engine)
		return;
	pthread_mutex_lock(&l->lock);
	l->paused = paused;
	pthread_mutex_unlock(&l->lock);
	engine_replay_control(l->engine, paused, speed);
}
