/* SPDX-License-Identifier: MIT */
/*
 * One mapped file: its symbols, DWARF and call frame information, each read when first asked for and
 * kept. The file stays open, so it resolves after it was deleted and after the process has died.
 */
#ifndef WEFT_ELF_MODULE_H
#define WEFT_ELF_MODULE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "probes/symbols/debug_info.h"
#include "probes/symbols/eh_frame.h"

#define ELF_MODULE_MAX_DEBUG (512u << 20) /* a file with more DWARF than this gives no lines */

struct elf_module;

/* Takes fd over, also when it fails. path: for people, and where debug links are looked for. */
int elf_module_new(int fd, const char *path, const char *debug_dir, struct elf_module **ret);
/* From a copy of memory that holds a whole ELF file (the vdso); takes the copy over. */
int elf_module_new_memory(char *image, size_t bytes, const char *path, struct elf_module **ret);
struct elf_module *elf_module_free(struct elf_module *m);

const char *elf_module_path(const struct elf_module *m);
const char *elf_module_build_id(const struct elf_module *m); /* hex, "" = none */

/* What to take from a runtime address in code mapped from file offset `offset` at `start`. */
bool elf_module_bias(const struct elf_module *m, uint64_t start, uint64_t offset, uint64_t *ret);

/* NULL = no function there. */
const char *elf_module_symbol(struct elf_module *m, uint64_t address, uint64_t *ret_start);
/* As debug_info_find; 0 where there is no DWARF. */
size_t elf_module_frames(struct elf_module *m, uint64_t address, struct debug_frame *ret,
			 size_t max);
const struct eh_frame *elf_module_eh_frame(struct elf_module *m); /* NULL = none */

#endif
