/* SPDX-License-Identifier: MIT */
/*
 * Reads the notes of this very binary, which links libweft statically, and holds them against the
 * list.
 */
#include <fcntl.h>
#include <gelf.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "runtime/probe_points.h"
#include "runtime/weft.h"

static const struct point {
	const char *symbol, *name;
	unsigned arguments;
} points[] = {
#define X(c_name, text, n) { "weft_sema_" #c_name, text, n },
	WEFT_USDT_POINTS(X)
#undef X
#define X(c_name, text, flush) { "weft_sema_" #flush, text, 0 },
		WEFT_LEVEL_POINTS(X)
#undef X
};
#define LEVELS 3
#define POINTS (sizeof(points) / sizeof(points[0]))

static unsigned sites[POINTS];
static uint64_t semaphores[POINTS];
static Elf *elf;

static Elf_Scn *section(const char *name, GElf_Shdr *header)
{
	Elf_Scn *scn = NULL;
	size_t names;

	elf_getshdrstrndx(elf, &names);
	while ((scn = elf_nextscn(elf, scn))) {
		gelf_getshdr(scn, header);
		if (strcmp(elf_strptr(elf, names, header->sh_name), name) == 0)
			return scn;
	}
	return NULL;
}

static unsigned char byte_at(uint64_t address)
{
	Elf_Scn *scn = NULL;
	GElf_Shdr h;

	while ((scn = elf_nextscn(elf, scn))) {
		gelf_getshdr(scn, &h);
		if (h.sh_flags & SHF_EXECINSTR && address >= h.sh_addr &&
		    address < h.sh_addr + h.sh_size)
			return ((unsigned char *)elf_getdata(scn, NULL)->d_buf)[address - h.sh_addr];
	}
	fail_msg("site at %lx lies in no code section", (unsigned long)address);
	return 0;
}

static void check_note(const char *desc, size_t n)
{
	static const char *const arguments[] = { "",
						 "8@%rdi",
						 "8@%rdi 8@%rsi",
						 "8@%rdi 8@%rsi 8@%rdx",
						 "8@%rdi 8@%rsi 8@%rdx 8@%rcx",
						 "8@%rdi 8@%rsi 8@%rdx 8@%rcx 8@%r8" };
	const char *provider = desc + 24, *name = provider + strlen(provider) + 1,
		   *args = name + strlen(name) + 1;
	uint64_t address[3];
	GElf_Shdr probes;
	unsigned i;

	memcpy(address, desc, sizeof(address));
	assert_true(args + strlen(args) < desc + n);
	assert_string_equal(provider, "weft");
	for (i = 0; i < POINTS && strcmp(points[i].name, name); i++)
		;
	assert_in_range(i, 0, POINTS - 1);
	assert_string_equal(args, arguments[points[i].arguments]);
	assert_int_equal(byte_at(address[0]), 0x90); /* one byte: never a 5-byte nop */
	assert_non_null(section(".probes", &probes));
	assert_in_range(address[2], probes.sh_addr, probes.sh_addr + probes.sh_size - 2);
	assert_true(sites[i] == 0 || semaphores[i] == address[2]);
	semaphores[i] = address[2];
	sites[i]++;
}

static void test_notes(void **state)
{
	int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	GElf_Shdr header;
	GElf_Nhdr note;
	size_t at = 0, name_at, desc_at;
	Elf_Data *data;
	Elf_Scn *scn;

	(void)state;
	elf_version(EV_CURRENT);
	elf = elf_begin(fd, ELF_C_READ, NULL);
	assert_non_null(elf);
	scn = section(".note.stapsdt", &header);
	assert_non_null(scn);
	data = elf_getdata(scn, NULL);
	while ((at = gelf_getnote(data, at, &note, &name_at, &desc_at)) > 0) {
		assert_int_equal(note.n_type, 3);
		assert_string_equal((char *)data->d_buf + name_at, "stapsdt");
		check_note((char *)data->d_buf + desc_at, note.n_descsz);
	}
	for (unsigned i = 0; i < POINTS; i++)
		assert_int_not_equal(sites[i], 0);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(sites[i], 1); /* the flush points have one site each */
	for (unsigned i = 0; i < LEVELS;
	     i++) { /* the last of the list: same semaphore as the flush point */
		assert_int_equal(sites[POINTS - LEVELS + i], 1);
		assert_int_equal(semaphores[POINTS - LEVELS + i], semaphores[i]);
	}
	assert_int_equal(semaphores[0] % 8, 0);
	assert_int_equal(semaphores[1], semaphores[0] + 2);
	assert_int_equal(semaphores[2], semaphores[0] + 4);
	elf_end(elf);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_notes) };
	struct weft_runtime *rt;

	/* Links the whole library in. */
	if (weft_runtime_new(NULL, &rt) == 0)
		weft_runtime_free(rt);
	return cmocka_run_group_tests_name("runtime/usdt_notes", tests, NULL, NULL);
}
