/* SPDX-License-Identifier: MIT */
/*
 * The writer's side of the wire format, read back as a watcher would: commit word, copy, commit
 * word.
 */
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "runtime/executor/executor.h"
#include "runtime/trace_map.h"

extern char **environ;

static void level(enum weft_level l)
{
	__atomic_store_n(&weft_sema_flush_light, l == WEFT_LEVEL_LIGHT, __ATOMIC_SEQ_CST);
	__atomic_store_n(&weft_sema_flush_normal, l == WEFT_LEVEL_NORMAL, __ATOMIC_SEQ_CST);
	__atomic_store_n(&weft_sema_flush_full, l == WEFT_LEVEL_FULL, __ATOMIC_SEQ_CST);
}

static struct weft_lane *lane_at(uint32_t i)
{
	struct weft_map_header *h = weft_map_header();

	return (struct weft_lane *)(void *)((char *)h + h->lane_offset +
					    (size_t)i * h->lane_stride);
}

static uint64_t load(const uint64_t *word)
{
	return __atomic_load_n(word, __ATOMIC_RELAXED);
}

struct copy {
	uint32_t seq, head;
	uint64_t words[WEFT_BATCH_BYTES / 8];
};

/* False: the batch was handed over while it was copied. */
static bool copy_batch(const struct weft_lane *lane, struct copy *to)
{
	const uint64_t *page = (const uint64_t *)(const void *)((const char *)lane + WEFT_PAGE);
	uint64_t commit = __atomic_load_n((const uint64_t *)&lane->commit, __ATOMIC_ACQUIRE), again;

	to->seq = (uint32_t)(commit >> 32);
	to->head = (uint32_t)commit;
	for (uint32_t i = 0; i < to->head / 8; i++)
		to->words[i] = load(&page[i]);
	__asm__ volatile("" ::: "memory");
	again = __atomic_load_n((const uint64_t *)&lane->commit, __ATOMIC_ACQUIRE);
	return again >> 32 == to->seq;
}

/* Calls fn for each record; checks that the batch is whole. */
static unsigned each_record(const struct copy *c, void (*fn)(const uint64_t *record, void *arg),
			    void *arg)
{
	uint32_t at = sizeof(struct weft_batch), n = 0;
	uint64_t last = 0;

	while (at < c->head) {
		const uint64_t *w = &c->words[at / 8];
		unsigned kind = (unsigned)(w[0] >> WEFT_STAMP_BITS);
		uint32_t bytes;

		if (kind == 0 || kind > WEFT_K_LABEL || (w[0] & WEFT_STAMP_MASK) < last)
			return UINT32_MAX;
		last = w[0] & WEFT_STAMP_MASK;
		bytes = weft_map_header()->kind_words[kind] * 8u;
		if (!bytes)
			bytes = (uint32_t)(w[1] & 0xffff);
		if (bytes < 16 || at + bytes > c->head)
			return UINT32_MAX;
		fn(w, arg);
		at += bytes;
		n++;
	}
	return n;
}

static void count_kind(const uint64_t *record, void *arg)
{
	((uint64_t *)arg)[record[0] >> WEFT_STAMP_BITS]++;
}

/* emitted(kind) of a lane as the contract has it. */
static void emitted(const struct weft_lane *lane, uint64_t *count)
{
	struct copy c;

	assert_true(copy_batch(lane, &c));
	for (unsigned k = 0; k < WEFT_MAX_KINDS; k++)
		count[k] = lane->emitted[c.seq & 1][k];
	assert_int_not_equal(each_record(&c, count_kind, count), UINT32_MAX);
}

static void emit(uint64_t n)
{
	weft_trace_emit(WEFT_K_TIMER_ARM, weft_clock_stamp(), n, 1, 2, 0);
}

static void test_counts_over_rollovers(void **state)
{
	uint64_t before[WEFT_MAX_KINDS], after[WEFT_MAX_KINDS];
	struct weft_lane *lane;
	char name[WEFT_NAME_MAX];

	(void)state;
	level(WEFT_LEVEL_NORMAL);
	emit(0);
	lane = weft_trace_thread.lane;
	assert_non_null(weft_trace_thread.batch);
	assert_int_equal(lane->role, WEFT_LANE_FOREIGN);
	assert_int_equal(lane->tid, syscall(SYS_gettid));
	emitted(lane, before);
	memset(name, 'x', sizeof(name));
	for (uint64_t i = 0; i < 10000; i++) {
		emit(i);
		if (i % 7 == 0)
			weft_trace_emit_text(WEFT_K_TASK_NAME, 0, 5, name,
					     (uint32_t)(i % sizeof(name)));
		if (i % 1000 == 0)
			weft_trace_flush();
	}
	emitted(lane, after);
	assert_int_equal(after[WEFT_K_TIMER_ARM] - before[WEFT_K_TIMER_ARM], 10000);
	assert_int_equal(after[WEFT_K_TASK_NAME] - before[WEFT_K_TASK_NAME], 1429);
	level(WEFT_LEVEL_OFF);
}

static void test_level_filters_and_says_so(void **state)
{
	uint64_t count[WEFT_MAX_KINDS], again[WEFT_MAX_KINDS], filtered;
	struct weft_lane *lane = weft_trace_thread.lane;

	(void)state;
	emitted(lane, count);
	filtered = lane->filtered[WEFT_K_TIMER_ARM];
	level(WEFT_LEVEL_LIGHT);
	emit(1);
	emit(2);
	weft_trace_emit(WEFT_K_TASK_END, weft_clock_stamp(), 1, 2, 0, 0);
	emitted(lane, again);
	assert_int_equal(again[WEFT_K_TIMER_ARM], count[WEFT_K_TIMER_ARM]);
	assert_int_equal(lane->filtered[WEFT_K_TIMER_ARM], filtered + 2);
	assert_int_equal(again[WEFT_K_TASK_END], count[WEFT_K_TASK_END] + 1);
	assert_int_equal(again[WEFT_K_LEVEL], count[WEFT_K_LEVEL] + 1);
	level(WEFT_LEVEL_FULL);
	weft_trace_emit(WEFT_K_QUEUE_DEPTH, weft_clock_stamp(), 1, 2, 0, 0);
	emitted(lane, again);
	assert_int_equal(again[WEFT_K_QUEUE_DEPTH], count[WEFT_K_QUEUE_DEPTH] + 1);
	assert_int_equal(again[WEFT_K_LEVEL], count[WEFT_K_LEVEL] + 2);
	level(WEFT_LEVEL_OFF);
	assert_false(weft_trace_on());
}

struct reader {
	uint32_t stop;
	uint64_t copies, records, void_copies;
	bool bad;
	struct weft_lane *lane;
	uint64_t next; /* payload expected by check_order */
};

static void check_order(const uint64_t *record, void *arg)
{
	struct reader *r = arg;

	if (record[0] >> WEFT_STAMP_BITS != WEFT_K_TIMER_ARM)
		return;
	if (r->next && record[1] != r->next)
		r->bad = true;
	r->next = record[1] + 1;
}

static void *reader_main(void *arg)
{
	struct reader *r = arg;
	struct copy *c = malloc(sizeof(*c));

	while (!__atomic_load_n(&r->stop, __ATOMIC_ACQUIRE)) {
		unsigned n;

		if (!copy_batch(r->lane, c)) {
			r->void_copies++;
			continue;
		}
		r->next = 0;
		n = each_record(c, check_order, r);
		r->bad |= n == UINT32_MAX;
		if (n && (uint32_t)(c->words[1]) != c->seq)
			r->bad = true;
		r->records += n;
		__atomic_fetch_add(&r->copies, 1, __ATOMIC_RELAXED);
	}
	free(c);
	return NULL;
}

static void test_reader_beside_the_writer(void **state)
{
	struct reader r = { .lane = weft_trace_thread.lane };
	pthread_t thread;
	uint64_t n = 100000;

	(void)state;
	level(WEFT_LEVEL_NORMAL);
	emit(n);
	weft_trace_flush(); /* what earlier tests left is not in order */
	pthread_create(&thread, NULL, reader_main, &r);
	/* More on a busy machine, where the reader may have to wait for a processor. */
	for (int round = 0;
	     round < 40 || (round < 4000 && !__atomic_load_n(&r.copies, __ATOMIC_RELAXED)); round++)
		for (int i = 0; i < 20000; i++)
			emit(++n);
	__atomic_store_n(&r.stop, 1, __ATOMIC_RELEASE);
	pthread_join(thread, NULL);
	level(WEFT_LEVEL_OFF);
	assert_false(r.bad);
	assert_true(r.copies > 0);
}

static void *foreign_main(void *arg)
{
	emit(7);
	*(uint32_t *)arg = weft_trace_thread.lane->index;
	return NULL;
}

static void test_lane_is_reused_with_its_counts(void **state)
{
	uint64_t count[WEFT_MAX_KINDS];
	uint32_t index[3], generation;
	pthread_t thread;

	(void)state;
	level(WEFT_LEVEL_NORMAL);
	for (int i = 0; i < 3; i++) {
		pthread_create(&thread, NULL, foreign_main, &index[i]);
		pthread_join(thread, NULL);
		assert_int_equal(lane_at(index[i])->role, WEFT_LANE_DEAD);
		if (i == 0)
			generation = lane_at(index[0])->generation;
	}
	level(WEFT_LEVEL_OFF);
	assert_int_equal(index[1], index[0]);
	assert_int_equal(index[2], index[0]);
	assert_int_equal(lane_at(index[0])->generation, generation + 2);
	emitted(lane_at(index[0]), count);
	assert_int_equal(count[WEFT_K_TIMER_ARM], 3);
}

struct hop {
	WEFT_FRAME;
	struct weft_yield yield;
	int i;
};

static weft_poll_t hop(struct weft_cx *cx, struct hop *f)
{
	weft_async_begin(f);
	for (f->i = 0; f->i < 10; f->i++)
		weft_await(f, weft_yield(cx, &f->yield));
	weft_async_end(f, 0);
}

static int run_runtime(void)
{
	struct weft_config config = { .size = sizeof(config), .workers = 2 };
	struct weft_runtime *rt;
	struct hop f = { .i = 0 };
	int rc;

	if (weft_runtime_new(&config, &rt))
		return 1;
	for (int i = 0; i < 100; i++)
		if (weft_spawn(rt, hop, ((struct hop){ .i = 0 })))
			return 2;
	rc = weft_block_on(rt, hop, &f);
	weft_runtime_free(rt);
	return rc ? 3 : 0;
}

static int wait_for(pid_t pid)
{
	int status;

	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 100 + WTERMSIG(status);
}

/* Nothing of a child reaches the parent's mapping, and the child can have its own. */
static int child_checks(const struct weft_map_header *parent)
{
	uint64_t count[WEFT_MAX_KINDS];

	for (uint64_t i = 0; i < 1000; i++)
		emit(i);
	weft_trace_flush();
	/* The level is as the kernel counts it; without a runtime of its own it writes nothing. */
	if (!weft_trace_on() || weft_map_header() || *weft_trace_gate)
		return 10;
	if (run_runtime())
		return 11;
	if (!weft_map_header() || weft_map_header() == parent ||
	    weft_map_header()->pid != (uint32_t)getpid())
		return 12;
	for (uint32_t i = 0, all = 0; i < weft_map_header()->lanes; i++) {
		emitted(lane_at(i), count);
		all += count[WEFT_K_TASK_END];
		if (i + 1 == weft_map_header()->lanes && all != 101)
			return 13;
	}
	return 0;
}

static void test_fork(void **state)
{
	struct weft_map_header *parent = weft_map_header();
	uint64_t commit;
	pid_t pid;

	(void)state;
	level(WEFT_LEVEL_NORMAL);
	emit(1);
	commit = weft_trace_thread.lane->commit;
	pid = fork();
	if (pid == 0)
		_exit(child_checks(parent));
	assert_int_equal(wait_for(pid), 0);
	assert_int_equal(weft_trace_thread.lane->commit, commit);
	emit(2);
	assert_int_not_equal(weft_trace_thread.lane->commit, commit);
	level(WEFT_LEVEL_OFF);
}

/*
 * No handler runs in the child of a bare clone: its semaphores are up and its lane is the
 * parent's.
 */
static void test_raw_clone(void **state)
{
	uint64_t commit;
	pid_t pid;

	(void)state;
	level(WEFT_LEVEL_NORMAL);
	emit(1);
	commit = weft_trace_thread.lane->commit;
	pid = (pid_t)syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, NULL);
	if (pid == 0) {
		for (int i = 0; i < 1000; i++)
			emit(3);
		weft_trace_flush();
		_exit(*weft_trace_gate ? 1 : 0);
	}
	assert_int_equal(wait_for(pid), 0);
	assert_int_equal(weft_trace_thread.lane->commit, commit);
	level(WEFT_LEVEL_OFF);
}

static void test_spawned_processes(void **state)
{
	char *const argv[] = { (char *)"true", NULL };
	uint64_t commit;
	pid_t pid;

	(void)state;
	level(WEFT_LEVEL_NORMAL);
	emit(1);
	commit = weft_trace_thread.lane->commit;
	assert_int_equal(posix_spawnp(&pid, "true", NULL, NULL, argv, environ), 0);
	assert_int_equal(wait_for(pid), 0);
	pid = vfork();
	if (pid == 0)
		_exit(0);
	assert_int_equal(wait_for(pid), 0);
	assert_int_equal(*weft_trace_gate, 1);
	emit(2);
	assert_int_not_equal(weft_trace_thread.lane->commit, commit);
	level(WEFT_LEVEL_OFF);
}

/* memfd_create refused: no tracing, and all else as ever. */
static int without_memfd(void)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_memfd_create, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { 4, filter };

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program))
		return 77;
	level(WEFT_LEVEL_FULL);
	if (run_runtime())
		return 1;
	return weft_map_header() ? 2 : 0;
}

static void test_no_memfd(void **state)
{
	pid_t pid = fork();
	int rc;

	(void)state;
	if (pid == 0)
		_exit(without_memfd());
	rc = wait_for(pid);
	if (rc == 77)
		skip();
	assert_int_equal(rc, 0);
}

struct tally {
	uint64_t spawn, end, poll, filtered;
};

static struct tally tally_all(void)
{
	struct tally t = { 0, 0, 0, 0 };
	uint64_t count[WEFT_MAX_KINDS];

	for (uint32_t i = 0; i < weft_map_header()->lanes; i++) {
		emitted(lane_at(i), count);
		t.spawn += count[WEFT_K_TASK_SPAWN];
		t.end += count[WEFT_K_TASK_END];
		t.poll += count[WEFT_K_TASK_POLL];
		t.filtered += lane_at(i)->filtered[WEFT_K_TASK_POLL];
	}
	return t;
}

/* 101 tasks of 11 polls: each level accounts for all of them. */
static void test_runtime_is_accounted_for(void **state)
{
	(void)state;
	for (int l = WEFT_LEVEL_LIGHT; l <= WEFT_LEVEL_FULL; l++) {
		struct tally before = tally_all(), after;

		level((enum weft_level)l);
		assert_int_equal(run_runtime(), 0);
		level(WEFT_LEVEL_OFF);
		after = tally_all();
		assert_int_equal(after.spawn - before.spawn, 101);
		assert_int_equal(after.end - before.end, 101);
		/*
		 * tasks that shutdown cut short have fewer polls; the one of block_on has all of
		 * its 11
		 */
		assert_in_range(after.poll + after.filtered - before.poll - before.filtered, 111,
				101 * 11);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_counts_over_rollovers),
		cmocka_unit_test(test_level_filters_and_says_so),
		cmocka_unit_test(test_reader_beside_the_writer),
		cmocka_unit_test(test_lane_is_reused_with_its_counts),
		cmocka_unit_test(test_fork),
		cmocka_unit_test(test_raw_clone),
		cmocka_unit_test(test_spawned_processes),
		cmocka_unit_test(test_no_memfd),
		cmocka_unit_test(test_runtime_is_accounted_for),
	};

	return cmocka_run_group_tests_name("runtime/trace_buffer", tests, NULL, NULL);
}
