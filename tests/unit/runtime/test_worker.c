/* SPDX-License-Identifier: MIT */
/* What the workers of one crew do for each other. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>

#include "runtime/weft.h"

#define MS 1000000ull

struct stays {
	WEFT_FRAME;
	struct weft_sleep sleep;
	uint64_t ns;
	uint32_t *here, *apart;
};

/* Inside its poll until all four are, for 10 s at most. */
static weft_poll_t stays(struct weft_cx *cx, struct stays *f)
{
	uint64_t until;

	weft_async_begin(f);
	weft_await(f, weft_sleep(cx, &f->sleep, f->ns));
	until = weft_now() + 10000 * MS;
	__atomic_fetch_add(f->here, 1, __ATOMIC_ACQ_REL);
	while (__atomic_load_n(f->here, __ATOMIC_ACQUIRE) < 4 && weft_now() < until)
		usleep(200);
	if (__atomic_load_n(f->here, __ATOMIC_ACQUIRE) < 4)
		__atomic_fetch_add(f->apart, 1, __ATOMIC_RELEASE);
	weft_async_end(f, 0);
}

/* One worker after the other is lost to a long poll: those that sleep still look after the driver. */
static void test_driver_is_looked_after(void **state)
{
	struct weft_config config = { .size = sizeof(config), .workers = 5 };
	uint32_t here = 0, apart = 0;
	struct weft_runtime *rt;

	(void)state;
	assert_int_equal(weft_runtime_new(&config, &rt), 0);
	for (unsigned i = 0; i < 4; i++)
		weft_spawn(rt, stays,
			   ((struct stays){
				   .ns = (20 + i * 60) * MS, .here = &here, .apart = &apart }));
	while (__atomic_load_n(&here, __ATOMIC_ACQUIRE) < 4)
		usleep(200);
	assert_int_equal(weft_runtime_shutdown(rt, 5000 * MS), 0);
	assert_int_equal(apart, 0);
	weft_runtime_free(rt);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_driver_is_looked_after),
	};

	return cmocka_run_group_tests_name("runtime/worker", tests, NULL, NULL);
}
