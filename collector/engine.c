/* SPDX-License-Identifier: MIT */
/*
 * The engine thread: feeds the pipeline from the input until its end, settles the accounts, closes the
 * store. Everything it shares with callers is under `lock`, or inside accounts and input, which have locks of their own.
 */
#include "collector/engine.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "collector/input.h"
#include "collector/pipeline.h"
#include "collector/store/store.h"

#define FEED_MS 20

struct engine {
	struct input *input;
	struct pipeline *pipeline; /* engine thread */
	struct accounts *accounts;
	struct store *store; /* engine thread */
	pthread_t thread;
	bool running, joined; /* owner's thread */

	pthread_mutex_t lock; /* everything below */
	bool done;
	int rc;
	char error[256];
};

static char open_error[256]; /* of the last failed open; under open_lock */
static pthread_mutex_t open_lock = PTHREAD_MUTEX_INITIALIZER;

static int fail_open(int rc, const char *what, const char *path, const char *why)
{
	pthread_mutex_lock(&open_lock);
	snprintf(open_error, sizeof(open_error), "%s%s%s: %s", what, path ? " " : "",
		 path ? path : "", why);
	pthread_mutex_unlock(&open_lock);
	return rc;
}

const char *engine_error(const struct engine *e)
{
	return e ? e->error : open_error;
}

const char *engine_kind_name(unsigned kind)
{
	return accounts_kind_name(kind);
}

static void keep_error(struct engine *e, int rc, const char *text)
{
	pthread_mutex_lock(&e->lock);
	if (!e->rc && rc) {
		e->rc = rc;
		snprintf(e->error, sizeof(e->error), "%s", text && *text ? text : strerror(-rc));
	}
	pthread_mutex_unlock(&e->lock);
}

static void close_store(struct engine *e)
{
	struct engine_account_error error[16];
	char text[256];
	int n = accounts_errors(e->accounts, error, 16), rc;

	if (!e->store)
		return;
	for (int i = 0; i < n && i < 16; i++)
		store_account_error(e->store, error[i].process, error[i].kind, error[i].text);
	store_accounts(e->store, e->accounts, true);
	rc = store_finish(e->store, pipeline_now(e->pipeline), e->accounts);
	snprintf(text, sizeof(text), "%s", store_error(e->store));
	keep_error(e, rc, text);
}

/* Told while it runs, so that whoever records only can stop. */
static void store_failed(struct engine *e)
{
	const char *text = store_error(e->store);

	if (*text)
		keep_error(e, -EIO, text);
}

static void *engine_main(void *arg)
{
	struct engine *e = arg;
	int n = 0;

	pthread_setname_np(pthread_self(), "weft-engine");
	while (n >= 0) {
		n = e->input->ops->feed(e->input, e->pipeline, FEED_MS);
		e->input->ops->settle(e->input, e->accounts);
		if (e->store)
			store_accounts(e->store, e->accounts, false);
		accounts_publish(e->accounts);
		if (e->store)
			store_failed(e);
	}
	if (n != -ENODATA)
		keep_error(e, n, e->input->ops->error(e->input));
	pipeline_finish(e->pipeline, e->input->end_ns);
	accounts_settle(e->accounts);
	accounts_publish(e->accounts);
	close_store(e);
	accounts_publish(e->accounts);
	pthread_mutex_lock(&e->lock);
	e->done = true;
	pthread_mutex_unlock(&e->lock);
	return NULL;
}

static int open_input(struct engine *e, const struct engine_options *options)
{
	char why[200] = "";
	int rc;

	if (options->session) {
		rc = input_ring_open(options->session, options->session_ops, options->queue_bytes,
				     &e->input);
		return rc ? fail_open(rc, "starting the drain thread", NULL, strerror(-rc)) : 0;
	}
	if (!options->replay_path)
		return fail_open(-EINVAL, "opening an engine", NULL,
				 "neither a session nor a recording was given");
	rc = input_recording_open(options->replay_path, options->replay_speed, &e->input, why,
				  sizeof(why));
	return rc ? fail_open(rc, "opening the recording", options->replay_path,
			      why[0] ? why : strerror(-rc))
		  : 0;
}

static int open_parts(struct engine *e, const struct engine_options *options,
		      const struct engine_consumer *consumer)
{
	struct pipeline_options pipeline = { .consumer = consumer };
	int rc = accounts_new(&e->accounts);

	if (rc)
		return fail_open(rc, "opening an engine", NULL, strerror(-rc));
	if (options->store_path) {
		rc = store_open(options->store_path, options->max_bytes, &e->store);
		if (rc)
			return fail_open(rc, "creating the recording", options->store_path,
					 store_error(NULL));
	}
	pipeline.store = e->store;
	pipeline.accounts = e->accounts;
	rc = pipeline_new(&pipeline, &e->pipeline);
	if (rc)
		return fail_open(rc, "opening an engine", NULL, strerror(-rc));
	return open_input(e, options);
}

int engine_open(const struct engine_options *options, const struct engine_consumer *consumer,
		struct engine **ret)
{
	struct engine *e = calloc(1, sizeof(*e));
	int rc;

	if (!e)
		return fail_open(-ENOMEM, "opening an engine", NULL, "out of memory");
	pthread_mutex_init(&e->lock, NULL);
	rc = open_parts(e, options, consumer);
	if (!rc) {
		rc = -pthread_create(&e->thread, NULL, engine_main, e);
		if (rc)
			fail_open(rc, "starting the engine thread", NULL, strerror(-rc));
		e->running = !rc;
	}
	if (rc) {
		engine_close(e);
		return rc;
	}
	*ret = e;
	return 0;
}

struct store *engine_store(struct engine *e)
{
	return e->store;
}

int engine_request(struct engine *e, const struct session_want *want)
{
	return e->input->ops->request(e->input, want);
}

int engine_stop(struct engine *e)
{
	if (e->running && !e->joined) {
		e->input->ops->stop(e->input);
		pthread_join(e->thread, NULL);
		e->joined = true;
	}
	return e->rc;
}

struct engine *engine_close(struct engine *e)
{
	if (!e)
		return NULL;
	engine_stop(e);
	if (e->input)
		e->input->ops->close(e->input);
	pipeline_free(e->pipeline);
	store_close(e->store);
	accounts_free(e->accounts);
	pthread_mutex_destroy(&e->lock);
	free(e);
	return NULL;
}

bool engine_done(struct engine *e)
{
	bool done;

	pthread_mutex_lock(&e->lock);
	done = e->done;
	pthread_mutex_unlock(&e->lock);
	return done;
}

bool engine_failed(struct engine *e)
{
	bool failed;

	pthread_mutex_lock(&e->lock);
	failed = e->rc != 0;
	pthread_mutex_unlock(&e->lock);
	return failed;
}

void engine_replay_control(struct engine *e, bool paused, double speed)
{
	e->input->ops->control(e->input, paused, speed);
}

int engine_accounts(struct engine *e, struct engine_account *rows, size_t max)
{
	return accounts_rows(e->accounts, rows, max);
}

int engine_account_errors(struct engine *e, struct engine_account_error *rows, size_t max)
{
	return accounts_errors(e->accounts, rows, max);
}
