/* SPDX-License-Identifier: MIT */
/*
 * Locks and bells that are freed by their last user: stress_last_user [SECONDS [SEED]], or WEFT_STRESS_SECONDS.
 * Tasks and threads go through the same objects and count themselves out under each lock; whoever comes last frees
 * it at once, while the one before may still be inside the unlock that handed it over. Bells are freed by whom
 * they wake. Stray wake-ups and time limits make tasks look at moments when nobody has woken them yet. To be run
 * under ThreadSanitizer or AddressSanitizer; without them freed memory is overwritten and a round that hangs, or
 * a lock that was let go twice, fails.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "runtime/weft.h"

#define US            1000ull
#define MS            1000000ull
#define ROUND_LIMIT_S 60
#define OBJECTS       64u
#define TASKS         4u
#define THREADS       2u

enum kind { MUTEX, RWLOCK, SEMAPHORE, BELL, KINDS };

struct object {
	union {
		struct weft_mutex mutex;
		struct weft_rwlock rwlock;
		struct weft_semaphore semaphore;
		struct weft_notify bell;
	};
	enum kind kind;
	uint32_t users; /* under the lock */
};

static struct object *object[OBJECTS];
static enum kind kind[OBJECTS]; /* apart: who is no user of a bell may not even look at it */
static struct weft_waker waker[TASKS];
static uint32_t seed, arrived;
static uint64_t freed;

static uint32_t next_random(uint32_t *x)
{
	*x ^= *x << 13;
	*x ^= *x >> 17;
	*x ^= *x << 5;
	return *x;
}

static void die(const char *what, int value)
{
	fprintf(stderr, "stress_last_user: seed %u: %s (%d)\n", seed, what, value);
	abort();
}

static void destroy(struct object *o)
{
	memset(o, 0xee, sizeof(*o));
	free(o);
	__atomic_fetch_add(&freed, 1, __ATOMIC_RELAXED);
}

static void unlock(struct object *o)
{
	int rc = o->kind == MUTEX    ? weft_mutex_unlock(&o->mutex)
		 : o->kind == RWLOCK ? weft_rwlock_unlock_write(&o->rwlock)
				     : weft_semaphore_release(&o->semaphore, 1);

	if (rc)
		die("unlock", rc);
}

/* With the lock. */
static void leave(struct object *o)
{
	bool last = --o->users == 0;

	unlock(o);
	if (last)
		destroy(o);
}

struct user {
	WEFT_FRAME;
	uint32_t random, i, me;
	uint64_t limit;
	struct weft_acquire acquire;
	struct weft_waiter wait;
	struct weft_sleep sleep;
	struct object *o;
};

static weft_poll_t lock(struct weft_cx *cx, struct object *o, struct weft_acquire *f)
{
	return o->kind == MUTEX    ? weft_mutex_lock(cx, &o->mutex, f)
	       : o->kind == RWLOCK ? weft_rwlock_write(cx, &o->rwlock, f)
				   : weft_semaphore_acquire(cx, &o->semaphore, f);
}

/* Locks all in turn; the bells are for the first task alone. */
static weft_poll_t user(struct weft_cx *cx, struct user *f)
{
	weft_async_begin(f);
	waker[f->me] = weft_waker_get(cx);
	__atomic_fetch_add(&arrived, 1, __ATOMIC_RELEASE);
	for (f->i = 0; f->i < OBJECTS; f->i++) {
		f->o = object[f->i];
		if (kind[f->i] == BELL) {
			if (f->me)
				continue;
			weft_await(f, weft_notify_wait(cx, &f->o->bell, &f->wait));
			destroy(f->o);
			continue;
		}
		do {
			f->limit = next_random(&f->random) % 8 * 5 * US;
			weft_await(f, f->limit ? weft_timeout(cx, &f->sleep, f->limit,
							      lock(cx, f->o, &f->acquire))
					       : lock(cx, f->o, &f->acquire));
		} while (f->rc == -ETIMEDOUT);
		if (f->rc)
			die("lock", f->rc);
		leave(f->o);
	}
	weft_async_end(f, 0);
}

/* A semaphore has no call for threads. */
static int blocking_lock(struct object *o)
{
	if (o->kind == SEMAPHORE) {
		while (!weft_semaphore_try(&o->semaphore))
			usleep(5);
		return 0;
	}
	return o->kind == MUTEX ? weft_mutex_blocking_lock(&o->mutex)
				: weft_rwlock_blocking_write(&o->rwlock);
}

struct thread {
	pthread_t id;
	uint32_t random, me;
};

/* The same on a thread; the first one rings the bells. */
static void *thread_main(void *arg)
{
	struct thread *t = arg;

	for (uint32_t i = 0; i < OBJECTS; i++) {
		struct object *o = object[i];

		weft_waker_wake_by_ref(&waker[next_random(&t->random) % TASKS]);
		if (kind[i] == BELL) {
			if (t->me == 0)
				weft_notify_one(&o->bell);
			continue;
		}
		if (blocking_lock(o))
			die("blocking lock", 0);
		leave(o);
	}
	return NULL;
}

static void make_objects(uint32_t *random)
{
	for (uint32_t i = 0; i < OBJECTS; i++) {
		object[i] = calloc(1, sizeof(*object[i]));
		if (!object[i])
			die("memory", 0);
		object[i]->kind = kind[i] = next_random(random) % KINDS;
		object[i]->users = TASKS + THREADS;
		if (object[i]->kind == SEMAPHORE && weft_semaphore_init(&object[i]->semaphore, 1))
			die("semaphore", 0);
	}
}

static void run_round(struct weft_runtime *rt, uint32_t *random)
{
	struct thread thread[THREADS];
	struct weft_join *join[TASKS];

	make_objects(random);
	__atomic_store_n(&arrived, 0, __ATOMIC_RELAXED);
	for (uint32_t i = 0; i < TASKS; i++)
		if (weft_spawn(rt, user, ((struct user){ .random = next_random(random), .me = i }),
			       .join = &join[i]))
			die("spawn", 0);
	while (__atomic_load_n(&arrived, __ATOMIC_ACQUIRE) != TASKS)
		usleep(20);
	for (uint32_t i = 0; i < THREADS; i++) {
		thread[i].random = next_random(random);
		thread[i].me = i;
		pthread_create(&thread[i].id, NULL, thread_main, &thread[i]);
	}
	for (uint32_t i = 0; i < THREADS; i++)
		pthread_join(thread[i].id, NULL);
	for (uint32_t i = 0; i < TASKS; i++) {
		while (!weft_join_done(join[i]))
			usleep(20);
		weft_join_detach(join[i]);
		weft_waker_drop(&waker[i]);
	}
}

int main(int argc, char **argv)
{
	static const uint32_t flavour[] = { WEFT_MULTI_THREAD, WEFT_REACTOR_POOL };
	const char *env = getenv("WEFT_STRESS_SECONDS");
	const char *seconds = argc > 1 ? argv[1] : env ? env : "10";
	uint64_t until = weft_now() + (uint64_t)atoi(seconds) * 1000 * MS;
	uint64_t made = 0;
	uint32_t random;

	seed = argc > 2 ? (uint32_t)strtoul(argv[2], NULL, 0) : (uint32_t)weft_now() | 1;
	random = seed;
	for (uint32_t i = 0; i < 2 || weft_now() < until; i++) {
		struct weft_config config = { .size = sizeof(config),
					      .flavour = flavour[i % 2],
					      .workers = 2 };
		struct weft_runtime *rt;

		if (weft_runtime_new(&config, &rt))
			die("start", 0);
		for (int round = 0; round < 50; round++, made += OBJECTS) {
			alarm(ROUND_LIMIT_S);
			run_round(rt, &random);
		}
		weft_runtime_free(rt);
	}
	if (freed != made)
		die("left over", (int)(made - freed));
	printf("stress_last_user: seed %u: %llu objects\n", seed, (unsigned long long)freed);
	return 0;
}
