// SPDX-License-Identifier: MIT
/* The first polls of a Tokio program are looked at as they come: what is not as it should be is said, once, and of what. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "probes/source_tokio_window.h"
#include "tests/unit/probes/fake_tokio.h"

#define ENOUGH 32u /* polls that prove something */

/* A worker that has polled so often. */
static struct weft_row *polled(struct fake_tokio *f, uint32_t i, uint64_t polls)
{
	struct weft_row *row = fake_tokio_claim(f, i, true);

	row->roles = WEFT_ROW_WORKER;
	row->owner = 1;
	row->poll_seq = 1;
	row->polls = polls;
	tokio_tell_lanes(&f->state);
	return row;
}

/* All seconds but the first say nothing more. */
static void said(struct fake_tokio *f, const char *what, const char *why)
{
	f->cannot_sees = 0;
	for (int second = 0; second < 3; second++)
		tokio_self_test(&f->w);
	assert_int_equal(f->cannot_sees, 1);
	assert_string_equal(f->cannot_see.what, what);
	assert_non_null(strstr(f->cannot_see.why, why));
}

static void silent(struct fake_tokio *f)
{
	f->cannot_sees = 0;
	tokio_self_test(&f->w);
	assert_int_equal(f->cannot_sees, 0);
}

static void sound_polls_lower_nothing(void **state)
{
	struct fake_tokio *f = fake_tokio_new();

	(void)state;
	polled(f, 0, 1000);
	silent(f);
	fake_tokio_free(f);
}

/* Counted over all threads; of a few polls it would be said too soon, and of how few? */
static void odd_types_are_said(void **state)
{
	struct fake_tokio *f = fake_tokio_new();

	(void)state;
	polled(f, 0, ENOUGH - 2)->odd_type = 3;
	silent(f);
	polled(f, 1, 2)->odd_type = 4;
	said(f, "types of some tasks", "7 of the first polls");
	fake_tokio_free(f);
}

static void odd_states_are_said(void **state)
{
	struct fake_tokio *f = fake_tokio_new();

	(void)state;
	polled(f, 0, ENOUGH)->odd_state = 1;
	said(f, "states of tasks", "1 task headers");
	assert_false(f->doubt);
	fake_tokio_free(f);
}

/* Said again then, for it is another thing. */
static void many_odd_states_are_doubted(void **state)
{
	struct fake_tokio *f = fake_tokio_new();
	struct weft_row *row = polled(f, 0, ENOUGH);

	(void)state;
	row->odd_state = 7;
	said(f, "states of tasks", "7 task headers");
	assert_false(f->doubt);
	row->odd_state = 8;
	said(f, "states of tasks", "8 task headers");
	assert_true(f->doubt);
	row->odd_state = 9;
	silent(f);
	fake_tokio_free(f);
}

/* One in a hundred may be open when the probes come or go, and one of each thread. */
static void polls_without_a_begin_are_said(void **state)
{
	struct fake_tokio *f = fake_tokio_new();
	struct weft_row *row = polled(f, 0, 10000);

	(void)state;
	row->unpaired = 100 + WEFT_ROW_MAX;
	silent(f);
	row->unpaired++;
	said(f, "some polls", "were not seen to begin");
	fake_tokio_free(f);
}

/* There they begin unseen whenever a window opens. */
static void windows_have_no_begins(void **state)
{
	struct fake_tokio *f = fake_tokio_new();
	struct weft_row *row = polled(f, 0, 10000);

	(void)state;
	f->w.window = calloc(1, sizeof(*f->w.window));
	assert_non_null(f->w.window);
	f->w.window->used = true;
	row->unpaired = row->polls;
	silent(f);
	row->odd_type = 1;
	said(f, "types of some tasks", "1 of the first polls");
	fake_tokio_free(f);
}

static void each_is_said(void **state)
{
	struct fake_tokio *f = fake_tokio_new();
	struct weft_row *row = polled(f, 0, 10000);

	(void)state;
	row->odd_type = row->odd_state = 1;
	row->unpaired = row->polls;
	tokio_self_test(&f->w);
	assert_int_equal(f->cannot_sees, 3);
	silent(f);
	fake_tokio_free(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sound_polls_lower_nothing),
		cmocka_unit_test(odd_types_are_said),
		cmocka_unit_test(odd_states_are_said),
		cmocka_unit_test(many_odd_states_are_doubted),
		cmocka_unit_test(polls_without_a_begin_are_said),
		cmocka_unit_test(windows_have_no_begins),
		cmocka_unit_test(each_is_said),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
