/* SPDX-License-Identifier: MIT */
#ifndef WEFT_DEBUG_FILE_H
#define WEFT_DEBUG_FILE_H

#include <libelf.h>

/*
 * Split debug file of an ELF file: by build id under `debug_dir` (NULL = none) and /usr/lib/debug, or by
 * .gnu_debuglink there and beside `path`. Only a file with the same build id is taken. Returns a descriptor
 * or -ENOENT.
 */
int debug_file_open(Elf *elf, const char *build_id, const char *path, const char *debug_dir);

#endif
