// SPDX-License-Identifier: MIT
/* What is said of a forked child is what happens to it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "probes/session_internal.h"

static bool none_yet(void *state, pid_t pid)
{
	(void)state;
	(void)pid;
	return false;
}

static const struct source asked = { .name = "asked", .own_runtime = none_yet };
static const struct source not_asked = { .name = "not asked" };
/* In place of those of sources.c. */
const struct source *const sources[] = { &asked, &not_asked, NULL };

static struct weft_ev_cannot_see said;

static void sink(void *ctx, const struct weft_ev *ev)
{
	(void)ctx;
	if (ev->kind == WEFT_EV_CANNOT_SEE)
		memcpy(&said, ev + 1, sizeof(said));
}

/* Forks that are looked at afterwards. */
static uint32_t fork_of(const struct source *runtime)
{
	static struct session s;
	struct process p = { .session = &s, .pid = 7, .state = PROCESS_LIVE, .runtime = runtime };
	struct weft_raw_fork raw = { .ev = { .size = sizeof(raw), .kind = WEFT_RAW_FORK, .tid = 7 },
				     .child = (uint32_t)getpid() };
	uint32_t forks;

	s = (struct session){ .sink = sink, .processes = &p };
	said = (struct weft_ev_cannot_see){ .what = "" };
	session_life_record(&s, &raw.ev, sizeof(raw));
	assert_string_equal(said.what, "forked child");
	forks = s.forks;
	session_fork_free(&s);
	return forks;
}

static void followed_where_a_runtime_can_be_seen_to_start(void **state)
{
	int fd = (int)syscall(SYS_pidfd_open, getpid(), 0);

	(void)state;
	if (fd < 0)
		skip(); /* valgrind knows no pidfds */
	close(fd);
	assert_int_equal(fork_of(&asked), 1);
	assert_non_null(strstr(said.why, "then it is followed"));
}

static void not_followed_elsewhere(void **state)
{
	(void)state;
	assert_int_equal(fork_of(&not_asked), 0);
	assert_null(strstr(said.why, "followed"));
	assert_non_null(strstr(said.why, "attach to it by pid"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(followed_where_a_runtime_can_be_seen_to_start),
		cmocka_unit_test(not_followed_elsewhere),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
