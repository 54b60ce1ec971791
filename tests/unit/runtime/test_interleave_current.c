/* SPDX-License-Identifier: MIT */
/* The thread that drives a current_thread and those that bring it something, in all orders. */
#include "tests/unit/runtime/interleave_world.h"

#include "runtime/executor/parker.h"

bool parker_sleep(struct weft_parker *parker, enum weft_parker_state how);
#define weft_parker_sleep parker_sleep
#include "runtime/executor/parker.c"
#undef weft_parker_sleep

static bool by_store;

/* As the source, or with a notification taken back by a store: looks at the queues may pass that. */
bool weft_parker_sleep(struct weft_parker *parker, enum weft_parker_state how)
{
	uint32_t empty = WEFT_PARKER_EMPTY;

	if (!by_store)
		return parker_sleep(parker, how);
	if (__atomic_compare_exchange_n(&parker->state, &empty, how, false, __ATOMIC_ACQ_REL,
					__ATOMIC_ACQUIRE))
		return true;
	__atomic_store_n(&parker->state, WEFT_PARKER_EMPTY, __ATOMIC_RELEASE);
	return false;
}

#include "runtime/executor/inject.c"
#include "runtime/executor/root.c"
#include "runtime/executor/current_thread.c"

static struct weft_current_thread *ct;
static struct weft_task root;

/* The last poll ends it, as a shutdown does. */
static enum weft_task_next model_poll(struct weft_cx *cx, struct weft_task *what)
{
	(void)cx;
	if (what != &root)
		polled[what - items]++;
	step();
	if (--unfinished == 0) {
		model_rt.state = WEFT_RT_STOPPING;
		unpark(&model_rt, 0);
	}
	return what == &root ? WEFT_TASK_IDLE : WEFT_TASK_ENDED;
}

static void reset_with(unsigned tasks)
{
	if (model_rt.executor)
		done(&model_rt);
	reset_world(tasks);
	model_rt.ops = &weft_current_thread_ops;
	if (start(&model_rt))
		abort();
	ct = model_rt.executor;
	memset(&ct->inject.lock, 0, sizeof(ct->inject.lock));
	memset(&root, 0, sizeof(root));
	root.rt = &model_rt;
}

static void reset_two(void)
{
	reset_with(2);
}

static void reset_three(void)
{
	reset_with(3);
}

static bool two_once(void)
{
	return all_once(2);
}

static void push_from_outside(unsigned number)
{
	schedule(&model_rt, &items[number], WEFT_W_FOREIGN);
}

/* 0 drives, the others bring a task or two. */
static void push_two(unsigned me)
{
	weft_thread = (struct weft_thread){ .rt = NULL };
	if (me == 0) {
		drive(&model_rt, &root);
		return;
	}
	push_from_outside(0);
	push_from_outside(1);
}

static void push_one_each(unsigned me)
{
	weft_thread = (struct weft_thread){ .rt = NULL };
	if (me == 0)
		drive(&model_rt, &root);
	else
		push_from_outside(me - 1);
}

static void test_push_and_park(void **state)
{
	const struct interleave two = { 2, 4, 4, reset_two, push_two, two_once };
	const struct interleave each = { 3, 3, 2, reset_two, push_one_each, two_once };

	(void)state;
	try_all("push twice", &two);
	try_all("two push", &each);
}

/* Tasks 0 and 1, and the root, that is woken as the task that it is. */
static void push_and_wake_root(unsigned me)
{
	weft_thread = (struct weft_thread){ .rt = NULL };
	if (me == 0) {
		drive(&model_rt, &root);
		return;
	}
	push_from_outside(0);
	weft_root_wake(&root);
	push_from_outside(1);
}

static void test_root(void **state)
{
	const struct interleave spec = { 2, 4, 4, reset_three, push_and_wake_root, two_once };

	(void)state;
	try_all("push and wake the root", &spec);
}

/* The check itself. */
static void test_a_lost_call_is_found(void **state)
{
	struct interleave spec = { 2, 3, 1, reset_two, push_two, two_once };

	(void)state;
	by_store = true;
	assert_int_equal(interleave_run(&spec), 0);
	spec.misses = 0; /* where memory is sequentially consistent nothing is lost */
	assert_int_not_equal(interleave_run(&spec), 0);
	by_store = false;
}

static int teardown(void **state)
{
	(void)state;
	done(&model_rt);
	weft_trace_thread_end();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_push_and_park),
		cmocka_unit_test(test_root),
		cmocka_unit_test(test_a_lost_call_is_found),
	};

	return cmocka_run_group_tests_name("runtime/interleave_current", tests, setup, teardown);
}
