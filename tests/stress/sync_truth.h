/* SPDX-License-Identifier: MIT */
/*
 * What must hold of locks and channels, counted beside them: one round's objects, and what each of its tasks
 * and threads notes when it enters, leaves, sends and receives. Included once, by stress_sync.c.
 */
#ifndef WEFT_SYNC_TRUTH_H
#define WEFT_SYNC_TRUTH_H

#include <stdio.h>
#include <stdlib.h>

#include "runtime/weft.h"

#define US            1000ull
#define MS            1000000ull
#define ROUND_LIMIT_S 90
#define ACTORS        24
#define STEPS         40
#define PERMITS       3
#define PARTIES       3
#define CHANNELS      3 /* capacities 1, 16, unbounded */
#define LISTENERS     3
#define FOREIGN       2
#define DRIVERS       2

struct channel {
	struct weft_mpsc_tx *tx;
	struct weft_mpsc_rx *rx;
	uint64_t accepted, accepted_sum, received, received_sum, refused; /* atomic */
};

struct round {
	struct weft_mutex mutex;
	struct weft_rwlock rwlock;
	struct weft_semaphore semaphore;
	struct weft_notify bell;
	struct weft_barrier barrier;
	struct weft_once once;
	struct channel channel[CHANNELS];
	struct weft_broadcast_tx *broadcast;
	struct weft_watch_tx *watch;
	uint64_t locked, lock_count, guarded; /* guarded: not atomic, the mutex has to do */
	uint64_t readers, writers;
	uint64_t out;
	uint64_t work, worked; /* for the bell: units announced and done */
	uint64_t generations, passes;
	uint64_t inits, initialised;
	uint64_t broadcasts, values;
	uint64_t oneshots, answers;
	bool stop;
};

static struct weft_runtime *rt;
static struct round *r;
static uint32_t seed;
static uint64_t operations;

static uint32_t next_random(uint32_t *x)
{
	*x ^= *x << 13;
	*x ^= *x >> 17;
	*x ^= *x << 5;
	return *x;
}

static void die(const char *what, long long value)
{
	fprintf(stderr, "stress_sync: seed %u: %s (%lld)\n", seed, what, value);
	abort();
}

static uint64_t add(uint64_t *word, uint64_t n)
{
	return __atomic_fetch_add(word, n, __ATOMIC_ACQ_REL);
}

static uint64_t get(const uint64_t *word)
{
	return __atomic_load_n(word, __ATOMIC_ACQUIRE);
}

static void must_be(const char *what, uint64_t value, uint64_t wanted)
{
	if (value != wanted)
		die(what, (long long)(value - wanted));
}

/* Inside each lock. */
static void mutex_enter(void)
{
	must_be("two in the mutex", add(&r->locked, 1), 0);
	r->guarded++;
	add(&r->lock_count, 1);
}

static void mutex_leave(void)
{
	add(&r->locked, (uint64_t)-1);
	if (weft_mutex_unlock(&r->mutex))
		die("unlock", 0);
}

static void read_enter(void)
{
	add(&r->readers, 1);
	must_be("writer beside a reader", get(&r->writers), 0);
}

static void read_leave(void)
{
	add(&r->readers, (uint64_t)-1);
	if (weft_rwlock_unlock_read(&r->rwlock))
		die("unlock_read", 0);
}

static void write_enter(void)
{
	must_be("two writers", add(&r->writers, 1), 0);
	must_be("reader beside a writer", get(&r->readers), 0);
}

static void write_leave(bool downgrade)
{
	add(&r->writers, (uint64_t)-1);
	if (downgrade ? weft_rwlock_downgrade(&r->rwlock) : weft_rwlock_unlock_write(&r->rwlock))
		die("unlock_write", downgrade);
	if (downgrade) {
		read_enter();
		read_leave();
	}
}

static void permits_enter(uint32_t n)
{
	if (add(&r->out, n) + n > PERMITS)
		die("permits out", (long long)get(&r->out));
}

static void permits_leave(uint32_t n)
{
	add(&r->out, 0 - (uint64_t)n);
	if (weft_semaphore_release(&r->semaphore, n))
		die("release", n);
}

static void sent(struct channel *c, int rc, uint64_t value)
{
	if (rc == 0) {
		add(&c->accepted, 1);
		add(&c->accepted_sum, value);
	} else if (rc == -EPIPE || rc == -EAGAIN || rc == -ETIMEDOUT || rc == -ECANCELED) {
		add(&c->refused, 1);
	} else {
		die("send", rc);
	}
}

static void received(struct channel *c, uint64_t value)
{
	add(&c->received, 1);
	add(&c->received_sum, value);
}

#endif
