/* SPDX-License-Identifier: MIT */
#ifndef WEFT_KALLSYMS_H
#define WEFT_KALLSYMS_H

#include <stddef.h>
#include <stdint.h>

/* Code symbols of the kernel and its modules, sorted by address. */
struct kallsyms;

/* /proc/kallsyms. -EPERM: addresses are hidden (kptr_restrict), -ENOENT: no such file. */
int kallsyms_read(struct kallsyms **ret);
/* From text in that form. */
int kallsyms_parse(const char *text, size_t bytes, struct kallsyms **ret);
struct kallsyms *kallsyms_free(struct kallsyms *k);

/* Name as the kernel has it, "name [module]" for modules; NULL = below all symbols. */
const char *kallsyms_find(const struct kallsyms *k, uint64_t address, uint64_t *ret_start);

#endif
