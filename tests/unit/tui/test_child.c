/* SPDX-License-Identifier: MIT */
/* The end of a command: with all that descends from it, and nothing else. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tui/commands/child.h"

static int said[2];

/* A shell that runs `script`; the pid that it prints first. */
static pid_t begin(const char *script, pid_t *ret_grandchild)
{
	char text[32] = { 0 };
	pid_t pid;

	assert_int_equal(pipe(said), 0);
	pid = fork();
	if (pid == 0) {
		dup2(said[1], STDOUT_FILENO);
		close(said[0]);
		execl("/bin/sh", "sh", "-c", script, (char *)NULL);
		_exit(127);
	}
	close(said[1]);
	assert_true(read(said[0], text, sizeof(text) - 1) > 0);
	*ret_grandchild = atoi(text);
	return pid;
}

/* Nobody holds the pipe any more: all that could have it open have ended. */
static void all_have_ended(void)
{
	char byte;

	alarm(20);
	assert_int_equal(read(said[0], &byte, 1), 0);
	alarm(0);
	close(said[0]);
}

static void descendants_end_with_it(void **state)
{
	pid_t grandchild, pid = begin("sleep 1000 & echo $!; wait", &grandchild);
	int status;

	(void)state;
	child_end(pid, &status);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
	all_have_ended();
	assert_int_equal(kill(pid, 0), -1);
}

static void what_will_not_end_is_killed(void **state)
{
	pid_t grandchild, pid = begin("trap '' TERM; (while :; do sleep 1; done) & echo $!; "
				      "while :; do sleep 1; done",
				      &grandchild);
	int status;

	(void)state;
	child_end(pid, &status);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	all_have_ended();
}

/* An exit code of its own, which it had time for. */
static void it_may_end_well(void **state)
{
	pid_t grandchild,
		pid = begin("trap 'exit 7' TERM; sleep 1000 & echo $!; wait", &grandchild);
	int status;

	(void)state;
	child_end(pid, &status);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 7);
	all_have_ended();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(descendants_end_with_it),
		cmocka_unit_test(what_will_not_end_is_killed),
		cmocka_unit_test(it_may_end_well),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
