/* SPDX-License-Identifier: MIT */
/* What resolver.c and unwind.c share. */
#ifndef WEFT_RESOLVER_INTERNAL_H
#define WEFT_RESOLVER_INTERNAL_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "probes/symbols/elf_module.h"
#include "probes/symbols/proc_maps.h"

struct cfi_rules;

struct resolver_entry {
	struct elf_module *elf; /* NULL: the file can't be read; path and range are still known */
	char *path;
	uint64_t low, high; /* of the last refresh that saw it */
	uint64_t inode;
	uint32_t dev_major, dev_minor;
};

/* One executable mapping. */
struct resolver_code {
	uint64_t start, end;
	uint64_t bias; /* runtime address - bias = link-time address; without ELF: = file offset */
	uint32_t module; /* index in `module` + 1 */
};

struct resolver {
	pid_t pid;
	struct proc_maps *maps; /* of the last refresh that found the process alive */
	size_t n_code, n_modules;
	struct resolver_code *code; /* sorted */
	struct resolver_entry *module;
	struct frame_cache *cache;
	struct kallsyms *kernel;
	int kernel_error;
	struct cfi_rules *rules; /* by address: dropped at refresh */
	struct located *located; /* files of resolver_locate */
	int64_t refreshed_s;     /* when the unwinder last read the mappings again */
};

/* Executable mapping of an address; NULL = none. */
const struct resolver_code *resolver_code_at(const struct resolver *r, uint64_t address);

#endif
