/* SPDX-License-Identifier: MIT */
/* What a handle shows, which events tell it to a watcher, and that a busy task lets others run. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/support/flavours.h"
#include "tests/unit/runtime/events.h"

#define MS 1000000ull

static struct weft_runtime *rt;

static int setup(void **state)
{
	struct weft_config config = { .size = sizeof(config), .workers = 1, .name = "test" };

	events_light(true);
	return flavours_start(state, &config, &rt);
}

static int teardown(void **state)
{
	(void)state;
	assert_int_equal(weft_runtime_shutdown(rt, 5000 * MS), 0);
	flavours_end(rt);
	events_light(false);
	return 0;
}

struct child {
	WEFT_FRAME;
	struct weft_sleep sleep;
	int value;
};

static weft_poll_t child(struct weft_cx *cx, struct child *f)
{
	weft_async_begin(f);
	if (!f->value)
		weft_await(f, weft_sleep(cx, &f->sleep, 3600000 * MS));
	weft_async_end(f, f->value);
}

struct parent {
	WEFT_FRAME;
	struct weft_join *join;
	uint64_t id;
};

static weft_poll_t joins(struct weft_cx *cx, struct parent *f)
{
	weft_async_begin(f);
	weft_await(f, weft_join(cx, &f->join));
	weft_async_end(f, f->rc);
}

static void test_error_on_handle_and_as_event(void **state)
{
	struct parent f = { .id = 0 };
	uint64_t id;

	(void)state;
	assert_int_equal(weft_spawn(rt, child, ((struct child){ .value = -EPROTO }),
				    .join = &f.join),
			 0);
	id = weft_join_id(f.join);
	assert_int_equal(weft_block_on(rt, joins, &f), -EPROTO);
	assert_int_equal(events_count(WEFT_K_TASK_END, events_task_what, id << 8 | WEFT_E_ERROR),
			 1);
}

static void test_dropped_before_the_end(void **state)
{
	struct weft_join *join;
	uint64_t id;

	(void)state;
	assert_int_equal(weft_spawn(rt, child, ((struct child){ .value = 0 }), .join = &join), 0);
	id = weft_join_id(join);
	weft_join_detach(join);
	assert_int_equal(events_count(WEFT_K_HANDLE_DROP, events_task_what,
				      id << 8 | WEFT_D_DETACH),
			 1);
	assert_int_equal(events_count(WEFT_K_TASK_END, events_w1, id), 0);
}

static unsigned misuses(enum weft_misuse code)
{
	return events_count(WEFT_K_MISUSE, events_code, code);
}

static void test_after_shutdown(void **state)
{
	unsigned before = misuses(WEFT_M_AFTER_SHUTDOWN);
	const char *const argv[] = { "true", NULL };
	struct weft_child_options options = { .argv = argv };
	struct child f = { .value = 1 };
	struct weft_child *process;

	(void)state;
	assert_int_equal(weft_runtime_shutdown(rt, 5000 * MS), 0);
	assert_int_equal(weft_spawn(rt, child, f), -ESHUTDOWN);
	assert_int_equal(weft_block_on(rt, child, &f), -ESHUTDOWN);
	assert_int_equal(weft_child_start(rt, &options, &process), -ESHUTDOWN);
	assert_true(misuses(WEFT_M_AFTER_SHUTDOWN) >= before + 3);
}

static uint32_t stop;

struct busy {
	WEFT_FRAME;
	struct weft_sleep sleep;
	uint64_t rounds;
};

/* Each of its operations is ready at once: nothing but the budget makes it yield. */
static weft_poll_t busy(struct weft_cx *cx, struct busy *f)
{
	weft_async_begin(f);
	while (!__atomic_load_n(&stop, __ATOMIC_ACQUIRE)) {
		weft_await(f, weft_sleep_until(cx, &f->sleep, 1));
		if (f->rc)
			return f->rc;
		f->rounds++;
	}
	weft_async_end(f, 0);
}

static weft_poll_t stopper(struct weft_cx *cx, struct child *f)
{
	(void)cx, (void)f;
	__atomic_store_n(&stop, 1, __ATOMIC_RELEASE);
	return 0;
}

/* With one worker the second task runs only if the first lets it. */
static void test_ready_loop_yields(void **state)
{
	struct weft_join *first, *second;

	(void)state;
	__atomic_store_n(&stop, 0, __ATOMIC_RELEASE);
	assert_int_equal(weft_spawn(rt, busy, ((struct busy){ .rounds = 0 }), .join = &first), 0);
	usleep(5000);
	assert_int_equal(weft_spawn(rt, stopper, ((struct child){ .value = 1 }), .join = &second),
			 0);
	while (!weft_join_done(first) || !weft_join_done(second))
		usleep(200);
	weft_join_detach(first);
	weft_join_detach(second);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_error_on_handle_and_as_event),
		T(test_dropped_before_the_end),
		T(test_after_shutdown),
		T(test_ready_loop_yields),
	};

	return flavours_run_io("runtime/handles", tests, sizeof(tests) / sizeof(tests[0]));
}
