/* SPDX-License-Identifier: MIT */
/*
 * Live input. The drain thread copies what the session delivers into blocks and hands full or waiting
 * blocks to the engine thread through a bounded queue; it does no I/O and takes one lock per block. When the queue is full, batches
 * are dropped and counted. Session events are few and have room of their own: without the last COUNTS nothing could be settled.
 *
 * Memory order: everything shared is under `lock`. A block belongs to whoever took it off the queue.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "collector/input.h"

#define BLOCK_BYTES   (256u << 10)
#define DEFAULT_QUEUE ((size_t)128 << 20)
#define MAX_EVENT     (64u << 10)
#define EXTRA_BLOCKS  16 /* beyond the bound, for session events */
#define MAX_WANTS     64
#define MIN_NAP_NS    1000000u
#define MAX_NAP_NS    5000000u
#define BUSY_EVENTS   64 /* a drain that delivered this many is followed by another 1 ms later */

struct block {
	struct block *next;
	size_t used;
	uint64_t bytes[BLOCK_BYTES / 8];
};

struct drop {
	uint32_t process, kind;
	uint64_t n;
};

struct input_ring {
	struct input in;
	struct session *session;
	const struct engine_session_ops *ops;
	size_t max_blocks;
	pthread_t thread;
	struct block *filling; /* drain thread only */
	bool crowded; /* drain thread only: `filling` is beyond the bound, not for batches */

	pthread_mutex_t lock; /* everything below */
	pthread_cond_t filled, asked;
	struct block *first, **last, *spare;
	size_t blocks; /* queued */
	struct session_want want[MAX_WANTS];
	unsigned wants;
	struct drop drop[256];
	unsigned drops;
	bool stop, ended;
	int rc; /* of the session */
};

static const struct engine_session_ops session_functions = {
	.drain = session_drain,
	.finish = session_finish,
	.request = session_request,
	.alive = session_alive,
};

/* ---- drain thread ---- */

static struct block *new_block(struct input_ring *r)
{
	struct block *b = NULL;

	pthread_mutex_lock(&r->lock);
	if (r->spare) {
		b = r->spare;
		r->spare = b->next;
	}
	pthread_mutex_unlock(&r->lock);
	if (!b)
		b = malloc(sizeof(*b));
	if (b) {
		b->next = NULL;
		b->used = 0;
	}
	return b;
}

/* Returns false while the queue has no room: the block stays with the drain thread. */
static bool push_block(struct input_ring *r, size_t extra)
{
	struct block *b = r->filling;
	bool room;

	if (!b || !b->used)
		return true;
	pthread_mutex_lock(&r->lock);
	room = r->blocks < r->max_blocks + extra;
	if (room) {
		*r->last = b;
		r->last = &b->next;
		r->blocks++;
		r->filling = NULL;
		r->crowded = r->blocks >= r->max_blocks;
		pthread_cond_signal(&r->filled);
	}
	pthread_mutex_unlock(&r->lock);
	return room;
}

static void count_drop(struct input_ring *r, const struct weft_ev *ev)
{
	unsigned i;

	pthread_mutex_lock(&r->lock);
	for (i = 0; i < r->drops; i++)
		if (r->drop[i].process == ev->process && r->drop[i].kind == ev->kind)
			break;
	if (i == r->drops && r->drops < sizeof(r->drop) / sizeof(r->drop[0]))
		r->drop[r->drops++] = (struct drop){ ev->process, ev->kind, 0 };
	if (i < r->drops)
		r->drop[i].n++;
	pthread_mutex_unlock(&r->lock);
}

static bool still_crowded(struct input_ring *r)
{
	pthread_mutex_lock(&r->lock);
	r->crowded = r->blocks >= r->max_blocks;
	pthread_mutex_unlock(&r->lock);
	return r->crowded;
}

static void take(void *ctx, const struct weft_ev *ev)
{
	struct input_ring *r = ctx;
	/* The crash tail is what nobody can tell again. */
	bool batch = ev->kind == WEFT_EV_BATCH && !(ev->flags & WEFT_EVF_TAIL);

	if (ev->size < sizeof(*ev) || ev->size > MAX_EVENT) {
		count_drop(r, ev);
		return;
	}
	if (batch && r->crowded && still_crowded(r)) {
		count_drop(r, ev);
		return;
	}
	if (r->filling && r->filling->used + ev->size > BLOCK_BYTES &&
	    !push_block(r, batch ? 0 : EXTRA_BLOCKS)) {
		count_drop(r, ev);
		return;
	}
	if (!r->filling)
		r->filling = new_block(r);
	if (!r->filling) {
		count_drop(r, ev);
		return;
	}
	memcpy((char *)r->filling->bytes + r->filling->used, ev, ev->size);
	r->filling->used += (ev->size + 7) & ~7u;
}

static void ask_session(struct input_ring *r)
{
	struct session_want want[MAX_WANTS];
	unsigned n;

	pthread_mutex_lock(&r->lock);
	n = r->wants;
	memcpy(want, r->want, n * sizeof(want[0]));
	r->wants = 0;
	pthread_mutex_unlock(&r->lock);
	for (unsigned i = 0; i < n; i++)
		r->ops->request(r->session, &want[i]);
}

/* Sleeps until the next drain, or until somebody wants something. Returns true when it is time to end. */
static bool nap(struct input_ring *r, unsigned ns)
{
	struct timespec until;
	bool stop;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_nsec += ns;
	if (until.tv_nsec >= 1000000000) {
		until.tv_nsec -= 1000000000;
		until.tv_sec++;
	}
	pthread_mutex_lock(&r->lock);
	while (!r->stop && !r->wants &&
	       pthread_cond_timedwait(&r->asked, &r->lock, &until) != ETIMEDOUT)
		;
	stop = r->stop;
	pthread_mutex_unlock(&r->lock);
	return stop;
}

static void end_of_drain(struct input_ring *r, int rc)
{
	int last = r->ops->finish(r->session, take, r);
	struct timespec wait = { .tv_nsec = MIN_NAP_NS };

	while (!push_block(r, EXTRA_BLOCKS)) /* the engine thread is still taking blocks off */
		nanosleep(&wait, NULL);
	pthread_mutex_lock(&r->lock);
	r->rc = rc < 0 ? rc : last < 0 ? last : 0;
	r->ended = true;
	pthread_cond_broadcast(&r->filled);
	pthread_mutex_unlock(&r->lock);
}

static void *drain_main(void *arg)
{
	struct input_ring *r = arg;
	unsigned ns = MIN_NAP_NS;
	int n;

	pthread_setname_np(pthread_self(), "weft-drain");
	do {
		ask_session(r);
		n = r->ops->drain(r->session, take, r);
		push_block(r, 0);
		ns = n >= BUSY_EVENTS ? MIN_NAP_NS : ns * 2 < MAX_NAP_NS ? ns * 2 : MAX_NAP_NS;
	} while (n >= 0 && r->ops->alive(r->session) && !nap(r, ns));
	end_of_drain(r, n);
	return NULL;
}

/* ---- engine thread ---- */

static struct block *pop_block(struct input_ring *r, int timeout_ms, bool *ret_ended,
			       bool *ret_more)
{
	struct timespec until;
	struct block *b;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_nsec += timeout_ms * 1000000l;
	until.tv_sec += until.tv_nsec / 1000000000;
	until.tv_nsec %= 1000000000;
	pthread_mutex_lock(&r->lock);
	while (!r->first && !r->ended &&
	       pthread_cond_timedwait(&r->filled, &r->lock, &until) != ETIMEDOUT)
		;
	b = r->first;
	if (b) {
		r->first = b->next;
		r->blocks--;
		if (!r->first)
			r->last = &r->first;
	}
	*ret_ended = r->ended;
	*ret_more = r->first != NULL;
	pthread_mutex_unlock(&r->lock);
	return b;
}

static int ring_feed(struct input *in, struct pipeline *p, int timeout_ms)
{
	struct input_ring *r = (struct input_ring *)in;
	bool ended, more;
	struct block *b = pop_block(r, timeout_ms, &ended, &more);
	int n = 0;

	if (!b)
		return ended ? -ENODATA : 0;
	pipeline_idle(p, !more);
	for (size_t at = 0; at < b->used; n++) {
		const struct weft_ev *ev = (const struct weft_ev *)((const char *)b->bytes + at);

		at += (ev->size + 7) & ~7u;
		pipeline_event(p, ev);
	}
	pthread_mutex_lock(&r->lock);
	b->next = r->spare;
	r->spare = b;
	pthread_mutex_unlock(&r->lock);
	return n;
}

static int ring_request(struct input *in, const struct session_want *want)
{
	struct input_ring *r = (struct input_ring *)in;
	int rc = 0;

	pthread_mutex_lock(&r->lock);
	if (r->ended)
		rc = -ESRCH;
	else if (r->wants == MAX_WANTS)
		rc = -EAGAIN;
	else
		r->want[r->wants++] = *want;
	pthread_cond_signal(&r->asked);
	pthread_mutex_unlock(&r->lock);
	return rc;
}

static void ring_stop(struct input *in)
{
	struct input_ring *r = (struct input_ring *)in;

	pthread_mutex_lock(&r->lock);
	r->stop = true;
	pthread_cond_signal(&r->asked);
	pthread_mutex_unlock(&r->lock);
}

static void ring_control(struct input *in, bool paused, double speed)
{
	(void)in;
	(void)paused;
	(void)speed;
}

/* A dropped batch leaves a hole in its lane, which decode has found; the flat ones are known only here. */
static void ring_settle(struct input *in, struct accounts *a)
{
	struct input_ring *r = (struct input_ring *)in;

	pthread_mutex_lock(&r->lock);
	for (unsigned i = 0; i < r->drops; i++) {
		struct account_process *p = accounts_of(a, r->drop[i].process);

		if (p && r->drop[i].kind < WEFT_EV_KINDS)
			p->dropped[r->drop[i].kind] = r->drop[i].n;
	}
	pthread_mutex_unlock(&r->lock);
}

static struct block *free_blocks(struct block *b)
{
	while (b) {
		struct block *next = b->next;

		free(b);
		b = next;
	}
	return NULL;
}

static struct input *ring_close(struct input *in)
{
	struct input_ring *r = (struct input_ring *)in;

	if (!r)
		return NULL;
	ring_stop(in);
	pthread_join(r->thread, NULL);
	free_blocks(r->first);
	free_blocks(r->spare);
	free(r->filling);
	pthread_cond_destroy(&r->filled);
	pthread_cond_destroy(&r->asked);
	pthread_mutex_destroy(&r->lock);
	free(r);
	return NULL;
}

static const char *ring_error(const struct input *in)
{
	(void)in;
	return "the session ended with an error";
}

static const struct input_ops ring_ops = {
	.feed = ring_feed,
	.request = ring_request,
	.stop = ring_stop,
	.control = ring_control,
	.settle = ring_settle,
	.close = ring_close,
	.error = ring_error,
};

int input_ring_open(struct session *session, const struct engine_session_ops *ops,
		    size_t queue_bytes, struct input **ret)
{
	struct input_ring *r = calloc(1, sizeof(*r));
	pthread_condattr_t attr;
	int rc;

	if (!r)
		return -ENOMEM;
	r->in.ops = &ring_ops;
	r->session = session;
	r->ops = ops ? ops : &session_functions;
	r->max_blocks = (queue_bytes ? queue_bytes : DEFAULT_QUEUE) / BLOCK_BYTES;
	if (r->max_blocks < 2)
		r->max_blocks = 2;
	r->last = &r->first;
	pthread_mutex_init(&r->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&r->filled, &attr);
	pthread_cond_init(&r->asked, &attr);
	pthread_condattr_destroy(&attr);
	rc = pthread_create(&r->thread, NULL, drain_main, r);
	if (rc) {
		free(r);
		return -rc;
	}
	*ret = &r->in;
	return 0;
}
