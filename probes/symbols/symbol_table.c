// SPDX-License-Identifier: MIT
#include "probes/symbols/symbol_table.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "probes/symbols/elf_file.h"

#define MAX_SYMBOL_BYTES (512u << 20)
#define MAX_SYMBOLS      (4u << 20)
#define MAX_NAME         (1u << 20)
#define NAMES_MOST \
	8u /* times the bytes of the string table: names may be the ends of others, not of all others */
#define LOOK_BACK 16 /* symbols that may start between an enclosing function and the address */

struct symbol {
	uint64_t address, size;
	const char *name;
	unsigned rank; /* of several names at one address the highest is kept */
};

struct symbol_table {
	size_t n;
	struct symbol symbol[];
};

static Elf_Scn *section_of_type(Elf *elf, uint32_t type, GElf_Shdr *ret)
{
	Elf_Scn *section = NULL;

	while (elf && (section = elf_nextscn(elf, section)))
		if (gelf_getshdr(section, ret) && ret->sh_type == type)
			return section;
	return NULL;
}

/* STT_NOTYPE: hand-written assembly. Needs a size or global binding, or it is a mere label. */
static bool is_function(const GElf_Sym *sym)
{
	unsigned type = GELF_ST_TYPE(sym->st_info), bind = GELF_ST_BIND(sym->st_info);

	if (sym->st_shndx == SHN_UNDEF || sym->st_shndx == SHN_ABS || sym->st_value == 0)
		return false;
	return type == STT_FUNC || type == STT_GNU_IFUNC ||
	       (type == STT_NOTYPE && (bind == STB_GLOBAL || sym->st_size > 0));
}

static bool is_code(Elf *elf, const GElf_Sym *sym)
{
	GElf_Shdr shdr;
	Elf_Scn *section;

	if (GELF_ST_TYPE(sym->st_info) != STT_NOTYPE || sym->st_shndx >= SHN_LORESERVE)
		return true;
	section = elf_getscn(elf, sym->st_shndx);
	return section && gelf_getshdr(section, &shdr) && (shdr.sh_flags & SHF_EXECINSTR);
}

static unsigned rank(const GElf_Sym *sym)
{
	unsigned bind = GELF_ST_BIND(sym->st_info);

	return (sym->st_size ? 4u : 0u) + (bind == STB_GLOBAL ? 2u : bind == STB_WEAK ? 1u : 0u);
}

static int compare(const void *a, const void *b)
{
	const struct symbol *x = a, *y = b;

	if (x->address != y->address)
		return x->address < y->address ? -1 : 1;
	if (x->rank != y->rank)
		return x->rank > y->rank ? -1 : 1;
	return strcmp(x->name, y->name);
}

static size_t drop_aliases(struct symbol *s, size_t n)
{
	size_t kept = 0;

	for (size_t i = 0; i < n; i++)
		if (kept == 0 || s[kept - 1].address != s[i].address)
			s[kept++] = s[i];
	return kept;
}

static uint64_t names_bytes(Elf *elf, const GElf_Shdr *symbols)
{
	Elf_Scn *section = elf_getscn(elf, symbols->sh_link);
	GElf_Shdr names;

	return section && gelf_getshdr(section, &names) ? names.sh_size : 0;
}

static int fill(Elf *elf, Elf_Scn *section, const GElf_Shdr *shdr, struct symbol_table **ret)
{
	Elf_Data *data = elf_file_data(section, MAX_SYMBOL_BYTES);
	size_t n = data ? data->d_size / sizeof(Elf64_Sym) : 0;
	uint64_t room = NAMES_MOST * names_bytes(elf, shdr);
	struct symbol_table *t;

	if (n > MAX_SYMBOLS)
		n = MAX_SYMBOLS;
	t = malloc(sizeof(*t) + n * sizeof(t->symbol[0]));
	if (!t)
		return -ENOMEM;
	t->n = 0;
	for (size_t i = 0; i < n; i++) {
		GElf_Sym sym;
		const char *name;
		size_t length;

		if (!gelf_getsym(data, (int)i, &sym) || !is_function(&sym) || !is_code(elf, &sym))
			continue;
		name = elf_strptr(elf, shdr->sh_link, sym.st_name);
		length = name ? strnlen(name, MAX_NAME) : 0;
		if (length > room)
			break;
		room -= length;
		if (length && length < MAX_NAME)
			t->symbol[t->n++] =
				(struct symbol){ sym.st_value, sym.st_size, name, rank(&sym) };
	}
	if (t->n > 0)
		qsort(t->symbol, t->n, sizeof(t->symbol[0]), compare);
	*ret = t;
	return 0;
}

static int empty(struct symbol_table **ret)
{
	*ret = calloc(1, sizeof(**ret));
	return *ret ? 0 : -ENOMEM;
}

int symbol_table_new(Elf *elf, Elf *debug, struct symbol_table **ret)
{
	GElf_Shdr shdr = { 0 };
	Elf *from = elf;
	Elf_Scn *section = section_of_type(elf, SHT_SYMTAB, &shdr);
	int rc;

	if (!section && (section = section_of_type(debug, SHT_SYMTAB, &shdr)))
		from = debug;
	if (!section)
		section = section_of_type(elf, SHT_DYNSYM, &shdr);
	if (!section)
		return empty(ret);
	rc = fill(from, section, &shdr, ret);
	if (rc == 0)
		(*ret)->n = drop_aliases((*ret)->symbol, (*ret)->n);
	return rc;
}

int symbol_table_new_all(Elf *elf, struct symbol_table **ret)
{
	GElf_Shdr shdr = { 0 };
	Elf_Scn *section = section_of_type(elf, SHT_SYMTAB, &shdr);

	return section ? fill(elf, section, &shdr, ret) : empty(ret);
}

struct symbol_table *symbol_table_free(struct symbol_table *t)
{
	free(t);
	return NULL;
}

static size_t after(const struct symbol_table *t, uint64_t address)
{
	size_t low = 0, high = t->n;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (t->symbol[mid].address <= address)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

/* A symbol without a size (assembly) reaches to the next one. */
const char *symbol_table_find(const struct symbol_table *t, uint64_t address, uint64_t *ret_start)
{
	size_t end = after(t, address);

	for (size_t i = end; i > 0 && end - i < LOOK_BACK; i--) {
		const struct symbol *s = &t->symbol[i - 1];

		if (s->size == 0 ? i == end : address - s->address < s->size) {
			*ret_start = s->address;
			return s->name;
		}
	}
	return NULL;
}

const char *symbol_table_at(const struct symbol_table *t, size_t i, uint64_t *ret_address)
{
	if (i >= t->n)
		return NULL;
	*ret_address = t->symbol[i].address;
	return t->symbol[i].name;
}

size_t symbol_table_from(const struct symbol_table *t, uint64_t address)
{
	return address ? after(t, address - 1) : 0;
}
