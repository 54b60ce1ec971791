// SPDX-License-Identifier: MIT
/* Format: System V ABI, x86-64; RELR: "Relative relocations" of the generic ABI. */
#include "probes/rust/relocations.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define MAX_DYNAMIC 512

struct tables {
	uint64_t rela, rela_bytes, relr, relr_bytes, plt, plt_bytes, symbols;
};

static struct rust_segment *writable_at(struct rust_image *image, uint64_t address)
{
	for (size_t i = 0; i < image->n; i++) {
		struct rust_segment *s = &image->segment[i];

		if (s->pointers && address >= s->address && address - s->address < s->bytes &&
		    s->bytes - (address - s->address) >= 8)
			return s;
	}
	return NULL;
}

/* Only aligned words are looked at later; packed data may hold others. */
static void set_pointer(struct rust_image *image, uint64_t address, uint64_t value)
{
	struct rust_segment *s = writable_at(image, address);
	uint64_t at = s ? address - s->address : 0;

	if (!s)
		return;
	memcpy(s->data + at, &value, 8);
	if (address % 8 == 0)
		s->pointers[at / 64] |= (uint8_t)(1u << (at / 8 % 8));
}

static bool symbol_value(const struct rust_image *image, const struct tables *t, uint32_t index,
			 uint64_t *ret)
{
	const uint8_t *bytes = t->symbols ? rust_image_bytes(image,
							     t->symbols + index * sizeof(Elf64_Sym),
							     sizeof(Elf64_Sym))
					  : NULL;
	Elf64_Sym sym;

	if (!bytes)
		return false;
	memcpy(&sym, bytes, sizeof(sym));
	*ret = sym.st_value;
	return sym.st_shndx != SHN_UNDEF && sym.st_value != 0;
}

static void apply_rela(struct rust_image *image, const struct tables *t, uint64_t table,
		       uint64_t bytes)
{
	const uint8_t *at = rust_image_bytes(image, table, bytes);
	Elf64_Rela rela;
	uint64_t value;

	for (uint64_t i = 0; at && i + sizeof(rela) <= bytes; i += sizeof(rela)) {
		uint32_t type;

		memcpy(&rela, at + i, sizeof(rela));
		type = (uint32_t)ELF64_R_TYPE(rela.r_info);
		if (type == R_X86_64_RELATIVE)
			set_pointer(image, rela.r_offset, (uint64_t)rela.r_addend);
		else if ((type == R_X86_64_64 || type == R_X86_64_GLOB_DAT ||
			  type == R_X86_64_JUMP_SLOT) &&
			 symbol_value(image, t, (uint32_t)ELF64_R_SYM(rela.r_info), &value))
			set_pointer(image, rela.r_offset, value + (uint64_t)rela.r_addend);
	}
}

/* The addend is in the word itself. */
static void mark(struct rust_image *image, uint64_t address)
{
	uint64_t value;

	if (rust_image_word(image, address, &value))
		set_pointer(image, address, value);
}

static void apply_relr(struct rust_image *image, uint64_t table, uint64_t bytes)
{
	const uint8_t *at = rust_image_bytes(image, table, bytes);
	uint64_t where = 0, entry;

	for (uint64_t i = 0; at && i + 8 <= bytes; i += 8) {
		memcpy(&entry, at + i, 8);
		if ((entry & 1) == 0) {
			mark(image, entry);
			where = entry + 8;
			continue;
		}
		for (unsigned bit = 1; bit < 64; bit++)
			if (entry >> bit & 1)
				mark(image, where + 8ull * (bit - 1));
		where += 63 * 8;
	}
}

static void note(struct tables *t, const Elf64_Dyn *dyn)
{
	switch (dyn->d_tag) {
	case DT_RELA:
		t->rela = dyn->d_un.d_ptr;
		break;
	case DT_RELASZ:
		t->rela_bytes = dyn->d_un.d_val;
		break;
	case 36: /* DT_RELR: glibc's elf.h has it since 2.36 */
		t->relr = dyn->d_un.d_ptr;
		break;
	case 35: /* DT_RELRSZ */
		t->relr_bytes = dyn->d_un.d_val;
		break;
	case DT_JMPREL:
		t->plt = dyn->d_un.d_ptr;
		break;
	case DT_PLTRELSZ:
		t->plt_bytes = dyn->d_un.d_val;
		break;
	case DT_SYMTAB:
		t->symbols = dyn->d_un.d_ptr;
		break;
	default:
		break;
	}
}

static void read_dynamic(const struct rust_image *image, struct tables *ret)
{
	size_t n = 0;

	if (elf_getphdrnum(image->elf, &n) < 0)
		return;
	for (size_t i = 0; i < n && i < 512; i++) {
		GElf_Phdr p;
		Elf64_Dyn dyn;

		if (!gelf_getphdr(image->elf, (int)i, &p) || p.p_type != PT_DYNAMIC)
			continue;
		for (uint64_t at = 0; at < MAX_DYNAMIC * sizeof(dyn); at += sizeof(dyn)) {
			const uint8_t *bytes = rust_image_bytes(image, p.p_vaddr + at, sizeof(dyn));

			if (!bytes)
				return;
			memcpy(&dyn, bytes, sizeof(dyn));
			if (dyn.d_tag == DT_NULL)
				return;
			note(ret, &dyn);
		}
	}
}

int rust_relocations_apply(struct rust_image *image)
{
	struct tables t = { 0 };

	for (size_t i = 0; i < image->n; i++) {
		struct rust_segment *s = &image->segment[i];

		if (!(s->flags & PF_W) || s->bytes == 0)
			continue;
		s->pointers = calloc(1, s->bytes / 64 + 1);
		if (!s->pointers)
			return -ENOMEM;
	}
	read_dynamic(image, &t);
	apply_relr(image, t.relr, t.relr_bytes);
	apply_rela(image, &t, t.rela, t.rela_bytes);
	apply_rela(image, &t, t.plt, t.plt_bytes);
	return 0;
}
