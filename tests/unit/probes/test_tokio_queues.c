// SPDX-License-Identifier: MIT
/* Lengths of queues, read out of a handle that this process laid out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/probes/fake_tokio.h"

#define OWNER     5u
#define INJECT    20u /* word of the handle */
#define MANY      1000u
#define ALL_LOOKS 1000u

static uint64_t handle[600];

/* A runtime whose common queue was found before; settled: nothing is searched for any more. */
static struct fake_tokio *service(bool settled)
{
	struct fake_tokio *f = fake_tokio_new();
	struct tokio_runtime *r = &f->w.runtime[0];
	struct weft_row *row = fake_tokio_claim(f, 0, true);

	row->roles = WEFT_ROW_CURRENT_THREAD;
	row->owner = OWNER;
	tokio_tell_lanes(&f->state);
	handle[0] = 3;
	handle[1] = 1;
	handle[INJECT] = MANY;
	r->handle = (uint64_t)(uintptr_t)handle;
	r->inject_at = INJECT * 8;
	r->looks = settled ? ALL_LOOKS : 0;
	tokio_queues_look(&f->w);
	assert_int_equal(f->gauge.runtime, r->id);
	assert_int_equal(f->gauge.inject_depth, MANY);
	return f;
}

static void nothing_waits_in_what_is_gone(void **state)
{
	for (int settled = 0; settled < 2; settled++) {
		struct fake_tokio *f = service(settled);

		(void)state;
		f->state.lane[0].depth = 7;
		handle[0] = ~0ull; /* as free() leaves it */
		tokio_queues_look(&f->w);
		assert_int_equal(f->gauge.inject_depth, 0);
		assert_int_equal(f->state.lane[0].depth, 0);
		tokio_queues_look(&f->w);
		assert_int_equal(f->gauge.inject_depth, 0);
		fake_tokio_free(f);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_waits_in_what_is_gone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
