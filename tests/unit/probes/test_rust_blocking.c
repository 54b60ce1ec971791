// SPDX-License-Identifier: MIT
/* Names by which a pool's queue is told. Whole programs: e2e/test_rust_matrix.sh. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "probes/rust/blocking.h"

static void test_pools(void **state)
{
	static const char *const names[] = {
		"_ZN8blocking8Executor8schedule17h0123456789abcdefE",
		"_RNvMCs4FbfrTeraX9_8blockingNtB2_8Executor8schedule",
		"_RINvMCs4FbfrTeraX9_8blockingNtB1c_8Executor5spawnuE",
		"_RNvXNtNtNtCs1_5tokio7runtime8blocking8scheduleNtB2_16BlockingSchedule4bind",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		assert_true(rust_blocking_names_pool(names[i]));
}

static void test_others(void **state)
{
	static const char *const names[] = {
		"",
		"schedule",
		"_RNvMs3_Cs1_14async_executorNtB5_8Executor8schedule",
		"_RINvNvCs1_8blockingNtB2_7Unblock8Executor", /* not the executor itself */
		"_RNvCs1_8blockingNtB",
		"_RNvCs1_8blockingNtB2",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		assert_false(rust_blocking_names_pool(names[i]));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pools),
		cmocka_unit_test(test_others),
	};

	return cmocka_run_group_tests_name("rust_blocking", tests, NULL, NULL);
}
