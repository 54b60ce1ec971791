/* SPDX-License-Identifier: MIT */
/* ldflags: -Wl,--wrap=posix_spawnp */
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "runtime/executor/executor.h"
#include "runtime/os/child.h"
#include "tests/support/net_runtime.h"

struct run {
	WEFT_FRAME;
	struct weft_child *child;
	struct weft_sleep limit;
	char buf[64];
	size_t n, at;
	int status;
};

static struct run start(uint32_t flags, const char *script)
{
	const char *const argv[] = { "sh", "-c", script, NULL };
	struct weft_child_options options = { .argv = argv, .flags = flags, .dir = "/" };
	struct run f = { .status = -1 };

	assert_int_equal(weft_child_start(rt, &options, &f.child), 0);
	assert_true(weft_child_pid(f.child) > 0);
	return f;
}

static weft_poll_t wait_end(struct weft_cx *cx, struct run *f)
{
	weft_async_begin(f);
	weft_await(f, weft_child_wait(cx, f->child, &f->status));
	if (f->rc)
		return f->rc;
	f->status = -1;
	weft_await(f, weft_child_wait(cx, f->child, &f->status)); /* the same again */
	weft_async_end(f, f->rc);
}

static void ends_with(uint32_t flags, const char *script, int code)
{
	struct run f = start(flags, script);

	assert_int_equal(weft_block_on(rt, wait_end, &f), 0);
	assert_true(WIFEXITED(f.status));
	assert_int_equal(WEXITSTATUS(f.status), code);
	assert_int_equal(weft_child_kill(f.child, SIGTERM), -ESRCH);
	assert_null(weft_child_free(f.child));
}

static void test_exit_code(void **state)
{
	(void)state;
	ends_with(WEFT_CHILD_NULL, "exit 7", 7);
	ends_with(WEFT_CHILD_NULL, "sleep 0.02; exit 8", 8);
	ends_with(WEFT_CHILD_NULL, "[ $PWD = / ] && exit 9", 9);
	assert_null(weft_child_free(NULL));
}

static void test_without_pidfd(void **state)
{
	(void)state;
	weft_child_without_pidfd = true;
	ends_with(WEFT_CHILD_NULL, "exit 7", 7);
	ends_with(WEFT_CHILD_NULL, "sleep 0.02; exit 8", 8);
	weft_child_without_pidfd = false;
}

/* Through a filter and back. */
static weft_poll_t filter(struct weft_cx *cx, struct run *f)
{
	weft_async_begin(f);
	weft_await(f, weft_child_write(cx, f->child, "hello\n", 6, &f->n));
	if (f->rc)
		return f->rc;
	weft_child_close_input(f->child);
	do {
		weft_await(f, weft_child_read(cx, f->child, f->buf + f->at, sizeof(f->buf) - f->at,
					      &f->n));
		f->at += f->n;
	} while (f->rc == 0 && f->n);
	if (f->rc || f->at != 6 || memcmp(f->buf, "HELLO\n", 6) != 0)
		return -1;
	weft_await(f, weft_child_read_error(cx, f->child, f->buf, sizeof(f->buf), &f->n));
	if (f->rc || f->n != 4 || memcmp(f->buf, "done", 4) != 0)
		return -2;
	weft_await(f, weft_child_wait(cx, f->child, &f->status));
	weft_async_end(f, f->rc);
}

static void test_pipes(void **state)
{
	struct run f = start(WEFT_CHILD_IN | WEFT_CHILD_OUT | WEFT_CHILD_ERR,
			     "tr a-z A-Z; printf done >&2");

	(void)state;
	assert_int_equal(weft_block_on(rt, filter, &f), 0);
	assert_true(WIFEXITED(f.status) && WEXITSTATUS(f.status) == 0);
	weft_child_free(f.child);
}

static weft_poll_t read_error(struct weft_cx *cx, struct run *f)
{
	weft_async_begin(f);
	weft_await(f, weft_child_read_error(cx, f->child, f->buf, sizeof(f->buf), &f->n));
	if (f->rc)
		return f->rc;
	weft_await(f, weft_child_wait(cx, f->child, &f->status));
	weft_async_end(f, f->rc ? f->rc : (int)f->n);
}

/*
 * A service that has closed its standard streams: the pipe would get number 1, which /dev/null takes in the child
 * before the pipe is copied to 2.
 */
static void test_pipes_where_std_is_closed(void **state)
{
	struct run f = { .status = -1 };
	int kept[3], rc;

	(void)state;
	for (int i = 0; i < 3; i++) {
		kept[i] = fcntl(i, F_DUPFD_CLOEXEC, 10);
		close(i);
	}
	f = start(WEFT_CHILD_ERR | WEFT_CHILD_NULL, "printf done >&2");
	rc = weft_block_on(rt, read_error, &f);
	weft_child_free(f.child);
	for (int i = 0; i < 3; i++) {
		dup2(kept[i], i);
		close(kept[i]);
	}
	assert_int_equal(rc, 4);
	assert_memory_equal(f.buf, "done", 4);
}

/* More than a pipe holds, to a child that reads nothing and goes: an error, no signal. */
static weft_poll_t broken(struct weft_cx *cx, struct run *f)
{
	weft_async_begin(f);
	do
		weft_await(f, weft_child_write(cx, f->child, f->buf, sizeof(f->buf), &f->n));
	while (f->rc == 0);
	weft_async_end(f, f->rc);
}

static void test_broken_pipe(void **state)
{
	struct run f = start(WEFT_CHILD_IN, "sleep 0.02; exit 0");

	(void)state;
	assert_int_equal(weft_block_on(rt, broken, &f), -EPIPE);
	weft_child_free(f.child);
}

static weft_poll_t limited(struct weft_cx *cx, struct run *f)
{
	weft_async_begin(f);
	weft_await(f,
		   weft_timeout(cx, &f->limit, 10 * MS, weft_child_wait(cx, f->child, &f->status)));
	if (f->rc != -ETIMEDOUT)
		return -1;
	weft_await(f, weft_timeout(cx, &f->limit, 10 * MS,
				   weft_child_read(cx, f->child, f->buf, 1, &f->n)));
	if (f->rc != -ETIMEDOUT)
		return -2;
	if (weft_child_kill(f->child, SIGTERM))
		return -3;
	weft_await(f, weft_child_wait(cx, f->child, &f->status));
	weft_async_end(f, f->rc);
}

static void test_timeout_and_kill(void **state)
{
	struct run f = start(WEFT_CHILD_OUT, "exec sleep 100");

	(void)state;
	assert_int_equal(weft_block_on(rt, limited, &f), 0);
	assert_true(WIFSIGNALED(f.status));
	assert_int_equal(WTERMSIG(f.status), SIGTERM);
	weft_child_free(f.child);
}

/* Let go of while it runs: ended because that was asked for, and its status is taken. */
static void test_kill_on_free(void **state)
{
	struct run f = start(WEFT_CHILD_NULL | WEFT_CHILD_KILL, "exec sleep 100");
	pid_t pid = weft_child_pid(f.child);

	(void)state;
	weft_child_free(f.child);
	while (kill(pid, 0) == 0) /* not even a zombie */
		usleep(200);
	assert_int_equal(errno, ESRCH);
}

static void test_errors(void **state)
{
	const char *const argv[] = { "/nowhere/at/all", NULL }, *const empty[] = { NULL };
	struct weft_child_options options = { .argv = argv, .flags = WEFT_CHILD_IN };
	struct weft_child *child = NULL;

	(void)state;
	assert_int_equal(weft_child_start(rt, &options, &child), -ENOENT);
	options.argv = empty;
	assert_int_equal(weft_child_start(rt, &options, &child), -EINVAL);
	assert_null(child);
}

static int spawn_error; /* of the next clone, 0 = none */

int __real_posix_spawnp(pid_t *pid, const char *file, const posix_spawn_file_actions_t *actions,
			const posix_spawnattr_t *attr, char *const argv[], char *const env[]);
int __wrap_posix_spawnp(pid_t *pid, const char *file, const posix_spawn_file_actions_t *actions,
			const posix_spawnattr_t *attr, char *const argv[], char *const env[]);
int __wrap_posix_spawnp(pid_t *pid, const char *file, const posix_spawn_file_actions_t *actions,
			const posix_spawnattr_t *attr, char *const argv[], char *const env[])
{
	int error = spawn_error;

	spawn_error = 0;
	return error ? error : __real_posix_spawnp(pid, file, actions, attr, argv, env);
}

static int open_fds(void)
{
	DIR *fds = opendir("/proc/self/fd");
	int n = 0;

	while (readdir(fds))
		n++;
	closedir(fds);
	return n;
}

/* No process can be made: an error, and no pipe stays. */
static void test_clone_fails(void **state)
{
	const char *const argv[] = { "true", NULL };
	struct weft_child_options options = {
		.argv = argv, .flags = WEFT_CHILD_IN | WEFT_CHILD_OUT | WEFT_CHILD_ERR
	};
	struct weft_child *child = NULL;
	int before = open_fds();

	(void)state;
	spawn_error = EAGAIN;
	assert_int_equal(weft_child_start(rt, &options, &child), -EAGAIN);
	assert_null(child);
	assert_int_equal(open_fds(), before);
	ends_with(WEFT_CHILD_NULL, "exit 7", 7);
}

/* 20,000 bytes that are there, one by one. Gives how often the task was polled. */
static weft_poll_t greedy(struct weft_cx *cx, struct run *f)
{
	weft_async_begin(f);
	weft_await(f, weft_child_wait(cx, f->child, &f->status));
	do {
		weft_await(f, weft_child_read(cx, f->child, f->buf, 1, &f->n));
		f->at += f->n;
	} while (f->rc == 0 && f->n);
	weft_async_end(f, f->rc ? f->rc : (int)cx->task->head.polls);
}

/* Others get their turn meanwhile. */
static void test_reading_takes_turns(void **state)
{
	struct run f = start(WEFT_CHILD_OUT, "head -c 20000 /dev/zero");

	(void)state;
	assert_true(weft_block_on(rt, greedy, &f) >= 20000 / (int)(WEFT_BUDGET + 1));
	assert_int_equal(f.at, 20000);
	assert_null(weft_child_free(f.child));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_exit_code),
		T(test_without_pidfd),
		T(test_pipes),
		T(test_pipes_where_std_is_closed),
		T(test_clone_fails),
		T(test_broken_pipe),
		T(test_timeout_and_kill),
		T(test_kill_on_free),
		T(test_errors),
		T(test_reading_takes_turns),
	};

	return flavours_run_io("runtime/child", tests, sizeof(tests) / sizeof(tests[0]));
}
