/* SPDX-License-Identifier: MIT */
/* --unit and --container: which cgroup paths they mean. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tui/commands/target.h"

#define ID "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static bool unit(const char *path, const char *name)
{
	return target_in_cgroup(path, &(struct command_target){ .unit = name });
}

static bool container(const char *path, const char *id)
{
	return target_in_cgroup(path, &(struct command_target){ .container = id });
}

static void test_units(void **state)
{
	(void)state;
	assert_true(unit("/system.slice/orders.service\n", "orders"));
	assert_true(unit("/system.slice/orders.service\n", "orders.service"));
	assert_true(unit("/system.slice/orders.service/worker\n", "orders"));
	assert_true(unit("/user.slice/user-1000.slice/app.scope\n", "app.scope"));
	assert_false(unit("/system.slice/orders.service\n", "order"));
	assert_false(unit("/system.slice/orders.service\n", "rders"));
	assert_false(unit("/system.slice/orders.service\n", "orders.serv"));
	assert_false(unit("/system.slice/orders-db.service\n", "orders"));
	assert_false(unit("/\n", "orders"));
	assert_false(unit("", "orders"));
}

static void test_containers(void **state)
{
	(void)state;
	assert_true(container("/system.slice/docker-" ID ".scope\n", "0123456789ab"));
	assert_true(container("/docker/" ID "\n", ID));
	assert_true(container("/kubepods.slice/pod7/cri-containerd-" ID ".scope\n", "012345"));
	assert_true(container("/system.slice/containerd.service/pod:cri-containerd:" ID "\n",
			      "0123456"));
	assert_true(container("/machine.slice/libpod-" ID ".scope/container\n", "01234567"));
	assert_false(container("/docker/" ID "\n", "123456789a"));
	assert_false(container("/docker/" ID "\n", ID "0"));
	assert_false(container("/system.slice/orders.service\n", "012345"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_units),
		cmocka_unit_test(test_containers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
