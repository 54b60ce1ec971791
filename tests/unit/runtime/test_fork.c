/* SPDX-License-Identifier: MIT */
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/support/net_runtime.h"

#ifdef __SANITIZE_THREAD__
/* These start threads in a child of a process that had some. */
const char *__tsan_default_options(void);
const char *__tsan_default_options(void)
{
	return "die_after_fork=0";
}
#endif

static uint32_t flavour;

static int setup(void **state)
{
	flavour = flavours_of(state);
	return net_runtime_setup(state);
}

struct sleeper {
	WEFT_FRAME;
	struct weft_sleep sleep;
};

static weft_poll_t sleeper(struct weft_cx *cx, struct sleeper *f)
{
	weft_async_begin(f);
	weft_await(f, weft_sleep(cx, &f->sleep, 2 * MS));
	weft_async_end(f, f->rc ? f->rc : 7);
}

/* In a child, which has none of its parent's threads: one that makes a runtime of its own has it all. */
static int own_runtime(void)
{
	struct weft_config config = { .size = sizeof(config), .flavour = flavour };
	struct sleeper f = { .rc = 0 };
	struct weft_runtime *own;
	int rc = weft_runtime_new(&config, &own);

	if (rc == 0)
		rc = weft_block_on(own, sleeper, &f) == 7 ? 0 : 1;
	if (rc == 0)
		rc = weft_runtime_shutdown(own, 5000 * MS);
	return rc != 0;
}

#ifdef __SANITIZE_ADDRESS__
static bool runs(const char *tid)
{
	char path[64], line[512] = "";
	const char *state;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/self/task/%.16s/stat", tid);
	f = fopen(path, "re");
	if (!f)
		return false;
	if (!fgets(line, sizeof(line), f))
		line[0] = 0;
	fclose(f);
	state = strrchr(line, ')');
	return !state || state[2] != 'S';
}

static bool others_run(void)
{
	DIR *dir = opendir("/proc/self/task");
	struct dirent *e;
	bool any = false;

	while (dir && (e = readdir(dir)) != NULL)
		any |= e->d_name[0] != '.' && atoi(e->d_name) != gettid() && runs(e->d_name);
	if (dir)
		closedir(dir);
	return any;
}

/*
 * The sanitizer's allocator does not know forks (gcc 12): a thread of the parent that is just starting may hold its lock, and in the
 * child nobody ever gives it back.
 */
static void wait_for_threads_to_rest(void)
{
	for (int rest = 0, n = 0; rest < 3 && n < 2000; n++) {
		usleep(1000);
		rest = others_run() ? 0 : rest + 1;
	}
}
#else
static void wait_for_threads_to_rest(void) {}
#endif

/* The child's exit status. */
static int fork_with_own_runtime(void)
{
	int status = 0;
	pid_t pid;

	wait_for_threads_to_rest();
	pid = fork();
	if (pid == 0)
		_exit(own_runtime());
	if (waitpid(pid, &status, 0) != pid)
		return -1;
	return status;
}

static bool forks(void)
{
#ifdef __SANITIZE_THREAD__
	/* It ends a process that starts threads after the fork of one that had some. */
	return flavour != WEFT_MULTI_THREAD && flavour != WEFT_REACTOR_POOL;
#else
	return true;
#endif
}

static void test_fork(void **state)
{
	(void)state;
	if (forks())
		assert_int_equal(fork_with_own_runtime(), 0);
}

struct forker {
	WEFT_FRAME;
	struct weft_join *task;
};

static weft_poll_t forker(struct weft_cx *cx, struct forker *f)
{
	(void)cx, (void)f;
	return fork_with_own_runtime();
}

static weft_poll_t await_forker(struct weft_cx *cx, struct forker *f)
{
	weft_async_begin(f);
	f->rc = weft_spawn(NULL, forker, *f, .join = &f->task);
	if (f->rc)
		return f->rc;
	weft_await(f, weft_join(cx, &f->task));
	weft_async_end(f, f->rc);
}

/* Its parent's task is none of its own. */
static void test_fork_in_a_task(void **state)
{
	struct forker f = { .task = NULL };

	(void)state;
	if (forks())
		assert_int_equal(weft_block_on(rt, await_forker, &f), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_fork, setup, net_runtime_teardown),
		cmocka_unit_test_setup_teardown(test_fork_in_a_task, setup, net_runtime_teardown),
	};

	return flavours_run("runtime/fork", tests, sizeof(tests) / sizeof(tests[0]));
}
