/* SPDX-License-Identifier: MIT */
#include "tests/support/interleave.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>

#include "tests/support/store_buffer.h"

#define STACK     (64u << 10)
#define STEPS_MAX 4096u
#define TIMES_MAX 16u /* that nobody can go and time has to pass: of one run */
#define EARLY_MAX 1u  /* and that it has passed sooner */

#ifdef __SANITIZE_THREAD__
void *__tsan_get_current_fiber(void);
void *__tsan_create_fiber(unsigned flags);
void __tsan_destroy_fiber(void *fiber);
void __tsan_switch_to_fiber(void *fiber, unsigned flags);
static void *main_fiber;
#endif

struct thread {
	ucontext_t context;
	bool ended, timed;
	bool (*ready)(const void *arg); /* NULL = can go on */
	const void *arg;
	char *stack;
	void *fiber;
	struct store_buffer stores;
	uint64_t arrived; /* of its stores, ever */
};

/* choice: which of the threads that can go on, the running one first; or whether a store is seen, 0 = yes. */
static struct {
	uint8_t choice, options;
} path[STEPS_MAX];
static unsigned steps, given; /* of this run; decided by the runs before */

static const struct interleave *spec;
static struct thread thread[INTERLEAVE_THREADS];
static ucontext_t main_context;
static unsigned running, preempted, missed, times, early;
static bool inside;

static void arrive(struct thread *t, unsigned n)
{
	t->arrived += n;
	store_buffer_arrive(&t->stores, n);
}

static unsigned choose(unsigned options)
{
	unsigned choice = 0;

	if (steps == STEPS_MAX) {
		fprintf(stderr, "interleave: more than %u steps\n", STEPS_MAX);
		abort();
	}
	if (steps < given)
		choice = path[steps].choice;
	path[steps].choice = (uint8_t)choice;
	path[steps].options = (uint8_t)options;
	steps++;
	return choice;
}

/* How many of a thread's stores have to arrive for another to go on; 0 = all are not enough. */
static unsigned stores_for(struct thread *t, const struct thread *from)
{
	for (unsigned n = 1; n <= from->stores.n; n++) {
		struct store_buffer part = from->stores;
		bool ready;

		part.n = n;
		store_buffer_lay(&part);
		ready = t->ready(t->arg);
		store_buffer_lift(&part);
		if (ready)
			return n;
	}
	return 0;
}

/* No stores are laid. Whether it can go on, perhaps once others' stores have arrived: which they do, `now`. */
static bool can_go(unsigned i, bool now)
{
	struct thread *t = &thread[i];

	if (t->ended)
		return false;
	if (!t->ready || t->ready(t->arg))
		return true;
	for (unsigned j = 0; j < spec->threads; j++) {
		unsigned n = j == i ? 0 : stores_for(t, &thread[j]);

		if (n && now)
			arrive(&thread[j], n);
		if (n)
			return true;
	}
	return false;
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

static bool may_go(unsigned i)
{
	return can_go(i, false) || (!thread[i].ended && thread[i].timed && early < EARLY_MAX);
}

/* Number of threads that could go on from here, the running one first if it can. */
static unsigned list(uint8_t *who)
{
	bool me = can_go(running, false);
	unsigned n = 0;

	if (me)
		who[n++] = (uint8_t)running;
	if (me && preempted >= spec->preemptions)
		return n;
	for (unsigned i = 0; i < spec->threads; i++)
		if ((i != running || !me) && may_go(i))
			who[n++] = (uint8_t)i;
	return n;
}

/* Stores don't wait for ever. */
static bool all_arrive(void)
{
	bool any = false;

	for (unsigned i = 0; i < spec->threads; i++) {
		any |= thread[i].stores.n != 0;
		arrive(&thread[i], thread[i].stores.n);
	}
	return any;
}

/* Nobody can go: time passes, and one whose wait has an end goes. */
static unsigned list_timed(uint8_t *who)
{
	unsigned n = 0;

	for (unsigned i = 0; i < spec->threads; i++)
		if (!thread[i].ended && thread[i].timed)
			who[n++] = (uint8_t)i;
	return times++ < TIMES_MAX ? n : 0;
}

/* The thread that goes on; -1 = none can. */
static int decide(void)
{
	uint8_t who[INTERLEAVE_THREADS];
	unsigned n = list(who), choice;
	bool me = can_go(running, false);

	if (n == 0 && all_arrive())
		n = list(who);
	if (n == 0)
		n = list_timed(who);
	if (n == 0)
		return -1;
	choice = n > 1 ? choose(n) : 0;
	if (me && choice)
		preempted++;
	if (!can_go(who[choice], true))
		early++;
	return who[choice];
}

static void reschedule(void)
{
	unsigned me = running;
	int next;

	store_buffer_lift(&thread[me].stores);
	next = decide();
	if (next < 0)
		back_to_main(&thread[me].context);
	else if ((unsigned)next != me)
		go(&thread[me].context, (unsigned)next);
	else
		thread[me].ready = NULL;
	store_buffer_lay(&thread[me].stores);
}

void interleave_step(void)
{
	if (inside)
		reschedule();
}

void interleave_store(void *at, const void *value, size_t size)
{
	if (inside && spec->misses)
		store_buffer_push(&thread[running].stores, at, value, size);
	else
		memcpy(at, value, size);
}

/* Another thread's stores to this place, one after the other: they arrive, or are missed once more. */
static void look(struct thread *from, const void *at)
{
	unsigned n;

	while ((n = store_buffer_find(&from->stores, at))) {
		if (missed < spec->misses && choose(2)) {
			missed++;
			return;
		}
		store_buffer_lift(&thread[running].stores);
		arrive(from, n);
		store_buffer_lay(&thread[running].stores);
	}
}

void interleave_look(const void *at)
{
	for (unsigned i = 0; inside && i < spec->threads; i++)
		if (i != running)
			look(&thread[i], at);
}

/* Who else has stored to the same place may be overwritten, or not. */
void interleave_fence(void)
{
	struct store_buffer *mine = &thread[running].stores;

	for (unsigned i = 0; inside && i < mine->n; i++)
		interleave_look(mine->entry[i].at);
	thread[running].arrived += mine->n;
	store_buffer_drain(mine);
}

uint64_t interleave_arrived(unsigned me)
{
	uint64_t n = 0;

	for (unsigned i = 0; i < spec->threads; i++)
		n += i == me ? 0 : thread[i].arrived;
	return n;
}

void interleave_arrive(void)
{
	if (inside && thread[running].stores.n)
		reschedule();
	interleave_fence();
}

void interleave_wait(bool (*ready)(const void *arg), const void *arg)
{
	interleave_arrive();
	thread[running].ready = ready;
	thread[running].arg = arg;
	reschedule();
}

void interleave_wait_timed(bool (*ready)(const void *arg), const void *arg)
{
	unsigned me = running;

	thread[me].timed = true;
	interleave_wait(ready, arg);
	thread[me].timed = false;
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
	t->ended = t->timed = false;
	t->ready = NULL;
	t->stores.n = 0;
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

	steps = preempted = missed = times = early = running = 0;
	spec->reset();
	for (unsigned i = 0; i < spec->threads; i++)
		prepare(i);
	inside = true;
	go(&main_context, (unsigned)decide());
	inside = false;
	all_arrive();
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
