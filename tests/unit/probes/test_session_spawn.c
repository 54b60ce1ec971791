// SPDX-License-Identifier: MIT
/* A command that is started under trace: it has what it would have without. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "probes/session_internal.h"

#define FEW 64u

/* In place of those of sources.c: whatever it is, it is not watched. */
const struct source *const sources[] = { NULL };

static rlim_t files_now(void)
{
	struct rlimit now;

	assert_int_equal(getrlimit(RLIMIT_NOFILE, &now), 0);
	return now.rlim_cur;
}

static unsigned long number_in(const char *path)
{
	FILE *f = fopen(path, "r");
	unsigned long n = 0;

	assert_non_null(f);
	assert_int_equal(fscanf(f, "%lu", &n), 1);
	fclose(f);
	return n;
}

static struct session *begin(void)
{
	struct session *s = calloc(1, sizeof(*s));

	assert_non_null(s);
	s->follow = calloc(1, sizeof(*s->follow));
	assert_non_null(s->follow);
	s->queue_end = &s->queue;
	return s;
}

static void done(struct session *s)
{
	while (s->processes)
		process_free(s->processes);
	session_queue_free(s);
	free(s->follow);
	free(s);
}

/* valgrind knows no pidfds. */
static void need_pidfds(void)
{
	int fd = (int)syscall(SYS_pidfd_open, getpid(), 0);

	if (fd < 0)
		skip();
	close(fd);
}

static void as_many_files_as_the_user_allows(void **state)
{
	char *const argv[] = { "sh", "-c", "ulimit -Sn", NULL };
	char path[] = "/tmp/test_session_spawn.XXXXXX";
	struct rlimit before, few;
	struct session *s;
	pid_t pid;

	(void)state;
	need_pidfds();
	s = begin();
	close(mkstemp(path));
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	few = before;
	few.rlim_cur = FEW;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
	session_more_files(s);
	assert_true(files_now() > FEW);
	assert_int_equal(session_spawn(s, argv, path, &pid), 0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	assert_int_equal(number_in(path), FEW);
	setrlimit(RLIMIT_NOFILE, &before);
	unlink(path);
	done(s);
}

/* The child that waits for its start is let go, and it is said why. */
static void one_that_can_not_be_watched_does_not_hang(void **state)
{
	static struct process others[WEFT_FOLLOW_MAX];
	char *const argv[] = { "true", NULL };
	struct session *s = begin();
	pid_t pid;

	(void)state;
	need_pidfds();
	for (uint32_t i = 0; i < WEFT_FOLLOW_MAX; i++)
		others[i] =
			(struct process){ .next = i + 1 < WEFT_FOLLOW_MAX ? &others[i + 1] : NULL,
					  .index = i,
					  .follow = i,
					  .state = PROCESS_LIVE };
	s->processes = others;
	alarm(20);
	assert_int_equal(session_spawn(s, argv, NULL, &pid), -EUSERS);
	alarm(0);
	assert_true(s->error[0]);
	s->processes = NULL;
	done(s);
}

/* A build starts thousands, always some at a time, and few are ever told of. */
static void what_was_not_told_of_takes_no_index(void **state)
{
	struct session *s = begin();
	struct process *told, *p, *before = NULL;

	(void)state;
	need_pidfds();
	assert_int_equal(process_new(s, getpid(), &told), 0);
	told->announced = true;
	for (unsigned i = 0; i < 2 * WEFT_PROCESSES_MAX; i++) {
		assert_int_equal(process_new(s, getpid(), &p), 0);
		assert_int_not_equal(p->index, told->index);
		/* In the order in which they came, as long as there are any left. */
		assert_true(!before || (i < WEFT_PROCESSES_MAX / 2 ? p->index > before->index
								   : p->index != before->index));
		if (before)
			process_free(before);
		before = p;
	}
	assert_ptr_equal(s->processes, told);
	assert_true(told->next == before && !before->next);
	done(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(as_many_files_as_the_user_allows),
		cmocka_unit_test(one_that_can_not_be_watched_does_not_hang),
		cmocka_unit_test(what_was_not_told_of_takes_no_index),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
