/* SPDX-License-Identifier: MIT */
/* Baselines in both forms, damaged ones, and what they do to a verdict. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "collector/baseline.h"
#include "tests/support/verdict.h"

static int open_text(const char *text, size_t n, struct baseline **ret)
{
	char path[] = "/tmp/weft_baseline_XXXXXX", error[300] = "";
	int fd = mkstemp(path), rc;

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, n), (ssize_t)n);
	close(fd);
	rc = baseline_open(path, ret, error, sizeof(error));
	assert_true((rc != 0) == (error[0] != 0));
	unlink(path);
	return rc;
}

static void two_forms(void **state)
{
	static const char json[] =
		"{\"findings\": [{\"fingerprint\": \"00000000deadbeef\", \"id\": \"x\"}, "
		"{\"fingerprint\": \"ffffffffffffffff\"}]}";
	static const char lines[] =
		"# known since May\n00000000deadbeef blocking-call of the importer\n\n"
		"  ffffffffffffffff\r\n";
	struct baseline *b;

	(void)state;
	for (int i = 0; i < 2; i++) {
		assert_int_equal(i ? open_text(lines, strlen(lines), &b)
				   : open_text(json, strlen(json), &b),
				 0);
		assert_int_equal(baseline_count(b), 2);
		assert_true(baseline_has(b, "00000000deadbeef"));
		assert_true(baseline_has(b, "ffffffffffffffff"));
		assert_false(baseline_has(b, "00000000deadbee0"));
		assert_false(baseline_has(b, "deadbeef"));
		baseline_close(b);
	}
	assert_false(baseline_has(NULL, "00000000deadbeef"));
	assert_null(baseline_close(NULL));
}

static void damaged_ones(void **state)
{
	static const char *const bad[] = { "{\"findings\": 3}",
					   "{\"findings\": [{\"id\": \"x\"}]}",
					   "{",
					   "{}",
					   "deadbeef\n",
					   "00000000deadbeef0\n",
					   "not a list\n",
					   "{\"findings\": [{\"fingerprint\": \"../../etc\"}]}" };
	struct baseline *b;
	char error[300];

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		assert_int_equal(open_text(bad[i], strlen(bad[i]), &b), -EINVAL);
	assert_int_equal(baseline_open("/no/such/file", &b, error, sizeof(error)), -ENOENT);
	assert_int_equal(open_text("", 0, &b), 0); /* nothing is known */
	assert_int_equal(baseline_count(b), 0);
	baseline_close(b);
}

/* A known finding is told, and the run is clean but for it. */
static void a_known_finding(void **state)
{
	struct feed *f = *state;
	static struct live_finding row;
	char text[24];
	struct baseline *b;

	for (uint64_t i = 1; i <= 5; i++) {
		feed_offcpu(f, T0 + i * 200 * MS - MS, 0, 7, 60 * MS, 0, 35);
		feed_poll(f, T0 + i * 200 * MS, 0, 7, 65 * MS);
	}
	feed_tick_to(f, T0 + 2 * S);
	assert_int_equal(live_exit_code(f->l, LIVE_WARN), 1);
	assert_int_equal(live_findings(f->l, &row, 0, 1), 1);
	assert_false(row.known);
	snprintf(text, sizeof(text), "%s\n", row.fingerprint);
	assert_int_equal(open_text(text, strlen(text), &b), 0);
	live_baseline(f->l, b);
	live_findings(f->l, &row, 0, 1);
	assert_true(row.known);
	assert_int_equal(live_exit_code(f->l, LIVE_WARN),
			 3); /* nothing new; some could not be checked */
	live_baseline(f->l, NULL);
	baseline_close(b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(two_forms),
		cmocka_unit_test(damaged_ones),
		VERDICT_TEST(a_known_finding),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
