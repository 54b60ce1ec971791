// SPDX-License-Identifier: MIT
#include "tests/unit/probes/sleeper.h"

#include <errno.h>
#include <sys/stat.h>

#include "probes/base/cleanup.h"
#include "probes/symbols/elf_file.h"
#include "probes/symbols/kallsyms.h"

static struct sleeper s;

/* Frame of a function in the captured stack; file and line come from wherever the walk finds them. */
static bool find_function(struct resolver *r, const char *func, struct resolver_frame *ret)
{
	uint64_t pcs[64];
	bool complete;
	int n = unwind_stack(r, &s.regs, s.stack, s.bytes, pcs, 64, &complete);

	for (int i = 0; i < n; i++) {
		struct resolver_frame f[8];
		int k = resolver_frames(r, pcs[i], i > 0, f, 8);

		for (int j = 0; j < k; j++) {
			if (strcmp(f[j].func, func) == 0) {
				*ret = f[j];
				return true;
			}
		}
	}
	return false;
}

static struct resolver *started(const char *name)
{
	struct resolver *r = NULL;

	sleeper_start(&s, name, "s");
	assert_int_equal(resolver_new(s.pid, &r), 0);
	assert_non_null(r);
	return r;
}

static void finish(struct resolver *r)
{
	sleeper_stop(&s);
	resolver_free(r);
}

static void check_lines(struct resolver *r)
{
	struct resolver_frame f = { 0 };

	assert_true(find_function(r, "innermost_inline", &f));
	assert_true(f.inlined);
	assert_string_equal(f.file, "sleeper.c");
	assert_int_equal(f.line, sleeper_line("LINE_SLEEP"));
	assert_true(find_function(r, "leaf_function", &f));
	assert_false(f.inlined);
	assert_int_equal(f.line, sleeper_line("LINE_INLINE"));
	assert_true(find_function(r, "middle_function", &f));
	assert_string_equal(f.file, "sleeper.c");
	assert_int_equal(f.line, sleeper_line("LINE_MIDDLE"));
}

static void test_lines(void **state)
{
	struct resolver *r = started("pie");

	(void)state;
	check_lines(r);
	check_lines(r); /* from the cache: the same */
	finish(r);
	r = started("nopie");
	check_lines(r);
	finish(r);
}

/* Names and lines from a file of its own, found by its link and build id. */
static void test_split(void **state)
{
	struct resolver *r = started("split");

	(void)state;
	check_lines(r);
	finish(r);
}

static void test_modules(void **state)
{
	struct resolver *r = started("pie");
	struct resolver_module m, libc;
	struct resolver_frame f;

	(void)state;
	assert_int_equal(resolver_module_at(r, s.regs.r[16], &libc), 0);
	assert_non_null(strstr(libc.path, "libc"));
	assert_int_equal(strlen(libc.build_id), 40);
	assert_true(find_function(r, "middle_function", &f));
	assert_true(f.module > 0 && f.module != libc.id);
	assert_int_equal(resolver_frames(r, 16, false, &f, 1), -ENOENT);
	assert_int_equal(resolver_module_at(r, 16, &m), -ENOENT);
	assert_int_equal(resolver_module_at(r, (uint64_t)-1, &m), -ENOENT);
	assert_int_equal(resolver_refresh(r), 0);
	assert_int_equal(resolver_module_at(r, s.regs.r[16], &m), 0);
	assert_int_equal(m.id, libc.id);
	assert_ptr_equal(m.path, libc.path);
	finish(r);
	assert_int_equal(resolver_new(0x7ffffffe, &r), -ESRCH);
}

/* A recording's frame: (file, offset) gives what the live process gave. */
static void test_locate(void **state)
{
	struct resolver *r = started("pie"), *file = NULL;
	struct resolver_frame live, f[8];
	char path[64];

	(void)state;
	assert_true(find_function(r, "middle_function", &live));
	assert_int_equal(resolver_new(0, &file), 0);
	snprintf(path, sizeof(path), "%s/pie", sleeper_dir);
	assert_int_equal(resolver_locate(file, path, NULL, live.offset, f, 8), 1);
	assert_string_equal(f[0].func, "middle_function");
	assert_int_equal(f[0].line, live.line);
	snprintf(path, sizeof(path), "%s/split", sleeper_dir);
	assert_int_equal(resolver_locate(file, path, sleeper_dir, live.offset, f, 8), 1);
	assert_int_equal(f[0].line, live.line);
	snprintf(path, sizeof(path), "%s/stripped", sleeper_dir);
	assert_int_equal(resolver_locate(file, path, NULL, live.offset, f, 8), 0);
	for (int i = 0; i < 2; i++)
		assert_int_equal(resolver_locate(file, "/nonexistent", NULL, 1, f, 8), -ENOENT);
	assert_int_equal(resolver_locate(file, "/", NULL, 1, f, 8), -ENOENT);
	assert_int_equal(resolver_frames(file, live.offset, false, f, 8), -ENOENT);
	resolver_free(file);
	finish(r);
}

static void test_deleted(void **state)
{
	struct resolver *r = NULL;

	(void)state;
	assert_int_equal(sleeper_command("cp pie gone"), 0);
	sleeper_start(&s, "gone", "s");
	assert_int_equal(sleeper_command("rm gone"), 0);
	assert_int_equal(resolver_new(s.pid, &r), 0);
	check_lines(r);
	finish(r);
	/* replaced by another file of the same name */
	assert_int_equal(sleeper_command("cp pie gone"), 0);
	sleeper_start(&s, "gone", "s");
	assert_int_equal(sleeper_command("cp /bin/true new && mv new gone"), 0);
	assert_int_equal(resolver_new(s.pid, &r), 0);
	check_lines(r);
	finish(r);
}

static void test_dead(void **state)
{
	struct resolver *r = started("pie");

	(void)state;
	sleeper_stop(&s);
	assert_int_equal(resolver_refresh(r), -ESRCH);
	check_lines(r);
	resolver_free(r);
}

/* Stripped: a module and an offset, no name for what is not exported; libc's exports keep theirs. */
static void test_stripped(void **state)
{
	struct resolver *r = started("stripped");
	struct resolver_module m;
	struct resolver_frame f;
	uint64_t pcs[64];
	bool complete, libc = false;
	int n = unwind_stack(r, &s.regs, s.stack, s.bytes, pcs, 64, &complete), nameless = 0;

	(void)state;
	for (int i = 0; i < n; i++) {
		int k = resolver_frames(r, pcs[i], i > 0, &f, 1);

		assert_in_range(k, 0, 1);
		assert_true(f.module > 0 && f.offset > 0 && f.offset < 1ull << 32);
		assert_int_equal(resolver_module_at(r, pcs[i], &m), 0);
		nameless += k == 0 && strstr(m.path, "stripped");
		libc |= k == 1 && strstr(f.func, "nanosleep");
	}
	assert_in_range(nameless, 8, 12);
	assert_true(libc);
	finish(r);
}

/* Damage at random places of the file: names may be missing or wrong, nothing more. */
static void test_corrupt(void **state)
{
	uint64_t x = 88172645463325252ull;
	char path[64];

	(void)state;
	snprintf(path, sizeof(path), "%s/corrupt", sleeper_dir);
	for (int round = 0; round < 150; round++) {
		struct resolver *r = NULL;
		struct resolver_frame f[8];
		struct stat st;

		assert_int_equal(sleeper_command("cp pie corrupt"), 0);
		auto_close int fd = open(path, O_RDWR | O_CLOEXEC);
		assert_int_equal(fstat(fd, &st), 0);
		for (int i = 0; i < 1 << round % 10; i++) {
			uint64_t at;

			x ^= x << 13, x ^= x >> 7, x ^= x << 17;
			at = 64 + (x >> 16) % ((uint64_t)st.st_size - 72);
			assert_true(pwrite(fd, &x, 1 + round % 4, (off_t)at) > 0);
		}
		if (round % 5 == 0)
			assert_int_equal(ftruncate(fd, (off_t)((x >> 20) % (uint64_t)st.st_size)),
					 0);
		assert_int_equal(resolver_new(0, &r), 0);
		for (uint64_t at = 0x1000; at < 0x1800; at += 4)
			resolver_locate(r, path, NULL, at, f, 8);
		resolver_free(r);
	}
}

/* More places than the cache holds, so that it starts anew on the way. */
static void test_cache_bound(void **state)
{
	struct resolver *r = started("pie");
	struct resolver_module libc;
	struct resolver_frame f[8];

	(void)state;
	assert_int_equal(resolver_module_at(r, s.regs.r[16], &libc), 0);
	for (uint64_t i = 0; i < 60000; i++)
		resolver_frames(r, libc.low + i * 16, false, f, 1);
	check_lines(r);
	finish(r);
}

static void test_kernel(void **state)
{
	static const char text[] =
		"ffffffff81000000 T _text\nffffffff81000100 t do_it\t[mod]\nffffffff81000080 D data\n"
		"ffffffff81000100 T alias\nbad line\nffffffff81000200 t last\n";
	static const char hidden[] = "0000000000000000 T _text\n0000000000000000 t do_it\n";
	struct resolver *r = NULL;
	struct kallsyms *k = NULL;
	struct resolver_frame f;
	uint64_t start;

	(void)state;
	assert_int_equal(kallsyms_parse(text, sizeof(text) - 1, &k), 0);
	assert_string_equal(kallsyms_find(k, 0xffffffff810000ff, &start), "_text");
	assert_string_equal(kallsyms_find(k, 0xffffffff81000100, &start), "do_it [mod]");
	assert_string_equal(kallsyms_find(k, UINT64_MAX, &start), "last");
	assert_null(kallsyms_find(k, 5, &start));
	kallsyms_free(k);
	assert_int_equal(kallsyms_parse(hidden, sizeof(hidden) - 1, &k), -EPERM);
	assert_int_equal(kallsyms_parse("", 0, &k), -ENOENT);
	assert_int_equal(resolver_new(0, &r), 0);
	assert_int_equal(resolver_kernel(r, 1, &f), -ENOENT);
	resolver_free(r);
}

static void test_syscalls(void **state)
{
	(void)state;
	assert_string_equal(resolver_syscall_name(0), "read");
	assert_string_equal(resolver_syscall_name(202), "futex");
	assert_string_equal(resolver_syscall_name(281), "epoll_pwait");
	assert_string_equal(resolver_syscall_name(-1), "syscall--1");
	assert_string_equal(resolver_syscall_name(400), "syscall-400");
	assert_string_equal(resolver_syscall_name(1 << 30), "syscall-1073741824");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lines),       cmocka_unit_test(test_split),
		cmocka_unit_test(test_modules),     cmocka_unit_test(test_locate),
		cmocka_unit_test(test_deleted),     cmocka_unit_test(test_dead),
		cmocka_unit_test(test_stripped),    cmocka_unit_test(test_corrupt),
		cmocka_unit_test(test_cache_bound), cmocka_unit_test(test_kernel),
		cmocka_unit_test(test_syscalls),
	};

	return cmocka_run_group_tests_name("resolver", tests, sleeper_setup, sleeper_teardown);
}
