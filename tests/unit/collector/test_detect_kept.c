/* SPDX-License-Identifier: MIT */
/* What the model keeps is there for as long as detectors wait before they judge it, however fast it comes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/support/verdict.h"

/* A worker without a pause between short blocks: none of them is forgotten before it is judged. */
static void short_blocks_without_a_pause(void **state)
{
	struct feed *f = *state;
	uint64_t t = T0;

	for (uint64_t seq = 1; seq <= 1500; seq++, t += 1300 * US) {
		struct record off = { .t_ns = t + 1150 * US,
				      .kind = WEFT_EV_OFFCPU,
				      .task = 7,
				      .a = 1100 * US,
				      .c = 44,
				      .d = seq };

		feed_wake(f, t + 500 * US, 0, 8, 0, WEFT_W_FOREIGN);
		feed_record(f, &off);
		feed_poll(f, t + 1200 * US, 0, 7, 1200 * US);
		feed_poll_delay(f, t + 1250 * US, 0, 8, US, 740 * US);
	}
	verdict_found(f, "blocking-call", LIVE_WARN, "query"); /* while it lasts */
}

/* A task a request: by the time that its poll is judged, thousands have ended after it. */
static void block_of_a_task_that_has_ended(void **state)
{
	struct feed *f = *state;
	uint64_t t = T0 + 50 * MS;

	feed_spawn(f, T0, 20, 1, 100);
	feed_offcpu(f, T0 + 29 * MS, 0, 20, 20 * MS, 0, 202);
	feed_poll(f, T0 + 30 * MS, 0, 20, 25 * MS);
	feed_poll_delay(f, T0 + 31 * MS, 0, 8, US, 24 * MS);
	feed_end(f, T0 + 32 * MS, 20, WEFT_E_DONE);
	for (uint64_t id = 1000; id < 9000; id++, t += 20 * US) {
		feed_spawn(f, t, id, 1, 100);
		feed_end(f, t + 10 * US, id, WEFT_E_DONE);
	}
	feed_tick_to(f, T0 + 500 * MS);
	verdict_found(f, "blocking-call", LIVE_WARN, "query");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		VERDICT_TEST(short_blocks_without_a_pause),
		VERDICT_TEST(block_of_a_task_that_has_ended),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
