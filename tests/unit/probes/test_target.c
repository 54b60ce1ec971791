// SPDX-License-Identifier: MIT
/* Processes that carry a runtime, made by hand: children with a mapping such as the C runtime's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "probes/session.h"
#include "probes/target.h"

struct child {
	const char *map_name;
	uint64_t magic;
	uint32_t abi, runtimes, stopped;
	bool fork_again, short_map;
};

static const struct child good = {
	.map_name = WEFT_MAP_NAME, .magic = WEFT_MAP_MAGIC, .abi = WEFT_ABI_VERSION, .runtimes = 2
};

static void write_map(const struct child *c)
{
	size_t bytes = c->short_map ? 100 : 2 * WEFT_PAGE;
	int fd = memfd_create(c->map_name, MFD_CLOEXEC);
	struct weft_map_header *h;

	if (fd < 0 || ftruncate(fd, (off_t)bytes) < 0)
		_exit(1);
	h = mmap(NULL, 2 * WEFT_PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	if (c->short_map)
		return;
	h->magic = c->magic;
	h->abi = c->abi;
	h->pid = (uint32_t)getpid();
	for (uint32_t i = 0; i < c->runtimes; i++) {
		h->runtime[i].id = i + 1;
		h->runtime[i].flavour = WEFT_F_MULTI_THREAD;
		h->runtime[i].workers = 4;
		h->runtime[i].stopped = i < c->stopped;
		memset(h->runtime[i].name, 'n', sizeof(h->runtime[i].name));
	}
}

/* Returns the process to look at; it lives until end(). */
static pid_t begin(const struct child *c, int *ret_parent)
{
	int ready[2];
	pid_t pid, shown;

	assert_int_equal(pipe(ready), 0);
	pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		prctl(PR_SET_NAME, "weft test name");
		write_map(c);
		if (c->fork_again && fork() != 0)
			for (;;)
				pause();
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		shown = getpid();
		if (write(ready[1], &shown, sizeof(shown)) != sizeof(shown))
			_exit(1);
		for (;;)
			pause();
	}
	assert_int_equal(read(ready[0], &shown, sizeof(shown)), sizeof(shown));
	close(ready[0]);
	close(ready[1]);
	*ret_parent = pid;
	return shown;
}

static void end(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static int look(const struct child *c, struct session_process *ret)
{
	pid_t parent, pid = begin(c, &parent);
	int rc = session_inspect(pid, ret);

	end(parent);
	return rc;
}

static void test_found(void **state)
{
	struct session_process p;

	(void)state;
	assert_int_equal(look(&good, &p), 0);
	assert_int_equal(p.runtimes, 2);
	assert_int_equal(p.runtime[1].kind, WEFT_RT_WEFT);
	assert_int_equal(p.runtime[1].runtime, 2);
	assert_int_equal(p.runtime[1].workers, 4);
	assert_int_equal(p.runtime[1].flavour, WEFT_F_MULTI_THREAD);
	assert_int_equal(strlen(p.runtime[1].name), 55); /* the target left out the NUL */
	assert_string_equal(p.comm, "weft test name");
	assert_int_equal(p.uid, geteuid());
	assert_non_null(strstr(p.exe, "test_target"));
	assert_non_null(strstr(p.build, "C, "));
	assert_non_null(strstr(p.can_see, "tasks"));
	assert_non_null(strstr(p.can_see, "functions"));
}

static void test_many_and_stopped(void **state)
{
	struct child c = good;
	struct session_process p;

	(void)state;
	c.runtimes = WEFT_MAX_RUNTIMES;
	assert_int_equal(look(&c, &p), 0);
	assert_int_equal(p.runtimes, 4);
	c.stopped = WEFT_MAX_RUNTIMES;
	assert_int_equal(look(&c, &p), 0);
	assert_int_equal(p.runtimes, 1);
	assert_non_null(strstr(p.cannot_see, "no runtime is running"));
}

static void test_other_abi(void **state)
{
	struct child c = good;
	struct session_process p;

	(void)state;
	c.abi = WEFT_ABI_VERSION + 7;
	assert_int_equal(look(&c, &p), 0);
	assert_int_equal(p.runtimes, 1);
	assert_non_null(strstr(p.cannot_see, "another version"));
}

static void test_not_one(void **state)
{
	struct child c = good;
	struct session_process p = { .pid = 77 };

	(void)state;
	c.magic++;
	assert_int_equal(look(&c, &p), -ENOENT);
	c = good;
	c.map_name = "other";
	assert_int_equal(look(&c, &p), -ENOENT);
	c = good;
	c.short_map =
		true; /* reading past the end of the file would raise SIGBUS in whoever maps it */
	assert_int_equal(look(&c, &p), -ENOENT);
	c = good;
	c.fork_again = true; /* a forked child inherits the mapping, which is not its own */
	assert_int_equal(look(&c, &p), -ENOENT);
	assert_int_equal(p.pid, 77);
	assert_int_equal(session_inspect(1 << 30, &p), -ESRCH);
	assert_int_equal(session_inspect(0, &p), -ESRCH);
	assert_int_equal(session_inspect(getpid(), &p), -ENOENT);
}

static void test_find_name(void **state)
{
	pid_t parent, pid = begin(&good, &parent), found[4] = { 0 };

	(void)state;
	assert_int_equal(session_find_name("weft test name", found, 4), 1);
	assert_int_equal(found[0], pid);
	found[0] = 0;
	assert_int_equal(session_find_name("weft test name", found, 0), 1);
	assert_int_equal(found[0], 0);
	assert_int_equal(session_find_name("weft test", found, 4), 0);
	assert_int_equal(session_find_name("", found, 4), 0);
	end(parent);
	assert_int_equal(session_find_name("weft test name", found, 4), 0);
}

/* Carries the notes, has not started a runtime: found, and it says so. */
static void test_notes_only(void **state)
{
	static const char source[] =
		"#include <unistd.h>\nint main(void) { __asm__ volatile(\"990: nop\\n.pushsection .note.stapsdt,"
		"\\\"?\\\",\\\"note\\\"\\n.balign 4\\n.4byte 992f-991f, 994f-993f, 3\\n991: .asciz \\\"stapsdt\\\"\\n"
		"992: .balign 4\\n993: .8byte 990b, 0, 0\\n.asciz \\\"weft\\\"\\n.asciz \\\"flush_light\\\"\\n"
		".asciz \\\"\\\"\\n994: .balign 4\\n.popsection\\n\"); pause(); }\n";
	char dir[] = "/tmp/weft-target-XXXXXX", line[256];
	struct session_process p;
	FILE *f;
	pid_t pid;
	int rc = -ENOENT;

	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(line, sizeof(line), "%s/a.c", dir);
	f = fopen(line, "w");
	fputs(source, f);
	fclose(f);
	snprintf(line, sizeof(line), "cd %s && cc -s a.c -o a", dir);
	assert_int_equal(system(line), 0);
	snprintf(line, sizeof(line), "%s/a", dir);
	pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		execl(line, line, (char *)NULL);
		_exit(127);
	}
	/* until exec is through this is a copy of the test, which carries nothing */
	for (int i = 0; i < 2000 && rc != 0; i++) {
		nanosleep(&(struct timespec){ 0, 1000000 }, NULL);
		rc = session_inspect(pid, &p);
	}
	end(pid);
	assert_int_equal(rc, 0);
	assert_int_equal(p.runtimes, 1);
	assert_string_equal(p.build, "C, stripped");
	assert_non_null(strstr(p.cannot_see, "no runtime has been started"));
	assert_non_null(strstr(p.cannot_see, "stripped"));
	snprintf(line, sizeof(line), "rm -r %s", dir);
	assert_int_equal(system(line), 0);
}

static void count(void *ctx, const struct session_process *p)
{
	*(int *)ctx += p->runtimes > 0;
}

static void test_list_speed(void **state)
{
	enum { CHILDREN = 300 };
	pid_t parent[CHILDREN];
	struct timespec a, b;
	double ms;
	int n = 0, rc;

	(void)state;
	for (int i = 0; i < CHILDREN; i++)
		begin(&good, &parent[i]);
	clock_gettime(CLOCK_MONOTONIC, &a);
	rc = session_list(count, &n);
	clock_gettime(CLOCK_MONOTONIC, &b);
	for (int i = 0; i < CHILDREN; i++)
		end(parent[i]);
	ms = (double)(b.tv_sec - a.tv_sec) * 1e3 + (double)(b.tv_nsec - a.tv_nsec) / 1e6;
	print_message("%d processes with a runtime listed in %.0f ms\n", rc, ms);
	assert_true(rc >= CHILDREN);
	assert_int_equal(n, rc);
	assert_true(ms < 5000); /* the aim is 1,000; sanitizers and a busy machine are slower */
}

static void test_lists_of_text(void **state)
{
	struct session_process p = { 0 };
	char what[64];

	(void)state;
	target_can_see(&p, "tasks");
	target_can_see(&p, "polls");
	target_can_see(&p, "tasks");
	assert_string_equal(p.can_see, "tasks, polls");
	for (int i = 0; i < 100; i++) {
		snprintf(what, sizeof(what), "thing-%03d", i);
		target_cannot_see(&p, what, "because of a reason");
	}
	assert_true(strlen(p.cannot_see) < sizeof(p.cannot_see));
	assert_non_null(strstr(p.cannot_see, "thing-000: because of a reason; thing-001"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_found),      cmocka_unit_test(test_many_and_stopped),
		cmocka_unit_test(test_other_abi),  cmocka_unit_test(test_not_one),
		cmocka_unit_test(test_find_name),  cmocka_unit_test(test_notes_only),
		cmocka_unit_test(test_list_speed), cmocka_unit_test(test_lists_of_text),
	};

	return cmocka_run_group_tests_name("target", tests, NULL, NULL);
}
