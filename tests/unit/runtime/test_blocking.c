/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "runtime/executor/executor.h"
#include "tests/support/flavours.h"

#define MS 1000000ull

static struct weft_runtime *runtime_with(void **state, uint32_t max_blocking,
					 uint64_t keep_alive_ns)
{
	struct weft_config config = {
		.size = sizeof(config),
		.workers = 1,
		.max_blocking = max_blocking,
		.keep_alive_ns = keep_alive_ns,
	};
	struct weft_runtime *rt;

	assert_int_equal(flavours_start(state, &config, &rt), 0);
	return rt;
}

struct counters {
	uint32_t now, most, ran;
};

static int job(void *arg)
{
	struct counters *c = arg;
	uint32_t now = __atomic_add_fetch(&c->now, 1, __ATOMIC_SEQ_CST),
		 most = __atomic_load_n(&c->most, __ATOMIC_SEQ_CST);

	while (now > most && !__atomic_compare_exchange_n(&c->most, &most, now, false,
							  __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
		;
	usleep(2000);
	__atomic_fetch_sub(&c->now, 1, __ATOMIC_SEQ_CST);
	return (int)__atomic_fetch_add(&c->ran, 1, __ATOMIC_SEQ_CST);
}

struct asker {
	WEFT_FRAME;
	struct weft_job job;
	struct counters *c;
	int i;
};

static weft_poll_t asker(struct weft_cx *cx, struct asker *f)
{
	weft_async_begin(f);
	for (f->i = 0; f->i < 3; f->i++) {
		weft_await(f, weft_spawn_blocking(cx, &f->job, job, f->c));
		if (f->rc < 0)
			return f->rc;
	}
	weft_async_end(f, 0);
}

struct crowd {
	WEFT_FRAME;
	struct weft_join *join[30];
	struct counters *c;
	int i;
};

static weft_poll_t crowd(struct weft_cx *cx, struct crowd *f)
{
	weft_async_begin(f);
	for (f->i = 0; f->i < 30; f->i++)
		weft_spawn(NULL, asker, ((struct asker){ .c = f->c }), .join = &f->join[f->i]);
	for (f->i = 0; f->i < 30; f->i++) {
		weft_await(f, weft_join(cx, &f->join[f->i]));
		if (f->rc)
			return f->rc;
	}
	weft_async_end(f, 0);
}

static void test_limit_and_keep_alive(void **state)
{
	struct weft_runtime *rt = runtime_with(state, 4, 20 * MS);
	struct weft_runtime_stats stats;
	struct counters c = { 0, 0, 0 };
	struct crowd f = { .c = &c };

	assert_int_equal(weft_block_on(rt, crowd, &f), 0);
	assert_int_equal(c.ran, 90);
	assert_in_range(c.most, 2, 4);
	do {
		usleep(1000);
		weft_runtime_stats(rt, &stats);
	} while (stats.pool_threads);
	f = (struct crowd){ .c = &c };
	assert_int_equal(weft_block_on(rt, crowd, &f), 0); /* they come back */
	assert_int_equal(weft_runtime_shutdown(rt, 5000 * MS), 0);
	flavours_end(rt);
}

/* One thread at most, leaving again and again while jobs arrive. */
static void test_one_thread_that_leaves(void **state)
{
	struct weft_runtime *rt = runtime_with(state, 1, 1);
	struct counters c = { 0, 0, 0 };

	for (int i = 0; i < 20; i++) {
		struct asker f = { .c = &c };

		assert_int_equal(weft_block_on(rt, asker, &f), 0);
	}
	assert_int_equal(c.ran, 60);
	assert_int_equal(weft_runtime_shutdown(rt, 5000 * MS), 0);
	flavours_end(rt);
}

static uint32_t gate, started;

static int wait_for_gate(void *arg)
{
	char *frame = arg;

	__atomic_store_n(&started, 1, __ATOMIC_RELEASE);
	while (!__atomic_load_n(&gate, __ATOMIC_ACQUIRE))
		usleep(200);
	memset(frame, 7, 64); /* the frame is still there, though its task is not */
	return 0;
}

struct holder {
	WEFT_FRAME;
	struct weft_job job;
	char data[64];
};

static weft_poll_t holder(struct weft_cx *cx, struct holder *f)
{
	weft_async_begin(f);
	weft_await(f, weft_spawn_blocking(cx, &f->job, wait_for_gate, f->data));
	weft_async_end(f, f->rc);
}

static void test_abort_leaves_the_block_to_the_job(void **state)
{
	struct weft_runtime *rt = runtime_with(state, 0, 0);
	struct weft_join *join;

	gate = started = 0;
	assert_int_equal(weft_spawn(rt, holder, ((struct holder){ .rc = 0 }), .join = &join), 0);
	while (!__atomic_load_n(&started, __ATOMIC_ACQUIRE))
		usleep(200);
	weft_join_abort(join);
	while (!weft_join_done(join))
		usleep(200);
	weft_join_detach(join);
	assert_int_equal(weft_runtime_shutdown(rt, 20 * MS), -ETIMEDOUT); /* the job is stuck */
	__atomic_store_n(&gate, 1, __ATOMIC_RELEASE);
	assert_int_equal(weft_runtime_shutdown(rt, 5000 * MS), 0);
	flavours_end(rt);
}

static int shuts_down(void *rt)
{
	return weft_runtime_shutdown(rt, 2000 * MS);
}

struct suicide {
	WEFT_FRAME;
	struct weft_job job;
};

static weft_poll_t suicide(struct weft_cx *cx, struct suicide *f)
{
	weft_async_begin(f);
	weft_await(f, weft_spawn_blocking(cx, &f->job, shuts_down, weft_runtime_current()));
	weft_async_end(f, f->rc);
}

/* A thread of the pool is one of the runtime's own, and would wait for itself. */
static void test_shutdown_by_a_job(void **state)
{
	struct weft_runtime *rt = runtime_with(state, 1, 0);
	struct suicide f = { .rc = 0 };

	assert_int_equal(weft_block_on(rt, suicide, &f), -EDEADLK);
	assert_int_equal(weft_runtime_shutdown(rt, 5000 * MS), 0);
	flavours_end(rt);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_limit_and_keep_alive),
		cmocka_unit_test(test_one_thread_that_leaves),
		cmocka_unit_test(test_abort_leaves_the_block_to_the_job),
		cmocka_unit_test(test_shutdown_by_a_job),
	};

	return flavours_run("runtime/blocking", tests, sizeof(tests) / sizeof(tests[0]));
}
