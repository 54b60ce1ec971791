// SPDX-License-Identifier: MIT
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "probes/base/cleanup.h"
#include "probes/symbols/proc_maps.h"

static struct proc_maps *parse(const char *text)
{
	struct proc_maps *m = NULL;

	assert_int_equal(proc_maps_parse(1, text, strlen(text), &m), 0);
	return m;
}

static void test_fields(void **state)
{
	auto_proc_maps struct proc_maps *m = parse(
		"55d0c0a00000-55d0c0a02000 r--p 00001000 fd:01 1234567                    /usr/bin/cat\n"
		"55d0c0a02000-55d0c0a07000 r-xs 00002000 103:ff 18446744073709551615      /a b  c\n"
		"7ffe0000-7fff0000 rw-p 00000000 00:00 0 \n"
		"7fffff000000-7fffff001000 ---p 00000000 00:00 0                          [vdso]\n"
		"ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0                  [vsyscall]\n");
	const struct proc_map *p = proc_maps_at(m, 1);

	(void)state;
	/* the third line goes back and is left out */
	assert_int_equal(proc_maps_count(m), 4);
	assert_string_equal(proc_maps_at(m, 0)->path, "/usr/bin/cat");
	assert_int_equal(p->start, 0x55d0c0a02000);
	assert_int_equal(p->end, 0x55d0c0a07000);
	assert_int_equal(p->offset, 0x2000);
	assert_int_equal(p->dev_major, 0x103);
	assert_int_equal(p->dev_minor, 0xff);
	assert_true(p->inode == UINT64_MAX);
	assert_int_equal(p->flags, PROC_MAP_READ | PROC_MAP_EXEC | PROC_MAP_SHARED);
	assert_string_equal(p->path, "/a b  c");
	assert_ptr_equal(proc_maps_find(m, 0x55d0c0a02000), p);
	assert_ptr_equal(proc_maps_find(m, 0x55d0c0a06fff), p);
	assert_null(proc_maps_find(m, 0x55d0c0a07000));
	assert_null(proc_maps_find(m, 0));
	assert_string_equal(proc_maps_find(m, 0xffffffffff600fff)->path, "[vsyscall]");
	assert_null(proc_maps_at(m, 4));
}

static void test_names(void **state)
{
	auto_proc_maps struct proc_maps *m =
		parse("1000-2000 r-xp 00000000 08:01 7   /opt/new\\012line and\\\\012 (deleted)\n"
		      "2000-3000 rw-s 00000000 00:01 8   /memfd:weft-trace (deleted)\n"
		      "3000-4000 rw-s 00000000 00:01 9   /memfd:other (deleted)\n"
		      "4000-5000 rw-p 00000000 00:00 0   [anon: a name]\n"
		      "5000-6000 rw-p 00000000 00:00 0");

	(void)state;
	assert_int_equal(proc_maps_count(m), 5);
	assert_string_equal(proc_maps_at(m, 0)->path, "/opt/new\nline and\\\n");
	assert_true(proc_maps_at(m, 0)->flags & PROC_MAP_DELETED);
	assert_int_equal(proc_maps_find_memfd(m, "weft-trace")->inode, 8);
	assert_null(proc_maps_find_memfd(m, "weft"));
	assert_string_equal(proc_maps_at(m, 3)->path, "[anon: a name]");
	assert_string_equal(proc_maps_at(m, 4)->path, "");
}

static void test_hostile(void **state)
{
	static const char *const bad[] = {
		"",
		"\n\n\n",
		"-",
		"0-0 r-xp 0 0:0 0",
		"10-5 r-xp 0 0:0 0 /x\n",
		"zz-zz r-xp 0 0:0 0 /x\n",
		"-5-10 r-xp 0 0:0 0 /x\n",
		"1000-2000 r-",
		"1000-2000 r-xp",
		"1000-2000 r-xp 0",
		"1000-2000 r-xp 0 0:0",
		"1000-2000 r-xp 0 0:0 \n",
		"1000-2000 r-xp 0 0:0 x /y\n",
		"1000-2000 toolong 0 0:0 0 /y\n",
		"11111111111111111111-22222222222222222222 r-xp 0 0:0 0 /y\n",
		"1000- 2000 r-xp 0 0:0 0 /y\n",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		auto_proc_maps struct proc_maps *m = parse(bad[i]);

		assert_int_equal(proc_maps_count(m), 0);
	}
	/* a NUL inside a line ends that line's text only */
	auto_proc_maps struct proc_maps *m = NULL;
	assert_int_equal(
		proc_maps_parse(1, "1000-2000 r-xp 0 0:0 5 /a\0b\n2000-3000 r-xp 0 0:0 5 /c\n", 53,
				&m),
		0);
	assert_int_equal(proc_maps_count(m), 2);
	assert_string_equal(proc_maps_at(m, 0)->path, "/a");
}

static void test_self(void **state)
{
	auto_proc_maps struct proc_maps *m = NULL;
	const struct proc_map *map;
	struct stat a, b;

	(void)state;
	assert_int_equal(proc_maps_read(getpid(), &m), 0);
	map = proc_maps_find(m, (uintptr_t)test_self);
	assert_non_null(map);
	assert_true(map->flags & PROC_MAP_EXEC);
	auto_close int fd = proc_maps_open(m, map);
	assert_true(fd >= 0);
	assert_int_equal(fstat(fd, &a), 0);
	assert_int_equal(stat("/proc/self/exe", &b), 0);
	assert_true(a.st_ino == b.st_ino && a.st_dev == b.st_dev);
	map = proc_maps_find(m, (uintptr_t)&a);
	assert_string_equal(map->path, "[stack]");
	assert_int_equal(proc_maps_open(m, map), -ENOENT);
	assert_int_equal(proc_maps_read(0x7ffffffe, &m), -ESRCH);
}

/* A memfd, and a deleted file with a name made to confuse: both open through map_files. */
static void test_deleted(void **state)
{
	char path[] = "/tmp/weft maps (deleted) XXXXXX", byte = 0, want[64];
	auto_close int file = mkstemp(path);
	auto_close int mem = memfd_create("weft-trace", MFD_CLOEXEC);
	auto_proc_maps struct proc_maps *m = NULL;
	void *a, *b;

	(void)state;
	assert_int_equal(write(file, "F", 1), 1);
	assert_int_equal(write(mem, "M", 1), 1);
	a = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, file, 0);
	b = mmap(NULL, 4096, PROT_READ, MAP_SHARED, mem, 0);
	unlink(path);
	assert_int_equal(proc_maps_read(getpid(), &m), 0);
	assert_string_equal(proc_maps_find(m, (uintptr_t)a)->path, path);
	assert_true(proc_maps_find(m, (uintptr_t)a)->flags & PROC_MAP_DELETED);
	assert_ptr_equal(proc_maps_find_memfd(m, "weft-trace"), proc_maps_find(m, (uintptr_t)b));
	if (proc_maps_path(m, proc_maps_find(m, (uintptr_t)a), want, sizeof(want)) == -EPERM)
		skip(); /* map_files needs CAP_CHECKPOINT_RESTORE */
	auto_close int fa = proc_maps_open(m, proc_maps_find(m, (uintptr_t)a));
	auto_close int fb = proc_maps_open(m, proc_maps_find(m, (uintptr_t)b));
	assert_int_equal(read(fa, &byte, 1), 1);
	assert_int_equal(byte, 'F');
	assert_int_equal(read(fb, &byte, 1), 1);
	assert_int_equal(byte, 'M');
	assert_int_equal(proc_maps_path(m, proc_maps_find(m, (uintptr_t)a), want, 8),
			 -ENAMETOOLONG);
	munmap(a, 4096);
	munmap(b, 4096);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fields),  cmocka_unit_test(test_names),
		cmocka_unit_test(test_hostile), cmocka_unit_test(test_self),
		cmocka_unit_test(test_deleted),
	};

	return cmocka_run_group_tests_name("proc_maps", tests, NULL, NULL);
}
