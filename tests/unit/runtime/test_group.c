/* SPDX-License-Identifier: MIT */
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
	struct weft_config config = { .size = sizeof(config), .workers = 2, .name = "test" };

	events_light(true);
	return flavours_start(state, &config, &rt);
}

static int teardown(void **state)
{
	struct weft_runtime_stats stats;

	(void)state;
	assert_int_equal(weft_runtime_shutdown(rt, 5000 * MS), 0);
	weft_runtime_stats(rt, &stats);
	assert_int_equal(stats.alive, 0);
	assert_int_equal(stats.timers, 0);
	flavours_end(rt);
	events_light(false);
	return 0;
}

struct member {
	WEFT_FRAME;
	struct weft_sleep sleep;
	struct weft_yield yield;
	uint64_t ns;
	int yields, value;
};

static weft_poll_t member(struct weft_cx *cx, struct member *f)
{
	weft_async_begin(f);
	while (f->yields-- > 0)
		weft_await(f, weft_yield(cx, &f->yield));
	if (f->ns) {
		weft_await(f, weft_sleep(cx, &f->sleep, f->ns));
		if (f->rc)
			return f->rc;
	}
	weft_async_end(f, f->value);
}

#define SLEEPER ((struct member){ .ns = 3600000 * MS })

struct owner {
	WEFT_FRAME;
	struct weft_group *group;
	struct weft_group_result result;
	struct weft_group_any any;
	struct weft_sleep limit;
	int i, sum;
	uint64_t seen;
};

static void spawn_value(struct owner *f, int yields, int value)
{
	f->rc = weft_spawn(NULL, member, ((struct member){ .yields = yields, .value = value }),
			   .group = f->group);
}

static weft_poll_t next_of_all(struct weft_cx *cx, struct owner *f)
{
	weft_async_begin(f);
	for (f->i = 0; f->i < 40; f->i++)
		spawn_value(f, f->i % 5, f->i * 10);
	for (;;) {
		weft_await(f, weft_group_next(cx, f->group, &f->result));
		if (f->rc)
			break;
		if (f->result.rc != (int)f->result.index * 10 || !f->result.task)
			return -1;
		f->seen |= 1ull << f->result.index;
	}
	weft_async_end(f, f->rc);
}

static struct owner new_owner(void)
{
	struct owner f = { .i = 0 };

	assert_int_equal(weft_group_new(&f.group), 0);
	return f;
}

static void test_each_result_once(void **state)
{
	struct owner f = new_owner();

	(void)state;
	assert_int_equal(weft_block_on(rt, next_of_all, &f), -ENOENT);
	assert_true(f.seen == (1ull << 40) - 1);
	assert_null(weft_group_free(f.group));
	assert_null(weft_group_free(NULL));
}

static weft_poll_t all(struct weft_cx *cx, struct owner *f)
{
	weft_async_begin(f);
	weft_await(f, weft_group_all(cx, f->group)); /* empty: at once */
	if (f->rc)
		return 99;
	for (f->i = 0; f->i < 10; f->i++)
		spawn_value(f, 3, f->i == 7 ? f->sum : 1);
	weft_await(f, weft_group_all(cx, f->group));
	f->seen = weft_group_running(f->group);
	weft_async_end(f, f->rc);
}

static void test_all(void **state)
{
	struct owner f = new_owner();

	(void)state;
	assert_int_equal(weft_block_on(rt, all, &f), 0);
	assert_int_equal(f.seen, 0);
	f.sum = -EPROTO;
	assert_int_equal(weft_block_on(rt, all, &f), -EPROTO);
	weft_group_free(f.group);
}

static weft_poll_t any(struct weft_cx *cx, struct owner *f)
{
	weft_async_begin(f);
	for (f->i = 0; f->i < 5; f->i++)
		weft_spawn(NULL, member, SLEEPER, .group = f->group);
	spawn_value(f, 3, 42);
	weft_await(f, weft_group_any(cx, &f->any, f->group, &f->result));
	f->seen = weft_group_running(f->group);
	weft_async_end(f, f->rc);
}

static void test_any_cancels_the_rest(void **state)
{
	struct owner f = new_owner();

	(void)state;
	assert_int_equal(weft_block_on(rt, any, &f), 0);
	assert_int_equal(f.result.rc, 42);
	assert_int_equal(f.result.index, 5);
	assert_int_equal(f.seen, 0);
	weft_group_free(f.group);
}

static weft_poll_t limited(struct weft_cx *cx, struct owner *f)
{
	weft_async_begin(f);
	for (f->i = 0; f->i < 3; f->i++)
		weft_spawn(NULL, member, SLEEPER, .group = f->group);
	weft_await(f,
		   weft_timeout(cx, &f->limit, 5 * MS, weft_group_next(cx, f->group, &f->result)));
	f->sum = f->rc;
	weft_group_abort(f->group);
	while (f->rc != -ENOENT) {
		weft_await(f, weft_group_next(cx, f->group, &f->result));
		f->seen += f->rc == 0 && f->result.rc == -ECANCELED;
	}
	weft_async_end(f, f->sum);
}

static void test_timeout_and_abort(void **state)
{
	struct owner f = new_owner();

	(void)state;
	assert_int_equal(weft_block_on(rt, limited, &f), -ETIMEDOUT);
	assert_int_equal(f.seen, 3);
	weft_group_free(f.group);
}

static uint64_t last_member;

static weft_poll_t with_id(struct weft_cx *cx, struct member *f)
{
	__atomic_store_n(&last_member, weft_task_id(cx), __ATOMIC_RELEASE);
	return member(cx, f);
}

/* The owner may leave: members end by themselves, the group's memory with the last one. */
static void test_freed_while_running(void **state)
{
	struct owner f = new_owner();
	uint64_t id;

	(void)state;
	__atomic_store_n(&last_member, 0, __ATOMIC_RELEASE);
	assert_int_equal(weft_spawn(rt, with_id, SLEEPER, .group = f.group), 0);
	for (int i = 0; i < 20; i++)
		assert_int_equal(weft_spawn(rt, member, SLEEPER, .group = f.group), 0);
	while (!(id = __atomic_load_n(&last_member, __ATOMIC_ACQUIRE)))
		usleep(200);
	weft_group_free(f.group);
	while (!events_count(WEFT_K_TASK_END, events_w1, id))
		usleep(200);
	assert_int_equal(events_count(WEFT_K_HANDLE_DROP, events_task_what,
				      id << 8 | WEFT_D_CANCEL),
			 1);
	assert_int_equal(events_count(WEFT_K_TASK_END, events_task_what,
				      id << 8 | WEFT_E_CANCELLED),
			 1);
}

/* Shutdown ends members too; nobody takes their results. */
static void test_shutdown_with_members(void **state)
{
	struct owner f = new_owner();

	(void)state;
	for (int i = 0; i < 5; i++)
		assert_int_equal(weft_spawn(rt, member, SLEEPER, .group = f.group), 0);
	assert_int_equal(weft_runtime_shutdown(rt, 5000 * MS), 0);
	assert_int_equal(weft_spawn(rt, member, SLEEPER, .group = f.group), -ESHUTDOWN);
	assert_int_equal(weft_group_running(f.group), 0);
	weft_group_free(f.group);
}

static weft_poll_t second(struct weft_cx *cx, struct owner *f)
{
	weft_async_begin(f);
	weft_await(f, weft_group_next(cx, f->group, &f->result));
	weft_async_end(f, f->rc);
}

static void test_second_waiter(void **state)
{
	struct owner f = new_owner();
	struct weft_join *join;
	unsigned before = events_count(WEFT_K_MISUSE, events_code, WEFT_M_DOUBLE_AWAIT);

	(void)state;
	assert_int_equal(weft_spawn(rt, member, SLEEPER, .group = f.group), 0);
	assert_int_equal(weft_spawn(rt, second, f, .join = &join), 0);
	while (weft_task_state((struct weft_task *)(void *)join) &
	       (WEFT_T_NOTIFIED | WEFT_T_RUNNING))
		usleep(200); /* until it waits */
	assert_int_equal(weft_block_on(rt, second, &f), -EBUSY);
	assert_int_equal(events_count(WEFT_K_MISUSE, events_code, WEFT_M_DOUBLE_AWAIT), before + 1);
	weft_join_abort(join);
	while (!weft_join_done(join))
		usleep(200);
	weft_join_detach(join);
	weft_group_free(f.group);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_each_result_once),     T(test_all),
		T(test_any_cancels_the_rest), T(test_timeout_and_abort),
		T(test_freed_while_running),  T(test_shutdown_with_members),
		T(test_second_waiter),
	};

	return flavours_run("runtime/group", tests, sizeof(tests) / sizeof(tests[0]));
}
