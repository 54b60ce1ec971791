/* SPDX-License-Identifier: MIT */
/* The queue with its thieves, and the protocol of sleeping and waking (idle.h, parker.h), in all orders. */
#include "tests/unit/runtime/interleave_model.h"

/* ---- one queue, its owner and a thief ---- */

static struct weft_deque mine, theirs;
static struct weft_inject spill;
static unsigned got[6];

static void reset_queues(void)
{
	memset(&mine, 0, sizeof(mine));
	memset(&theirs, 0, sizeof(theirs));
	memset(got, 0, sizeof(got));
}

static void take(struct weft_task *what)
{
	if (what)
		got[what - items]++;
}

static void steal_all(struct weft_deque *to)
{
	struct weft_task *t;
	unsigned n;

	take(weft_deque_steal(&mine, to, &n));
	while ((t = weft_deque_pop(to)))
		take(t);
}

static void owner_and_thief(unsigned me)
{
	struct weft_task *t;

	if (me == 1) {
		steal_all(&theirs);
		return;
	}
	for (unsigned i = 0; i < 2; i++)
		weft_deque_push(&mine, &items[i], &spill);
	take(weft_deque_pop(&mine));
	weft_deque_push(&mine, &items[2], &spill);
	while ((t = weft_deque_pop(&mine)))
		take(t);
}

static bool each_got_once(unsigned n)
{
	struct weft_task *t;
	uint64_t one;

	while ((t = weft_inject_pop(&spill, 1, &one)))
		take(t);
	for (unsigned i = 0; i < n; i++)
		if (got[i] != 1)
			return false;
	return true;
}

static bool three_got_once(void)
{
	return each_got_once(3);
}

static bool six_got_once(void)
{
	return each_got_once(6);
}

static void test_owner_and_thief(void **state)
{
	const struct interleave spec = {
		2, INTERLEAVE_UNBOUNDED, 2, reset_queues, owner_and_thief, three_got_once
	};

	(void)state;
	weft_inject_init(&spill);
	try_all("owner and thief", &spec);
}

/*
 * Two thieves at once, and an owner that comes round to the slots that the first is still
 * copying; what doesn't fit goes to the shared queue.
 */
static void owner_and_thieves(unsigned me)
{
	static struct weft_deque second;
	struct weft_task *t;

	if (me > 0) {
		steal_all(me == 2 ? &second : &theirs);
		return;
	}
	for (unsigned i = 0; i < 4; i++)
		weft_deque_push(&mine, &items[i], &spill);
	take(weft_deque_pop(&mine));
	take(weft_deque_pop(&mine));
	for (unsigned i = 4; i < 6; i++)
		weft_deque_push(&mine, &items[i], &spill);
	while ((t = weft_deque_pop(&mine)))
		take(t);
}

static void test_owner_and_thieves(void **state)
{
	const struct interleave spec = { 3, 3, 2, reset_queues, owner_and_thieves, six_got_once };

	(void)state;
	step_relaxed = true; /* the slots as well */
	try_all("owner and two thieves", &spec);
	step_relaxed = false;
}

/* ---- workers that sleep, and a thread that brings tasks ---- */

static void reset_one(void)
{
	reset_with(1, 1, true, 2);
}

static void reset_two(void)
{
	reset_with(2, 2, true, 2);
}

static void reset_two_fifo(void)
{
	reset_with(2, 2, false, 3);
}

static bool two_once(void)
{
	return all_once(2);
}

static bool three_once(void)
{
	return all_once(3);
}

/* The last thread pushes, the others work. */
static void push_two(unsigned me)
{
	if (me < crew->size) {
		work(&crew->worker[me]);
		return;
	}
	push_from_outside(0);
	push_from_outside(1);
}

static void test_push_and_park(void **state)
{
	const struct interleave one = { 2, 4, 2, reset_one, push_two, two_once };
	const struct interleave two = { 3, 2, 2, reset_two, push_two, two_once };

	(void)state;
	on_poll = NULL;
	try_all("push to one worker", &one);
	try_all("push to two workers", &two);
}

/* The first task wakes two more on its own worker: one may be stolen, none forgotten. */
static void wake_two(struct weft_worker *worker, unsigned number)
{
	if (number)
		return;
	weft_worker_schedule(worker, &items[1], WEFT_W_TASK);
	weft_worker_schedule(worker, &items[2], WEFT_W_TASK);
}

static void push_one(unsigned me)
{
	if (me < crew->size)
		work(&crew->worker[me]);
	else
		push_from_outside(0);
}

static void reset_two_lifo(void)
{
	reset_with(2, 2, true, 3);
}

static void test_wake_and_steal(void **state)
{
	const struct interleave lifo = { 3, 2, 2, reset_two_lifo, push_one, three_once };
	const struct interleave fifo = { 3, 2, 2, reset_two_fifo, push_one, three_once };

	(void)state;
	on_poll = wake_two;
	try_all("wake and steal, with slot", &lifo);
	try_all("wake and steal, without", &fifo);
	on_poll = NULL;
}

/* ---- workers that come and go ---- */

static void reset_none(void)
{
	reset_with(3, 0, false, 3);
}

/* Thread 0 has two tasks in its queue when it goes; 1 stays; 2 brings one from outside. */
static void come_and_go(unsigned me)
{
	struct weft_worker *worker;

	if (me == 2) {
		push_from_outside(2);
		return;
	}
	worker = weft_crew_join(crew);
	if (me == 1) {
		work(worker);
		return;
	}
	weft_deque_push(&worker->deque, &items[0], &crew->inject);
	weft_deque_push(&worker->deque, &items[1], &crew->inject);
	weft_crew_leave(worker);
}

static void test_come_and_go(void **state)
{
	const struct interleave spec = { 3, 2, 2, reset_none, come_and_go, three_once };

	(void)state;
	try_all("come and go", &spec);
}

/* ---- a driver without an owner ---- */

static bool is_turned(const void *unused)
{
	(void)unused;
	return turning || unfinished == 0;
}

/* Polls of all but one that last until another thread waits in the driver: the standby has to see to that. */
static void poll_long(struct weft_worker *worker, unsigned number)
{
	(void)worker;
	if (number + 1 < crew->size)
		wait_until(is_turned, NULL);
}

/* Each sleeps once and goes, as one that was woken for work: who sleeps without an end has a standby. */
static void stand_by(unsigned me)
{
	struct weft_worker *worker = &crew->worker[me];
	uint64_t ns = STANDBY_NS;

	stand_down(worker, park_on_futex(worker, &ns));
}

static void reset_three_workers(void)
{
	reset_with(3, 3, true, 2);
}

static bool nobody_stands_by(void)
{
	return crew->standby == 0;
}

static void test_standby(void **state)
{
	const struct interleave two = { 3, 2, 2, reset_two, push_two, two_once };
	const struct interleave long_three = { 4, 1, 1, reset_three_workers, push_two, two_once };
	const struct interleave three = { 3, 3, 2, reset_three_workers, stand_by, nobody_stands_by };

	(void)state;
	time_passes = true;
	try_all("three stand by", &three);
	on_poll = poll_long;
	try_all("a long poll of one of two", &two);
	try_all("long polls of two of three", &long_three);
	on_poll = NULL;
	time_passes = false;
}

/* The check itself: a pusher that forgets to notify is found. */
static void push_silently(unsigned me)
{
	if (me < crew->size)
		work(&crew->worker[me]);
	else
		weft_inject_push_chain(&crew->inject, &items[0], &items[1], 2);
}

static void reset_chain(void)
{
	reset_one();
	items[0].next = &items[1];
}

static void test_a_lost_wake_up_is_found(void **state)
{
	const struct interleave spec = { 2, 2, 2, reset_chain, push_silently, two_once };

	(void)state;
	assert_int_equal(interleave_run(&spec), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_owner_and_thief),
		cmocka_unit_test(test_owner_and_thieves),
		cmocka_unit_test(test_push_and_park),
		cmocka_unit_test(test_wake_and_steal),
		cmocka_unit_test(test_come_and_go),
		cmocka_unit_test(test_standby),
		cmocka_unit_test(test_a_lost_wake_up_is_found),
	};

	return cmocka_run_group_tests_name("runtime/interleave", tests, setup, teardown);
}
