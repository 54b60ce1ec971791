/* SPDX-License-Identifier: MIT */
/*
 * Queue, steal, park and wake under random load: stress_scheduler [SECONDS [SEED [FLAVOUR]]], or
 * WEFT_STRESS_SECONDS and WEFT_STRESS_FLAVOUR; without one the rounds take turns. Each makes a
 * runtime of random size and a forest of tasks that yield, sleep, wake each other through semaphores, join, abort, time out, use the pool and block in place, while
 * foreign threads spawn and wake. At the end each task must have ended exactly once. A lost
 * wake-up shows as a round that doesn't end: the alarm then fails the run.
 */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "runtime/weft.h"

#define MS            1000000ull
#define ROUND_LIMIT_S 60

static struct weft_runtime *rt;
static struct weft_semaphore *tokens;
static uint64_t spawned, ended, jobs;
static uint32_t seed;
static bool own_threads; /* of the flavour under test */

static uint32_t next_random(uint32_t *x)
{
	*x ^= *x << 13;
	*x ^= *x >> 17;
	*x ^= *x << 5;
	return *x;
}

static void die(const char *what, long value)
{
	fprintf(stderr, "stress_scheduler: seed %u: %s (%ld)\n", seed, what, value);
	abort();
}

struct node {
	WEFT_FRAME;
	uint32_t random;
	int depth, i, children;
	struct weft_join *join[4];
	struct weft_yield yield;
	struct weft_sleep sleep;
	struct weft_acquire acquire;
	struct weft_job job;
};

static weft_poll_t node(struct weft_cx *cx, struct node *f);

static int nap(void *arg)
{
	(void)arg;
	__atomic_fetch_add(&jobs, 1, __ATOMIC_RELAXED);
	return 42;
}

/* Long enough for a stand-in to get the worker. */
static int long_nap(void *arg)
{
	usleep(200);
	return nap(arg);
}

static void spawn_node(uint32_t random, int depth, struct weft_join **join)
{
	int rc;

	*join = NULL; /* joining, aborting and detaching nothing is allowed */
	__atomic_fetch_add(&spawned, 1, __ATOMIC_RELAXED);
	rc = weft_spawn(rt, node, ((struct node){ .random = random | 1, .depth = depth }),
			.join = join);
	if (rc == -ESHUTDOWN)
		__atomic_fetch_sub(&spawned, 1, __ATOMIC_RELAXED);
	else if (rc)
		die("spawn", rc);
}

/* In place: -ENOTSUP where the thread is the only one that drives. */
static weft_poll_t block(struct weft_cx *cx, struct node *f)
{
	int rc;

	if (f->random / 6 % 4)
		return weft_spawn_blocking(cx, &f->job, nap, NULL);
	rc = weft_block_in_place(cx, f->random / 24 % 8 ? nap : long_nap, NULL);
	return rc == -ENOTSUP && !own_threads ? nap(NULL) : rc;
}

/* A token always comes back, also when its taker is aborted or times out. */
static weft_poll_t node_step(struct weft_cx *cx, struct node *f)
{
	switch (f->random % 6) {
	case 0:
		return weft_yield(cx, &f->yield);
	case 1:
		return weft_sleep(cx, &f->sleep, f->random / 6 % 300 * 1000);
	case 2:
		return block(cx, f);
	case 3:
		return weft_timeout(cx, &f->sleep, f->random / 6 % 50 * 1000,
				    weft_semaphore_acquire(cx, tokens, &f->acquire));
	default:
		return weft_semaphore_acquire(cx, tokens, &f->acquire);
	}
}

static weft_poll_t node(struct weft_cx *cx, struct node *f)
{
	weft_async_begin(f);
	for (f->i = 0; f->i < 6; f->i++) {
		next_random(&f->random);
		weft_await(f, node_step(cx, f));
		if (f->random % 6 >= 3 && f->rc == 0)
			weft_semaphore_release(tokens, 1);
		else if (f->random % 6 == 2 && f->rc != 42 && f->rc != -ECANCELED)
			die("job result", f->rc);
	}
	f->children = f->depth > 0 && !cx->cancelled ? (int)(next_random(&f->random) % 4) : 0;
	for (f->i = 0; f->i < f->children; f->i++)
		spawn_node(f->random + (uint32_t)f->i * 77, f->depth - 1, &f->join[f->i]);
	for (f->i = 0; f->i < f->children; f->i++) {
		next_random(&f->random);
		if (f->random % 5 == 0)
			weft_join_abort(f->join[f->i]);
		if (f->random % 7 == 0 || cx->cancelled) {
			f->join[f->i] = weft_join_detach(f->join[f->i]);
			continue;
		}
		weft_await(f, weft_join(cx, &f->join[f->i]));
		if (f->join[f->i]) /* aborted while it waited */
			f->join[f->i] = weft_join_detach(f->join[f->i]);
	}
	__atomic_fetch_add(&ended, 1, __ATOMIC_RELAXED);
	weft_async_end(f, 0);
}

struct foreign {
	pthread_t thread;
	uint32_t random;
};

/* Not a worker: spawns through the inject queue and wakes from outside. */
static void *foreign_main(void *arg)
{
	struct foreign *f = arg;

	for (int i = 0; i < 40; i++) {
		struct weft_join *join;

		spawn_node(next_random(&f->random), 2, &join);
		if (f->random % 3 == 0)
			weft_join_abort(join);
		if (f->random % 2)
			weft_join_detach(join);
		else {
			while (!weft_join_done(join))
				usleep(f->random % 100);
			weft_join_detach(join);
		}
		if (weft_semaphore_try(tokens))
			weft_semaphore_release(tokens, 1);
	}
	return NULL;
}

/* Drives a flavour that has no threads of its own, or only waits. */
static void *driver_main(void *unused)
{
	int rc = weft_runtime_run(rt);

	(void)unused;
	if (rc && rc != -ESHUTDOWN)
		die("run", rc);
	return NULL;
}

static weft_poll_t root(struct weft_cx *cx, struct node *f)
{
	weft_async_begin(f);
	for (f->i = 0; f->i < 4; f->i++)
		spawn_node(f->random + (uint32_t)f->i, 5, &f->join[f->i]);
	for (f->i = 0; f->i < 4; f->i++)
		weft_await(f, weft_join(cx, &f->join[f->i]));
	weft_async_end(f, 0);
}

/* The drivers' roots stay until the shutdown. */
static void wait_until_idle(void)
{
	struct weft_runtime_stats stats;

	do {
		usleep(500);
		weft_runtime_stats(rt, &stats);
	} while (__atomic_load_n(&spawned, __ATOMIC_ACQUIRE) !=
			 __atomic_load_n(&ended, __ATOMIC_ACQUIRE) ||
		 stats.alive > 3);
	if (stats.timers)
		die("timers left", (long)stats.timers);
}

static void run_round(uint32_t random, uint32_t flavour)
{
	struct weft_config config = { .size = sizeof(config),
				      .flavour = flavour,
				      .workers = 1 + random % 5,
				      .max_blocking = 3,
				      .keep_alive_ns = MS };
	struct node f = { .random = random | 1 };
	struct foreign foreign[2];
	pthread_t driver[3];
	bool cut = random % 8 == 0; /* shut down in full flight */

	spawned = ended = 0;
	own_threads = flavour == WEFT_MULTI_THREAD || flavour == WEFT_REACTOR_POOL;
	if (weft_semaphore_new(1 + random % 4, &tokens) || weft_runtime_new(&config, &rt))
		die("start", 0);
	for (int i = 0; i < 3; i++)
		pthread_create(&driver[i], NULL, driver_main, NULL);
	for (int i = 0; i < 2; i++) {
		foreign[i].random = next_random(&random);
		pthread_create(&foreign[i].thread, NULL, foreign_main, &foreign[i]);
	}
	if (weft_block_on(rt, root, &f))
		die("root", f.rc);
	for (int i = 0; i < 2; i++)
		pthread_join(foreign[i].thread, NULL);
	if (!cut)
		wait_until_idle();
	if (weft_runtime_shutdown(rt, 20000 * MS))
		die("shutdown", 0);
	for (int i = 0; i < 3; i++)
		pthread_join(driver[i], NULL);
	if (spawned != ended)
		die("tasks that did not end", (long)(spawned - ended));
	weft_runtime_free(rt);
	for (uint32_t i = 0; i < config.workers; i++)
		(void)weft_semaphore_try(tokens);
	weft_semaphore_free(tokens);
}

int main(int argc, char **argv)
{
	const char *env = getenv("WEFT_STRESS_SECONDS");
	uint64_t until = weft_now() + (uint64_t)atoi(argc > 1 ? argv[1]
						     : env    ? env
							      : "10") *
					      1000 * MS,
		 total = 0;
	const char *name = argc > 3 ? argv[3] : getenv("WEFT_STRESS_FLAVOUR");
	uint32_t random, rounds = 0, only = name ? weft_flavour_find(name) : 0;

	if (name && !only)
		die("no such flavour", 0);
	seed = argc > 2 ? (uint32_t)strtoul(argv[2], NULL, 0) : (uint32_t)weft_now() | 1;
	random = seed;
	do {
		alarm(ROUND_LIMIT_S);
		run_round(next_random(&random), only ? only : 1 + rounds % WEFT_EXECUTOR);
		total += spawned;
		rounds++;
	} while (weft_now() < until);
	printf("stress_scheduler: seed %u: %u rounds, %llu tasks, %llu jobs\n", seed, rounds,
	       (unsigned long long)total, (unsigned long long)jobs);
	return 0;
}
