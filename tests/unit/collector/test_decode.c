/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "collector/pipeline.h"
#include "tests/support/scenario.h"
#include "tests/support/trace.h"

static struct synth *one_lane(void)
{
	struct synth *s = synth_new();

	synth_process(s, 0, "svc");
	synth_worker(s, 0, 0, 1, 0);
	return s;
}

/* What is read from the mapping and comes again through the flush probe is taken once. */
static void pieces_and_flush(void **state)
{
	struct synth *s = one_lane();
	struct trace t = { 0 };
	struct engine_consumer c = trace_consumer(&t);

	(void)state;
	for (uint64_t i = 1; i <= 1000; i++) {
		synth_poll(s, 0, 0, i * 1000, 5, 300, 0);
		if (i % 7 == 0)
			synth_piece(s, 0, 0);
	}
	synth_finish(s);
	assert_int_equal(synth_run(s, &c), 0);
	assert_int_equal(t.kind[WEFT_K_TASK_POLL], 1000);
	assert_int_equal(t.kind[WEFT_EV_GAP], 0);
	assert_int_equal(t.unsorted + t.late, 0);
	synth_free(s);
}

static void run_swapped(struct synth *s, size_t i, size_t k, struct trace *t,
			struct accounts **accounts)
{
	struct engine_consumer c = trace_consumer(t);
	struct pipeline_options options = { .consumer = &c };
	struct pipeline *p;

	assert_int_equal(accounts_new(accounts), 0);
	options.accounts = *accounts;
	assert_int_equal(pipeline_new(&options, &p), 0);
	for (size_t n = 0; n < synth_count(s); n++)
		pipeline_event(p, synth_at(s, n == i ? k : n == k ? i : n));
	pipeline_finish(p, 0);
	accounts_settle(*accounts);
	accounts_publish(*accounts);
	pipeline_free(p);
}

/* A batch that overtakes the one before it waits for it. */
static void overtaking(void **state)
{
	struct synth *s = one_lane();
	struct trace t = { 0 };
	struct accounts *accounts;
	size_t batch[3] = { 0 }, n = 0;

	(void)state;
	synth_flush_every(s, 0);
	for (uint64_t i = 1; i <= 500; i++)
		synth_poll(s, 0, 0, i * 1000, 5, 300, 0);
	synth_finish(s);
	for (size_t i = 0; i < synth_count(s) && n < 3; i++)
		if (synth_at(s, i)->kind == WEFT_EV_BATCH)
			batch[n++] = i;
	run_swapped(s, batch[1], batch[2], &t, &accounts);
	assert_int_equal(t.kind[WEFT_K_TASK_POLL], 500);
	assert_int_equal(t.kind[WEFT_EV_GAP], 0);
	assert_int_equal(t.unsorted + t.late, 0);
	assert_int_equal(accounts_errors(accounts, NULL, 0), 0);
	accounts_free(accounts);
	synth_free(s);
}

static void lost_batch(void **state)
{
	enum { POLLS = 4 * WEFT_BATCH_BYTES / 32 };
	struct synth *s = one_lane();
	struct trace t = { 0 };
	struct engine_consumer c = trace_consumer(&t);

	(void)state;
	for (uint64_t i = 1; i <= POLLS; i++) {
		synth_poll(s, 0, 0, i * 1000, 5, 300, 0);
		if (i == POLLS / 2)
			synth_lose(s, 0, 0);
	}
	synth_finish(s);
	assert_int_equal(synth_run(s, &c), 0);
	assert_true(t.kind[WEFT_K_TASK_POLL] < POLLS);
	assert_int_equal(t.kind[WEFT_EV_GAP], 1);
	synth_free(s);
}

static uint64_t first_polls[64];
static unsigned npolls;

static void keep_polls(void *ctx, struct record *r, size_t n)
{
	(void)ctx;
	for (size_t i = 0; i < n; i++)
		if (r[i].kind == WEFT_K_TASK_POLL && npolls < 64) {
			first_polls[npolls++] = r[i].t_ns;
			assert_int_equal(r[i].a, 300);
			assert_int_equal(r[i].b, UINT64_MAX);
		}
}

/* Stamps pass 2^56 in the middle. */
static void wrapping_stamps(void **state)
{
	struct synth *s = synth_new();
	struct engine_consumer c = { .batch = keep_polls };

	(void)state;
	npolls = 0;
	synth_tsc(s, (1ull << 56) - 50000);
	synth_process(s, 0, "svc");
	synth_worker(s, 0, 0, 1, 0);
	for (uint64_t i = 1; i <= 50; i++)
		synth_poll(s, 0, 0, i * 1000, 5, 300, 0);
	synth_finish(s);
	assert_int_equal(synth_run(s, &c), 0);
	assert_int_equal(npolls, 50);
	for (unsigned i = 0; i < 50; i++)
		assert_in_range(first_polls[i], (i + 1) * 1000, (i + 1) * 1000 + 1);
	synth_free(s);
}

/* What the session says of no process in particular. */
static void of_session(void **state)
{
	struct {
		struct weft_ev ev;
		struct weft_ev_cannot_see body;
	} unseen = { .ev = { .kind = WEFT_EV_CANNOT_SEE,
			     .size = sizeof(unseen),
			     .process = WEFT_EV_ALL,
			     .time_ns = SYNTH_START_NS + 5000 },
		     .body = { "stacks", "no right" } };
	struct weft_ev mark = { .kind = WEFT_EV_WATERMARK,
				.size = sizeof(mark),
				.process = WEFT_EV_ALL };
	struct synth *s = one_lane();
	struct trace t = { 0 };
	struct engine_consumer c = trace_consumer(&t);
	struct pipeline_options options = { .consumer = &c };
	struct pipeline *p;
	uint64_t reached;

	(void)state;
	synth_poll(s, 0, 0, 9000, 5, 300, 0);
	synth_flush(s, 9000);
	assert_int_equal(accounts_new(&options.accounts), 0);
	assert_int_equal(pipeline_new(&options, &p), 0);
	for (size_t i = 0; i < synth_count(s); i++)
		pipeline_event(p, synth_at(s, i));
	assert_int_equal(pipeline_event(p, &unseen.ev), 0);
	/* As long as a process is there its own watermark rules. */
	reached = pipeline_now(p);
	mark.time_ns = SYNTH_START_NS + 50000000;
	assert_int_equal(pipeline_event(p, &mark), 0);
	assert_int_equal(pipeline_now(p), reached);
	synth_finish(s);
	for (size_t i = 0; i < synth_count(s); i++)
		if (synth_at(s, i)->kind == WEFT_EV_PROCESS_EXIT)
			pipeline_event(p, synth_at(s, i));
	assert_int_equal(pipeline_event(p, &mark), 0);
	assert_int_equal(pipeline_now(p), 50000000);
	assert_int_equal(t.kind[WEFT_EV_CANNOT_SEE], 1);
	pipeline_free(p);
	accounts_free(options.accounts);
	synth_free(s);
}

/* Random damage to every event: never a crash, and what is whole is still taken. */
static void hostile(void **state)
{
	struct synth *s = scenario_new(3000, 1000);
	unsigned seed = 7;

	(void)state;
	for (unsigned round = 0; round < 20; round++) {
		struct trace t = { 0 };
		struct engine_consumer c = trace_consumer(&t);
		struct pipeline_options options = { .consumer = &c };
		struct pipeline *p;

		assert_int_equal(accounts_new(&options.accounts), 0);
		assert_int_equal(pipeline_new(&options, &p), 0);
		for (size_t i = 0; i < synth_count(s); i++) {
			const struct weft_ev *ev = synth_at(s, i);
			struct weft_ev *copy = malloc(ev->size);

			memcpy(copy, ev, ev->size);
			for (unsigned k = 0; k < round % 4; k++) {
				seed = seed * 1103515245u + 12345u;
				if (seed % 5 == 0)
					((uint8_t *)copy)[4 + (seed >> 8) % (ev->size - 4)] ^=
						(uint8_t)(seed >> 16);
			}
			pipeline_event(p, copy);
			free(copy);
		}
		pipeline_finish(p, 0);
		assert_int_equal(t.unsorted, 0);
		assert_true(t.records > 0);
		pipeline_free(p);
		accounts_free(options.accounts);
	}
	synth_free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pieces_and_flush), cmocka_unit_test(overtaking),
		cmocka_unit_test(lost_batch),       cmocka_unit_test(wrapping_stamps),
		cmocka_unit_test(of_session),       cmocka_unit_test(hostile),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
