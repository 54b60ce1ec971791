// SPDX-License-Identifier: MIT
/* Whose sources a path is in: the runtime's are passed over when the place of a spawn is looked for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "probes/rust/location.h"

static bool is_runtime(const char *path)
{
	return rust_path_is_runtime(path, strlen(path));
}

static void test_runtime(void **state)
{
	(void)state;
	assert_true(is_runtime("/home/u/.cargo/registry/src/index/tokio-1.54.1/src/task/spawn.rs"));
	assert_true(is_runtime("/x/async-executor-1.14.1/src/lib.rs"));
	assert_true(is_runtime("vendor/tokio/src/task/spawn.rs"));
	assert_true(is_runtime("/rustc/5980/library/core/src/ops/function.rs"));
}

static void test_program(void **state)
{
	(void)state;
	assert_false(is_runtime("src/main.rs"));
	assert_false(is_runtime("tokio.rs"));
	assert_false(is_runtime("/x/tokio-util-0.7.1/src/task/join_map.rs"));
	assert_false(is_runtime("/x/smolder/src/lib.rs"));
	assert_false(is_runtime("/x/hyper-1.0.0/src/rt.rs"));
	assert_false(is_runtime("/x/tokio-/src/rt.rs"));
	assert_false(is_runtime(""));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_runtime),
		cmocka_unit_test(test_program),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
