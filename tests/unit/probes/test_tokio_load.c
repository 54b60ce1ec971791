// SPDX-License-Identifier: MIT
/* What watching costs, and what is said of level light, second by second. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/probes/fake_tokio.h"

#define SECOND 1000000000ull
#define HIT_NS 650u

extern const struct source source_tokio;

static struct fake_tokio *service(void)
{
	static struct rust_probe probe = { .kind = RUST_POLL_END, .family = RUST_TOKIO };
	struct fake_tokio *f = fake_tokio_new();

	f->plan.probes = &probe;
	f->plan.n_probes = 1;
	fake_tokio_claim(f, 0, true)->roles = WEFT_ROW_WORKER;
	tokio_tell_lanes(&f->state);
	return f;
}

/* Hits that it would have had at normal in this second. */
static uint64_t normal_hits(struct fake_tokio *f, uint64_t polls, uint64_t hits)
{
	struct source_load before, after;

	assert_true(source_tokio.load(&f->state, &f->process, &before));
	f->rows[0].polls += polls;
	f->rows[0].hits += hits;
	assert_true(source_tokio.load(&f->state, &f->process, &after));
	assert_int_equal(after.hits_ns - before.hits_ns, hits * HIT_NS);
	return (after.normal_hits_ns - before.normal_hits_ns) / HIT_NS;
}

static void normal_has_been_there(void **state)
{
	struct fake_tokio *f = service();

	(void)state;
	assert_int_equal(normal_hits(f, 1000, 2000), 4000);
	f->process.level = WEFT_LEVEL_NORMAL;
	assert_int_equal(normal_hits(f, 1000, 7000), 7000); /* timers are armed, too */
	assert_int_equal(normal_hits(f, 10, 1000), 70);     /* too few to tell */
	f->process.level = WEFT_LEVEL_LIGHT;
	assert_int_equal(normal_hits(f, 1000, 2000), 7000);
	fake_tokio_free(f);
}

static void seconds(struct fake_tokio *f, unsigned n)
{
	while (n-- > 0) {
		f->session.now_ns += SECOND;
		source_tokio.second(&f->state, &f->process);
	}
}

static void light_asked_for_is_said_at_once(void **state)
{
	struct fake_tokio *f = service();

	(void)state;
	f->session.level = WEFT_LEVEL_LIGHT;
	seconds(f, 1);
	assert_int_equal(f->cannot_sees, 1);
	assert_string_equal(f->cannot_see.what, "workers parking, late drivers");
	seconds(f, 10);
	assert_int_equal(f->cannot_sees, 1);
	fake_tokio_free(f);
}

/* Their drivers' waits have no end, so that is not what light takes away. */
static void of_smol_light_is_said(void **state)
{
	struct rust_type type = { .family = RUST_ASYNC_TASK };
	struct fake_tokio *f = service();

	(void)state;
	f->plan.types = &type;
	f->plan.n_types = 1;
	f->session.level = WEFT_LEVEL_LIGHT;
	seconds(f, 1);
	assert_int_equal(f->cannot_sees, 1);
	assert_string_equal(f->cannot_see.what, "workers parking, timers");
	fake_tokio_free(f);
}

static void automatic_light_is_said_when_it_stays(void **state)
{
	struct fake_tokio *f = service();

	(void)state;
	seconds(f, 2);
	f->process.level = WEFT_LEVEL_NORMAL;
	seconds(f, 10);
	f->process.level = WEFT_LEVEL_LIGHT;
	seconds(f, 3);
	assert_int_equal(f->cannot_sees, 0);
	seconds(f, 1);
	assert_int_equal(f->cannot_sees, 1);
	fake_tokio_free(f);
}

/* Or another process is watched at normal: the switch programs run. */
static void nothing_to_say_while_switches_are_seen(void **state)
{
	struct fake_tokio *f = service();
	struct process other = { .state = PROCESS_LIVE, .level = WEFT_LEVEL_NORMAL };

	(void)state;
	f->process.next = &other;
	f->session.level = WEFT_LEVEL_LIGHT;
	seconds(f, 5);
	assert_int_equal(f->cannot_sees, 0);
	f->process.next = NULL;
	fake_tokio_free(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(normal_has_been_there),
		cmocka_unit_test(light_asked_for_is_said_at_once),
		cmocka_unit_test(of_smol_light_is_said),
		cmocka_unit_test(automatic_light_is_said_when_it_stays),
		cmocka_unit_test(nothing_to_say_while_switches_are_seen),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
