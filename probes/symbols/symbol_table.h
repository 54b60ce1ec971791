/* SPDX-License-Identifier: MIT */
/* Function symbols of one ELF file, sorted by address: .symtab, or .dynsym where it was stripped. */
#ifndef WEFT_SYMBOL_TABLE_H
#define WEFT_SYMBOL_TABLE_H

#include <libelf.h>
#include <stddef.h>
#include <stdint.h>

struct symbol_table;

/*
 * `debug`: the split debug file, NULL = none. Names point into the Elf they come from, which must
 * outlive the table. A file without usable symbols gives an empty table; only -ENOMEM fails.
 */
int symbol_table_new(Elf *elf, Elf *debug, struct symbol_table **ret);
/* The same from .symtab alone, with all names of an address: linkers and LLVM merge equal functions. */
int symbol_table_new_all(Elf *elf, struct symbol_table **ret);
struct symbol_table *symbol_table_free(struct symbol_table *t);

/* The function that covers a link-time address, NULL = none. */
const char *symbol_table_find(const struct symbol_table *t, uint64_t address, uint64_t *ret_start);

/* Every symbol in order of address; NULL past the last. */
const char *symbol_table_at(const struct symbol_table *t, size_t i, uint64_t *ret_address);
/* Index of the first symbol at that address or after it. */
size_t symbol_table_from(const struct symbol_table *t, uint64_t address);

#endif
