// SPDX-License-Identifier: MIT
#include "probes/symbols/debug_info.h"

#include <dwarf.h>
#include <elfutils/libdw.h>
#include <elfutils/libdwelf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "probes/symbols/elf_file.h"

/* A damaged file may hold loops and endless nesting; no real one comes near these. */
#define MAX_UNITS     (1u << 18)
#define MAX_RANGES    (4u << 20)
#define MAX_UNIT_DIES (8u << 20)
#define MAX_DEPTH     48
#define LOOK_BACK     8

/* [low, high) -> what: unit index, or offset of a function's DIE */
struct range {
	uint64_t low, high, what;
};

struct ranges {
	size_t n, room;
	struct range *at;
};

struct unit {
	Dwarf_Off die;
	bool indexed;
	struct ranges functions;
};

struct debug_info {
	Dwarf *dwarf;
	size_t n_units, room_units;
	struct unit *unit;
	struct ranges ranges;
};

static int ranges_add(struct ranges *r, uint64_t low, uint64_t high, uint64_t what)
{
	/* the linker leaves 0 where it threw a function's section away */
	if (low == 0 || low >= high)
		return 0;
	if (r->n == MAX_RANGES)
		return -E2BIG;
	if (r->n == r->room) {
		size_t room = r->room ? r->room * 2 : 16;
		struct range *grown = reallocarray(r->at, room, sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		r->at = grown;
		r->room = room;
	}
	r->at[r->n++] = (struct range){ low, high, what };
	return 0;
}

static int compare(const void *a, const void *b)
{
	const struct range *x = a, *y = b;

	if (x->low != y->low)
		return x->low < y->low ? -1 : 1;
	return x->high > y->high ? -1 : x->high < y->high;
}

static void ranges_sort(struct ranges *r)
{
	if (r->n > 0)
		qsort(r->at, r->n, sizeof(*r->at), compare);
}

static const struct range *ranges_find(const struct ranges *r, uint64_t address)
{
	size_t low = 0, high = r->n;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (r->at[mid].low <= address)
			low = mid + 1;
		else
			high = mid;
	}
	for (size_t back = 0; low > 0 && back < LOOK_BACK; back++)
		if (address < r->at[--low].high)
			return &r->at[low];
	return NULL;
}

static int add_die(struct ranges *r, Dwarf_Die *die, uint64_t what)
{
	Dwarf_Addr base, start, end;
	ptrdiff_t next = 0;
	int rc = 0;

	while (rc == 0 && (next = dwarf_ranges(die, next, &base, &start, &end)) > 0)
		rc = ranges_add(r, start, end, what);
	return rc;
}

static int add_unit(struct debug_info *d, Dwarf_Die *die)
{
	if (d->n_units == MAX_UNITS)
		return -E2BIG;
	if (d->n_units == d->room_units) {
		size_t room = d->room_units ? d->room_units * 2 : 16;
		struct unit *grown = reallocarray(d->unit, room, sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		d->unit = grown;
		d->room_units = room;
	}
	d->unit[d->n_units] = (struct unit){ .die = dwarf_dieoffset(die) };
	return add_die(&d->ranges, die, d->n_units++);
}

static int read_units(struct debug_info *d)
{
	Dwarf_Off offset = 0, next;
	size_t header;
	int rc = 0;

	while (rc == 0 && dwarf_next_unit(d->dwarf, offset, &next, &header, NULL, NULL, NULL, NULL,
					  NULL, NULL) == 0) {
		Dwarf_Die die;

		if (dwarf_offdie(d->dwarf, offset + header, &die) &&
		    dwarf_tag(&die) == DW_TAG_compile_unit)
			rc = add_unit(d, &die);
		if (next <= offset)
			break;
		offset = next;
	}
	ranges_sort(&d->ranges);
	return rc == -ENOMEM ? rc : 0;
}

size_t debug_info_bytes(Elf *elf)
{
	Elf_Scn *section = NULL;
	size_t names, sum = 0;
	GElf_Shdr shdr;
	GElf_Chdr chdr;

	if (elf_getshdrstrndx(elf, &names) < 0)
		return 0;
	while ((section = elf_nextscn(elf, section))) {
		const char *name =
			gelf_getshdr(section, &shdr) ? elf_strptr(elf, names, shdr.sh_name) : NULL;
		size_t size = shdr.sh_size;

		if (!name || shdr.sh_type == SHT_NOBITS ||
		    (strncmp(name, ".debug_", 7) != 0 && strncmp(name, ".zdebug_", 8) != 0))
			continue;
		if ((shdr.sh_flags & SHF_COMPRESSED) && gelf_getchdr(section, &chdr))
			size = chdr.ch_size;
		if (__builtin_add_overflow(sum, size, &sum))
			return SIZE_MAX;
	}
	return sum;
}

/* libdw 0.188 takes strlen() of what .debug_line_str offsets point at: the section has to end in NUL. */
static bool strings_end(Elf *elf)
{
	static const char *const names[] = { ".debug_str", ".debug_line_str" };

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		GElf_Shdr shdr;
		Elf_Scn *section = elf_file_section(elf, names[i], &shdr);
		Elf_Data *data = section ? elf_file_data(section, SIZE_MAX) : NULL;

		if (section &&
		    (!data || data->d_size == 0 || ((const char *)data->d_buf)[data->d_size - 1]))
			return false;
	}
	return true;
}

/*
 * .gnu_debugaltlink (dwz): libdw would open whatever path the file names, so such a file is left alone; its
 * symbol table still gives names.
 */
static bool is_usable(Elf *elf, size_t max_bytes)
{
	size_t bytes = debug_info_bytes(elf);
	GElf_Shdr shdr;

	return bytes > 0 && bytes <= max_bytes && strings_end(elf) &&
	       !elf_file_section(elf, ".gnu_debugaltlink", &shdr);
}

int debug_info_new(Elf *elf, size_t max_bytes, struct debug_info **ret)
{
	struct debug_info *d;

	if (!is_usable(elf, max_bytes))
		return -ENOENT;
	d = calloc(1, sizeof(*d));
	if (!d)
		return -ENOMEM;
	d->dwarf = dwarf_begin_elf(elf, DWARF_C_READ, NULL);
	if (!d->dwarf || read_units(d) < 0 || d->ranges.n == 0) {
		debug_info_free(d);
		return -ENOENT;
	}
	*ret = d;
	return 0;
}

struct debug_info *debug_info_free(struct debug_info *d)
{
	if (!d)
		return NULL;
	for (size_t i = 0; i < d->n_units; i++)
		free(d->unit[i].functions.at);
	free(d->unit);
	free(d->ranges.at);
	dwarf_end(d->dwarf);
	free(d);
	return NULL;
}

/* Scopes that may hold functions with code of their own. */
static bool holds_functions(int tag)
{
	return tag == DW_TAG_namespace || tag == DW_TAG_module || tag == DW_TAG_structure_type ||
	       tag == DW_TAG_class_type || tag == DW_TAG_union_type ||
	       tag == DW_TAG_enumeration_type;
}

static int index_children(struct unit *u, Dwarf_Die *parent, unsigned depth, unsigned *left)
{
	Dwarf_Die die;
	int rc = 0;

	if (depth == MAX_DEPTH || dwarf_child(parent, &die) != 0)
		return 0;
	do {
		int tag = dwarf_tag(&die);

		if ((*left)-- == 1)
			return -E2BIG;
		if (tag == DW_TAG_subprogram)
			rc = add_die(&u->functions, &die, dwarf_dieoffset(&die));
		else if (holds_functions(tag))
			rc = index_children(u, &die, depth + 1, left);
	} while (rc == 0 && dwarf_siblingof(&die, &die) == 0);
	return rc;
}

static void index_unit(struct unit *u, Dwarf_Die *die)
{
	unsigned left = MAX_UNIT_DIES;

	u->indexed = true;
	index_children(u, die, 0, &left);
	ranges_sort(&u->functions);
}

/* The child scope of *die that covers the address: an inlined call, or a block that may hold one. */
static bool child_at(Dwarf_Die *die, uint64_t address, Dwarf_Die *ret, unsigned *left)
{
	if (dwarf_child(die, ret) != 0)
		return false;
	do {
		int tag = dwarf_tag(ret);

		if ((*left)-- == 1)
			return false;
		if ((tag == DW_TAG_inlined_subroutine || tag == DW_TAG_lexical_block ||
		     tag == DW_TAG_try_block || tag == DW_TAG_catch_block ||
		     tag == DW_TAG_subprogram) &&
		    dwarf_haspc(ret, address) == 1)
			return true;
	} while (dwarf_siblingof(ret, ret) == 0);
	return false;
}

/* Function and inlined calls around the address, outermost first. */
static size_t scopes_at(struct debug_info *d, Dwarf_Off function, uint64_t address, Dwarf_Die *ret,
			size_t max)
{
	unsigned left = MAX_UNIT_DIES;
	Dwarf_Die die, next;
	size_t n = 0;

	if (!dwarf_offdie(d->dwarf, function, &die))
		return 0;
	ret[n++] = die;
	for (unsigned depth = 0;
	     n < max && depth < MAX_DEPTH && child_at(&die, address, &next, &left); depth++) {
		int tag = dwarf_tag(&next);

		if (tag == DW_TAG_subprogram) /* a nested function has its own frame */
			n = 0;
		if (tag == DW_TAG_inlined_subroutine || tag == DW_TAG_subprogram)
			ret[n++] = next;
		die = next;
	}
	return n;
}

static const char *name_of(Dwarf_Die *die)
{
	static const unsigned names[] = { DW_AT_linkage_name, DW_AT_MIPS_linkage_name, DW_AT_name };
	Dwarf_Attribute attr;

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		const char *name = dwarf_formstring(dwarf_attr_integrate(die, names[i], &attr));

		if (name && *name)
			return name;
	}
	return NULL;
}

static Dwarf_Word number_of(Dwarf_Die *die, unsigned name)
{
	Dwarf_Attribute attr;
	Dwarf_Word value;

	return dwarf_formudata(dwarf_attr(die, name, &attr), &value) == 0 ? value : 0;
}

static void call_site(Dwarf_Die *unit, Dwarf_Die *inlined, struct debug_frame *ret)
{
	Dwarf_Word file = number_of(inlined, DW_AT_call_file);
	Dwarf_Files *files;
	size_t n;

	if (dwarf_getsrcfiles(unit, &files, &n) == 0 && file < n)
		ret->file = dwarf_filesrc(files, file, NULL, NULL);
	ret->line = (int)number_of(inlined, DW_AT_call_line);
}

static void own_line(Dwarf_Die *unit, uint64_t address, struct debug_frame *ret)
{
	Dwarf_Line *line = dwarf_getsrc_die(unit, address);

	if (!line)
		return;
	ret->file = dwarf_linesrc(line, NULL, NULL);
	if (dwarf_lineno(line, &ret->line) != 0)
		ret->line = 0;
}

static struct unit *unit_at(struct debug_info *d, uint64_t address, Dwarf_Die *ret_die)
{
	const struct range *range = ranges_find(&d->ranges, address);
	struct unit *u = range ? &d->unit[range->what] : NULL;

	if (!u || !dwarf_offdie(d->dwarf, u->die, ret_die))
		return NULL;
	if (!u->indexed)
		index_unit(u, ret_die);
	return u;
}

size_t debug_info_find(struct debug_info *d, uint64_t address, struct debug_frame *ret, size_t max)
{
	const struct range *function;
	Dwarf_Die unit, scope[MAX_DEPTH];
	Dwarf_Attribute attr;
	struct unit *u = unit_at(d, address, &unit);
	const char *dir;
	size_t n = 0;

	if (!u || max == 0)
		return 0;
	dir = dwarf_formstring(dwarf_attr(&unit, DW_AT_comp_dir, &attr));
	function = ranges_find(&u->functions, address);
	if (function)
		n = scopes_at(d, function->what, address, scope, MAX_DEPTH);
	for (size_t i = 0; i < max && i < (n ? n : 1); i++) {
		ret[i] = (struct debug_frame){ .dir = dir };
		if (n > 0)
			ret[i].name = name_of(&scope[n - 1 - i]);
		ret[i].inlined = i + 1 < n;
		if (i == 0)
			own_line(&unit, address, &ret[i]);
		else
			call_site(&unit, &scope[n - i], &ret[i]);
	}
	n = n ? n : 1;
	return n < max ? n : max;
}
