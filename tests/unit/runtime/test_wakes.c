/* SPDX-License-Identifier: MIT */
/* Who woke whom, as a watcher reads it: task, timer, IO, foreign thread, job. And timers, labels, the workers' slack. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/support/flavours.h"
#include "tests/unit/runtime/events.h"

#define MS 1000000ull

static struct weft_runtime *rt;

static int setup(void **state)
{
	struct weft_config config = { .size = sizeof(config), .workers = 1, .name = "wakes" };

	events_normal(true);
	return flavours_start(state, &config, &rt);
}

static int teardown(void **state)
{
	(void)state;
	assert_int_equal(weft_runtime_shutdown(rt, 5000 * MS), 0);
	flavours_end(rt);
	events_normal(false);
	return 0;
}

static struct {
	uint64_t task, by;
	enum weft_waker_kind kind;
} sought;

static bool is_sought(const uint64_t *words, uint64_t unused)
{
	(void)unused;
	return (words[1] & WEFT_ID_MASK) == sought.task && (words[2] & WEFT_ID_MASK) == sought.by &&
	       (words[2] >> 48 & 0xff) == sought.kind;
}

/* Exactly one wake-up of the task, and it was that one. */
static void woken_by(uint64_t task, enum weft_waker_kind kind, uint64_t by)
{
	sought.task = task;
	sought.kind = kind;
	sought.by = by;
	assert_int_equal(events_count(WEFT_K_TASK_WAKE, is_sought, 0), 1);
	assert_int_equal(events_count(WEFT_K_TASK_WAKE, events_w1, task), 1);
}

struct waiter {
	WEFT_FRAME;
	struct weft_notify *bell;
	struct weft_stream *stream;
	struct weft_waiter wait;
	struct weft_sleep sleep;
	struct weft_job job;
	char byte;
	size_t n;
};

static weft_poll_t waits_for_bell(struct weft_cx *cx, struct waiter *f)
{
	weft_async_begin(f);
	weft_await(f, weft_notify_wait(cx, f->bell, &f->wait));
	weft_async_end(f, f->rc);
}

static weft_poll_t waits_for_time(struct weft_cx *cx, struct waiter *f)
{
	weft_async_begin(f);
	weft_await(f, weft_sleep(cx, &f->sleep, 3 * MS));
	weft_async_end(f, f->rc);
}

static weft_poll_t waits_for_byte(struct weft_cx *cx, struct waiter *f)
{
	weft_async_begin(f);
	weft_await(f, weft_stream_read(cx, f->stream, &f->byte, 1, &f->n));
	weft_async_end(f, f->rc);
}

static int job(void *arg)
{
	(void)arg;
	usleep(1000);
	return 0;
}

static weft_poll_t waits_for_job(struct weft_cx *cx, struct waiter *f)
{
	weft_async_begin(f);
	weft_await(f, weft_spawn_blocking(cx, &f->job, job, NULL));
	weft_async_end(f, f->rc);
}

/* Rings once the other waits. */
static weft_poll_t rings(struct weft_cx *cx, struct waiter *f)
{
	(void)cx;
	weft_notify_one(f->bell);
	return 0;
}

/* Spawns it, and returns when it waits; the state word tells. */
static struct weft_join *start(weft_poll_t (*fn)(struct weft_cx *, struct waiter *),
			       struct waiter f)
{
	struct weft_join *join = NULL;
	const struct weft_task *task;

	assert_int_equal(weft_spawn(rt, fn, f, .join = &join), 0);
	task = (const struct weft_task *)(const void *)join;
	while (weft_task_state(task) & (WEFT_T_NOTIFIED | WEFT_T_RUNNING))
		usleep(100);
	return join;
}

static uint64_t end(struct weft_join *join)
{
	uint64_t id = weft_join_id(join);

	while (!weft_join_done(join))
		usleep(100);
	weft_join_detach(join);
	return id;
}

static void test_by_a_task(void **state)
{
	struct weft_notify bell = { .round = 0 };
	struct waiter f = { .bell = &bell };
	struct weft_join *woken = start(waits_for_bell, f), *waker;
	uint64_t by;

	(void)state;
	assert_int_equal(weft_spawn(rt, rings, f, .join = &waker), 0);
	by = end(waker);
	woken_by(end(woken), WEFT_W_TASK, by);
}

static void test_by_a_foreign_thread(void **state)
{
	struct weft_notify bell = { .round = 0 };
	struct weft_join *woken = start(waits_for_bell, (struct waiter){ .bell = &bell });

	(void)state;
	weft_notify_one(&bell);
	woken_by(end(woken), WEFT_W_FOREIGN, 0);
}

static bool is_deadline(const uint64_t *words, uint64_t deadline)
{
	return (words[2] & WEFT_ID_MASK) == sought.task && words[3] == deadline;
}

static bool is_of_task(const uint64_t *words, uint64_t task)
{
	if ((words[2] & WEFT_ID_MASK) != task)
		return false;
	sought.by = words[3];
	return true;
}

/* The deadline is told as it was asked for, when it is armed and when it fires. */
static void test_by_a_timer(void **state)
{
	uint64_t begin = weft_now(), id = end(start(waits_for_time, (struct waiter){ .n = 0 }));
	uint64_t deadline;

	(void)state;
	woken_by(id, WEFT_W_TIMER, 0);
	assert_int_equal(events_count(WEFT_K_TIMER_ARM, is_of_task, id), 1);
	deadline = sought.by;
	assert_true(deadline >= begin + 3 * MS && deadline <= weft_now());
	assert_int_equal(events_count(WEFT_K_TIMER_FIRE, is_deadline, deadline), 1);
}

static void test_by_io(void **state)
{
	struct weft_stream *stream[2];
	struct weft_join *woken;

	(void)state;
	assert_int_equal(weft_stream_pair(rt, stream), 0);
	woken = start(waits_for_byte, (struct waiter){ .stream = stream[0] });
	assert_int_equal(write(weft_stream_fd(stream[1]), "x", 1), 1);
	woken_by(end(woken), WEFT_W_IO, 0);
	weft_stream_close(stream[0]);
	weft_stream_close(stream[1]);
}

static void test_by_a_job(void **state)
{
	(void)state;
	woken_by(end(start(waits_for_job, (struct waiter){ .n = 0 })), WEFT_W_JOB, 0);
}

static weft_poll_t labelled(struct weft_cx *cx, struct waiter *f)
{
	(void)f;
	weft_task_label(cx, "trace_id", "4bf92f35");
	return 0;
}

/* Key and value follow each other; the first 8 bytes are in the fourth word. */
static bool is_label(const uint64_t *words, uint64_t task)
{
	return (words[2] & WEFT_ID_MASK) == task && (words[1] >> 16 & 0xffff) == 8 &&
	       (words[1] >> 32 & 0xffff) == 8 && memcmp(&words[3], "trace_id", 8) == 0;
}

static void test_label(void **state)
{
	uint64_t id = end(start(labelled, (struct waiter){ .n = 0 }));

	(void)state;
	assert_int_equal(events_count(WEFT_K_LABEL, is_label, id), 1);
}

static weft_poll_t tells_slack(struct weft_cx *cx, struct waiter *f)
{
	weft_async_begin(f);
	weft_await(f, weft_sleep(cx, &f->sleep, MS)); /* a thread that has waited */
	weft_async_end(f, prctl(PR_GET_TIMERSLACK, 0, 0, 0, 0));
}

struct ask {
	WEFT_FRAME;
	struct weft_join *join;
};

static weft_poll_t joins(struct weft_cx *cx, struct ask *f)
{
	weft_async_begin(f);
	weft_await(f, weft_join(cx, &f->join));
	weft_async_end(f, f->rc);
}

/* By default the kernel lets each wait take 50 us longer. A caller's thread gets its own back. */
static void test_slack(void **state)
{
	uint32_t flavour = flavours_of(state);
	int own = prctl(PR_GET_TIMERSLACK, 0, 0, 0, 0);
	struct ask f = { .join = NULL };

	assert_int_equal(weft_spawn(rt, tells_slack, ((struct waiter){ .n = 0 }), .join = &f.join),
			 0);
	if (flavour == WEFT_REACTOR_POOL) /* who waits there is the reactor */
		assert_true(weft_block_on(rt, joins, &f) > 0);
	else
		assert_int_equal(weft_block_on(rt, joins, &f), 1);
	assert_int_equal(prctl(PR_GET_TIMERSLACK, 0, 0, 0, 0), own);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_by_a_task),  T(test_by_a_foreign_thread),
		T(test_by_a_timer), T(test_by_io),
		T(test_by_a_job),   T(test_label),
		T(test_slack),
	};

	return flavours_run("runtime/wakes", tests, sizeof(tests) / sizeof(tests[0]));
}
