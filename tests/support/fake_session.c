/* SPDX-License-Identifier: MIT */
#include "tests/support/fake_session.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>

struct fake {
	const struct synth *synth;
	size_t next, slice;
	bool stay;
	pthread_mutex_t lock; /* wants: asked on the drain thread, looked at by the test's */
	unsigned wants;
	struct session_want last;
};

static struct fake *fake_of(const struct session *s)
{
	return (struct fake *)s;
}

struct session *fake_session_new(const struct synth *synth, size_t slice, bool stay)
{
	struct fake *f = calloc(1, sizeof(*f));

	assert(f);
	*f = (struct fake){ .synth = synth, .slice = slice, .stay = stay };
	pthread_mutex_init(&f->lock, NULL);
	return (struct session *)f;
}

struct session *fake_session_free(struct session *s)
{
	if (s)
		pthread_mutex_destroy(&fake_of(s)->lock);
	free(s);
	return NULL;
}

unsigned fake_session_wants(const struct session *s, struct session_want *last)
{
	struct fake *f = fake_of(s);
	unsigned n;

	pthread_mutex_lock(&f->lock);
	n = f->wants;
	if (last)
		*last = f->last;
	pthread_mutex_unlock(&f->lock);
	return n;
}

static int deliver(struct fake *f, size_t n, session_sink sink, void *ctx)
{
	size_t i = 0;

	for (; i < n && f->next < synth_count(f->synth); i++)
		sink(ctx, synth_at(f->synth, f->next++));
	return (int)i;
}

static int fake_drain(struct session *s, session_sink sink, void *ctx)
{
	return deliver(fake_of(s), fake_of(s)->slice, sink, ctx);
}

static int fake_finish(struct session *s, session_sink sink, void *ctx)
{
	return deliver(fake_of(s), SIZE_MAX, sink, ctx);
}

static int fake_request(struct session *s, const struct session_want *want)
{
	struct fake *f = fake_of(s);

	pthread_mutex_lock(&f->lock);
	f->wants++;
	f->last = *want;
	pthread_mutex_unlock(&f->lock);
	return 0;
}

static bool fake_alive(const struct session *s)
{
	const struct fake *f = fake_of(s);

	return f->stay || f->next < synth_count(f->synth);
}

const struct engine_session_ops fake_session_ops = {
	.drain = fake_drain,
	.finish = fake_finish,
	.request = fake_request,
	.alive = fake_alive,
};
