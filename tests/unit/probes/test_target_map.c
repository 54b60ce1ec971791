// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>

#include "probes/target_map.h"
#include "tests/unit/probes/fake_map.h"

static int open_own(struct target_map **m)
{
	return target_map_open(getpid(), getpid(), m);
}

static void test_reads_what_is_there(void **state)
{
	struct fake_map f;
	struct target_map *m;
	uint32_t seq, head;

	(void)state;
	fake_map_init(&f, true);
	assert_int_equal(open_own(&m), 0);
	assert_true(target_map_shape(m)->sealed);
	assert_int_equal(target_map_shape(m)->address, (uintptr_t)f.header);
	assert_int_equal(target_map_lanes(m), 1);
	assert_int_equal(target_map_sites(m), 2);
	fake_commit(&f, 0, 7, 64);
	assert_true(target_map_commit(m, 0, &seq, &head));
	assert_int_equal(seq, 7);
	assert_int_equal(head, 64);
	target_map_close(m);
	fake_map_done(&f);
}

static void test_no_mapping(void **state)
{
	struct target_map *m;

	(void)state;
	assert_int_equal(open_own(&m), -ENOENT);
}

/* A forked child inherits its parent's mapping: not its own. */
static void test_of_another_process(void **state)
{
	struct fake_map f;
	struct target_map *m;

	(void)state;
	fake_map_init(&f, true);
	f.header->pid++;
	assert_int_equal(open_own(&m), -ENOENT);
	fake_map_done(&f);
}

static void test_being_made(void **state)
{
	struct fake_map f;
	struct target_map *m;

	(void)state;
	fake_map_init(&f, true);
	f.header->magic = 0;
	assert_int_equal(open_own(&m), -ENOENT);
	fake_map_done(&f);
}

static void test_other_abi(void **state)
{
	struct fake_map f;
	struct target_map *m;

	(void)state;
	fake_map_init(&f, true);
	f.header->abi = WEFT_ABI_VERSION + 1;
	assert_int_equal(open_own(&m), -ENOTSUP);
	f.header->abi = WEFT_ABI_VERSION - 2;
	assert_int_equal(open_own(&m), -ENOTSUP);
	f.header->abi = 0x5a5a5a5a;
	assert_int_equal(open_own(&m), -EPROTO);
	fake_map_done(&f);
}

/* ABI 1: batches of one page, in lanes of two. */
static void test_previous_abi(void **state)
{
	struct lane_copy copy;
	struct target_map *m;
	struct fake_map f;
	uint32_t seq, head;

	(void)state;
	assert_int_equal(WEFT_ABI_VERSION - 1, 1);
	fake_map_init(&f, true);
	f.header->lane_stride = 2 * WEFT_PAGE;
	assert_int_equal(open_own(&m), -EPROTO);
	f.header->abi = 1;
	assert_int_equal(open_own(&m), 0);
	assert_int_equal(target_map_shape(m)->batch_bytes, WEFT_BATCH_BYTES_1);
	assert_int_equal(target_map_lane_offset(m, 1) - target_map_lane_offset(m, 0),
			 2 * WEFT_PAGE);
	fake_poll(&f, 0, WEFT_BATCH_BYTES_1 - 32, 77);
	fake_commit(&f, 0, 5, WEFT_BATCH_BYTES_1);
	assert_int_equal(target_map_copy_lane(m, 0, &copy), 0);
	assert_int_equal(copy.head, WEFT_BATCH_BYTES_1);
	assert_int_equal(target_map_record_bytes(m, copy.batch, copy.head - 32, copy.head), 32);
	fake_commit(&f, 0, 5, WEFT_BATCH_BYTES_1 + 8);
	assert_true(target_map_commit(m, 0, &seq, &head));
	assert_int_equal(head, sizeof(struct weft_batch));
	target_map_close(m);
	fake_map_done(&f);
}

/* A later member is not there where an older library made the header; those before it are. */
static void test_shorter_header(void **state)
{
	struct target_map *m;
	struct fake_map f;

	(void)state;
	fake_map_init(&f, true);
	f.header->header_bytes = sizeof(*f.header);
	f.header->waiter_task = 16;
	f.header->waiter_queue = 24;
	f.header->waiter_state = 32;
	f.header->waiter_queued = 1;
	f.header->fingerprint = 0x9f2c33a1b7d00000ull;
	assert_int_equal(open_own(&m), 0);
	assert_true(target_map_shape(m)->fingerprint == 0x9f2c33a1b7d00000ull);
	target_map_close(m);
	f.header->header_bytes = offsetof(struct weft_map_header, fingerprint);
	assert_int_equal(open_own(&m), 0);
	assert_true(target_map_shape(m)->fingerprint == 0);
	assert_int_equal(target_map_shape(m)->waiter.queued, 1);
	target_map_close(m);
	fake_map_done(&f);
}

/* Every number of the header, one at a time, by values that lead out of the mapping. */
static void test_damaged_header(void **state)
{
	static const size_t fields[] = {
		offsetof(struct weft_map_header, lane_offset),
		offsetof(struct weft_map_header, lane_stride),
		offsetof(struct weft_map_header, max_lanes),
		offsetof(struct weft_map_header, site_offset),
		offsetof(struct weft_map_header, site_stride),
		offsetof(struct weft_map_header, max_sites),
		offsetof(struct weft_map_header, slab_offset),
		offsetof(struct weft_map_header, max_slabs),
		offsetof(struct weft_map_header, task_head_bytes),
		offsetof(struct weft_map_header, clock),
	};
	static const uint32_t values[] = { 0xffffffffu, 0x80000000u, 0x7fffffffu, FAKE_BYTES };
	struct fake_map f;
	struct target_map *m;

	(void)state;
	fake_map_init(&f, true);
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
		for (size_t k = 0; k < sizeof(values) / sizeof(values[0]); k++) {
			uint32_t *at = (uint32_t *)(void *)((char *)f.header + fields[i]),
				 old = *at;

			*at = values[k];
			assert_int_equal(open_own(&m), -EPROTO);
			*at = old;
		}
	f.header->kind_words[WEFT_K_TASK_POLL] = 200;
	assert_int_equal(open_own(&m), -EPROTO);
	fake_map_done(&f);
}

/* Counts that grow beyond the tables after the open are cut to the tables. */
static void test_counts_are_capped(void **state)
{
	struct fake_map f;
	struct target_map *m;

	(void)state;
	fake_map_init(&f, true);
	assert_int_equal(open_own(&m), 0);
	f.header->lanes = f.header->sites = f.header->slabs = 0xffffffffu;
	f.header->max_lanes = 0xffffffffu;
	assert_int_equal(target_map_lanes(m), FAKE_LANES);
	assert_int_equal(target_map_sites(m), 8);
	assert_int_equal(target_map_slabs(m), 8);
	target_map_close(m);
	fake_map_done(&f);
}

static void test_bounds(void **state)
{
	struct fake_map f;
	struct target_map *m;
	uint64_t word;
	char byte;

	(void)state;
	fake_map_init(&f, true);
	assert_int_equal(open_own(&m), 0);
	assert_true(target_map_copy(m, FAKE_BYTES - 1, &byte, 1));
	assert_false(target_map_copy(m, FAKE_BYTES, &byte, 1));
	assert_false(target_map_copy(m, UINT64_MAX, &byte, 1));
	assert_false(target_map_copy(m, 8, &byte, SIZE_MAX));
	assert_true(target_map_load64(m, FAKE_BYTES - 8, &word));
	assert_false(target_map_load64(m, FAKE_BYTES - 4, &word));
	assert_false(target_map_load64(m, 4, &word));
	target_map_close(m);
	fake_map_done(&f);
}

static void test_damaged_commit_word(void **state)
{
	struct fake_map f;
	struct target_map *m;
	uint32_t seq, head;

	(void)state;
	fake_map_init(&f, true);
	assert_int_equal(open_own(&m), 0);
	fake_commit(&f, 0, 3, 0xfffffff0u);
	assert_true(target_map_commit(m, 0, &seq, &head));
	assert_int_equal(head, sizeof(struct weft_batch));
	fake_commit(&f, 0, 3, 0);
	assert_true(target_map_commit(m, 0, &seq, &head));
	assert_int_equal(head, sizeof(struct weft_batch));
	target_map_close(m);
	fake_map_done(&f);
}

/* Not sealed: read by pread, so that cutting it is an error and no signal. */
static void test_cut_mapping(void **state)
{
	struct fake_map f;
	struct target_map *m;
	uint32_t seq, head;

	(void)state;
	fake_map_init(&f, false);
	assert_int_equal(open_own(&m), 0);
	assert_false(target_map_shape(m)->sealed);
	assert_true(target_map_commit(m, 0, &seq, &head));
	assert_true(target_map_whole(m));
	assert_int_equal(ftruncate(f.fd, WEFT_PAGE), 0);
	assert_false(target_map_commit(m, 0, &seq, &head));
	assert_false(target_map_whole(m));
	target_map_close(m);
	fake_map_done(&f);
}

static void test_record_bytes(void **state)
{
	struct fake_map f;
	struct target_map *m;
	__u64 *words;

	(void)state;
	fake_map_init(&f, true);
	assert_int_equal(open_own(&m), 0);
	words = (__u64 *)(void *)(fake_batch(&f, 0) + 32);
	fake_poll(&f, 0, 32, 1);
	assert_int_equal(target_map_record_bytes(m, fake_batch(&f, 0), 32, 64), 32);
	assert_int_equal(target_map_record_bytes(m, fake_batch(&f, 0), 32, 56), 0);
	words[0] = 0;
	assert_int_equal(target_map_record_bytes(m, fake_batch(&f, 0), 32, 4096), 0);
	words[0] = WEFT_WORD0(WEFT_K_TASK_NAME, 1);
	words[1] = 40;
	assert_int_equal(target_map_record_bytes(m, fake_batch(&f, 0), 32, 4096), 40);
	words[1] = 41;
	assert_int_equal(target_map_record_bytes(m, fake_batch(&f, 0), 32, 4096), 0);
	words[1] = 0xfff8;
	assert_int_equal(target_map_record_bytes(m, fake_batch(&f, 0), 32, 4096), 0);
	target_map_close(m);
	fake_map_done(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_reads_what_is_there), cmocka_unit_test(test_no_mapping),
		cmocka_unit_test(test_of_another_process),  cmocka_unit_test(test_being_made),
		cmocka_unit_test(test_other_abi),           cmocka_unit_test(test_previous_abi),
		cmocka_unit_test(test_shorter_header),      cmocka_unit_test(test_damaged_header),
		cmocka_unit_test(test_counts_are_capped),   cmocka_unit_test(test_bounds),
		cmocka_unit_test(test_damaged_commit_word), cmocka_unit_test(test_cut_mapping),
		cmocka_unit_test(test_record_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
