// SPDX-License-Identifier: MIT
/* Quotas of both versions of control groups, in a tree of files that looks like theirs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "probes/cgroup_quota.h"

static char root[64], membership[96];

static void put(const char *path, const char *text)
{
	char full[256];
	FILE *f;

	snprintf(full, sizeof(full), "%s/%s", root, path);
	for (char *slash = full + strlen(root) + 1; (slash = strchr(slash, '/')); slash++) {
		*slash = '\0';
		mkdir(full, 0700);
		*slash = '/';
	}
	f = fopen(full, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static int setup(void **state)
{
	(void)state;
	snprintf(root, sizeof(root), "/tmp/weft-cgroup-XXXXXX");
	if (!mkdtemp(root))
		return -1;
	snprintf(membership, sizeof(membership), "%s/membership", root);
	return 0;
}

static int teardown(void **state)
{
	char command[128];

	(void)state;
	snprintf(command, sizeof(command), "rm -r %s", root);
	return system(command);
}

static struct cgroup_quota quota(void)
{
	struct cgroup_quota q;

	cgroup_quota_read(membership, root, &q);
	return q;
}

#define V1 "4:memory:/x\n3:cpu,cpuacct:/svc/web\n2:cpuset:/other\n1:name=systemd:/svc/web\n"

static void version_1(void **state)
{
	(void)state;
	put("membership", V1);
	put("cpu/svc/web/cpu.cfs_quota_us", "150000\n");
	put("cpu/svc/web/cpu.cfs_period_us", "100000\n");
	put("cpu/svc/web/cpu.stat", "nr_periods 40\nnr_throttled 12\nthrottled_time 1234567890\n");
	put("cpu/svc/cpu.cfs_quota_us", "-1\n");
	put("cpu/svc/cpu.cfs_period_us", "100000\n");
	assert_int_equal(quota().quota_us, 150000);
	assert_int_equal(quota().period_us, 100000);
	assert_int_equal(quota().throttled_ns, 1234567890);
}

/* Where no link has the short name. */
static void version_1_by_its_controllers(void **state)
{
	(void)state;
	put("membership", "3:cpuacct,cpu:/svc\n");
	put("cpuacct,cpu/svc/cpu.cfs_quota_us", "50000\n");
	put("cpuacct,cpu/svc/cpu.cfs_period_us", "100000\n");
	assert_int_equal(quota().quota_us, 50000);
	assert_int_equal(quota().throttled_ns, 0);
}

/* The file system shows the container's own group as the root, the path is the host's. */
static void version_1_in_a_container(void **state)
{
	(void)state;
	put("membership", "3:cpu,cpuacct:/docker/0123abcd\n");
	put("cpu/cpu.cfs_quota_us", "200000\n");
	put("cpu/cpu.cfs_period_us", "100000\n");
	put("cpu/cpu.stat", "nr_periods 1\nnr_throttled 1\nthrottled_time 5\n");
	assert_int_equal(quota().quota_us, 200000);
	assert_int_equal(quota().throttled_ns, 5);
}

static void no_quota(void **state)
{
	(void)state;
	put("membership", V1 "0::/svc/web\n");
	put("cpu/svc/web/cpu.cfs_quota_us", "-1\n");
	put("cpu/svc/web/cpu.cfs_period_us", "100000\n");
	put("cpu/svc/web/cpu.stat", "throttled_time 7\n");
	put("svc/web/cpu.max", "max 100000\n");
	assert_int_equal(quota().period_us, 0);
	assert_int_equal(quota().throttled_ns, 0);
}

/* The tightest counts, with its own throttling. */
static void version_2(void **state)
{
	(void)state;
	put("membership", "0::/svc/web\n");
	put("svc/web/cpu.max", "400000 100000\n");
	put("svc/web/cpu.stat", "usage_usec 9\nthrottled_usec 1\n");
	put("svc/cpu.max", "50000 50000\n");
	put("svc/cpu.stat", "usage_usec 9\nnr_throttled 3\nthrottled_usec 77\n");
	assert_int_equal(quota().quota_us, 50000);
	assert_int_equal(quota().period_us, 50000);
	assert_int_equal(quota().throttled_ns, 77000);
}

static void both_are_mounted(void **state)
{
	(void)state;
	put("membership", V1 "0::/svc/web\n");
	put("svc/web/cpu.max", "300000 100000\n");
	put("cpu/svc/web/cpu.cfs_quota_us", "100000\n");
	put("cpu/svc/web/cpu.cfs_period_us", "100000\n");
	assert_int_equal(quota().quota_us, 100000);
}

/* Of cpuset and cpuacct, nothing; what makes no sense, nothing. */
static void nonsense(void **state)
{
	(void)state;
	put("membership",
	    "5:cpuset,cpuacct:/svc\n4:cpu\n3:cpu:svc\n:\n\n2:cpu:/bad\n1:cpu:/zero\n");
	put("cpu/svc/cpu.cfs_quota_us", "100000\n");
	put("cpu/svc/cpu.cfs_period_us", "100000\n");
	put("cpu/bad/cpu.cfs_quota_us", "many\n");
	put("cpu/bad/cpu.cfs_period_us", "100000\n");
	put("cpu/zero/cpu.cfs_quota_us", "100000\n");
	put("cpu/zero/cpu.cfs_period_us", "0\n");
	assert_int_equal(quota().period_us, 0);
	unlink(membership);
	assert_int_equal(quota().period_us, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(version_1),
		TEST(version_1_by_its_controllers),
		TEST(version_1_in_a_container),
		TEST(no_quota),
		TEST(version_2),
		TEST(both_are_mounted),
		TEST(nonsense),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
