/* SPDX-License-Identifier: MIT */
/* queue-backlog and worker-imbalance, where it is in doubt which tasks still wait: polls may have gone unseen. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/support/verdict.h"

/* What a worker does in each 50 ms. */
struct habit {
	uint64_t cpu, polls;
};

static void work(struct feed *f, uint64_t t, uint32_t lane, const struct habit *h)
{
	feed_sample(f, t, lane,
		    &(struct feed_sample){ .cpu = h->cpu,
					   .park = STEP - h->cpu,
					   .polls = h->polls,
					   .busy = h->cpu });
}

static void run(struct feed *f, uint64_t seconds, const struct habit *both)
{
	for (uint64_t t = T0; t < T0 + seconds * S; t += STEP)
		for (uint32_t lane = 0; lane < 2; lane++)
			work(f, t + lane * US, lane, both);
}

/* 40 tasks that were woken, and nothing is told of their polls. */
static void forty_are_woken(struct feed *f)
{
	for (uint64_t id = 100; id < 140; id++) {
		feed_spawn(f, T0 - 500 * MS, id, 2, 256);
		feed_poll(f, T0 - 400 * MS, 0, id, US);
	}
	for (uint64_t id = 100; id < 140; id++)
		feed_wake(f, T0 - 300 * MS, 0, id, 0, WEFT_W_FOREIGN);
}

static void forty_are_met(struct feed *f)
{
	static struct weft_ev_snapshot_task tasks[43];

	for (uint32_t i = 0; i < 43; i++)
		tasks[i] = (struct weft_ev_snapshot_task){
			.task = i < 40 ? 100 + i : i - 33,
			.site = 2,
			.state = i < 40 ? WEFT_T_NOTIFIED : 0,
			.runtime = 1,
			.wake_age_ns = UINT64_MAX,
			.age_ns = UINT64_MAX,
		};
	feed_walk(f, f->now + MS, tasks, 43);
}

static void batches_are_lost(struct feed *f)
{
	struct weft_ev_gap gap = { .seq_from = 1, .seq_to = 2, .reason = WEFT_GAP_RING_FULL };

	feed_event(f, f->now, WEFT_EV_GAP, &gap, sizeof(gap));
}

static const struct habit few_polls = { .cpu = 49 * MS, .polls = 10 };

/* What waited then may have been polled unseen; a walk that meets it later knows, and so does the next wake. */
static void their_polls_may_be_lost(void **state)
{
	struct feed *f = *state;

	forty_are_woken(f);
	run(f, 5, &few_polls);
	verdict_found(f, "queue-backlog", LIVE_WARN, "");
	for (unsigned again = 0; again < 3; again++) {
		verdict_teardown(state);
		verdict_setup(state);
		f = *state;
		forty_are_woken(f);
		batches_are_lost(f);
		if (again == 1)
			forty_are_met(f);
		for (uint64_t id = 100; again == 2 && id < 140; id++)
			feed_wake(f, f->now, 0, id, 0, WEFT_W_FOREIGN);
		run(f, 5, &few_polls);
		if (again)
			verdict_found(f, "queue-backlog", LIVE_WARN, "");
		else
			verdict_nothing(f);
	}
}

static void a_walk_met_forty_before_the_level_rose(void **state)
{
	struct feed *f = *state;

	forty_are_woken(f);
	for (uint64_t id = 100; id < 140; id++)
		feed_poll(f, T0 - 300 * MS, 0, id, US);
	feed_level(f, T0 - 250 * MS, WEFT_LEVEL_LIGHT);
	forty_are_met(f);
	feed_level(f, T0 - 200 * MS, WEFT_LEVEL_NORMAL);
	run(f, 5, &few_polls);
	verdict_nothing(f);
}

/* One hot task, and two of which the polls were lost. */
static void two_may_have_been_polled(void **state)
{
	const struct habit busy = { .cpu = 48 * MS, .polls = 500 },
			   idle = { .cpu = MS, .polls = 2 };
	struct feed *f = *state;

	for (uint64_t id = 7; id <= 9; id++) {
		feed_poll(f, T0 - 100 * MS + id * MS, 0, id, US);
		feed_wake(f, f->now, 0, id, 0, WEFT_W_FOREIGN);
	}
	batches_are_lost(f);
	for (uint64_t t = T0; t < T0 + 6 * S; t += STEP) {
		work(f, t, 0, &busy);
		work(f, t + US, 1, &idle);
		feed_poll(f, t + MS, 0, 7, 10 * US);
		feed_wake(f, t + MS + US, 0, 7, 0, WEFT_W_FOREIGN);
	}
	assert_null(feed_finding(f, "worker-imbalance"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		VERDICT_TEST(their_polls_may_be_lost),
		VERDICT_TEST(a_walk_met_forty_before_the_level_rose),
		VERDICT_TEST(two_may_have_been_polled),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
