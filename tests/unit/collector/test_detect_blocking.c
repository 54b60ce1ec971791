/* SPDX-License-Identifier: MIT */
/* blocking-call in front of sick programs and of healthy ones that look alike. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/verdict.h"

static void block_is_found_while_it_lasts(void **state)
{
	struct feed *f = *state;
	const struct live_finding *row;
	uint64_t t;

	verdict_calm(f, T0, 0);
	for (t = T0 + STEP; t <= T0 + 3 * STEP; t += STEP)
		feed_sample(f, t, 0,
			    &(struct feed_sample){ .cpu = t == T0 + STEP ? 2 * MS : 0,
						   .task = 7,
						   .open_ns = t - T0 - 5 * MS,
						   .seq = 3,
						   .off_cpu = 2,
						   .syscall = 35,
						   .depth = 4 });
	feed_stack(f, t, 0, 7, 3, WEFT_STACK_BLOCKED, 35);
	feed_tick_to(f, t + STEP);
	row = verdict_found(f, "blocking-call", LIVE_CRIT, "query");
	assert_string_equal(row->subject_kind, "task");
	assert_int_equal(row->subject_id, 7);
	assert_string_equal(row->location, "svc.c:42");
	assert_non_null(strstr(row->cause, "nanosleep in doze at db.c:41"));
	assert_non_null(strstr(row->advice, "weft_sleep"));
	assert_int_equal(row->stack_n, 5);
	assert_true(row->stack[0].kernel);
	assert_string_equal(row->stack[2].text, "doze (src/db.c:41)");
	assert_true(row->harm_task_ms > 100); /* two are runnable, whatever the stale depth says */
	assert_false(row->resolved);
	feed_poll(f, t + 2 * STEP, 0, 7, 240 * MS);
	for (uint64_t to = t + 5 * S; t < to; t += S)
		verdict_calm(f, t + S, 0);
	assert_null(feed_finding(f, "blocking-call"));
	assert_int_equal(feed_findings(f), 1); /* resolved, not forgotten */
}

static void block_of_an_ended_poll(void **state)
{
	struct feed *f = *state;
	const struct live_finding *row;

	feed_offcpu(f, T0 + 29 * MS, 0, 7, 20 * MS, 0, 202);
	feed_poll(f, T0 + 30 * MS, 0, 7, 25 * MS);
	feed_poll_delay(f, T0 + 31 * MS, 0, 8, US, 24 * MS);
	feed_tick_to(f, T0 + 500 * MS);
	row = verdict_found(f, "blocking-call", LIVE_WARN, "query");
	assert_true(row->harm_task_ms > 20);
	assert_non_null(strstr(row->advice, "weft_semaphore"));
}

static void block_of_50_ms_is_critical(void **state)
{
	struct feed *f = *state;

	feed_offcpu(f, T0 + 99 * MS, 0, 7, 60 * MS, 0, 0);
	feed_poll(f, T0 + 100 * MS, 0, 7, 65 * MS);
	feed_tick_to(f, T0 + 500 * MS);
	verdict_found(f, "blocking-call", LIVE_CRIT, "query");
}

/* SIGSTOP, or a debugger, met it inside a poll: it slept without a call, and till somebody woke it. */
static void a_stopped_thread_does_not_block(void **state)
{
	struct {
		struct weft_ev ev;
		struct weft_ev_offcpu body;
	} e = { { .size = sizeof(e), .kind = WEFT_EV_OFFCPU }, { .syscall = -1 } };
	struct feed *f = *state;

	for (uint64_t i = 0; i < 2; i++) {
		uint64_t t = T0 + (i + 1) * 3 * S;
		struct record r = { .t_ns = t - MS,
				    .kind = WEFT_EV_OFFCPU,
				    .task = 7,
				    .a = 2 * S,
				    .c = UINT64_MAX,
				    .ev = &e.ev };

		e.body.prev_state = i ? 0x108 : 0x104;
		feed_record(f, &r);
		feed_poll(f, t, 0, 7, 2 * S + 5 * MS);
		feed_tick_to(f, t + S);
		assert_int_equal(feed_findings(f), 0);
	}
}

static void many_blocks_of_one_type_are_one_finding(void **state)
{
	struct feed *f = *state;

	for (uint64_t i = 0; i < 50; i++) {
		uint64_t t = T0 + i * 100 * MS;

		feed_spawn(f, t, 100 + i, 1, 512);
		feed_offcpu(f, t + 39 * MS, 0, 100 + i, 30 * MS, 0, 35);
		feed_poll(f, t + 40 * MS, 0, 100 + i, 32 * MS);
	}
	feed_tick_to(f, T0 + 6 * S);
	assert_int_equal(feed_findings(f), 1);
}

static void short_blocks_that_delay_others(void **state)
{
	struct feed *f = *state;

	for (uint64_t i = 1; i <= 4; i++) {
		feed_offcpu(f, T0 + i * S - MS, 0, 7, 3 * MS, 0, 35);
		feed_poll(f, T0 + i * S, 0, 7, 5 * MS);
		feed_poll_delay(f, T0 + i * S + 10 * US, 0, 8, US, 4 * MS);
	}
	feed_tick_to(f, T0 + 5 * S);
	verdict_found(f, "blocking-call", LIVE_WARN, "query");
}

static void timers_that_nobody_fires_are_harm(void **state)
{
	struct feed *f = *state;

	feed_offcpu(f, T0 + 79 * MS, 0, 7, 70 * MS, 0, 35);
	feed_poll(f, T0 + 80 * MS, 0, 7, 75 * MS);
	for (uint64_t i = 0; i < 10; i++) {
		struct record r = { .t_ns = T0 + 81 * MS,
				    .kind = WEFT_K_TIMER_FIRE,
				    .task = 8,
				    .a = i,
				    .b = T0 + 20 * MS };

		feed_record(f, &r);
	}
	feed_tick_to(f, T0 + S);
	assert_in_range(verdict_found(f, "blocking-call", LIVE_CRIT, "query")->harm_task_ms, 590,
			610);
}

static void short_blocks_that_harm_nobody(void **state)
{
	struct feed *f = *state;

	for (uint64_t i = 1; i <= 20; i++) {
		feed_offcpu(f, T0 + i * S - MS, 0, 7, 3 * MS, 0, 1);
		feed_poll(f, T0 + i * S, 0, 7, 5 * MS);
	}
	feed_tick_to(f, T0 + 22 * S);
	verdict_nothing(f);
	assert_string_equal(feed_verdict(f, "blocking-call"), "clean");
}

static void preempted_is_not_blocked(void **state)
{
	struct feed *f = *state;

	for (uint64_t i = 1; i <= 40; i++) {
		feed_offcpu(f, T0 + i * 200 * MS - MS, 0, 7, 0, 80 * MS, -1);
		feed_poll(f, T0 + i * 200 * MS, 0, 7, 90 * MS);
		feed_poll_delay(f, T0 + i * 200 * MS + 10 * US, 0, 8, US, 80 * MS);
	}
	feed_tick_to(f, T0 + 10 * S);
	verdict_nothing(f);
}

/* The same, seen by samples only: the poll is open, the thread waits for a CPU that others have. */
static void starved_is_not_blocked(void **state)
{
	struct feed *f = *state;

	verdict_calm(f, T0, 0);
	for (uint64_t t = T0 + STEP; t <= T0 + 2 * S; t += STEP)
		feed_sample(f, t, 0,
			    &(struct feed_sample){ .cpu = 2 * MS,
						   .runq = 48 * MS,
						   .task = 7,
						   .open_ns = t - T0 - 5 * MS,
						   .seq = 3,
						   .off_cpu = 1,
						   .depth = 4 });
	verdict_nothing(f);
}

static void pool_threads_may_block(void **state)
{
	struct feed *f = *state;

	feed_lane(f, 2, WEFT_LANE_POOL);
	feed_lane(f, 3, WEFT_LANE_FOREIGN);
	for (uint32_t lane = 2; lane <= 3; lane++) {
		uint64_t t0 = T0 + lane * 10 * S;

		for (uint64_t t = t0; t <= t0 + 2 * S; t += STEP)
			feed_sample(f, t, lane,
				    &(struct feed_sample){ .task = 7,
							   .open_ns = t - t0 + MS,
							   .seq = 3,
							   .off_cpu = 2,
							   .syscall = 0 });
		feed_offcpu(f, t0 + 3 * S, (uint16_t)lane, 7, 2 * S, 0, 0);
		feed_poll(f, t0 + 3 * S, (uint16_t)lane, 7, 2 * S);
		feed_tick_to(f, t0 + 4 * S);
	}
	verdict_nothing(f);
}

static void parked_workers_are_not_blocked(void **state)
{
	struct feed *f = *state;

	for (uint64_t t = T0; t <= T0 + 5 * S; t += STEP) {
		feed_sample(f, t, 0,
			    &(struct feed_sample){ .park = STEP,
						   .state = WEFT_WS_PARKED_DRIVER,
						   .off_cpu = 2,
						   .syscall = 232 });
		feed_sample(f, t, 1,
			    &(struct feed_sample){ .park = STEP,
						   .state = WEFT_WS_PARKED_FUTEX,
						   .off_cpu = 2,
						   .syscall = 202 });
	}
	verdict_nothing(f);
}

static void our_own_attach_is_not_their_fault(void **state)
{
	struct feed *f = *state;

	feed_offcpu(f, 99 * MS, 0, 7, 60 * MS, 0, 202);
	feed_poll(f, 100 * MS, 0, 7, 65 * MS);
	feed_tick_to(f, 3 * S);
	verdict_nothing(f);
}

static void page_faults_need_more(void **state)
{
	struct feed *f = *state;

	feed_offcpu(f, T0 + 29 * MS, 0, 7, 20 * MS, 0, -1);
	feed_poll(f, T0 + 30 * MS, 0, 7, 25 * MS);
	feed_tick_to(f, T0 + S);
	verdict_nothing(f);
	feed_offcpu(f, T0 + 2 * S, 0, 7, 80 * MS, 0, -1);
	feed_poll(f, T0 + 2 * S + MS, 0, 7, 85 * MS);
	feed_tick_to(f, T0 + 3 * S);
	verdict_found(f, "blocking-call", LIVE_WARN, "query");
}

/* The runtime's lock, whose holder has lost its CPU to others; held for long it is a fault all the same. */
static void a_lock_of_the_runtime_is_not_the_tasks(void **state)
{
	struct feed *f = *state;

	for (uint64_t i = 1; i <= 2; i++) {
		uint64_t blocked = i == 1 ? 180 * MS : 1500 * MS, t = T0 + i * 3 * S, open;

		verdict_calm(f, t - blocked - 10 * MS, 0);
		for (open = 50 * MS; open < blocked; open += STEP)
			feed_sample(f, t - blocked + open, 0,
				    &(struct feed_sample){ .cpu = MS,
							   .task = 7,
							   .open_ns = open,
							   .seq = i,
							   .off_cpu = 2,
							   .syscall = 202 });
		feed_stack_of_runtime(f, t - blocked + open - STEP, 7, i);
		feed_offcpu(f, t - MS, 0, 7, blocked, 0, 202);
		feed_poll(f, t, 0, 7, blocked + 2 * MS);
		feed_tick_to(f, t + 500 * MS);
		if (i == 1)
			verdict_nothing(f);
	}
	verdict_found(f, "blocking-call", LIVE_CRIT, "query");
}

#define NAMES(...) ((const char *const[]){ __VA_ARGS__, NULL })

static uint64_t holder_waits_ns; /* for a CPU, in a poll of task 8 on the other worker */

/* From `t` task 7 is blocked for `ms` in poll `seq`, with that stack; on a machine that is overloaded or not. */
static void blocks(struct feed *f, uint64_t t, uint64_t ms, bool starved, int syscall,
		   const char *const *kernel, const char *const *user)
{
	uint64_t seq = t / S;
	struct record off = { .t_ns = t + ms * MS - 2 * MS,
			      .kind = WEFT_EV_OFFCPU,
			      .task = 7,
			      .a = (ms - 3) * MS,
			      .c = (uint64_t)syscall,
			      .d = seq };

	for (uint64_t at = t - S; at < t; at += STEP)
		feed_sample(f, at, 1,
			    &(struct feed_sample){ .cpu = 5 * MS,
						   .runq = starved ? 30 * MS : 0,
						   .park = starved ? 15 * MS : 45 * MS,
						   .polls = 1,
						   .busy = 5 * MS,
						   .state = WEFT_WS_PARKED_FUTEX });
	if (kernel)
		feed_stack_named(f, t + MS, 7, seq, syscall, kernel, user);
	feed_record(f, &off);
	if (holder_waits_ns) {
		feed_offcpu(f, t + ms * MS - 2 * MS, 1, 8, 0, holder_waits_ns, -1);
		feed_poll(f, t + ms * MS - MS, 1, 8, holder_waits_ns + 2 * MS);
	}
	feed_poll(f, t + ms * MS, 0, 7, ms * MS);
	feed_tick_to(f, t + ms * MS + 500 * MS);
}

static const char *const futex[] = { "futex_do_wait", "do_futex", NULL };

/* Tokio's lock of its blocking pool; one of the program's; a nested block_on. */
static void a_lock_of_tokio_is_not_the_tasks(void **state)
{
	struct feed *f = *state;

	feed_runtime(f, 1, WEFT_RT_TOKIO);
	blocks(f, T0 + 2 * S, 70, false, 202, futex,
	       NAMES("parking_lot::raw_mutex::RawMutex::lock_slow",
		     "tokio::runtime::blocking::pool::Spawner::spawn_task", "svc::handle"));
	verdict_nothing(f);
	blocks(f, T0 + 4 * S, 70, false, 202, futex,
	       NAMES("parking_lot::raw_mutex::RawMutex::lock_slow", "svc::cache", "svc::handle"));
	verdict_found(f, "blocking-call", LIVE_CRIT, "query");
}

/* That of async-io's timers, in the names of today's compilers. */
static void a_lock_of_async_io_is_not_the_tasks(void **state)
{
	struct feed *f = *state;

	feed_runtime(f, 1, WEFT_RT_SMOL);
	blocks(f, T0 + 2 * S, 70, false, 202, futex,
	       NAMES("<std::sys::sync::mutex::futex::Mutex>::lock_contended",
		     "<async_io::Timer as futures_core::stream::Stream>::poll_next",
		     "svc::handle"));
	blocks(f, T0 + 4 * S, 70, false, 202, futex,
	       NAMES("<std::sys::sync::mutex::futex::Mutex>::lock_contended",
		     "async_io::reactor::Reactor::insert_timer", "svc::handle"));
	verdict_nothing(f);
	blocks(f, T0 + 6 * S, 70, false, 202, futex,
	       NAMES("<std::sys::sync::mutex::futex::Mutex>::lock_contended", "<svc::Cache>::get"));
	verdict_found(f, "blocking-call", LIVE_CRIT, "query");
}

static void a_nested_block_on_of_tokio_is(void **state)
{
	struct feed *f = *state;

	feed_runtime(f, 1, WEFT_RT_TOKIO);
	blocks(f, T0 + 2 * S, 70, false, 202, futex,
	       NAMES("parking_lot::condvar::Condvar::wait_until_internal",
		     "tokio::runtime::park::CachedParkThread::block_on", "svc::handle"));
	verdict_found(f, "blocking-call", LIVE_CRIT, "query");
}

static void a_name_is_looked_up(void **state)
{
	static const char *const poll[] = { "do_sys_poll", NULL };
	struct feed *f = *state;
	const struct live_finding *row;
	bool told = false;

	blocks(f, T0 + 2 * S, 70, false, 7, poll, NAMES("std::poll", "getaddrinfo", "svc::handle"));
	row = verdict_found(f, "blocking-call", LIVE_CRIT, "query");
	assert_non_null(strstr(row->cause, "getaddrinfo in "));
	for (uint32_t i = 0; i < row->evidence_n; i++)
		told |= strstr(row->evidence[i].text, "waits for the name server") != NULL;
	assert_true(told);
	assert_non_null(strstr(row->advice, "getaddrinfo blocks"));
}

/* Another worker writes to the same file, and has lost its CPU. */
static void a_lock_of_the_kernel_on_a_full_machine(void **state)
{
	struct feed *f = *state;

	blocks(f, T0 + 2 * S, 70, true, 1, NAMES("fdget_pos", "ksys_write"), NAMES("logger"));
	blocks(f, T0 + 4 * S, 70, true, 1, NAMES("__filemap_get_folio", "ksys_write"),
	       NAMES("logger"));
	blocks(f, T0 + 6 * S, 70, true, 11, NAMES("unlink_anon_vmas", "__vm_munmap"),
	       NAMES("toucher"));
	verdict_nothing(f);
	blocks(f, T0 + 20 * S, 70, false, 1, NAMES("fdget_pos", "ksys_write"), NAMES("logger"));
	verdict_found(f, "blocking-call", LIVE_CRIT, "query");
}

/* So has, or has not, who holds a lock of the program. */
static void a_lock_of_the_program_on_a_full_machine(void **state)
{
	struct feed *f = *state;
	const char *const *user = NAMES("__lll_lock_wait", "svc_cache", "svc_handle");

	holder_waits_ns = 50 * MS;
	blocks(f, T0 + 2 * S, 70, true, 202, futex, user);
	holder_waits_ns = 0;
	verdict_nothing(f);
	blocks(f, T0 + 4 * S, 70, true, 202, futex, user);
	verdict_found(f, "blocking-call", LIVE_CRIT, "query");
}

/* The 257th connection: the kernel makes room for more, and waits for all CPUs to have seen it. */
static void the_table_of_files_grows(void **state)
{
	struct feed *f = *state;

	blocks(f, T0 + 2 * S, 70, false, 288,
	       NAMES("synchronize_rcu_normal", "expand_files", "alloc_fd", "__sys_accept4"),
	       NAMES("mio::net::tcp::listener::TcpListener::accept", "svc::serve"));
	verdict_nothing(f);
}

/* The same where no stack was taken; and write, which is not excused on a machine that is not full. */
static void nobody_knows_the_lock(void **state)
{
	struct feed *f = *state;

	blocks(f, T0 + 2 * S, 70, false, 288, NULL, NULL);
	blocks(f, T0 + 4 * S, 70, true, 1, NULL, NULL);
	verdict_nothing(f);
	blocks(f, T0 + 20 * S, 70, false, 1, NULL, NULL);
	verdict_found(f, "blocking-call", LIVE_CRIT, "query");
}

/* It waits for the lock of the address space: for the faults of others, or for our own look at it. */
static void memory_is_asked_for(void **state)
{
	struct feed *f = *state;

	blocks(f, T0 + 2 * S, 30, false, 10, NULL, NULL);
	blocks(f, T0 + 4 * S, 30, false, 11, NULL, NULL);
	verdict_nothing(f);
	blocks(f, T0 + 6 * S, 90, false, 10, NULL, NULL);
	verdict_found(f, "blocking-call", LIVE_WARN, "query");
}

/* The block that is found has no stack; one of another call, met before, would lie about it. */
static void a_stack_of_another_call(void **state)
{
	struct feed *f = *state;
	const struct live_finding *row;

	blocks(f, T0 + 2 * S, 70, false, 288, NAMES("synchronize_rcu_normal", "expand_files"),
	       NAMES("svc::serve"));
	blocks(f, T0 + 4 * S, 70, false, 0, NULL, NULL);
	row = verdict_found(f, "blocking-call", LIVE_CRIT, "query");
	assert_int_equal(row->stack_n, 0);
	assert_string_equal(row->cause, "read inside a poll");
}

/* Another thread has taken over what the worker had to do; the next block of the same task has no stack. */
static void in_place(void **state)
{
	struct feed *f = *state;

	feed_runtime(f, 1, WEFT_RT_TOKIO);
	blocks(f, T0 + 2 * S, 70, false, 230, NAMES("do_nanosleep"),
	       NAMES("std::thread::sleep", "svc::handle::{{closure}}",
		     "tokio::runtime::scheduler::multi_thread::worker::block_in_place",
		     "svc::handle", "tokio::runtime::task::raw::poll"));
	blocks(f, T0 + 4 * S, 70, false, 230, NULL, NULL);
	verdict_nothing(f);
	blocks(f, T0 + 20 * S, 70, false, 230, NULL, NULL);
	verdict_found(f, "blocking-call", LIVE_CRIT, "query");
}

/* Nobody knows yet whether it is in place; three of them are a block. */
static void blocks_of_tokio_without_a_stack(void **state)
{
	struct feed *f = *state;

	feed_runtime(f, 1, WEFT_RT_TOKIO);
	blocks(f, T0 + 2 * S, 70, false, 230, NULL, NULL);
	blocks(f, T0 + 4 * S, 70, false, 230, NULL, NULL);
	verdict_nothing(f);
	blocks(f, T0 + 6 * S, 70, false, 230, NULL, NULL);
	verdict_found(f, "blocking-call", LIVE_CRIT, "query");
}

/* Of reads of 2 ms in place, and then one of 12, no stack comes. */
static void short_blocks_of_tokio_without_a_stack(void **state)
{
	struct feed *f = *state;

	feed_runtime(f, 1, WEFT_RT_TOKIO);
	for (uint64_t i = 1; i <= 6; i++)
		blocks(f, T0 + 2 * i * S, 5, false, 0, NULL, NULL);
	blocks(f, T0 + 14 * S, 15, false, 0, NULL, NULL);
	verdict_nothing(f);
}

/* A task that was polled inside another's block_in_place blocks the thread of its own runtime. */
static void a_task_below_it(void **state)
{
	struct feed *f = *state;

	feed_runtime(f, 1, WEFT_RT_TOKIO);
	blocks(f, T0 + 2 * S, 70, false, 230, NAMES("do_nanosleep"),
	       NAMES("std::thread::sleep", "svc::handle", "tokio::runtime::task::raw::poll",
		     "tokio::runtime::scheduler::multi_thread::worker::block_in_place"));
	verdict_found(f, "blocking-call", LIVE_CRIT, "query");
}

/* std's accept in a poll, 4 ms each time: no table grows so often. Nor are ten such blocks a trouble. */
static void accepts_one_after_the_other(void **state)
{
	struct feed *f = *state;
	uint64_t t = T0;

	for (uint64_t seq = 1; seq <= 80; seq++, t += 20 * MS) {
		struct record off = { .t_ns = t + 5 * MS,
				      .kind = WEFT_EV_OFFCPU,
				      .task = 7,
				      .a = 4 * MS,
				      .c = 288,
				      .d = seq };

		if (seq == 10) {
			feed_tick_to(f, t + S);
			verdict_nothing(f);
			t += 2 * S;
			off.t_ns += 2 * S;
		}
		feed_wake(f, t + 2 * MS, 0, 8, 0, WEFT_W_FOREIGN);
		feed_record(f, &off);
		feed_poll(f, t + 6 * MS, 0, 7, 5 * MS);
		feed_poll_delay(f, t + 7 * MS, 0, 8, US, 4 * MS);
	}
	feed_tick_to(f, t + S);
	verdict_found(f, "blocking-call", LIVE_WARN, "query");
}

/* Samples alone say neither what the thread waited for nor that it did. */
static void samples_without_a_call_are_no_proof(void **state)
{
	struct feed *f = *state;

	verdict_calm(f, T0, 0);
	for (uint64_t t = T0 + STEP; t <= T0 + 4 * STEP; t += STEP)
		feed_sample(f, t, 0,
			    &(struct feed_sample){ .cpu = MS,
						   .task = 7,
						   .open_ns = t - T0 - MS,
						   .seq = 3,
						   .off_cpu = 3,
						   .syscall = -1 });
	feed_poll(f, T0 + 5 * STEP, 0, 7, 5 * STEP - MS);
	feed_tick_to(f, T0 + S);
	verdict_nothing(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		VERDICT_TEST(block_is_found_while_it_lasts),
		VERDICT_TEST(block_of_an_ended_poll),
		VERDICT_TEST(block_of_50_ms_is_critical),
		VERDICT_TEST(a_stopped_thread_does_not_block),
		VERDICT_TEST(many_blocks_of_one_type_are_one_finding),
		VERDICT_TEST(short_blocks_that_delay_others),
		VERDICT_TEST(timers_that_nobody_fires_are_harm),
		VERDICT_TEST(short_blocks_that_harm_nobody),
		VERDICT_TEST(preempted_is_not_blocked),
		VERDICT_TEST(starved_is_not_blocked),
		VERDICT_TEST(pool_threads_may_block),
		VERDICT_TEST(parked_workers_are_not_blocked),
		VERDICT_TEST(our_own_attach_is_not_their_fault),
		VERDICT_TEST(page_faults_need_more),
		VERDICT_TEST(a_lock_of_the_runtime_is_not_the_tasks),
		VERDICT_TEST(a_lock_of_tokio_is_not_the_tasks),
		VERDICT_TEST(a_lock_of_async_io_is_not_the_tasks),
		VERDICT_TEST(a_nested_block_on_of_tokio_is),
		VERDICT_TEST(a_lock_of_the_kernel_on_a_full_machine),
		VERDICT_TEST(a_lock_of_the_program_on_a_full_machine),
		VERDICT_TEST(the_table_of_files_grows),
		VERDICT_TEST(nobody_knows_the_lock),
		VERDICT_TEST(a_name_is_looked_up),
		VERDICT_TEST(memory_is_asked_for),
		VERDICT_TEST(a_stack_of_another_call),
		VERDICT_TEST(in_place),
		VERDICT_TEST(blocks_of_tokio_without_a_stack),
		VERDICT_TEST(short_blocks_of_tokio_without_a_stack),
		VERDICT_TEST(a_task_below_it),
		VERDICT_TEST(accepts_one_after_the_other),
		VERDICT_TEST(samples_without_a_call_are_no_proof),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
