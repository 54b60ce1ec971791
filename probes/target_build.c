// SPDX-License-Identifier: MIT
#include "probes/target_build.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "probes/base/cleanup.h"
#include "probes/symbols/elf_file.h"

#define MAX_COMMENT (64u << 10)

static bool comment_has(Elf *elf, const char *word)
{
	GElf_Shdr shdr;
	Elf_Scn *section = elf_file_section(elf, ".comment", &shdr);
	Elf_Data *data = section ? elf_file_data(section, MAX_COMMENT) : NULL;

	return data && memmem(data->d_buf, data->d_size, word, strlen(word));
}

static bool needs_library(Elf *elf, const char *prefix)
{
	GElf_Shdr shdr;
	Elf_Scn *section = elf_file_section(elf, ".dynamic", &shdr);
	Elf_Data *data = section ? elf_file_data(section, MAX_COMMENT) : NULL;
	GElf_Dyn dyn;

	for (int i = 0; data && gelf_getdyn(data, i, &dyn) && dyn.d_tag != DT_NULL; i++) {
		const char *name = dyn.d_tag == DT_NEEDED
					   ? elf_strptr(elf, shdr.sh_link, dyn.d_un.d_val)
					   : NULL;

		if (name && strncmp(name, prefix, strlen(prefix)) == 0)
			return true;
	}
	return false;
}

/* A Rust or C++ program names a C compiler too, for its start-up code: the narrower signs go first. */
static const char *language_of(Elf *elf)
{
	GElf_Shdr shdr;

	if (comment_has(elf, "rustc version"))
		return "Rust";
	if (elf_file_section(elf, ".go.buildinfo", &shdr))
		return "Go";
	if (needs_library(elf, "libstdc++.") || needs_library(elf, "libc++."))
		return "C++";
	return comment_has(elf, "GCC") || comment_has(elf, "clang") ? "C" : "native";
}

int target_build_read(pid_t pid, struct target_build *ret)
{
	auto_close int fd = -1;
	auto_elf Elf *elf = NULL;
	GElf_Shdr shdr;
	char path[64];
	int rc;

	snprintf(path, sizeof(path), "/proc/%d/exe", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return errno == EACCES || errno == EPERM ? -EPERM : -ESRCH;
	rc = elf_file_open(fd, &elf);
	if (rc < 0)
		return rc;
	ret->language = language_of(elf);
	ret->has_symbols = elf_file_section(elf, ".symtab", &shdr) && shdr.sh_type == SHT_SYMTAB;
	ret->has_lines = elf_file_section(elf, ".debug_line", &shdr) ||
			 elf_file_section(elf, ".zdebug_line", &shdr);
	return 0;
}
