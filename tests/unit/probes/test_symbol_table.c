// SPDX-License-Identifier: MIT
/* Symbols of files made by hand: which name an address gets, and names that are there to cost time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <elf.h>
#include <stdlib.h>
#include <string.h>

#include "probes/symbols/elf_file.h"
#include "probes/symbols/symbol_table.h"

#define TEXT 0x1000u

struct file {
	size_t bytes;
	char *image;
	Elf *elf;
	struct symbol_table *table;
};

/* Header, section headers, symbols, names. */
static void file_new(struct file *f, const Elf64_Sym *symbol, size_t n, const char *names,
		     size_t size)
{
	Elf64_Ehdr header = { .e_type = ET_EXEC,
			      .e_machine = EM_X86_64,
			      .e_version = EV_CURRENT,
			      .e_ehsize = sizeof(header),
			      .e_shoff = sizeof(header),
			      .e_shentsize = sizeof(Elf64_Shdr),
			      .e_shnum = 4 };
	Elf64_Shdr section[4] = {
		{ .sh_type = SHT_NULL },
		{ .sh_type = SHT_NOBITS,
		  .sh_flags = SHF_EXECINSTR,
		  .sh_addr = TEXT,
		  .sh_size = 1 << 20 },
		{ .sh_type = SHT_SYMTAB,
		  .sh_link = 3,
		  .sh_entsize = sizeof(*symbol),
		  .sh_addralign = 8 },
		{ .sh_type = SHT_STRTAB, .sh_size = size, .sh_addralign = 1 },
	};

	memcpy(header.e_ident, ELFMAG, SELFMAG);
	header.e_ident[EI_CLASS] = ELFCLASS64;
	header.e_ident[EI_DATA] = ELFDATA2LSB;
	header.e_ident[EI_VERSION] = EV_CURRENT;
	section[2].sh_offset = sizeof(header) + sizeof(section);
	section[2].sh_size = n * sizeof(*symbol);
	section[3].sh_offset = section[2].sh_offset + section[2].sh_size;
	f->bytes = section[3].sh_offset + size;
	f->image = malloc(f->bytes);
	assert_non_null(f->image);
	memcpy(f->image, &header, sizeof(header));
	memcpy(f->image + sizeof(header), section, sizeof(section));
	memcpy(f->image + section[2].sh_offset, symbol, section[2].sh_size);
	memcpy(f->image + section[3].sh_offset, names, size);
	elf_version(EV_CURRENT);
	f->elf = elf_memory(f->image, f->bytes);
	assert_non_null(f->elf);
	assert_int_equal(symbol_table_new(f->elf, NULL, &f->table), 0);
}

static void file_free(struct file *f)
{
	symbol_table_free(f->table);
	elf_end(f->elf);
	free(f->image);
}

static Elf64_Sym function(uint32_t name, uint64_t at, uint64_t size, unsigned bind)
{
	return (Elf64_Sym){ .st_name = name,
			    .st_info = ELF64_ST_INFO(bind, STT_FUNC),
			    .st_shndx = 1,
			    .st_value = at,
			    .st_size = size };
}

static void an_address_has_the_name_that_tells_most(void **state)
{
	static const char names[] = "\0local\0global\0weak\0next";
	const Elf64_Sym symbol[] = { { 0 },
				     function(1, TEXT, 16, STB_LOCAL),
				     function(7, TEXT, 16, STB_GLOBAL),
				     function(14, TEXT, 16, STB_WEAK),
				     function(19, TEXT + 32, 16, STB_LOCAL) };
	struct file f;
	uint64_t start = 0;

	(void)state;
	file_new(&f, symbol, 5, names, sizeof(names));
	assert_string_equal(symbol_table_find(f.table, TEXT + 15, &start), "global");
	assert_int_equal(start, TEXT);
	assert_null(symbol_table_find(f.table, TEXT + 16, &start));
	assert_string_equal(symbol_table_find(f.table, TEXT + 40, &start), "next");
	file_free(&f);
}

/* Each name is nearly all of the string table, and all are at one address: to sort them would take days. */
static void names_that_overlap(void **state)
{
	const size_t n = 200000, size = 900000;
	Elf64_Sym *symbol = calloc(n, sizeof(*symbol));
	char *names = malloc(size);
	struct file f;
	uint64_t start;

	(void)state;
	assert_non_null(symbol);
	assert_non_null(names);
	memset(names, 'a', size);
	names[0] = names[size - 1] = 0;
	for (size_t i = 1; i < n; i++)
		symbol[i] = function((uint32_t)i, TEXT, 16, STB_GLOBAL);
	file_new(&f, symbol, n, names, size);
	assert_non_null(symbol_table_find(f.table, TEXT, &start));
	file_free(&f);
	free(symbol);
	free(names);
}

/* A name that no compiler makes is none; those behind it are there. */
static void a_name_without_end(void **state)
{
	const size_t size = 3u << 20;
	char *names = malloc(size);
	const Elf64_Sym symbol[] = { { 0 },
				     function(1, TEXT, 16, STB_GLOBAL),
				     function((uint32_t)size - 5, TEXT + 16, 16, STB_GLOBAL) };
	struct file f;
	uint64_t start;

	(void)state;
	assert_non_null(names);
	memset(names, 'b', size);
	memcpy(names + size - 6, "\0tail", 6);
	names[0] = 0;
	file_new(&f, symbol, 3, names, size);
	assert_null(symbol_table_find(f.table, TEXT, &start));
	assert_string_equal(symbol_table_find(f.table, TEXT + 16, &start), "tail");
	file_free(&f);
	free(names);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_address_has_the_name_that_tells_most),
		cmocka_unit_test(names_that_overlap),
		cmocka_unit_test(a_name_without_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
