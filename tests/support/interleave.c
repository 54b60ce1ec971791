/* SPDX-License-Identifier: MIT */
#include "tests/support/interleave.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>

#define STACK     (64u << 10)
#define STEPS_MAX 4096u

#ifdef __SANITIZE_THREAD__
void *__tsan_get_current_fiber(void);
void *__tsan_create_fiber(unsigned flags);
void __tsan_destroy_fiber(void *fiber);
void __tsan_switch_to_fiber(void *fiber, unsigned flags);
static void *main_fiber;
#endif

struct thread {
	ucontext_t context;
	bool ended;
	bool (*ready)(const void *arg); /* NULL = can go on */
	const void *arg;
	char *stack;
	void *fiber;
};

/* choice: which of the threads that can go on, the running one first. */
static struct {
	uint8_t choice, options;
} path[STEPS_MAX];
static unsigned steps, given; /* of this run; decided by the runs before */

static const struct interleave *spec;
static struct thread thread[INTERLEAVE_THREADS];
static ucontext_t main_context;
static unsigned running, preempted;
static bool inside;

static bool can_go(unsigned i)
{
	struct thread *t = &thread[i];

	return !t->ended && (!t->ready || t->ready(t->arg));
}

static void go(ucontext_t *from, unsigned to)
{
	running = to;
	thread[to].ready = NULL;
#ifdef __SANITIZE_THREAD__
	__tsan_switch_to_fiber(thread[to].fiber, 0);
#endif
	swapcontext(from, &thread[to].context);
}

static void back_to_main(ucontext_t *from)
{
#ifdef __SANITIZE_THREAD__
	__tsan_switch_to_fiber(main_fiber, 0);
#endif
	swapcontext(from, &main_context);
}

/* Number of threads that could go on from here, the running one first if it can. */
static unsigned list(uint8_t *who)
{
	bool me = can_go(running);
	unsigned n = 0;

	if (me)
		who[n++] = (uint8_t)running;
	if (me && preempted >= spec->preemptions)
		return n;
	for (unsigned i = 0; i < spec->threads; i++)
		if (i != running && can_go(i))
			who[n++] = (uint8_t)i;
	return n;
}

/* The thread that goes on; -1 = none can. */
static int decide(void)
{
	uint8_t who[INTERLEAVE_THREADS];
	unsigned n = list(who), choice = 0;

	if (n == 0)
		return -1;
	if (n > 1) {
		if (steps == STEPS_MAX) {
			fprintf(stderr, "interleave: more than %u steps\n", STEPS_MAX);
			abort();
		}
		if (steps < given)
			choice = path[steps].choice;
		path[steps].choice = (uint8_t)choice;
		path[steps].options = (uint8_t)n;
		steps++;
	}
	if (who[0] == running && choice)
		preempted++;
	return who[choice];
}

static void reschedule(void)
{
	unsigned me = running;
	int next = decide();

	if (next < 0)
		back_to_main(&thread[me].context);
	else if ((unsigned)next != me)
		go(&thread[me].context, (unsigned)next);
	else
		thread[me].ready = NULL;
}

void interleave_step(void)
{
	if (inside)
		reschedule();
}

void interleave_wait(bool (*ready)(const void *arg), const void *arg)
{
	thread[running].ready = ready;
	thread[running].arg = arg;
	reschedule();
}

static void enter(void)
{
	unsigned me = running;

	spec->body(me);
	thread[me].ended = true;
	reschedule();
}

static void prepare(unsigned i)
{
	struct thread *t = &thread[i];

	if (!t->stack)
		t->stack = malloc(STACK);
	t->ended = false;
	t->ready = NULL;
	getcontext(&t->context);
	t->context.uc_stack.ss_sp = t->stack;
	t->context.uc_stack.ss_size = STACK;
	t->context.uc_link = NULL;
	makecontext(&t->context, enter, 0);
#ifdef __SANITIZE_THREAD__
	if (t->fiber)
		__tsan_destroy_fiber(t->fiber);
	t->fiber = __tsan_create_fiber(0);
	main_fiber = __tsan_get_current_fiber();
#endif
}

static bool run_once(void)
{
	bool all = true;

	steps = preempted = running = 0;
	spec->reset();
	for (unsigned i = 0; i < spec->threads; i++)
		prepare(i);
	inside = true;
	go(&main_context, (unsigned)decide());
	inside = false;
	for (unsigned i = 0; i < spec->threads; i++)
		all &= thread[i].ended;
	return all && spec->check();
}

/* The last choice that has an alternative takes it; false = all have been tried. */
static bool next_path(void)
{
	while (steps > 0) {
		if (++path[steps - 1].choice < path[steps - 1].options) {
			given = steps;
			return true;
		}
		steps--;
	}
	return false;
}

static void print_path(void)
{
	fprintf(stderr, "interleave: bad order, choices:");
	for (unsigned i = 0; i < steps; i++)
		fprintf(stderr, " %u/%u", path[i].choice, path[i].options);
	fprintf(stderr, "; ended:");
	for (unsigned i = 0; i < spec->threads; i++)
		fprintf(stderr, " %d", thread[i].ended);
	fprintf(stderr, "\n");
}

uint64_t interleave_run(const struct interleave *what)
{
	uint64_t n = 0;

	spec = what;
	given = 0;
	do {
		n++;
		if (!run_once()) {
			print_path();
			n = 0;
			break;
		}
	} while (next_path());
	for (unsigned i = 0; i < INTERLEAVE_THREADS; i++) {
		free(thread[i].stack);
#ifdef __SANITIZE_THREAD__
		if (thread[i].fiber)
			__tsan_destroy_fiber(thread[i].fiber);
#endif
		memset(&thread[i], 0, sizeof(thread[i]));
	}
	return n;
}
