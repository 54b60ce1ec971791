/* SPDX-License-Identifier: MIT */
/* handle-dropped in front of tasks that are taken off, and of services that do so on purpose. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "tests/support/verdict.h"

static void end_by(struct feed *f, uint64_t t, uint64_t task, unsigned reason, uint64_t by)
{
	struct record r = { .t_ns = t, .kind = WEFT_K_TASK_END, .task = task, .a = by, .b = reason };

	feed_record(f, &r);
}

static void drop(struct feed *f, uint64_t t, uint64_t task, unsigned what)
{
	struct record r = { .t_ns = t, .kind = WEFT_K_HANDLE_DROP, .task = task, .a = 8, .b = what };

	feed_record(f, &r);
}

/* `n` tasks; each is spawned, lives for `life` and is taken off so. `done`: as many others end by themselves. */
static void lives(struct feed *f, uint64_t n, uint64_t life, unsigned reason, bool dropped,
		  bool done)
{
	for (uint64_t i = 0, t = T0; i < n; i++, t += 100 * MS) {
		feed_spawn(f, t, 100 + 2 * i, 1, 256);
		if (dropped)
			drop(f, t + life, 100 + 2 * i, WEFT_D_CANCEL);
		feed_poll(f, t + life + US, 0, 100 + 2 * i, US);
		end_by(f, t + life + US, 100 + 2 * i, reason, 8);
		if (done) {
			feed_spawn(f, t + life + 2 * US, 101 + 2 * i, 1, 256);
			end_by(f, t + life + 3 * US, 101 + 2 * i, WEFT_E_DONE, 0);
		}
	}
	feed_tick_to(f, f->now + 2 * S);
}

static void dropped_at_once(void **state)
{
	struct feed *f = *state;
	const struct live_finding *row;

	lives(f, 1, 10 * US, WEFT_E_CANCELLED, true, true);
	row = verdict_found(f, "handle-dropped", LIVE_WARN, "query");
	assert_string_equal(row->cause, "cancelled by the drop of its handle");
	assert_string_equal(row->evidence[row->evidence_n - 1].text,
			    "by task 8 ticker, spawned at svc.c:80");
}

/* Where the runtime tells the call that took it off: of the last one that is known. */
static void the_call_is_told(void **state)
{
	struct feed *f = *state;
	const struct live_finding *row;

	feed_site(f, 9, "", "mail.c", 57);
	feed_spawn(f, T0, 100, 1, 256);
	drop(f, T0 + 10 * US, 100, WEFT_D_CANCEL);
	end_by(f, T0 + 11 * US, 100, WEFT_E_CANCELLED | 9 << 16, 8);
	feed_spawn(f, T0 + MS, 101, 1, 256);
	drop(f, T0 + MS + 10 * US, 101, WEFT_D_CANCEL);
	end_by(f, T0 + MS + 11 * US, 101, WEFT_E_CANCELLED, 8);
	feed_tick_to(f, f->now + 2 * S);
	row = verdict_found(f, "handle-dropped", LIVE_WARN, "query");
	assert_non_null(strstr(row->evidence[row->evidence_n - 1].text, " (mail.c:57)"));
}

/* Half a second later it is a change of mind; most of them end by themselves. */
static void a_drop_that_is_meant(void **state)
{
	struct feed *f = *state;

	lives(f, 1, 500 * MS, WEFT_E_CANCELLED, true, true);
	lives(f, 1, 500 * MS, WEFT_E_DONE, false, true);
	verdict_nothing(f);
}

static void aborted_at_once(void **state)
{
	struct feed *f = *state;

	lives(f, 5, 10 * US, WEFT_E_CANCELLED, false, false);
	assert_string_equal(verdict_found(f, "handle-dropped", LIVE_WARN, "query")->cause,
			    "aborted as soon as it is spawned");
}

static void sessions_aborted_at_disconnect(void **state)
{
	struct feed *f = *state;

	lives(f, 20, 80 * MS, WEFT_E_CANCELLED, false, false);
	verdict_nothing(f);
	assert_string_equal(feed_verdict(f, "handle-dropped"), "clean");
}

static void shut_down_before_it_ran(void **state)
{
	struct feed *f = *state;

	lives(f, 1, 100 * MS, WEFT_E_SHUTDOWN, false, false);
	assert_string_equal(verdict_found(f, "handle-dropped", LIVE_WARN, "query")->cause,
			    "the runtime was shut down before it ran");
}

/* Its polls may be among those that were lost. */
static void shut_down_after_a_loss(void **state)
{
	struct weft_ev_gap gap = { .seq_from = 1, .seq_to = 2, .reason = WEFT_GAP_RING_FULL };
	struct feed *f = *state;

	feed_spawn(f, T0, 900, 1, 256);
	feed_event(f, T0 + 50 * MS, WEFT_EV_GAP, &gap, sizeof(gap));
	end_by(f, T0 + 100 * MS, 900, WEFT_E_SHUTDOWN, 0);
	feed_tick_to(f, f->now + 2 * S);
	verdict_nothing(f);
}

/* A service that ends in the middle of its work. */
static void shut_down_in_full_flight(void **state)
{
	struct feed *f = *state;

	lives(f, 5, 10 * MS, WEFT_E_DONE, false, true);
	feed_spawn(f, f->now + MS, 900, 1, 256);
	feed_poll(f, f->now + 2 * MS, 0, 900, US);
	end_by(f, f->now + MS, 900, WEFT_E_SHUTDOWN, 0);
	feed_tick_to(f, f->now + 2 * S);
	verdict_nothing(f);
}

/* Tasks of a site, spawned before T0 and taken off in the 2 ms after it. */
static void burst(struct feed *f, uint64_t first, uint64_t n, uint32_t site, unsigned reason,
		  bool dropped)
{
	for (uint64_t i = 0; i < n; i++)
		feed_spawn(f, T0 - S / 2 + i * 100 * US, first + i, site, 256);
	for (uint64_t i = 0; i < n; i++) {
		if (dropped)
			drop(f, T0 + MS + i * US / 2, first + i, WEFT_D_CANCEL);
		end_by(f, T0 + MS + i * US / 2, first + i, reason, 8);
	}
	feed_tick_to(f, f->now + 2 * S);
}

/* A client of reqwest's goes, with its runtime and what its connection pool has spawned. */
static void a_library_is_shut_down(void **state)
{
	struct feed *f = *state;

	feed_site(
		f, 9, "dyn core::future::future::Future",
		"/home/me/.cargo/registry/src/index.crates.io-1949cf8c/hyper-util-0.1.21/src/rt/tokio.rs",
		127);
	burst(f, 1000, 80, 9, WEFT_E_SHUTDOWN, false);
	verdict_nothing(f);
}

static void shut_down_at(struct feed *f, const char *location)
{
	feed_site(f, 9, "svc::flush", location, 27);
	burst(f, 1000, 80, 9, WEFT_E_SHUTDOWN, false);
}

/* As cargo install has built it. */
static void an_installed_program_is_shut_down(void **state)
{
	struct feed *f = *state;

	shut_down_at(f,
		     "/home/me/.cargo/registry/src/index.crates.io-1949cf8c/svc-1.0.0/src/main.rs");
	verdict_found(f, "handle-dropped", LIVE_WARN, "svc::flush");
}

static void a_library_of_a_like_name_is_shut_down(void **state)
{
	struct feed *f = *state;

	shut_down_at(
		f,
		"/home/me/.cargo/registry/src/index.crates.io-1949cf8c/svc-util-1.0.0/src/lib.rs");
	verdict_nothing(f);
}

static void a_vendored_library_is_shut_down(void **state)
{
	struct feed *f = *state;

	shut_down_at(f, "vendor/hyper-util/src/rt/tokio.rs");
	verdict_nothing(f);
}

/* That is a module of the program's. */
static void a_folder_named_vendor(void **state)
{
	struct feed *f = *state;

	shut_down_at(f, "crates/vendor/src/sync.rs");
	verdict_found(f, "handle-dropped", LIVE_WARN, "svc::flush");
}

/* The main function returns after it has spawned them. */
static void thousands_are_shut_down(void **state)
{
	struct feed *f = *state;
	const struct live_finding *row;

	burst(f, 1000, 3000, 1, WEFT_E_SHUTDOWN, false);
	row = verdict_found(f, "handle-dropped", LIVE_WARN, "query");
	assert_string_equal(row->cause, "the runtime was shut down before it ran");
	assert_int_equal(row->evidence[0].value, 3000);
}

/* A vector of their handles is dropped. */
static void thousands_are_dropped(void **state)
{
	struct feed *f = *state;
	const struct live_finding *row;

	burst(f, 1000, 3000, 1, WEFT_E_CANCELLED, true);
	row = verdict_found(f, "handle-dropped", LIVE_WARN, "query");
	assert_string_equal(row->cause, "cancelled by the drop of its handle");
	assert_int_equal(row->evidence[0].value, 3000);
}

/* One of them has ended as done. */
static void thousands_are_shut_down_and_one_is_done(void **state)
{
	struct feed *f = *state;

	feed_spawn(f, 100 * MS, 900, 1, 256);
	feed_end(f, 200 * MS, 900, WEFT_E_DONE);
	burst(f, 1000, 3000, 1, WEFT_E_SHUTDOWN, false);
	verdict_nothing(f);
}

/* So many types of tasks are cancelled now and then that there is no room for more; then tasks of one are aborted at once. */
static void many_types_are_cancelled(void **state)
{
	struct feed *f = *state;
	char name[16];

	for (uint32_t i = 0; i < 300; i++) {
		snprintf(name, sizeof(name), "job %u", i);
		feed_site(f, 10 + i, name, "svc.c", 100 + i);
		feed_spawn(f, T0 + i * 10 * MS, 2000 + i, 10 + i, 256);
	}
	for (uint32_t i = 0; i < 300; i++)
		end_by(f, T0 + 4 * S + i * MS, 2000 + i, WEFT_E_CANCELLED, 8);
	verdict_nothing(f);
	for (uint64_t i = 0, t = f->now + MS; i < 5; i++, t += 100 * MS) {
		feed_spawn(f, t, 5000 + i, 1, 256);
		end_by(f, t + 10 * US, 5000 + i, WEFT_E_CANCELLED, 8);
	}
	feed_tick_to(f, f->now + 2 * S);
	assert_string_equal(verdict_found(f, "handle-dropped", LIVE_WARN, "query")->cause,
			    "aborted as soon as it is spawned");
}

/* A detached task fails, and that ends a program of thousands: both are told. */
static void one_fails_before_thousands_are_shut_down(void **state)
{
	struct feed *f = *state;

	feed_spawn(f, 100 * MS, 900, 2, 256);
	drop(f, 110 * MS, 900, WEFT_D_DETACH);
	for (uint64_t i = 0; i < 3000; i++)
		feed_spawn(f, T0 - S / 2 + i * US, 1000 + i, 1, 256);
	end_by(f, T0 + MS, 900, WEFT_E_ERROR | 28 << 8, 0); /* ENOSPC */
	for (uint64_t i = 0; i < 3000; i++)
		end_by(f, T0 + MS + i * US / 2, 1000 + i, WEFT_E_SHUTDOWN, 0);
	feed_tick_to(f, f->now + 2 * S);
	assert_non_null(feed_finding(f, "handle-dropped"));
	assert_non_null(feed_finding(f, "detached-panic"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		VERDICT_TEST(dropped_at_once),
		VERDICT_TEST(the_call_is_told),
		VERDICT_TEST(a_drop_that_is_meant),
		VERDICT_TEST(aborted_at_once),
		VERDICT_TEST(sessions_aborted_at_disconnect),
		VERDICT_TEST(shut_down_before_it_ran),
		VERDICT_TEST(shut_down_in_full_flight),
		VERDICT_TEST(shut_down_after_a_loss),
		VERDICT_TEST(a_library_is_shut_down),
		VERDICT_TEST(an_installed_program_is_shut_down),
		VERDICT_TEST(a_library_of_a_like_name_is_shut_down),
		VERDICT_TEST(a_vendored_library_is_shut_down),
		VERDICT_TEST(a_folder_named_vendor),
		VERDICT_TEST(thousands_are_shut_down),
		VERDICT_TEST(thousands_are_dropped),
		VERDICT_TEST(thousands_are_shut_down_and_one_is_done),
		VERDICT_TEST(many_types_are_cancelled),
		VERDICT_TEST(one_fails_before_thousands_are_shut_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
