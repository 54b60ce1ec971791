/* SPDX-License-Identifier: MIT */
/* Tasks that are done and kept by their handles, over blocks that the test lays out as Tokio does. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <sys/mman.h>

#include "tests/unit/probes/fake_tokio.h"

#define BLOCKS      600u
#define DONE        (RUST_TOKIO_COMPLETE | RUST_TOKIO_JOIN_INTEREST | 1ull << RUST_TOKIO_REF_SHIFT)
#define SECOND      1000000000ull
#define ID_WORD     5u
#define BLOCK_AT(i) ((uint64_t)(uintptr_t)block[i])

static uint64_t block[BLOCKS][16];
static struct rust_type type = { .family = RUST_TOKIO, .size = 512, .id_offset = ID_WORD * 8 };

static struct fake_tokio *watch(void)
{
	struct fake_tokio *f = fake_tokio_new();

	f->plan.types = &type;
	f->plan.n_types = 1;
	f->plan.layout[RUST_TOKIO] = (struct rust_layout){ .state = 0, .vtable = 16, .owner = 24 };
	for (uint32_t i = 0; i < BLOCKS; i++) {
		memset(block[i], 0, sizeof(block[i]));
		block[i][0] = DONE;
		block[i][ID_WORD] = i + 1;
	}
	return f;
}

static void ended(struct fake_tokio *f, uint64_t header, uint64_t task)
{
	struct weft_raw_kept raw = { .ev = { .time_ns = f->session.now_ns },
				     .task = task,
				     .header = header };

	tokio_kept_add(&f->w, &raw);
}

static void end_all(struct fake_tokio *f)
{
	for (uint32_t i = 0; i < BLOCKS; i++)
		ended(f, BLOCK_AT(i), i + 1);
}

static void done(struct fake_tokio *f)
{
	tokio_kept_done(&f->w.kept);
	fake_tokio_free(f);
}

static void all_are_told_at_each_walk(void **state)
{
	struct fake_tokio *f = watch();

	(void)state;
	end_all(f);
	assert_int_equal(tokio_kept_walk(&f->w), 0); /* they have only just ended */
	f->session.now_ns += 2 * SECOND;
	assert_int_equal(tokio_kept_walk(&f->w), BLOCKS);
	assert_int_equal(tokio_kept_walk(&f->w), BLOCKS);
	assert_int_equal(f->tasks, 2 * BLOCKS);
	assert_int_equal(f->task.task, BLOCKS);
	assert_int_equal(f->task.bytes, 512);
	assert_true(f->task.state & WEFT_T_COMPLETE);
	done(f);
}

/* The handle was dropped; the block is free, and keeps its words or has others; another task lies there. */
static void what_is_gone_is_forgotten(void **state)
{
	struct fake_tokio *f = watch();

	(void)state;
	end_all(f);
	f->session.now_ns += 2 * SECOND;
	block[3][0] = RUST_TOKIO_COMPLETE | 1ull << RUST_TOKIO_REF_SHIFT;
	block[5][0] = RUST_TOKIO_COMPLETE | RUST_TOKIO_JOIN_INTEREST;
	block[7][0] = BLOCK_AT(8) | DONE;
	block[9][ID_WORD] = 9999;
	block[11][0] = RUST_TOKIO_JOIN_INTEREST | 2ull << RUST_TOKIO_REF_SHIFT;
	assert_int_equal(tokio_kept_walk(&f->w), BLOCKS - 5);
	block[3][0] = DONE; /* it would be another one's by now */
	assert_int_equal(tokio_kept_walk(&f->w), BLOCKS - 5);
	done(f);
}

/* Memory that was given back to the system stands between others. */
static void what_cannot_be_read_is_forgotten(void **state)
{
	struct fake_tokio *f = watch();
	void *gone = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	(void)state;
	assert_ptr_not_equal(gone, MAP_FAILED);
	ended(f, (uint64_t)(uintptr_t)gone, 7000);
	for (uint32_t i = 0; i < BLOCKS; i++) {
		ended(f, BLOCK_AT(i), i + 1);
		if (i % 100 == 50)
			ended(f, (uint64_t)(uintptr_t)gone + 64, 7001 + i);
	}
	ended(f, UINT64_MAX - 8, 8000);
	f->session.now_ns += 2 * SECOND;
	assert_int_equal(tokio_kept_walk(&f->w), BLOCKS);
	assert_int_equal(f->w.kept.n, BLOCKS);
	munmap(gone, 4096);
	done(f);
}

static void their_number_is_bounded(void **state)
{
	struct fake_tokio *f = watch();

	(void)state;
	for (uint32_t i = 0; i < 200000; i++)
		ended(f, BLOCK_AT(0), 1);
	assert_in_range(f->w.kept.n, 10000, 100000);
	done(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_are_told_at_each_walk),
		cmocka_unit_test(what_is_gone_is_forgotten),
		cmocka_unit_test(what_cannot_be_read_is_forgotten),
		cmocka_unit_test(their_number_is_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
