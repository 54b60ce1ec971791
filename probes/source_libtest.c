// SPDX-License-Identifier: MIT
/*
 * Rust's test programs (libtest), which `cargo test` builds: each test has a thread, and an async one is the future of a
 * block_on there, which is no task of any runtime. So a test that hangs is seen by its thread alone: one that waits for a wake while
 * no thread of the process has run for a time. Their stacks name the test. What such a program is built with does not matter:
 * where the code that polls was not recognised, this is all that is seen of it.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "probes/base/cleanup.h"
#include "probes/rust/plan.h"
#include "probes/session_internal.h"
#include "probes/source_sched.h"
#include "probes/thread_stat.h"

#define THREADS_MAX 128u
#define TELL_MAX    16u           /* stacks in one look */
#define QUIET_NS    2000000000ull /* no thread has run for so long */
#define AGAIN_NS    2000000000ull
#define BUSY_NS     5000000ull /* CPU time of the process in a second: its threads need no look */
#define FILES       64u
#define FILE_MOST   (1ll << 30)
#define PIECE       (1u << 20)

/* How libtest asks a test program to run one test, where panics abort: only its own code names it. */
static const char mark[] = "__RUST_TEST_INVOKE";

struct file {
	uint64_t device, inode, changed_ns;
};

struct libtest_state {
	struct session *session;
	struct file other[FILES]; /* that are none, the newest; [others % FILES] is next */
	uint32_t others;
};

struct seen_thread {
	uint32_t tid;
	uint64_t slices;
};

struct libtest_process {
	bool known, is_one;
	bool alone; /* nothing else is known of the process */
	uint64_t quiet_ns, told_ns, cpu_ns;
	uint32_t n;
	struct seen_thread thread[THREADS_MAX];
};

static struct libtest_process *of(const struct process *p)
{
	return p->of_source[SOURCE_LIBTEST];
}

/* ---- the file ---- */

static bool names_libtest(int fd)
{
	auto_free char *piece = malloc(PIECE);
	off_t at = 0;
	ssize_t n;

	while (piece && (n = pread(fd, piece, PIECE, at)) > (ssize_t)sizeof(mark) - 2) {
		if (memmem(piece, (size_t)n, mark, sizeof(mark) - 1))
			return true;
		at += n - ((ssize_t)sizeof(mark) - 2);
	}
	return false;
}

static bool is_other(const struct libtest_state *state, const struct file *file)
{
	for (uint32_t i = 0; i < FILES && i < state->others; i++)
		if (!memcmp(&state->other[i], file, sizeof(*file)))
			return true;
	return false;
}

static bool is_libtest(struct libtest_state *state, pid_t pid)
{
	char path[32];
	auto_close int fd = -1;
	struct file file;
	struct stat st;

	snprintf(path, sizeof(path), "/proc/%d/exe", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) || st.st_size > FILE_MOST)
		return false;
	file = (struct file){ st.st_dev, st.st_ino,
			      (uint64_t)st.st_mtim.tv_sec * 1000000000u +
				      (uint64_t)st.st_mtim.tv_nsec };
	if (is_other(state, &file))
		return false;
	if (rust_plan_has_runtime(fd) && names_libtest(fd))
		return true;
	state->other[state->others++ % FILES] = file;
	return false;
}

/* ---- life ---- */

static int libtest_open(struct session *s, void **ret_state)
{
	struct libtest_state *state = calloc(1, sizeof(*state));

	if (!state)
		return -ENOMEM;
	state->session = s;
	*ret_state = state;
	return 0;
}

static void libtest_close(void *state)
{
	free(state);
}

static struct libtest_process *begin(struct process *p)
{
	if (!of(p))
		p->of_source[SOURCE_LIBTEST] = calloc(1, sizeof(struct libtest_process));
	return of(p);
}

/* Asked after all others: the program has a runtime, of which nothing can be seen. */
static int libtest_attach(void *ctx, struct process *p, int exe_fd)
{
	struct libtest_process *t;

	if (exe_fd >= 0 || !is_libtest(ctx, p->pid))
		return -ENOENT;
	t = begin(p);
	if (!t)
		return session_fail(p->session, -ENOMEM, "out of memory");
	t->known = t->is_one = t->alone = true;
	p->clock = WEFT_CLOCK_MONOTONIC;
	p->state = PROCESS_LIVE;
	session_announce(p);
	session_cannot_see(
		p->session, p->index, "tasks",
		"the code that polls them was not recognised: a test that hangs is told by its thread; cargo test --release shows more");
	return 0;
}

static void libtest_detach(void *ctx, struct process *p)
{
	(void)ctx;
	free(of(p));
	p->of_source[SOURCE_LIBTEST] = NULL;
}

/* ---- threads ---- */

static uint64_t slices_of(pid_t pid, uint32_t tid)
{
	auto_close int fd = thread_stat_open(pid, tid);
	uint64_t cpu, runq, slices;

	return thread_stat_read_slices(fd, &cpu, &runq, &slices) ? slices : 0;
}

static bool has_not_run(const struct libtest_process *t, const struct seen_thread *now)
{
	for (uint32_t i = 0; i < t->n; i++)
		if (t->thread[i].tid == now->tid)
			return t->thread[i].slices == now->slices;
	return false;
}

/* False: some thread has run since the last look, has come or gone, or there are too many. */
static bool was_quiet(struct libtest_process *t, const struct process *p)
{
	struct seen_thread now[THREADS_MAX];
	auto_closedir DIR *dir = NULL;
	bool quiet = true;
	uint32_t n = 0;
	char path[32];
	struct dirent *e;

	snprintf(path, sizeof(path), "/proc/%d/task", p->pid);
	dir = opendir(path);
	while (dir && (e = readdir(dir))) {
		uint32_t tid = (uint32_t)strtoul(e->d_name, NULL, 10);

		if (!tid)
			continue;
		if (n == THREADS_MAX)
			return false;
		now[n] = (struct seen_thread){ tid, slices_of(p->pid, tid) };
		/* The main thread of libtest looks at its clock now and then. */
		quiet &= tid == (uint32_t)p->pid || has_not_run(t, &now[n]);
		n++;
	}
	quiet &= n > 0 && n == t->n;
	memcpy(t->thread, now, n * sizeof(*now));
	t->n = n;
	return quiet;
}

/* Nothing but a wake, by another thread or from outside, ends what they wait for. */
static bool all_wait(const struct libtest_process *t, const struct process *p)
{
	for (uint32_t i = 0; i < t->n; i++)
		if ((t->thread[i].tid != (uint32_t)p->pid || t->n == 1) &&
		    !thread_stat_waits_for_wake(p->pid, t->thread[i].tid))
			return false;
	return true;
}

/* What it waits for may come from outside: it has a child, or sockets. */
static bool has_company(pid_t pid)
{
	char path[32 + 256], to[32];
	auto_closedir DIR *dir = NULL;
	struct dirent *e;

	if (thread_stat_has_children(pid))
		return true;
	snprintf(path, sizeof(path), "/proc/%d/fd", pid);
	dir = opendir(path);
	while (dir && (e = readdir(dir))) {
		ssize_t n;

		snprintf(path, sizeof(path), "/proc/%d/fd/%s", pid, e->d_name);
		n = readlink(path, to, sizeof(to));
		if (n > 7 && !memcmp(to, "socket:", 7))
			return true;
	}
	return false;
}

static void tell(const struct libtest_process *t, struct process *p)
{
	const struct weft_ev_stack head = { .why = WEFT_STACK_WAITING,
					    .open_ns = p->session->now_ns - t->quiet_ns,
					    .poll_seq = has_company(p->pid) };

	for (uint32_t i = 0, told = 0; i < t->n && told < TELL_MAX; i++)
		told += !source_sched_asleep(p->session, p, t->thread[i].tid, &head);
}

static bool is_busy(struct libtest_process *t, const struct process *p)
{
	uint64_t before = t->cpu_ns;

	t->cpu_ns = p->cpu_ns;
	return p->cpu_ns - before >= BUSY_NS;
}

/* A busy program costs no more than a comparison; what it is is asked when it first stands still. */
static void libtest_second(void *ctx, struct process *p)
{
	struct libtest_process *t = of(p);
	uint64_t now = p->session->now_ns;

	if (!t && p->of_source[SOURCE_TOKIO])
		t = begin(p);
	if (!t || (t->known && !t->is_one))
		return;
	if (is_busy(t, p) || !was_quiet(t, p)) {
		t->quiet_ns = now;
		return;
	}
	if (now < t->quiet_ns + QUIET_NS || now < t->told_ns + AGAIN_NS)
		return;
	if (!t->known) {
		t->is_one = is_libtest(ctx, p->pid);
		t->known = true;
	}
	if (!t->is_one || !all_wait(t, p))
		return;
	t->told_ns = now;
	tell(t, p);
}

const struct source source_libtest = {
	.name = "libtest",
	.open = libtest_open,
	.close = libtest_close,
	.attach = libtest_attach,
	.detach = libtest_detach,
	.second = libtest_second,
};
