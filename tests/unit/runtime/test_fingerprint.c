/* SPDX-License-Identifier: MIT */
/* Task fingerprints: the hash against values that another program made, and what a process prints of its tasks. */
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

#include "runtime/fingerprint.h"
#include "runtime/probe_points.h"
#include "runtime/trace_map.h"
#include "runtime/weft.h"

static void hash_is_as_defined(void **state)
{
	struct weft_fingerprint_of of = { "8f1c2d34-5a6b-4c7d-8e9f-0a1b2c3d4e5f", 123456789, 4711,
					  1 };

	(void)state;
	assert_true(weft_fingerprint_base(&of) == 0xc21b8fdf5e89260aull);
	of.kind = 2;
	assert_true(weft_fingerprint_base(&of) == 0xc21b8edf5e892457ull);
	of.boot_id = "8f1c2d34-5a6b-4c7d-8e9f-0a1b2c3d4e5f\n"; /* as it is read from the file */
	assert_true(weft_fingerprint_base(&of) == 0xc21b8edf5e892457ull);
	of = (struct weft_fingerprint_of){ "", 0, 1, 1 };
	assert_true(weft_fingerprint_base(&of) == 0x6fe73574e58b807full);
}

/* Field 22 of this process, counted here by another way. */
static uint64_t start_ticks(void)
{
	char line[1024] = "", *at;
	FILE *f = fopen("/proc/self/stat", "re");
	uint64_t v = 0;

	assert_non_null(f);
	assert_non_null(fgets(line, sizeof(line), f));
	fclose(f);
	at = strtok(strrchr(line, ')') + 1, " ");
	for (int field = 3; field < 22; field++)
		at = strtok(NULL, " ");
	v = strtoull(at, NULL, 10);
	return v;
}

static uint64_t base_here(void)
{
	char boot_id[64] = "";
	FILE *f = fopen("/proc/sys/kernel/random/boot_id", "re");

	assert_non_null(f);
	assert_non_null(fgets(boot_id, sizeof(boot_id), f));
	fclose(f);
	return weft_fingerprint_base(
		&(struct weft_fingerprint_of){ boot_id, start_ticks(), (uint32_t)getpid(), 1 });
}

static void check(const char *text, uint64_t task)
{
	char want[17];

	snprintf(want, sizeof(want), "%016llx", (unsigned long long)(base_here() ^ task));
	assert_string_equal(text, want);
}

struct part {
	WEFT_FRAME;
	struct weft_join *join;
	struct weft_fingerprint mine, by_id, before, of_handle;
	struct weft_yield yield;
	uint64_t id, other;
};

static weft_poll_t quick(struct weft_cx *cx, struct part *f)
{
	(void)cx;
	weft_async_begin(f);
	weft_async_end(f, 0);
}

static weft_poll_t told(struct weft_cx *cx, struct part *f)
{
	weft_async_begin(f);
	f->before = weft_task_fingerprint(0);
	weft_spawn(NULL, quick, ((struct part){ .id = 0 }), .join = &f->join);
	f->other = weft_join_id(f->join);
	f->of_handle = weft_task_fingerprint(f->other);
	weft_await(f, weft_join(cx, &f->join));
	weft_await(f, weft_yield(cx, &f->yield));
	f->id = weft_task_id(cx);
	f->mine = weft_task_fingerprint(0);
	f->by_id = weft_task_fingerprint(f->id);
	weft_async_end(f, 0);
}

static void tasks_have_theirs(void **state)
{
	struct weft_config config = { .size = sizeof(config), .workers = 1 };
	struct weft_runtime *rt;
	struct part f = { .id = 0 };

	(void)state;
	assert_int_equal(weft_runtime_new(&config, &rt), 0);
	assert_string_equal(weft_task_fingerprint(0).text, "-"); /* no task is polled */
	assert_int_equal(weft_block_on(rt, told, &f), 0);
	check(f.mine.text, f.id);
	assert_string_equal(f.by_id.text, f.mine.text);
	assert_string_equal(f.before.text, f.mine.text);
	check(f.of_handle.text, f.other);
	assert_string_not_equal(f.of_handle.text, f.mine.text);
	check(weft_task_fingerprint(f.id).text, f.id); /* it has ended */
#ifndef WEFT_NO_PROBES
	assert_true(weft_map_header()->fingerprint == base_here());
	assert_true(weft_map_header()->header_bytes >=
		    offsetof(struct weft_map_header, fingerprint) + 8);
#endif
	weft_runtime_free(rt);
}

/* Of the same start, as the kernel counts it: the pid tells them apart. */
static void child_has_another(void **state)
{
	struct weft_fingerprint mine = weft_task_fingerprint(1), theirs = { "" };
	int fd[2], status = 0;
	pid_t pid;

	(void)state;
	assert_int_equal(pipe(fd), 0);
	pid = fork();
	if (pid == 0) {
		theirs = weft_task_fingerprint(1);
		_exit(write(fd[1], &theirs, sizeof(theirs)) != sizeof(theirs));
	}
	assert_int_equal(read(fd[0], &theirs, sizeof(theirs)), sizeof(theirs));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	close(fd[0]);
	close(fd[1]);
	assert_int_equal(strlen(theirs.text), 16);
	assert_string_not_equal(theirs.text, mine.text);
	assert_string_equal(weft_task_fingerprint(1).text, mine.text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hash_is_as_defined),
		cmocka_unit_test(tasks_have_theirs),
		cmocka_unit_test(child_has_another),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
