/* SPDX-License-Identifier: MIT */
/*
 * Functions, inlined calls and lines of one ELF file's DWARF (2..5). Index tables of our own: producers
 * leave out .debug_aranges, and libdw's scope search walks a whole unit each time. Units are indexed when first asked for.
 */
#ifndef WEFT_DEBUG_INFO_H
#define WEFT_DEBUG_INFO_H

#include <libelf.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct debug_info;

/* Texts belong to the debug_info. name: linkage name where there is one; NULL = unknown. */
struct debug_frame {
	const char *name;
	const char *file; /* NULL = unknown */
	const char *dir;  /* the unit's compilation directory, NULL = unknown */
	int line;
	bool inlined; /* into the next frame */
};

/* -ENOENT no DWARF that can be used (or more than max_bytes of it), -ENOMEM. The Elf must outlive *ret. */
int debug_info_new(Elf *elf, size_t max_bytes, struct debug_info **ret);
struct debug_info *debug_info_free(struct debug_info *d);

/* Bytes of debug sections that a file would take in memory, 0 = it has none. */
size_t debug_info_bytes(Elf *elf);

/* Frames at a link-time address, innermost first; returns how many (0 = in no unit). */
size_t debug_info_find(struct debug_info *d, uint64_t address, struct debug_frame *ret, size_t max);

#endif
