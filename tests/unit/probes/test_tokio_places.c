/* SPDX-License-Identifier: MIT */
/* Types as sites: as many as there is room for by name, the rest as one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/probes/fake_tokio.h"

static struct rust_type types[WEFT_MAX_SITES + 904];

static struct fake_tokio *watch(uint32_t n)
{
	struct fake_tokio *f = fake_tokio_new();

	for (uint32_t i = 0; i < n; i++)
		types[i] = (struct rust_type){ .family = RUST_TOKIO,
					       .vtable = 0x1000 + 64 * i,
					       .name = "svc::handler::{async fn}" };
	f->plan.types = types;
	f->plan.n_types = n;
	return f;
}

static void done(struct fake_tokio *f)
{
	free(f->w.unborn);
	free(f->w.place_site);
	fake_tokio_free(f);
}

static void all_have_names(void **state)
{
	struct fake_tokio *f = watch(WEFT_MAX_SITES);

	(void)state;
	tokio_tell_sites(&f->w);
	assert_int_equal(f->sites, WEFT_MAX_SITES);
	assert_int_equal(f->site.site, WEFT_MAX_SITES - 1);
	assert_string_equal(f->site.name, "svc::handler::{async fn}");
	assert_int_equal(tokio_type_of_site(&f->w, WEFT_MAX_SITES - 1), WEFT_MAX_SITES - 1);
	done(f);
}

/* The last site has the name of none of them, and can't be raised. */
static void more_than_there_are_sites(void **state)
{
	struct fake_tokio *f = watch(5000);

	(void)state;
	tokio_tell_sites(&f->w);
	assert_int_equal(f->sites, WEFT_MAX_SITES);
	assert_int_equal(f->site.site, WEFT_MAX_SITES - 1);
	assert_string_equal(f->site.name, "one of 905 more task types");
	assert_string_equal(f->cannot_see.what, "names of some task types");
	assert_int_equal(tokio_site(4999), WEFT_MAX_SITES - 1);
	assert_int_equal(tokio_type_of_site(&f->w, WEFT_MAX_SITES - 1), UINT32_MAX);
	assert_int_equal(tokio_type_of_site(&f->w, WEFT_MAX_SITES - 2), WEFT_MAX_SITES - 2);
	done(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_have_names),
		cmocka_unit_test(more_than_there_are_sites),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
