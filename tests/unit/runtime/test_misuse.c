/* SPDX-License-Identifier: MIT */
/* Misuse is an error and an event, one that names the task: each kind that has no test of its own elsewhere. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/flavours.h"
#include "tests/unit/runtime/events.h"

#define MS 1000000ull

static struct weft_runtime *rt;
static unsigned before;
static enum weft_misuse code;

static int setup(void **state)
{
	struct weft_config config = { .size = sizeof(config), .workers = 1, .name = "misuse" };

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

static bool is_code_of_task(const uint64_t *words, uint64_t task)
{
	return (uint32_t)words[1] == code && (words[2] & WEFT_ID_MASK) == task;
}

struct user {
	WEFT_FRAME;
	int (*misuse)(struct weft_cx *cx, struct user *f);
	uint64_t id;
	union {
		struct weft_mutex mutex;
		struct weft_rwlock rwlock;
		struct weft_semaphore semaphore;
	};
	struct weft_acquire acquire;
	struct weft_sleep sleep;
};

static weft_poll_t user(struct weft_cx *cx, struct user *f)
{
	f->id = weft_task_id(cx);
	return f->misuse(cx, f);
}

/* Once, and it says which task. */
static void gives(struct weft_runtime *in, enum weft_misuse what, int rc,
		  int (*misuse)(struct weft_cx *, struct user *))
{
	struct user f = { .misuse = misuse };

	code = what;
	before = events_count(WEFT_K_MISUSE, events_code, what);
	assert_int_equal(weft_block_on(in, user, &f), rc);
	assert_int_equal(events_count(WEFT_K_MISUSE, events_code, what), before + 1);
	assert_int_equal(events_count(WEFT_K_MISUSE, is_code_of_task, f.id), 1);
}

static int time_off(struct weft_cx *cx, struct user *f)
{
	return weft_sleep(cx, &f->sleep, MS);
}

static int io_off(struct weft_cx *cx, struct user *f)
{
	struct weft_stream *stream[2];

	(void)cx, (void)f;
	return weft_stream_pair(weft_runtime_current(), stream);
}

static void test_parts_left_out(void **state)
{
	struct weft_config config = { .size = sizeof(config),
				      .workers = 1,
				      .no_io = 1,
				      .no_time = 1,
				      .flavour = flavours_of(state) };
	struct weft_runtime *bare;

	assert_int_equal(weft_runtime_new(&config, &bare), 0);
	gives(bare, WEFT_M_TIME_OFF, -ENOTSUP, time_off);
	gives(bare, WEFT_M_IO_OFF, -ENOTSUP, io_off);
	weft_runtime_free(bare);
}

static unsigned after_shutdown(void)
{
	return events_count(WEFT_K_MISUSE, events_code, WEFT_M_AFTER_SHUTDOWN);
}

static void test_sockets_after_shutdown(void **state)
{
	struct weft_config config = { .size = sizeof(config),
				      .workers = 1,
				      .flavour = flavours_of(state) };
	struct weft_listener *listener;
	struct weft_runtime *other;
	struct weft_stream *pair[2];

	assert_int_equal(weft_runtime_new(&config, &other), 0);
	assert_int_equal(weft_runtime_shutdown(other, 5000 * MS), 0);
	before = after_shutdown();
	assert_int_equal(weft_tcp_listen(other, "127.0.0.1", 0, &listener), -ESHUTDOWN);
	assert_int_equal(weft_stream_pair(other, pair), -ESHUTDOWN);
	assert_int_equal(after_shutdown(), before + 2);
	weft_runtime_free(other);
}

static void test_no_runtime(void **state)
{
	struct user f = { .misuse = NULL };
	struct weft_listener *listener;
	struct weft_stream *pair[2];

	(void)state;
	assert_int_equal(weft_spawn(NULL, user, f), -EINVAL);
	assert_int_equal(weft_block_on(NULL, user, &f), -EINVAL);
	assert_int_equal(weft_runtime_run(NULL), -EINVAL);
	assert_int_equal(weft_tcp_listen(NULL, "127.0.0.1", 0, &listener), -EINVAL);
	assert_int_equal(weft_stream_pair(NULL, pair), -EINVAL);
}

static int nested(struct weft_cx *cx, struct user *f)
{
	struct user inner = { .misuse = time_off };

	(void)cx, (void)f;
	return weft_block_on(rt, user, &inner);
}

static void test_nested_block_on(void **state)
{
	(void)state;
	gives(rt, WEFT_M_NESTED_BLOCK_ON, -EDEADLK, nested);
}

static weft_poll_t suspends(struct weft_cx *cx, struct user *f)
{
	weft_async_begin(f);
	weft_await(f, weft_sleep(cx, &f->sleep, 3600000 * MS));
	weft_async_end(f, f->rc);
}

/* A suspended frame that was copied elsewhere. */
static int moved(struct weft_cx *cx, struct user *f)
{
	struct user first = { .id = 0 }, second;
	int rc;

	(void)f;
	if (suspends(cx, &first) != WEFT_PENDING)
		return -EPROTO;
	second = first;
	rc = suspends(cx, &second);
	weft_sleep_cancel(cx, &first.sleep);
	return rc;
}

static void test_frame_moved(void **state)
{
	(void)state;
	gives(rt, WEFT_M_FRAME_MOVED, -EFAULT, moved);
}

static int unlock(struct weft_cx *cx, struct user *f)
{
	(void)cx;
	return weft_mutex_unlock(&f->mutex);
}

static int unlock_read(struct weft_cx *cx, struct user *f)
{
	(void)cx;
	return weft_rwlock_unlock_read(&f->rwlock);
}

static int downgrade(struct weft_cx *cx, struct user *f)
{
	(void)cx;
	if (!weft_rwlock_try_read(&f->rwlock))
		return -EPROTO;
	return weft_rwlock_downgrade(&f->rwlock);
}

static void test_not_held(void **state)
{
	(void)state;
	gives(rt, WEFT_M_NOT_HELD, -EPERM, unlock);
	gives(rt, WEFT_M_NOT_HELD, -EPERM, unlock_read);
	gives(rt, WEFT_M_NOT_HELD, -EPERM, downgrade);
}

static int done_while_held(struct weft_cx *cx, struct user *f)
{
	(void)cx;
	if (!weft_mutex_try_lock(&f->mutex))
		return -EPROTO;
	return weft_mutex_done(&f->mutex);
}

static void test_freed_in_use(void **state)
{
	(void)state;
	gives(rt, WEFT_M_FREED_IN_USE, -EBUSY, done_while_held);
}

static int block_on_mutex(struct weft_cx *cx, struct user *f)
{
	(void)cx;
	return weft_mutex_blocking_lock(&f->mutex);
}

static void test_blocking_in_task(void **state)
{
	(void)state;
	gives(rt, WEFT_M_BLOCKING_IN_TASK, -EDEADLK, block_on_mutex);
}

/* One wait in progress, used for another object. */
static int two_objects(struct weft_cx *cx, struct user *f)
{
	struct weft_mutex other = { .waiters = { .holder = 0 } };
	int rc;

	if (!weft_mutex_try_lock(&f->mutex) ||
	    weft_mutex_lock(cx, &f->mutex, &f->acquire) != WEFT_PENDING)
		return -EPROTO;
	rc = weft_mutex_lock(cx, &other, &f->acquire);
	weft_mutex_unlock(&f->mutex);
	return weft_mutex_lock(cx, &f->mutex, &f->acquire) ? -EPROTO : rc;
}

static void test_double_await(void **state)
{
	(void)state;
	gives(rt, WEFT_M_DOUBLE_AWAIT, -EBUSY, two_objects);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_parts_left_out), T(test_nested_block_on),        T(test_frame_moved),
		T(test_not_held),       T(test_freed_in_use),           T(test_blocking_in_task),
		T(test_double_await),   T(test_sockets_after_shutdown), T(test_no_runtime),
	};

	return flavours_run("runtime/misuse", tests, sizeof(tests) / sizeof(tests[0]));
}
