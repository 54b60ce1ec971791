// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "probes/census.h"
#include "tests/unit/probes/fake_map.h"

#define SLOT  128u
#define SLOTS 5000u

static struct {
	unsigned tasks, ends, named, still;
	uint64_t last, address;
	uint32_t said, torn, missed;
} seen;

static void on_task(void *ctx, const struct census_task *task)
{
	(void)ctx;
	seen.tasks++;
	seen.named += task->name[0] != '\0';
	seen.still += task->still;
	seen.last = task->head.id;
	seen.address = task->address;
	assert_memory_equal(task->slot, &task->head, sizeof(task->head));
	assert_int_equal(task->slot_bytes, SLOT);
	assert_true(memchr(task->name, '\0', sizeof(task->name)) != NULL);
}

static void on_end(void *ctx, uint32_t tasks, uint32_t torn, uint32_t missed)
{
	(void)ctx;
	seen.ends++;
	seen.said = tasks;
	seen.torn = torn;
	seen.missed = missed;
}

static const struct census_out out = { .task = on_task, .end = on_end };

struct fixture {
	struct fake_map map;
	struct target_map *target;
	struct census *census;
	uint8_t *slab;
};

static struct weft_task_head *slot(struct fixture *f, uint32_t i)
{
	return (struct weft_task_head *)(void *)(f->slab + i * SLOT);
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	fake_map_init(&f->map, true);
	f->slab = calloc(SLOTS, SLOT);
	if (!f->slab || target_map_open(getpid(), getpid(), &f->target) ||
	    census_new(getpid(), f->target, &f->census))
		return -1;
	((struct weft_slab *)(void *)((char *)f->map.header + f->map.header->slab_offset))[0] =
		(struct weft_slab){ .address = (uintptr_t)f->slab,
				    .slot_bytes = SLOT,
				    .slots = SLOTS };
	f->map.header->slabs = 1;
	memset(&seen, 0, sizeof(seen));
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	census_free(f->census);
	target_map_close(f->target);
	fake_map_done(&f->map);
	free(f->slab);
	free(f);
	return 0;
}

static void walk(struct fixture *f)
{
	census_begin(f->census);
	for (int i = 0; i < 10000 && census_running(f->census); i++)
		census_step(f->census, 0, &out); /* the time is up at once: one chunk per step */
}

/* A forked child with a runtime of its own: the blocks of its parent's tasks came with the fork. */
static void test_copies_of_the_parents(void **state)
{
	struct fixture *f = *state;

	for (uint32_t i = 0; i < 10; i++) {
		slot(f, i)->id = i + 1;
		slot(f, i)->runtime = i < 4 ? 2 : 3;
	}
	walk(f);
	assert_int_equal(seen.tasks, 10);
	f->map.header->first_runtime = 3;
	memset(&seen, 0, sizeof(seen));
	walk(f);
	assert_int_equal(seen.tasks, 6);
	assert_int_equal(seen.said, 6);
}

static void test_no_tasks(void **state)
{
	walk(*state);
	assert_int_equal(seen.ends, 1);
	assert_int_equal(seen.said, 0);
}

static void test_every_other_slot(void **state)
{
	struct fixture *f = *state;

	for (uint32_t i = 0; i < SLOTS; i += 2)
		slot(f, i)->id = i + 1;
	slot(f, 0)->name = (uintptr_t) "dynamic";
	slot(f, 2)->name = 1; /* not mapped: no name */
	walk(f);
	assert_int_equal(seen.tasks, SLOTS / 2);
	assert_int_equal(seen.said, SLOTS / 2);
	assert_int_equal(seen.named, 1);
	assert_int_equal(seen.torn, 0);
}

static void test_impossible_task(void **state)
{
	struct fixture *f = *state;

	slot(f, 1)->id = 1;
	slot(f, 1)->site = 2; /* only 0 and 1 exist */
	slot(f, 2)->id = 1ull << 60;
	walk(f);
	assert_int_equal(seen.tasks, 0);
	assert_int_equal(seen.torn, 2);
}

/* Slabs as a hostile target may give them: none leads to more than a count of what was missed. */
static void test_impossible_slabs(void **state)
{
	struct fixture *f = *state;
	struct weft_slab *s =
		(struct weft_slab *)(void *)((char *)f->map.header + f->map.header->slab_offset);

	s[1] = (struct weft_slab){ .address = 8, .slot_bytes = SLOT, .slots = 10 };
	s[2] = (struct weft_slab){ .address = (uintptr_t)f->slab, .slot_bytes = 8, .slots = 10 };
	s[3] = (struct weft_slab){ .address = (uintptr_t)f->slab,
				   .slot_bytes = 0xffffffffu,
				   .slots = 0xffffffffu };
	s[4] = (struct weft_slab){ .address = UINT64_MAX - 64, .slot_bytes = SLOT, .slots = 10 };
	s[5] = (struct weft_slab){ .address = (uintptr_t)f->slab, .slot_bytes = SLOT, .slots = 0 };
	f->map.header->slabs = 6;
	slot(f, 7)->id = 7;
	walk(f);
	assert_int_equal(seen.ends, 1);
	assert_int_equal(seen.tasks, 1);
	assert_int_equal(seen.missed, 10 + 4);
}

/* One that is being polled may change under the reader's hands. */
static void test_still_tasks(void **state)
{
	struct fixture *f = *state;
	struct census_task task = { .address = (uintptr_t)slot(f, 1) };

	slot(f, 1)->id = 1;
	slot(f, 2)->id = 2;
	slot(f, 2)->state = WEFT_T_RUNNING;
	walk(f);
	assert_int_equal(seen.tasks, 2);
	assert_int_equal(seen.still, 1);
	task.head = *slot(f, 1);
	assert_true(census_unmoved(f->census, &task));
	slot(f, 1)->polls++;
	assert_false(census_unmoved(f->census, &task));
	task.address = 1;
	assert_false(census_unmoved(f->census, &task));
}

static void find(struct fixture *f, uint64_t id)
{
	memset(&seen, 0, sizeof(seen));
	census_begin_one(f->census, id);
	for (int i = 0; i < 10000 && census_running(f->census); i++)
		census_step(f->census, 0, &out);
	assert_int_equal(seen.ends, 1);
}

/* Found again where it was, and found when it has moved. */
static void test_one_task(void **state)
{
	struct fixture *f = *state;

	for (uint32_t i = 0; i < SLOTS; i++)
		slot(f, i)->id = i + 1;
	for (int again = 0; again < 2; again++) {
		find(f, SLOTS - 3);
		assert_int_equal(seen.tasks, 1);
		assert_int_equal(seen.last, SLOTS - 3);
	}
	slot(f, SLOTS - 4)->id = 99999;
	find(f, SLOTS - 3);
	assert_int_equal(seen.tasks, 0);
	slot(f, 5)->id = SLOTS - 3;
	find(f, SLOTS - 3);
	assert_int_equal(seen.tasks, 1);
	assert_int_equal(seen.address, (uintptr_t)slot(f, 5));
	walk(f); /* and all of them again */
	assert_int_equal(seen.said, SLOTS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_no_tasks, setup, teardown),
		cmocka_unit_test_setup_teardown(test_copies_of_the_parents, setup, teardown),
		cmocka_unit_test_setup_teardown(test_every_other_slot, setup, teardown),
		cmocka_unit_test_setup_teardown(test_impossible_task, setup, teardown),
		cmocka_unit_test_setup_teardown(test_impossible_slabs, setup, teardown),
		cmocka_unit_test_setup_teardown(test_still_tasks, setup, teardown),
		cmocka_unit_test_setup_teardown(test_one_task, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
