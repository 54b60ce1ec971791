/* SPDX-License-Identifier: MIT */
#include "tests/support/verdict.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

int verdict_setup(void **state)
{
	struct feed *f = feed_new(&(struct live_options){ 0 });

	feed_worker(f, 0, 0);
	feed_worker(f, 1, 1);
	feed_site(f, 1, "query", "svc.c", 42);
	feed_site(f, 2, "ticker", "svc.c", 80);
	feed_spawn(f, 1 * MS, 7, 1, 512);
	feed_spawn(f, 2 * MS, 8, 2, 256);
	feed_spawn(f, 3 * MS, 9, 2, 256);
	*state = f;
	return 0;
}

int verdict_teardown(void **state)
{
	feed_free(*state);
	return 0;
}

void verdict_nothing(struct feed *f)
{
	static struct live_finding row;
	size_t n = feed_findings(f);

	for (size_t i = 0; i < n; i++) {
		live_findings(f->l, &row, i, 1);
		if (row.severity == LIVE_INFO)
			continue;
		live_finding_text(&row, false, stderr);
		fail_msg("%s on a healthy program", row.id);
	}
}

const struct live_finding *verdict_found(struct feed *f, const char *id,
					 enum live_severity severity, const char *name)
{
	const struct live_finding *row = feed_finding(f, id);

	assert_non_null(row);
	assert_int_equal(row->severity, severity);
	assert_string_equal(row->subject_name, name);
	assert_true(row->advice[0] && row->evidence_n);
	assert_string_equal(feed_verdict(f, id), "found");
	return row;
}

/* A worker that idles along. */
void verdict_calm(struct feed *f, uint64_t t, uint32_t lane)
{
	feed_sample(f, t, lane,
		    &(struct feed_sample){ .cpu = 5 * MS,
					   .park = 45 * MS,
					   .polls = 20,
					   .busy = 4 * MS,
					   .state = WEFT_WS_PARKED_DRIVER });
}
