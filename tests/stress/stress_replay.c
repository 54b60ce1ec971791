/* SPDX-License-Identifier: MIT */
/*
 * The same order for the same seed: stress_replay [SECONDS [SEED]], or WEFT_STRESS_SECONDS. A
 * random forest of tasks that yield, sleep, wait for each other, time out and abort each other
 * runs on current_thread with a clock of its own. Each step of each task goes into a hash, with
 * the time it happened at; a second run of the seed has to give the same. A failure that this
 * program finds can be looked at again and again: stress_replay 0 SEED.
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "runtime/base/clock.h"
#include "runtime/weft.h"

#define MS            1000000ull
#define START_NS      (1000 * MS)
#define ROUND_LIMIT_S 60
#define CHILDREN      4
#define DEPTH         5

static struct weft_runtime *rt;
static struct weft_semaphore *tokens;
static uint64_t hash, steps, first_id;
static uint32_t spawned, ended;

static uint32_t next_random(uint32_t *x)
{
	*x ^= *x << 13;
	*x ^= *x >> 17;
	*x ^= *x << 5;
	return *x;
}

static void die(const char *what, uint32_t seed, uint64_t value)
{
	fprintf(stderr, "stress_replay: seed %u: %s (%llu)\n", seed, what,
		(unsigned long long)value);
	abort();
}

/* FNV-1a over words. */
static void note(uint64_t word)
{
	hash = (hash ^ word) * 0x100000001b3ull;
}

struct node {
	WEFT_FRAME;
	uint32_t random;
	int depth, i, children;
	struct weft_join *join[CHILDREN];
	struct weft_yield yield;
	struct weft_sleep sleep;
	struct weft_acquire acquire;
};

static weft_poll_t node_step(struct weft_cx *cx, struct node *f)
{
	switch (f->random % 4) {
	case 0:
		return weft_yield(cx, &f->yield);
	case 1:
		return weft_sleep(cx, &f->sleep, f->random / 4 % 5000 * 1000);
	case 2:
		return weft_timeout(cx, &f->sleep, f->random / 4 % 50 * 1000,
				    weft_semaphore_acquire(cx, tokens, &f->acquire));
	default:
		return weft_semaphore_acquire(cx, tokens, &f->acquire);
	}
}

static weft_poll_t node(struct weft_cx *cx, struct node *f)
{
	note(weft_task_id(cx) - first_id);
	note(weft_now());
	steps++;
	weft_async_begin(f);
	for (f->i = 0; f->i < 6; f->i++) {
		next_random(&f->random);
		weft_await(f, node_step(cx, f));
		note((uint64_t)f->rc);
		if (f->random % 4 >= 2 && f->rc == 0)
			weft_semaphore_release(tokens, 1);
	}
	f->children = f->depth > 0 && !cx->cancelled ? (int)(next_random(&f->random) % 4) : 0;
	if (f->depth == DEPTH)
		f->children = CHILDREN;
	for (f->i = 0; f->i < f->children; f->i++, spawned++)
		if (weft_spawn(NULL, node,
			       ((struct node){ .random = (f->random + (uint32_t)f->i * 77) | 1,
					       .depth = f->depth - 1 }),
			       .join = &f->join[f->i]))
			return -ENOMEM;
	for (f->i = 0; f->i < f->children; f->i++) {
		next_random(&f->random);
		if (f->random % 5 == 0)
			weft_join_abort(f->join[f->i]);
		if (f->random % 7 && !cx->cancelled)
			weft_await(f, weft_join(cx, &f->join[f->i]));
		f->join[f->i] = weft_join_detach(f->join[f->i]);
	}
	ended++;
	weft_async_end(f, 0);
}

struct root {
	WEFT_FRAME;
	struct node node;
	struct weft_sleep sleep;
};

/* Detached children outlive their parents: the root waits for all. */
static weft_poll_t root(struct weft_cx *cx, struct root *f)
{
	if (!first_id)
		first_id = weft_task_id(cx);
	weft_async_begin(f);
	weft_await(f, node(cx, &f->node));
	while (ended <= spawned)
		weft_await(f, weft_sleep(cx, &f->sleep, MS));
	weft_async_end(f, 0);
}

static uint64_t run(uint32_t seed)
{
	struct weft_config config = { .size = sizeof(config), .flavour = WEFT_CURRENT_THREAD };
	struct root f = { .node = { .random = seed | 1, .depth = DEPTH } };
	int rc;

	hash = 0xcbf29ce484222325ull;
	first_id = spawned = ended = 0;
	__atomic_store_n(&weft_clock_fake, START_NS, __ATOMIC_RELAXED);
	rc = weft_semaphore_new(1 + seed % 4, &tokens);
	if (rc == 0)
		rc = weft_runtime_new(&config, &rt);
	if (rc == 0)
		rc = weft_block_on(rt, root, &f);
	if (rc || ended != spawned + 1)
		die("root", seed, (uint64_t)rc);
	note(weft_now());
	__atomic_store_n(&weft_clock_fake, 0, __ATOMIC_RELAXED);
	weft_runtime_free(rt);
	weft_semaphore_free(tokens);
	return hash;
}

int main(int argc, char **argv)
{
	const char *env = getenv("WEFT_STRESS_SECONDS");
	uint64_t until = weft_now() + (uint64_t)atoi(argc > 1 ? argv[1]
						     : env    ? env
							      : "10") *
					      1000 * MS;
	uint32_t seed = argc > 2 ? (uint32_t)strtoul(argv[2], NULL, 0) : (uint32_t)weft_now() | 1;
	uint32_t random = seed, rounds = 0;
	uint64_t one, last = 0;

	do {
		alarm(ROUND_LIMIT_S);
		one = run(random);
		if (run(random) != one)
			die("two runs, two orders", random, one);
		if (one == last)
			die("the seed makes no difference", random, one);
		last = one;
		rounds++;
		next_random(&random);
	} while (weft_now() < until);
	printf("stress_replay: seed %u: %u rounds, %llu steps, last %016llx\n", seed, rounds,
	       (unsigned long long)steps, (unsigned long long)last);
	return 0;
}
