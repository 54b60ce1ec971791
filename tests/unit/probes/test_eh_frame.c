// SPDX-License-Identifier: MIT
#include "tests/unit/probes/sleeper.h"

#include <gelf.h>

#include "probes/base/cleanup.h"
#include "probes/symbols/eh_frame.h"
#include "probes/symbols/eh_reader.h"
#include "probes/symbols/elf_file.h"

static unsigned char good[1 << 20], bad[1 << 20];
static size_t size;

static int setup(void **state)
{
	char path[64];

	if (sleeper_setup(state) != 0)
		return -1;
	snprintf(path, sizeof(path), "%s/pie", sleeper_dir);
	auto_close int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = read(fd, good, sizeof(good));

	size = n > 0 ? (size_t)n : 0;
	return size > 1024 && size < sizeof(good) ? 0 : -1;
}

static GElf_Shdr section(const char *name)
{
	Elf *elf = elf_memory((char *)good, size);
	GElf_Shdr shdr = { 0 };

	assert_non_null(elf_file_section(elf, name, &shdr));
	elf_end(elf);
	return shdr;
}

/* Rows at all addresses of the code; how many there are. */
static int rows(unsigned char *image)
{
	GElf_Shdr text = section(".text");
	Elf *elf = elf_memory((char *)image, size);
	struct eh_frame *f = NULL;
	struct eh_row row;
	int n = 0;

	if (elf && eh_frame_new(elf, &f) == 0)
		for (uint64_t at = text.sh_addr; at < text.sh_addr + text.sh_size; at++)
			n += eh_frame_row(f, at, &row);
	eh_frame_free(f);
	elf_end(elf);
	return n;
}

/* At the first instruction of any function the return address is on top of the stack. */
static void test_entry(void **state)
{
	Elf *elf = elf_memory((char *)good, size);
	struct eh_frame *f = NULL;
	GElf_Shdr shdr;
	Elf_Scn *scn = elf_file_section(elf, ".symtab", &shdr);
	Elf_Data *data = elf_getdata(scn, NULL);
	int seen = 0;

	(void)state;
	assert_int_equal(eh_frame_new(elf, &f), 0);
	for (size_t i = 0; i < shdr.sh_size / shdr.sh_entsize; i++) {
		GElf_Sym sym;
		struct eh_row row;
		const char *name;

		assert_non_null(gelf_getsym(data, (int)i, &sym));
		name = elf_strptr(elf, shdr.sh_link, sym.st_name);
		if (!strstr(name, "_function"))
			continue;
		seen++;
		assert_true(eh_frame_row(f, sym.st_value, &row));
		assert_int_equal(row.cfa_reg, EH_RSP);
		assert_int_equal(row.cfa_offset, 8);
		assert_int_equal(row.rule[EH_RIP].kind, EH_AT_CFA);
		assert_int_equal(row.rule[EH_RIP].offset, -8);
		assert_int_equal(row.rule[EH_RBP].kind, EH_SAME);
		assert_int_equal(row.rule[EH_RSP].kind, EH_IS_CFA);
		assert_false(row.signal);
	}
	assert_int_equal(seen, 4);
	eh_frame_free(f);
	elf_end(elf);
}

static void test_noise(void **state)
{
	GElf_Shdr eh = section(".eh_frame");
	uint64_t x = 88172645463325252ull;
	int whole = rows(good);

	(void)state;
	assert_true(whole > 100);
	for (int round = 0; round < 3000; round++) {
		memcpy(bad, good, size);
		for (int i = 0; i < 1 + round % 16; i++) {
			x ^= x << 13, x ^= x >> 7, x ^= x << 17;
			bad[eh.sh_offset + (x >> 8) % eh.sh_size] =
				x & 0x40   ? (unsigned char)(x >> 40)
				: x & 0x80 ? 0xff
					   : 0;
		}
		assert_in_range(rows(bad), 0, whole * 4);
	}
	memset(bad + eh.sh_offset, 0xff, eh.sh_size);
	assert_int_equal(rows(bad), 0);
	memset(bad + eh.sh_offset, 0, eh.sh_size);
	assert_int_equal(rows(bad), 0);
}

static void test_reader(void **state)
{
	static const uint8_t bytes[] = {
		0xe5, 0x8e, 0x26, 0x9b, 0xf1, 0x59, 0xff, 0xff, 0x80, 0x80
	};
	struct eh_reader r = { .p = bytes, .end = bytes + sizeof(bytes) };

	(void)state;
	assert_int_equal(eh_reader_uleb(&r), 624485);
	assert_true(eh_reader_sleb(&r) == -624485);
	assert_true(eh_reader_signed(&r, 2) == -1);
	assert_false(r.bad);
	assert_int_equal(eh_reader_uleb(&r), 0); /* runs into the end */
	assert_true(r.bad);
	assert_int_equal(eh_reader_fixed(&r, 1), 0);
	r = (struct eh_reader){ .p = bytes, .end = bytes + sizeof(bytes) };
	eh_reader_skip(&r, UINT64_MAX);
	assert_true(r.bad);
	r = (struct eh_reader){ .p = bytes, .end = bytes + sizeof(bytes) };
	eh_reader_pointer(&r, 0x9b, 0); /* indirect */
	assert_true(r.bad);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_entry),
		cmocka_unit_test(test_noise),
		cmocka_unit_test(test_reader),
	};

	elf_version(EV_CURRENT);
	return cmocka_run_group_tests_name("eh_frame", tests, setup, sleeper_teardown);
}
