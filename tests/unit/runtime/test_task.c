/* SPDX-License-Identifier: MIT */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "runtime/executor/executor.h"
#include "runtime/trace_map.h"
#include "tests/support/net_runtime.h"

struct child {
	WEFT_FRAME;
	struct weft_yield yield;
	struct weft_sleep sleep;
	int i, yields, value;
	uint32_t *done;
};

static weft_poll_t child(struct weft_cx *cx, struct child *f)
{
	weft_async_begin(f);
	for (f->i = 0; f->i < f->yields; f->i++)
		weft_await(f, weft_yield(cx, &f->yield));
	if (f->value < 0)
		weft_await(f, weft_sleep(cx, &f->sleep, 3600000 * MS));
	if (f->done)
		__atomic_fetch_add(f->done, 1, __ATOMIC_RELEASE);
	weft_async_end(f, f->value < 0 ? f->rc : f->value);
}

struct parent {
	WEFT_FRAME;
	struct weft_join *join[10];
	int i, sum;
	bool abort;
	uint64_t id;
};

static weft_poll_t parent(struct weft_cx *cx, struct parent *f)
{
	weft_async_begin(f);
	f->id = weft_task_id(cx);
	for (f->i = 0; f->i < 10; f->i++)
		assert_int_equal(weft_spawn(NULL, child,
					    ((struct child){ .yields = f->i,
							     .value = f->abort ? -1 : f->i }),
					    .join = &f->join[f->i]),
				 0);
	for (f->i = 9; f->i >= 0; f->i--) {
		if (f->abort)
			weft_join_abort(f->join[f->i]);
		weft_await(f, weft_join(cx, &f->join[f->i]));
		f->sum += f->rc;
		assert_null(f->join[f->i]);
	}
	weft_async_end(f, f->sum);
}

static void test_join(void **state)
{
	struct parent f = { .abort = false };

	(void)state;
	assert_int_equal(weft_block_on(rt, parent, &f), 45);
	assert_int_equal(f.sum, 45);
	assert_int_not_equal(f.id, 0);
}

static void test_abort(void **state)
{
	struct parent f = { .abort = true };

	(void)state;
	assert_int_equal(weft_block_on(rt, parent, &f), -10 * ECANCELED);
}

static void wait_for(uint32_t *word, uint32_t value)
{
	while (__atomic_load_n(word, __ATOMIC_ACQUIRE) != value)
		usleep(200);
}

static void test_detach_and_ids(void **state)
{
	struct weft_join *join[2];
	uint32_t done = 0;

	(void)state;
	for (int i = 0; i < 2; i++)
		assert_int_equal(weft_spawn(rt, child,
					    ((struct child){ .yields = 3, .done = &done }),
					    .join = &join[i]),
				 0);
	assert_true(
		weft_join_id(join[1]) >
		weft_join_id(join[0])); /* others may take ids between: whoever drives has one */
	for (int i = 0; i < 2; i++)
		assert_null(weft_join_detach(join[i]));
	assert_null(weft_join_detach(NULL));
	assert_int_equal(weft_spawn(rt, child, ((struct child){ .done = &done }), .name = "other",
				    .detach = true),
			 0);
	wait_for(&done, 3);
	assert_int_equal(weft_spawn(NULL, child, ((struct child){ .yields = 0 })), -EINVAL);
}

/* Reads all live tasks through the slab table, as a watcher does. */
static const struct weft_task_head *find_task(uint64_t id)
{
	struct weft_map_header *h = weft_map_header();
	struct weft_slab *slab = (struct weft_slab *)(void *)((char *)h + h->slab_offset);

	for (uint32_t i = 0; i < h->slabs; i++) {
		for (uint32_t s = 0; s < slab[i].slots; s++) {
			struct weft_task_head *head =
				(void *)(uintptr_t)(slab[i].address +
						    (uint64_t)s * slab[i].slot_bytes);

			if (__atomic_load_n(&head->id, __ATOMIC_ACQUIRE) == id)
				return head;
		}
	}
	return NULL;
}

struct big {
	WEFT_FRAME;
	struct weft_sleep sleep;
	char bulk[100000];
};

static weft_poll_t big(struct weft_cx *cx, struct big *f)
{
	weft_async_begin(f);
	weft_await(f, weft_sleep(cx, &f->sleep, 3600000 * MS));
	weft_async_end(f, f->rc);
}

static void test_blocks_are_visible(void **state)
{
	const struct weft_task_head *head;
	const struct weft_site_entry *sites;
	struct weft_join *join;
	static struct big frame;
	uint64_t id;

	(void)state;
	assert_int_equal(weft_spawn(rt, big, frame, .join = &join, .name = "big one"), 0);
	id = weft_join_id(join);
	head = find_task(id);
	assert_non_null(head);
	assert_true(head->bytes >= sizeof(frame));
	assert_int_equal(head->runtime, rt->id);
	sites = (void *)((char *)weft_map_header() + weft_map_header()->site_offset);
	assert_true(head->site < weft_map_header()->sites);
	assert_string_equal(sites[head->site].func, "test_blocks_are_visible");
	assert_string_equal(sites[head->site].name, "big one");
	assert_int_equal(head->name, 0);
	weft_join_abort(join);
	while (!weft_join_done(join))
		usleep(200);
	weft_join_detach(join);
	assert_null(find_task(id));
}

struct huge {
	WEFT_FRAME;
	struct weft_sleep sleep;
	char bulk[2 << 20];
};

static weft_poll_t huge(struct weft_cx *cx, struct huge *f)
{
	weft_async_begin(f);
	weft_await(f, weft_sleep(cx, &f->sleep, 3600000 * MS));
	weft_async_end(f, f->rc);
}

static void *run_huge(void *frame)
{
	return (void *)(intptr_t)weft_block_on(rt, huge, (struct huge *)frame);
}

/* Tasks that no slab has room for end at shutdown like all others. */
static void test_huge_tasks_end(void **state)
{
	static struct huge frame, root;
	struct weft_runtime_stats stats;
	struct weft_join *join[3];
	pthread_t thread;
	void *rc;

	(void)state;
	for (int i = 0; i < 3; i++)
		assert_int_equal(weft_spawn(rt, huge, frame, .join = &join[i]), 0);
	weft_join_abort(join[1]);
	while (!weft_join_done(join[1]))
		usleep(200);
	join[1] = weft_join_detach(join[1]);
	assert_int_equal(pthread_create(&thread, NULL, run_huge, &root), 0);
	do {
		usleep(200);
		weft_runtime_stats(rt, &stats);
	} while (stats.timers < 3);
	assert_int_equal(weft_runtime_shutdown(rt, 5000 * MS), 0);
	pthread_join(thread, &rc);
	assert_int_equal((intptr_t)rc, -ECANCELED);
	for (int i = 0; i < 3; i++) {
		assert_true(!join[i] || weft_join_done(join[i]));
		weft_join_detach(join[i]);
	}
}

static void test_dynamic_names(void **state)
{
	static char name[4096];
	struct weft_join *join[2];

	(void)state;
	memset(name, '\033', sizeof(name) - 1);
	for (int i = 0; i < 2; i++) {
		name[0] = (char)('a' + i);
		assert_int_equal(weft_spawn(rt, child, ((struct child){ .value = -1 }),
					    .name = name, .join = &join[i]),
				 0);
	}
	assert_int_equal(find_task(weft_join_id(join[0]))->name, 0); /* the first names the site */
	assert_int_equal(((const char *)(uintptr_t)find_task(weft_join_id(join[1]))->name)[0], 'b');
	for (int i = 0; i < 2; i++)
		weft_join_detach(join[i]); /* shutdown ends them */
}

struct double_await {
	WEFT_FRAME;
	struct weft_join *join, *same;
	struct weft_sleep sleep;
	int which;
};

static weft_poll_t waiter(struct weft_cx *cx, struct double_await *f)
{
	weft_async_begin(f);
	weft_await(f, weft_join(cx, &f->same));
	weft_async_end(f, f->rc);
}

static weft_poll_t double_await(struct weft_cx *cx, struct double_await *f)
{
	weft_async_begin(f);
	weft_spawn(NULL, child, ((struct child){ .value = -1 }), .join = &f->join);
	f->same = f->join;
	weft_spawn(NULL, waiter, ((struct double_await){ .same = f->same }), .join = &f->same);
	while (weft_task_state((struct weft_task *)(void *)f->same) &
	       (WEFT_T_NOTIFIED | WEFT_T_RUNNING))
		weft_await(f, weft_sleep(cx, &f->sleep, MS)); /* until the waiter has it */
	weft_await(f, weft_join(cx, &f->join));
	f->which = f->rc;
	weft_join_abort(f->join);
	weft_await(f, weft_join(cx, &f->same));
	weft_async_end(f, f->which);
}

static void test_double_await(void **state)
{
	struct double_await f = { .which = 0 };

	(void)state;
	assert_int_equal(weft_block_on(rt, double_await, &f), -EBUSY);
}

static weft_poll_t nested(struct weft_cx *cx, struct child *f)
{
	struct child inner = { .yields = 1 };

	(void)cx, (void)f;
	assert_int_equal(weft_runtime_shutdown(rt, MS), -EDEADLK);
	return weft_block_on(rt, child, &inner);
}

static void test_nested_block_on(void **state)
{
	struct child f = { .yields = 0 };

	(void)state;
	assert_int_equal(weft_block_on(rt, nested, &f), -EDEADLK);
}

static void test_parts_left_out(void **state)
{
	struct weft_config config = {
		.size = sizeof(config), .workers = 1, .no_io = 1, .no_time = 1
	};
	struct weft_listener *listener;
	struct weft_runtime *bare;
	struct child f = { .value = -1 };

	config.flavour = flavours_of(state);
	assert_int_equal(weft_runtime_new(&config, &bare), 0);
	assert_int_equal(weft_block_on(bare, child, &f), -ENOTSUP);
	assert_int_equal(weft_tcp_listen(bare, "127.0.0.1", 0, &listener), -ENOTSUP);
	assert_int_equal(weft_runtime_shutdown(bare, 1000 * MS), 0);
	assert_int_equal(weft_spawn(bare, child, f), -ESHUTDOWN);
	assert_int_equal(weft_block_on(bare, child, &f), -ESHUTDOWN);
	weft_runtime_free(bare);
	config.flavour = 99;
	assert_int_equal(weft_runtime_new(&config, &bare), -ENOTSUP);
}

/* Waits for nothing, ignores each error: taken off after 1,000 refusals. */
static weft_poll_t headstrong(struct weft_cx *cx, struct child *f)
{
	weft_async_begin(f);
	for (;;) {
		weft_await(f, weft_sleep(cx, &f->sleep, MS));
		f->i++;
	}
	weft_async_end(f, 0);
}

static void test_headstrong_task_and_shutdown(void **state)
{
	struct weft_join *join;
	struct child f = { .i = 0 };

	(void)state;
	assert_int_equal(weft_spawn(rt, headstrong, f, .join = &join), 0);
	usleep(5000);
	weft_join_abort(join);
	while (!weft_join_done(join))
		usleep(200);
	weft_join_detach(join);
	assert_int_equal(weft_spawn(rt, headstrong, f), 0); /* ended by teardown */
}

/* Computes in pieces until it is told to stop. */
static weft_poll_t pieces(struct weft_cx *cx, struct child *f)
{
	weft_async_begin(f);
	do {
		if (f->done)
			__atomic_store_n(f->done, 1, __ATOMIC_RELEASE);
		weft_await(f, weft_yield(cx, &f->yield));
	} while (f->rc == 0);
	weft_async_end(f, f->rc);
}

struct limited {
	WEFT_FRAME;
	struct weft_sleep limit;
	struct child inner;
};

static weft_poll_t limited(struct weft_cx *cx, struct limited *f)
{
	weft_async_begin(f);
	weft_await(f, weft_timeout(cx, &f->limit, 5 * MS, pieces(cx, &f->inner)));
	weft_async_end(f, f->rc);
}

static void test_yield_is_cancelled(void **state)
{
	struct limited f = { .rc = 0 };
	struct weft_join *join;
	uint32_t begun = 0;

	(void)state;
	assert_int_equal(weft_spawn(rt, pieces, ((struct child){ .done = &begun }), .join = &join),
			 0);
	wait_for(&begun, 1);
	weft_join_abort(join);
	while (!weft_join_done(join))
		usleep(200);
	weft_join_detach(join);
	assert_int_equal(weft_block_on(rt, limited, &f), -ETIMEDOUT);
	/* Ended by teardown. */
	assert_int_equal(weft_spawn(rt, pieces, ((struct child){ .yields = 0 })), 0);
}

struct abandon {
	WEFT_FRAME;
	struct weft_sleep sleep;
};

/* Leaves with its timer armed: the wheel must not keep the address. */
static weft_poll_t abandon(struct weft_cx *cx, struct abandon *f)
{
	assert_int_equal(weft_sleep(cx, &f->sleep, 30 * MS), WEFT_PENDING);
	return 5;
}

static void test_abandoned_timer(void **state)
{
	struct weft_runtime_stats stats;
	struct abandon f = { .rc = 0 };

	(void)state;
	assert_int_equal(weft_block_on(rt, abandon, &f), 5);
	weft_runtime_stats(rt, &stats);
	assert_int_equal(stats.timers, 0);
}

struct timeouts {
	WEFT_FRAME;
	struct weft_sleep limit;
	struct child inner;
	struct weft_semaphore *s;
	struct weft_acquire acquire;
	int first;
};

static weft_poll_t timeouts(struct weft_cx *cx, struct timeouts *f)
{
	weft_async_begin(f);
	weft_await(f, weft_timeout(cx, &f->limit, 10 * MS,
				   weft_semaphore_acquire(cx, f->s, &f->acquire)));
	f->first = f->rc;
	f->inner.yields = 3;
	weft_await(f, weft_timeout(cx, &f->limit, 1000 * MS, child(cx, &f->inner)));
	weft_async_end(f, f->rc);
}

static void test_timeout(void **state)
{
	struct timeouts f = { .inner.value = 9 };

	(void)state;
	assert_int_equal(weft_semaphore_new(0, &f.s), 0);
	assert_int_equal(weft_block_on(rt, timeouts, &f), 9);
	assert_int_equal(f.first, -ETIMEDOUT);
	weft_semaphore_release(f.s, 1);
	assert_true(weft_semaphore_try(f.s));
	assert_false(weft_semaphore_try(f.s));
	weft_semaphore_free(f.s);
}

struct foreign {
	WEFT_FRAME;
	struct weft_waker waker;
	uint32_t ready, woken;
	pthread_t thread;
};

static void *wake_from_thread(void *arg)
{
	struct foreign *f = arg;
	struct weft_waker copy = weft_waker_clone(&f->waker);

	usleep(2000);
	__atomic_store_n(&f->woken, 1, __ATOMIC_RELEASE);
	weft_waker_wake_by_ref(&copy);
	weft_waker_drop(&copy);
	weft_waker_wake(&f->waker);
	return NULL;
}

static weft_poll_t wait_woken(struct weft_cx *cx, struct foreign *f)
{
	if (__atomic_load_n(&f->woken, __ATOMIC_ACQUIRE))
		return WEFT_READY;
	if (!f->ready++) {
		f->waker = weft_waker_get(cx);
		pthread_create(&f->thread, NULL, wake_from_thread, f);
	}
	return weft_pending(cx, WEFT_WAIT_UNKNOWN);
}

static weft_poll_t foreign(struct weft_cx *cx, struct foreign *f)
{
	weft_async_begin(f);
	weft_await(f, wait_woken(cx, f));
	pthread_join(f->thread, NULL);
	weft_async_end(f, 1);
}

static void test_foreign_waker(void **state)
{
	struct foreign f = { .ready = 0 };
	struct weft_join *join;

	(void)state;
	assert_int_equal(weft_block_on(rt, foreign, &f), 1);
	f = (struct foreign){ .ready = 0 };
	assert_int_equal(weft_spawn(rt, foreign, f, .join = &join), 0);
	while (!weft_join_done(join))
		usleep(200);
	weft_join_detach(join);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_join),
		T(test_abort),
		T(test_detach_and_ids),
		T(test_blocks_are_visible),
		T(test_huge_tasks_end),
		T(test_dynamic_names),
		T(test_double_await),
		T(test_nested_block_on),
		T(test_parts_left_out),
		T(test_headstrong_task_and_shutdown),
		T(test_yield_is_cancelled),
		T(test_abandoned_timer),
		T(test_timeout),
		T(test_foreign_waker),
	};

	return flavours_run_io("runtime/task", tests, sizeof(tests) / sizeof(tests[0]));
}
