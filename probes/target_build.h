/* SPDX-License-Identifier: MIT */
#ifndef WEFT_TARGET_BUILD_H
#define WEFT_TARGET_BUILD_H

#include <stdbool.h>
#include <sys/types.h>

/* How a process's main executable was built. */
struct target_build {
	const char *language;        /* "C", "C++", "Rust", "Go"; "native" when nothing tells */
	bool has_symbols, has_lines; /* has_lines: DWARF in the file itself */
};

/* -EPERM no right to open it, -ENOEXEC not an ELF file of this machine, -ESRCH. */
int target_build_read(pid_t pid, struct target_build *ret);

#endif
