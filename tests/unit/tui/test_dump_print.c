/* SPDX-License-Identifier: MIT */
/* Rows of `weft dump --format json`. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "tests/support/feed.h"
#include "tui/commands/dump_print.h"

static char *dump(struct feed *f)
{
	const struct live_query query = { .process = UINT32_MAX, .count = 1 };
	struct live_header head;
	struct live_task task;
	struct live_page page;
	struct dump_print p;
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	assert_non_null(out);
	assert_int_equal(live_header(f->l, 0, &head), 0);
	dump_print_begin(&p, DUMP_PRINT_JSON, out, &head, 1);
	dump_print_process(&p, &head);
	assert_int_equal(live_tasks(f->l, &query, &task, &page), 0);
	assert_int_equal(page.rows, 1);
	dump_print_task(&p, f->l, &task);
	dump_print_end(&p);
	fclose(out);
	return text;
}

/* A sample of a Tokio worker at light carries the mark. */
static void rows_say_what_is_estimated(void **state)
{
	struct weft_ev_lane_sample sample = { .cpu_ns = 1, .polls = 100 };
	struct feed *f = feed_new(&(struct live_options){ 0 });
	char *text;

	(void)state;
	feed_worker(f, 0, 0);
	feed_spawn(f, MS, 7, 1, 512);
	feed_event(f, 2 * MS, WEFT_EV_LANE_SAMPLE, &sample, sizeof(sample));
	text = dump(f);
	assert_non_null(strstr(text, "\"estimated\": false"));
	free(text);
	feed_flagged(f, 50 * MS, WEFT_EV_LANE_SAMPLE, WEFT_EVF_ESTIMATE, &sample, sizeof(sample));
	text = dump(f);
	assert_non_null(strstr(text, "\"estimated\": true"));
	free(text);
	feed_free(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rows_say_what_is_estimated),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
