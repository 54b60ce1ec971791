// SPDX-License-Identifier: MIT
/* A command that is started under trace: it has what it would have without. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
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

static void as_many_files_as_the_user_allows(void **state)
{
	char *const argv[] = { "sh", "-c", "ulimit -Sn", NULL };
	struct rlimit before, few;
	struct session *s = calloc(1, sizeof(*s));
	struct weft_follow *follow = calloc(1, sizeof(*follow));
	char path[] = "/tmp/test_session_spawn.XXXXXX";
	pid_t pid;

	(void)state;
	assert_non_null(s);
	assert_non_null(follow);
	close(mkstemp(path));
	s->follow = follow;
	s->queue_end = &s->queue;
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
	while (s->processes)
		process_free(s->processes);
	session_queue_free(s);
	free(follow);
	free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(as_many_files_as_the_user_allows),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
