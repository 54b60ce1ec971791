/* SPDX-License-Identifier: MIT */
/* blocking-call in front of blocks that are not the task's doing, or not known to be, and of the same where they are. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/verdict.h"

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
/* Once in a second, `n` times from second `first` on, 2 ms in that lock while another waits; of each 30th a stack comes. */
static void short_blocks(struct feed *f, uint64_t first, uint64_t n, const char *const *user)
{
	for (uint64_t seq = first; seq < first + n; seq++) {
		uint64_t t = T0 + seq * S;
		struct record off = { .t_ns = t - MS,
				      .kind = WEFT_EV_OFFCPU,
				      .task = 7,
				      .a = 2 * MS,
				      .c = 202,
				      .d = seq };

		for (uint64_t at = t - S + STEP; at < t - 10 * MS; at += STEP)
			verdict_calm(f, at, 0);
		if (user && seq % 30 == 0)
			feed_stack_named(f, t - 2 * MS, 7, seq, 202, futex, user);
		feed_record(f, &off);
		feed_poll(f, t, 0, 7, 4 * MS);
		feed_poll_delay(f, t + 10 * US, 0, 8, US, 3 * MS);
		feed_tick_to(f, t + 500 * MS);
	}
}

/* Without a stack it stays unsaid for ever, and that is told; one of the program's lock, and all that were there count. */
static void no_stack_tells_whose_lock(void **state)
{
	struct feed *f = *state;

	short_blocks(f, 1, 20, NULL);
	verdict_nothing(f);
	assert_string_equal(feed_verdict(f, "blocking-call"), "clean");
	assert_non_null(strstr(feed_why(f, "blocking-call"), "20 blocks"));
	feed_stack_named(f, f->now + MS, 7, 21, 202, futex,
			 NAMES("__libc_mutex_lock", "svc_cache_get"));
	short_blocks(f, 21, 1, NULL);
	assert_in_range(verdict_found(f, "blocking-call", LIVE_WARN, "query")->evidence[1].value,
			21, 21);
}

/* Three that are in doubt; then a stack says that the lock is the runtime's, and a single one is the program's. */
static void one_block_after_those_of_the_runtime(void **state)
{
	struct feed *f = *state;

	short_blocks(f, 27, 3, NULL);
	short_blocks(f, 30, 1, NAMES("__libc_mutex_lock", "weft_timer_wheel_insert"));
	feed_stack_named(f, f->now + MS, 7, 31, 202, futex,
			 NAMES("__libc_mutex_lock", "svc_cache_get"));
	short_blocks(f, 31, 1, NULL);
	verdict_nothing(f);
}

/* What the last stack told holds for a longer block of which none came, but not for ever. */
static void a_long_block_after_those(void **state)
{
	const char *const wheel[] = { "__libc_mutex_lock", "weft_timer_wheel_insert", NULL };
	struct feed *f = *state;

	blocks(f, T0 + 2 * S, 5, false, 202, futex, wheel);
	blocks(f, T0 + 4 * S, 25, false, 202, NULL, NULL);
	verdict_nothing(f);
	blocks(f, T0 + 30 * S, 25, false, 202, NULL, NULL);
	verdict_found(f, "blocking-call", LIVE_WARN, "query");
}

static void short_blocks_in_a_lock_of_the_runtime(void **state)
{
	struct feed *f = *state;

	short_blocks(f, 1, 80,
		     NAMES("__libc_mutex_lock", "weft_timer_wheel_insert", "svc_interval"));
	verdict_nothing(f);
	short_blocks(f, 81, 15, NAMES("__libc_mutex_lock", "svc_cache_get"));
	verdict_found(f, "blocking-call", LIVE_WARN, "query");
}

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
		VERDICT_TEST(a_lock_of_tokio_is_not_the_tasks),
		VERDICT_TEST(no_stack_tells_whose_lock),
		VERDICT_TEST(one_block_after_those_of_the_runtime),
		VERDICT_TEST(a_long_block_after_those),
		VERDICT_TEST(short_blocks_in_a_lock_of_the_runtime),
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
