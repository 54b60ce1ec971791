/* SPDX-License-Identifier: MIT */
/* Walking a runtime's tasks, over blocks that this process laid out as Tokio does. The real one: tests/e2e. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "probes/rust/walk.h"

#define SHARDS 4u
#define TASKS  1000u
#define OWNER  7u

/* A block: 16 words. */
enum {
	STATE,
	QUEUE_NEXT,
	VTABLE,
	OWNER_ID,
	SCHEDULER,
	ID,
	FUTURE,
	TRAILER_PREV = 10,
	TRAILER_NEXT,
	WAKER, /* data and vtable, in either order */
	WORDS = 16
};

static uint64_t vtable[10];
static struct rust_type type;
static struct rust_plan plan;
static uint64_t block[TASKS][WORDS], (*lists)[3], handle[40];
static unsigned char found[TASKS];
static unsigned strangers;

static uint64_t address(const void *p)
{
	return (uint64_t)(uintptr_t)p;
}

static uint64_t *node(uint64_t at)
{
	return (uint64_t *)(uintptr_t)at;
}

static void push_front(unsigned shard, unsigned i)
{
	uint64_t *l = lists[shard], *b = block[i];

	b[TRAILER_PREV] = 0;
	b[TRAILER_NEXT] = l[1];
	if (l[1])
		node(l[1])[TRAILER_PREV] = address(b);
	l[1] = address(b);
	if (!l[2])
		l[2] = address(b);
}

static int setup(void **state)
{
	(void)state;
	memset(block, 0, sizeof(block));
	free(lists); /* apart: what lies behind a handle is searched, too */
	lists = calloc(SHARDS, sizeof(*lists));
	memset(found, 0, sizeof(found));
	memset(handle, 0, sizeof(handle));
	strangers = 0;
	vtable[8] = SCHEDULER * 8;
	type = (struct rust_type){ .vtable = address(vtable),
				   .family = RUST_TOKIO,
				   .id_offset = ID * 8,
				   .trailer_offset = TRAILER_PREV * 8 };
	plan = (struct rust_plan){ .types = &type, .n_types = 1 };
	plan.layout[RUST_TOKIO] = (struct rust_layout){
		.state = 0, .vtable = VTABLE * 8, .owner = OWNER_ID * 8, .queue_next = 8
	};
	for (unsigned i = 0; i < TASKS; i++) {
		block[i][STATE] = 2u << RUST_TOKIO_REF_SHIFT;
		block[i][VTABLE] = address(vtable);
		block[i][OWNER_ID] = OWNER;
		block[i][SCHEDULER] = address(handle);
		block[i][ID] = i + 1;
	}
	/* What a handle has besides: counts, and a slice of something else. */
	handle[0] = 3;
	handle[10] = address(block);
	handle[11] = 2;
	return 0;
}

static void make_sharded(void)
{
	for (unsigned i = 0; i < TASKS; i++)
		push_front(i % SHARDS, i);
	handle[20] = address(lists);
	handle[21] = SHARDS;
}

static void see(void *ctx, const struct rust_walk_task *t)
{
	(void)ctx;
	if (t->id == 0 || t->id > TASKS || t->header != address(block[t->id - 1]))
		strangers++;
	else
		found[t->id - 1]++;
}

static int walk_from(uint64_t header, uint32_t max, struct rust_walk_result *ret)
{
	const struct rust_walk_target target = { .pid = getpid(), .plan = &plan };

	memset(ret, 0, sizeof(*ret));
	return rust_walk(&target, header, max, see, NULL, ret);
}

static void each_once(void)
{
	assert_int_equal(strangers, 0);
	for (unsigned i = 0; i < TASKS; i++)
		assert_int_equal(found[i], 1);
}

static void sharded(void **state)
{
	struct rust_walk_result r;

	(void)state;
	make_sharded();
	assert_int_equal(walk_from(address(block[500]), 10000, &r), 0);
	assert_int_equal(r.tasks, TASKS);
	assert_int_equal(r.lists, SHARDS);
	assert_true(r.whole);
	each_once();
}

static void inline_list(void **state)
{
	struct rust_walk_result r;

	(void)state;
	for (unsigned i = 0; i < TASKS; i++)
		push_front(0, i);
	handle[30] = lists[0][1];
	handle[31] = lists[0][2];
	assert_int_equal(walk_from(address(block[3]), 10000, &r), 0);
	assert_int_equal(r.tasks, TASKS);
	assert_true(r.whole);
	each_once();
}

/* Where the lists begin is not found: what can be reached, and no claim that it is all. */
static void no_handle(void **state)
{
	struct rust_walk_result r;

	(void)state;
	make_sharded();
	handle[20] = 0;
	assert_int_equal(walk_from(address(block[500]), 10000, &r), 0);
	assert_int_equal(r.tasks, TASKS / SHARDS);
	assert_false(r.whole);
	for (unsigned i = 0; i < TASKS; i++)
		block[i][SCHEDULER] = 0x1000;
	assert_int_equal(walk_from(address(block[500]), 10000, &r), 0);
	assert_false(r.whole);
}

/* A node in the middle is freed: both ends are still walked, and it is said. */
static void broken_in_the_middle(void **state)
{
	struct rust_walk_result r;

	(void)state;
	make_sharded();
	block[400][STATE] = 0;
	assert_int_equal(walk_from(address(block[500]), 10000, &r), 0);
	assert_int_equal(r.tasks, TASKS - 1);
	assert_false(r.whole);
	assert_int_equal(strangers, 0);
}

/* The first of a list was taken out after the list was read: it has no neighbours, as the last one has. */
static void first_taken_out(void **state)
{
	struct rust_walk_result r;
	uint64_t *head;

	(void)state;
	make_sharded();
	head = node(lists[0][1]);
	head[TRAILER_NEXT] = 0;
	assert_int_equal(walk_from(address(block[501]), 10000, &r), 0);
	assert_int_equal(r.tasks, TASKS);
	assert_false(r.whole);
	each_once();
}

/* Tasks of another list are none. */
static void of_one_list(void **state)
{
	struct rust_walk_target target = { .pid = getpid(), .plan = &plan, .owner = OWNER };
	struct rust_walk_result r;

	(void)state;
	make_sharded();
	assert_int_equal(rust_walk(&target, address(block[5]), 10000, see, NULL, &r), 0);
	assert_int_equal(r.tasks, TASKS);
	target.owner = OWNER + 1;
	assert_int_equal(rust_walk(&target, address(block[5]), 10000, see, NULL, &r), -ESRCH);
}

/* Where the lists were found they are found again without a task. */
static void from_the_handle(void **state)
{
	const struct rust_walk_target target = { .pid = getpid(), .plan = &plan };

	for (int sharded_lists = 0; sharded_lists < 2; sharded_lists++) {
		struct rust_walk_result r;
		uint64_t first = 0;

		setup(state);
		handle[1] = 1;
		handle[28] = OWNER;
		if (sharded_lists) {
			make_sharded();
			handle[26] = handle[20];
			handle[27] = handle[21];
			handle[20] = handle[21] = 0;
		} else {
			push_front(0, 0);
			handle[30] = lists[0][1];
			handle[31] = lists[0][2];
		}
		assert_int_equal(walk_from(address(block[0]), 10000, &r), 0);
		assert_true(r.whole);
		assert_int_equal(rust_walk_first(&target, &r.place, &first), 0);
		assert_int_equal(first, lists[0][1]);
		block[0][STATE] = 0; /* it is just being freed, or all of the first list are */
		for (unsigned i = 0; i < TASKS; i += SHARDS)
			block[i][STATE] = 0;
		assert_int_equal(rust_walk_first(&target, &r.place, &first),
				 sharded_lists ? 0 : -EAGAIN);
		memset(lists, 0, SHARDS * sizeof(*lists));
		handle[30] = handle[31] = 0;
		assert_int_equal(rust_walk_first(&target, &r.place, &first), 0);
		assert_int_equal(first, 0);
		handle[28] = OWNER + 1; /* another's by now */
		assert_int_equal(rust_walk_first(&target, &r.place, &first), -ESRCH);
		handle[28] = OWNER;
		handle[0] = address(block); /* freed */
		assert_int_equal(rust_walk_first(&target, &r.place, &first), -ESRCH);
	}
}

static void bounds(void **state)
{
	struct rust_walk_result r;

	(void)state;
	make_sharded();
	assert_int_equal(walk_from(address(block[500]), 10, &r), 0);
	assert_int_equal(r.tasks, 10);
	assert_false(r.whole);
	/* A list that goes round. */
	block[0][TRAILER_NEXT] = lists[0][1];
	assert_int_equal(walk_from(address(block[500]), 100000, &r), 0);
	assert_in_range(r.tasks, 1, TASKS);
}

static void no_task(void **state)
{
	struct rust_walk_result r;

	(void)state;
	make_sharded();
	assert_int_equal(walk_from(0, 10, &r), -ESRCH);
	assert_int_equal(walk_from(8, 10, &r), -ESRCH);
	assert_int_equal(walk_from(address(block[500]) + 4, 10, &r), -ESRCH);
	assert_int_equal(walk_from(~7ull, 10, &r), -ESRCH);
	block[500][OWNER_ID] = 0; /* a job of the blocking pool is in no list */
	assert_int_equal(walk_from(address(block[500]), 10, &r), -ESRCH);
	plan.layout[RUST_TOKIO].vtable = -1;
	assert_int_equal(walk_from(address(block[400]), 10, &r), -ENOTSUP);
}

static bool awaiter_of(unsigned i, struct rust_walk_task *ret)
{
	const struct rust_walk_target target = { .pid = getpid(), .plan = &plan };
	const struct rust_walk_task task = { .header = address(block[i]),
					     .state = block[i][STATE],
					     .type = &type };

	return rust_walk_awaiter(&target, &task, ret);
}

static void awaiter(void **state)
{
	static uint64_t waker_vtable[4];
	struct rust_walk_task by = { 0 };

	(void)state;
	for (unsigned data = 0; data < 2; data++) {
		block[5][STATE] |= RUST_TOKIO_JOIN_INTEREST | RUST_TOKIO_JOIN_WAKER;
		block[5][WAKER + data] = address(block[9]);
		block[5][WAKER + !data] = address(waker_vtable);
		assert_true(awaiter_of(5, &by));
		assert_int_equal(by.id, 10);
		assert_int_equal(by.header, address(block[9]));
	}
	block[9][STATE] = 0; /* freed */
	assert_false(awaiter_of(5, &by));
	block[9][STATE] = address(handle); /* the allocator's, of a block that is free */
	assert_false(awaiter_of(5, &by));
	block[9][STATE] = block[8][STATE];
	block[5][STATE] &= ~(uint64_t)RUST_TOKIO_JOIN_WAKER; /* the waker was taken back */
	assert_false(awaiter_of(5, &by));
}

/* A block_on, a combinator that has wakers of its own, a block at the end of memory. */
static void no_awaiter(void **state)
{
	static const uint64_t odd[] = { 0, 1, 8, 4097, ~7ull, 1ull << 50 };
	struct rust_walk_task by = { 0 };

	(void)state;
	block[5][STATE] |= RUST_TOKIO_JOIN_WAKER;
	for (size_t i = 0; i < sizeof(odd) / sizeof(*odd); i++) {
		block[5][WAKER] = block[5][WAKER + 1] = odd[i];
		assert_false(awaiter_of(5, &by));
	}
	block[5][WAKER] = address(handle);
	assert_false(awaiter_of(5, &by));
	block[5][WAKER] = address(block[9]) + 8;
	assert_false(awaiter_of(5, &by));
}

/* Words that point anywhere. */
static void garbage(void **state)
{
	struct rust_walk_result r;
	unsigned seed = 99;

	(void)state;
	for (unsigned round = 0; round < 300; round++) {
		setup(NULL);
		make_sharded();
		for (unsigned k = 0; k < 60; k++) {
			uint64_t value;

			seed = seed * 1103515245u + 12345u;
			value = seed % 3 == 0   ? address(block[seed / 3 % TASKS]) + seed % 64
				: seed % 3 == 1 ? address(handle)
						: (uint64_t)seed << (seed % 32);
			if (k % 8 == 0)
				handle[seed / 7 % 40] = value;
			else
				block[seed / 7 % TASKS][seed / 11 % WORDS] = value;
		}
		if (walk_from(address(block[500]), 5000, &r) == 0)
			assert_in_range(r.tasks, 1, TASKS * WORDS);
	}
}

static bool stop;

/* Tasks come and go while they are walked. TSan sees nothing of it: the reader goes through the kernel. */
static void *churn(void *arg)
{
	unsigned seed = 5;

	(void)arg;
	while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
		unsigned i = (seed = seed * 1103515245u + 12345u) / 64 % (TASKS / 2);
		uint64_t *b = block[i], *l = lists[i % SHARDS];

		if (b[TRAILER_PREV])
			node(b[TRAILER_PREV])[TRAILER_NEXT] = b[TRAILER_NEXT];
		else
			l[1] = b[TRAILER_NEXT];
		if (b[TRAILER_NEXT])
			node(b[TRAILER_NEXT])[TRAILER_PREV] = b[TRAILER_PREV];
		else
			l[2] = b[TRAILER_PREV];
		b[STATE] = 0;
		b[STATE] = 2u << RUST_TOKIO_REF_SHIFT;
		push_front(i % SHARDS, i);
	}
	return NULL;
}

/* Those that stay are found by walks that say they are whole; never one twice or one that is none. */
static void while_it_changes(void **state)
{
	struct rust_walk_result r;
	unsigned whole = 0;
	pthread_t thread;

	(void)state;
	make_sharded();
	stop = false;
	assert_int_equal(pthread_create(&thread, NULL, churn, NULL), 0);
	for (unsigned round = 0; round < 200; round++) {
		memset(found, 0, sizeof(found));
		if (walk_from(address(block[TASKS - 1]), 10000, &r))
			continue;
		for (unsigned i = 0; i < TASKS; i++)
			assert_in_range(found[i], r.whole && i >= TASKS / 2, 1);
		whole += r.whole;
	}
	__atomic_store_n(&stop, true, __ATOMIC_RELAXED);
	pthread_join(thread, NULL);
	assert_int_equal(strangers, 0);
	print_message("%u of 200 walks were whole\n", whole);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(sharded, setup),
		cmocka_unit_test_setup(inline_list, setup),
		cmocka_unit_test_setup(no_handle, setup),
		cmocka_unit_test_setup(broken_in_the_middle, setup),
		cmocka_unit_test_setup(first_taken_out, setup),
		cmocka_unit_test_setup(of_one_list, setup),
		cmocka_unit_test_setup(from_the_handle, setup),
		cmocka_unit_test_setup(bounds, setup),
		cmocka_unit_test_setup(no_task, setup),
		cmocka_unit_test_setup(awaiter, setup),
		cmocka_unit_test_setup(no_awaiter, setup),
		cmocka_unit_test_setup(garbage, setup),
		cmocka_unit_test_setup(while_it_changes, setup),
	};

	int rc = cmocka_run_group_tests(tests, NULL, NULL);

	free(lists);
	return rc;
}
