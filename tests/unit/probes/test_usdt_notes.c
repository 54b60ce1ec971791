// SPDX-License-Identifier: MIT
/* Probe sites of programs built here with the system's compiler, and of damaged copies of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "probes/base/cleanup.h"
#include "probes/symbols/usdt_notes.h"

static char dir[] = "/tmp/weft-usdt-XXXXXX";

/* nop, so that the byte at the note's offset can be checked in the file */
static const char source[] =
	"__asm__(\".pushsection .probes,\\\"aw\\\",@progbits\\n.globl weft_t_sema\\n\"\n"
	"	\".hidden weft_t_sema\\nweft_t_sema: .2byte 0x1234\\n.popsection\\n\"\n"
	"	\".pushsection .stapsdt.base,\\\"aG\\\",\\\"progbits\\\",.stapsdt.base,comdat\\n\"\n"
	"	\".weak _.stapsdt.base\\n.hidden _.stapsdt.base\\n_.stapsdt.base: .space 1\\n.popsection\");\n"
	"#define SITE(prov, name, sema, args) __asm__ volatile(\"990: nop\\n\" \\\n"
	"	\".pushsection .note.stapsdt,\\\"?\\\",\\\"note\\\"\\n.balign 4\\n.4byte 992f-991f, 994f-993f, 3\\n\" \\\n"
	"	\"991: .asciz \\\"stapsdt\\\"\\n992: .balign 4\\n993: .8byte 990b, _.stapsdt.base, \" sema \"\\n\" \\\n"
	"	\".asciz \\\"\" prov \"\\\"\\n.asciz \\\"\" name \"\\\"\\n.asciz \\\"\" args \"\\\"\\n\" \\\n"
	"	\"994: .balign 4\\n.popsection\\n\")\n"
	"int f(void); int main(void);\n"
	"int f(void) { SITE(\"weft\", \"one\", \"weft_t_sema\", \"8@%rdi 8@%rsi\"); return 1; }\n"
	"int main(void) { SITE(\"weft\", \"two\", \"0\", \"\"); SITE(\"other\", \"three\", \"0\", \"\"); return f() - 1; }\n";

struct seen {
	int fd, n;
	char names[256];
	struct usdt_note last;
};

static int collect(void *ctx, const struct usdt_note *note)
{
	struct seen *s = ctx;
	unsigned char byte = 0;
	uint16_t sema = 0;

	s->n++;
	s->last = *note;
	snprintf(s->names + strlen(s->names), sizeof(s->names) - strlen(s->names), "%s:%s(%s) ",
		 note->provider, note->name, note->args);
	if (s->fd < 0)
		return 0;
	assert_int_equal(pread(s->fd, &byte, 1, (off_t)note->offset), 1);
	assert_int_equal(byte, 0x90);
	if (note->semaphore_offset) {
		assert_int_equal(pread(s->fd, &sema, 2, (off_t)note->semaphore_offset), 2);
		assert_int_equal(sema, 0x1234);
	}
	return 0;
}

static int open_built(const char *name)
{
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	return fd;
}

static int build(void **state)
{
	static const char *const cmd[] = { "-pie -fPIE -o pie", "-no-pie -o nopie",
					   "-shared -fPIC -o so" };
	char path[128], line[256];
	FILE *f;

	(void)state;
	if (!mkdtemp(dir))
		return -1;
	snprintf(path, sizeof(path), "%s/a.c", dir);
	f = fopen(path, "w");
	if (!f)
		return -1;
	fputs(source, f);
	fclose(f);
	for (size_t i = 0; i < sizeof(cmd) / sizeof(*cmd); i++) {
		snprintf(line, sizeof(line), "cd %s && cc -O2 a.c %s", dir, cmd[i]);
		if (system(line) != 0)
			return -1;
	}
	return 0;
}

static int cleanup(void **state)
{
	char line[128];

	(void)state;
	snprintf(line, sizeof(line), "rm -rf %s", dir);
	return system(line);
}

static void check_kind(const char *name)
{
	auto_close int fd = open_built(name);
	struct seen s = { .fd = fd };

	assert_int_equal(usdt_notes_read(fd, NULL, collect, &s), 3);
	assert_non_null(strstr(s.names, "weft:one(8@%rdi 8@%rsi)"));
	assert_non_null(strstr(s.names, "other:three()"));
	s.n = 0;
	assert_int_equal(usdt_notes_read(fd, "weft", collect, &s), 2);
	assert_int_equal(s.n, 2);
	assert_int_equal(usdt_notes_read(fd, "nobody", collect, &s), 0);
}

static void test_pie(void **state)
{
	(void)state;
	check_kind("pie");
}
static void test_no_pie(void **state)
{
	(void)state;
	check_kind("nopie");
}
static void test_shared(void **state)
{
	(void)state;
	check_kind("so");
}

static int stop_first(void *ctx, const struct usdt_note *note)
{
	(void)note;
	++*(int *)ctx;
	return 42;
}

static void test_stop(void **state)
{
	auto_close int fd = open_built("pie");
	int calls = 0;

	(void)state;
	assert_int_equal(usdt_notes_read(fd, NULL, stop_first, &calls), 42);
	assert_int_equal(calls, 1);
}

static size_t load(const char *name, unsigned char *buf, size_t size)
{
	auto_close int fd = open_built(name);
	ssize_t n = read(fd, buf, size);

	assert_in_range(n, sizeof(Elf64_Ehdr), size - 1);
	return (size_t)n;
}

static int store(const unsigned char *buf, size_t n)
{
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "%s/damaged", dir);
	fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, buf, n), (ssize_t)n);
	return fd;
}

static Elf64_Shdr *section(unsigned char *buf, const char *name)
{
	Elf64_Ehdr *eh = (void *)buf;
	Elf64_Shdr *sh = (void *)(buf + eh->e_shoff);
	const char *names = (const char *)buf + sh[eh->e_shstrndx].sh_offset;

	for (int i = 0; i < eh->e_shnum; i++)
		if (strcmp(names + sh[i].sh_name, name) == 0)
			return &sh[i];
	return NULL;
}

/* As prelink does it: the section header tells of the move, the notes keep the old addresses. */
static void test_prelink(void **state)
{
	static unsigned char buf[1 << 20];
	size_t n = load("so", buf, sizeof(buf));
	Elf64_Phdr *ph = (void *)(buf + sizeof(Elf64_Ehdr));
	struct seen s = { 0 };

	(void)state;
	for (int i = 0; i < ((Elf64_Ehdr *)(void *)buf)->e_phnum; i++)
		ph[i].p_vaddr += 0x4000000;
	section(buf, ".stapsdt.base")->sh_addr += 0x4000000;
	auto_close int fd = store(buf, n);
	s.fd = fd;
	assert_int_equal(usdt_notes_read(fd, NULL, collect, &s), 3);
	assert_true(s.last.address > 0x4000000);
	assert_non_null(strstr(s.names, "weft:one"));
}

static void test_not_elf(void **state)
{
	static const unsigned char text[] = "#!/bin/sh\n";
	auto_close int fd = store(text, sizeof(text) - 1);
	auto_close int empty = open("/dev/null", O_RDONLY | O_CLOEXEC);
	auto_close int where = open("/", O_RDONLY | O_CLOEXEC);
	struct seen s = { .fd = -1 };

	(void)state;
	assert_int_equal(usdt_notes_read(fd, NULL, collect, &s), -ENOEXEC);
	assert_int_equal(usdt_notes_read(empty, NULL, collect, &s), -EINVAL);
	assert_int_equal(usdt_notes_read(where, NULL, collect, &s), -EINVAL);
	assert_int_equal(usdt_notes_read(-1, NULL, collect, &s), -EBADF);
}

static void test_truncated(void **state)
{
	static unsigned char buf[1 << 20];
	size_t n = load("pie", buf, sizeof(buf));
	struct seen s = { .fd = -1 };

	(void)state;
	for (size_t cut = 0; cut < n; cut += 97) {
		auto_close int fd = store(buf, cut);
		int rc = usdt_notes_read(fd, NULL, collect, &s);

		assert_true(rc <= 3);
	}
}

/* Every field that holds a count, a size or an offset, at its worst. */
static void test_giant(void **state)
{
	static const uint64_t worst[] = { 0,          1,          0x7fffffff,
					  0xffffffff, UINT64_MAX, UINT64_MAX - 15,
					  1ull << 40 };
	static unsigned char good[1 << 20], buf[1 << 20];
	size_t n = load("pie", good, sizeof(good));
	struct seen s = { .fd = -1 };

	(void)state;
	for (size_t i = 0; i < sizeof(worst) / sizeof(*worst); i++) {
		for (int what = 0; what < 9; what++) {
			Elf64_Ehdr *eh = (void *)buf;
			Elf64_Shdr *notes;
			uint32_t *note;

			memcpy(buf, good, n);
			notes = section(buf, ".note.stapsdt");
			note = (void *)(buf + notes->sh_offset);
			switch (what) {
			case 0:
				notes->sh_size = worst[i];
				break;
			case 1:
				notes->sh_offset = worst[i];
				break;
			case 2:
				eh->e_shnum = (uint16_t)worst[i];
				break;
			case 3:
				eh->e_shoff = worst[i];
				break;
			case 4:
				eh->e_phoff = worst[i];
				break;
			case 5:
				eh->e_phnum = (uint16_t)worst[i];
				break;
			case 6:
				note[0] = (uint32_t)worst[i];
				break;
			case 7:
				note[1] = (uint32_t)worst[i];
				break;
			default:
				eh->e_shstrndx = (uint16_t)worst[i];
				break;
			}
			auto_close int fd = store(buf, n);
			assert_true(usdt_notes_read(fd, NULL, collect, &s) <= 3);
		}
	}
}

/* Bytes flipped at random places with a fixed seed: any answer but a crash. */
static void test_noise(void **state)
{
	static unsigned char good[1 << 20], buf[1 << 20];
	size_t n = load("so", good, sizeof(good));
	struct seen s = { .fd = -1 };
	uint64_t x = 88172645463325252ull;

	(void)state;
	for (int round = 0; round < 300; round++) {
		memcpy(buf, good, n);
		for (int i = 0; i < 200; i++) {
			x ^= x << 13, x ^= x >> 7, x ^= x << 17;
			buf[4 + x % (n - 4)] = (unsigned char)(x >> 40);
		}
		auto_close int fd = store(buf, n);
		usdt_notes_read(fd, NULL, collect, &s);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pie),       cmocka_unit_test(test_no_pie),
		cmocka_unit_test(test_shared),    cmocka_unit_test(test_stop),
		cmocka_unit_test(test_prelink),   cmocka_unit_test(test_not_elf),
		cmocka_unit_test(test_truncated), cmocka_unit_test(test_giant),
		cmocka_unit_test(test_noise),
	};

	return cmocka_run_group_tests_name("usdt_notes", tests, build, cleanup);
}
