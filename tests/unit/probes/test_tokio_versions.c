/* SPDX-License-Identifier: MIT */
/* A program that has two versions of Tokio in it, as on the way from one to the other: the runtime that is seen is of the newer. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/probes/fake_tokio.h"

static struct weft_ev_runtime told;

static void sink(void *ctx, const struct weft_ev *ev)
{
	(void)ctx;
	if (ev->kind == WEFT_EV_RUNTIME)
		memcpy(&told, ev + 1, sizeof(told));
}

static void the_newer_one(void **state)
{
	struct rust_library library[] = { { .crate = "tokio", .version = "0.2.25" },
					  { .crate = "tokio", .version = "1.38.2" },
					  { .crate = "tokio", .version = "1.9.0" } };
	struct fake_tokio *f = fake_tokio_new();

	(void)state;
	f->session.sink = sink;
	f->plan.libraries = library;
	f->plan.n_libraries = 3;
	tokio_runtime_of(&f->w, WEFT_ROW_WORKER, 1);
	assert_string_equal(told.version, "1.38.2");
	fake_tokio_free(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(the_newer_one) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
