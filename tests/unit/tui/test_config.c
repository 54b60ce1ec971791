/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "tui/config.h"

static char error[300];

static int read_text(const char *text, size_t n, struct config *ret)
{
	char path[] = "/tmp/weft_config_XXXXXX";
	int fd = mkstemp(path), rc;

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, n), (ssize_t)n);
	close(fd);
	error[0] = 0;
	rc = config_read(path, ret, error, sizeof(error));
	unlink(path);
	return rc;
}

static void test_values(void **state)
{
	static const char text[] =
		"# limits of ours\n\n  blocking.warn_ms = 20 # slow disks\nbusy.spin_ms=200\r\n"
		"ignore = task-leak,timer-late\nfail-on = crit\nbaseline = known.json";
	struct config c;

	(void)state;
	assert_int_equal(read_text(text, strlen(text), &c), 0);
	assert_int_equal(c.n, 2);
	assert_string_equal(c.item[0], "blocking.warn_ms=20");
	assert_string_equal(c.item[1], "busy.spin_ms=200");
	assert_null(c.item[2]);
	assert_string_equal(c.ignore, "task-leak,timer-late");
	assert_string_equal(c.fail_on, "crit");
	assert_string_equal(c.baseline, "known.json");
	assert_null(c.only);
	config_done(&c);
}

static void test_faults(void **state)
{
	struct config c;
	char many[4096] = "";

	(void)state;
	assert_true(read_text("a = 1\nnonsense\n", 15, &c) < 0);
	assert_non_null(strstr(error, "line 2"));
	assert_true(read_text("= 1\n", 4, &c) < 0);
	assert_true(read_text("a =\n", 4, &c) < 0);
	assert_true(read_text("a\0b=1\n", 6, &c) < 0);
	for (int i = 0; i < 129; i++)
		snprintf(many + strlen(many), sizeof(many) - strlen(many), "x.%d=1\n", i);
	assert_true(read_text(many, strlen(many), &c) < 0);
	assert_non_null(strstr(error, "line 129"));
	assert_true(config_read("/no/such/file", &c, error, sizeof(error)) < 0);
	assert_non_null(strstr(error, "/no/such/file"));
	assert_int_equal(read_text("", 0, &c), 0);
	assert_int_equal(c.n, 0);
	config_done(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_faults),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
