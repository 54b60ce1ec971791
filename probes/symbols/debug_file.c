// SPDX-License-Identifier: MIT
#include "probes/symbols/debug_file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "probes/base/cleanup.h"
#include "probes/symbols/elf_file.h"

#define SYSTEM_DIR "/usr/lib/debug"

/* A name found in an untrusted file may lead anywhere: O_NONBLOCK for FIFOs, and the build id must agree. */
static int try_path(const char *path, const char *build_id)
{
	auto_close int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	char found[ELF_FILE_BUILD_ID_SIZE];
	auto_elf Elf *elf = NULL;

	if (fd < 0 || elf_file_open(fd, &elf) < 0)
		return -ENOENT;
	elf_file_build_id(elf, found);
	return strcmp(found, build_id) == 0 ? cleanup_keep_fd(&fd) : -ENOENT;
}

static int by_build_id(const char *dir, const char *build_id)
{
	char path[PATH_MAX];
	int n = snprintf(path, sizeof(path), "%s/.build-id/%.2s/%s.debug", dir, build_id,
			 build_id + 2);

	return n > 0 && n < (int)sizeof(path) ? try_path(path, build_id) : -ENOENT;
}

static const char *link_name(Elf *elf)
{
	GElf_Shdr shdr;
	Elf_Scn *section = elf_file_section(elf, ".gnu_debuglink", &shdr);
	Elf_Data *data = section ? elf_file_data(section, 4096) : NULL;
	const char *name = data ? data->d_buf : NULL;

	if (!name || !memchr(name, '\0', data->d_size) || !*name || strchr(name, '/'))
		return NULL;
	return name;
}

/* Where distributions and gdb put the file that a link names: <prefix><directory of path><middle>/<name>. */
static const struct {
	const char *prefix, *middle;
} places[] = { { SYSTEM_DIR, "" }, { "", "/.debug" }, { "", "" } };

static int by_link(size_t place, const char *path, const char *name, const char *build_id)
{
	const char *slash = strrchr(path, '/');
	char full[PATH_MAX];
	int n;

	if (!slash)
		return -ENOENT;
	n = snprintf(full, sizeof(full), "%s%.*s%s/%s", places[place].prefix, (int)(slash - path),
		     path, places[place].middle, name);
	return n > 0 && n < (int)sizeof(full) ? try_path(full, build_id) : -ENOENT;
}

int debug_file_open(Elf *elf, const char *build_id, const char *path, const char *debug_dir)
{
	const char *name;
	int fd = -ENOENT;

	if (strlen(build_id) < 3)
		return -ENOENT;
	if (debug_dir)
		fd = by_build_id(debug_dir, build_id);
	if (fd < 0)
		fd = by_build_id(SYSTEM_DIR, build_id);
	name = fd < 0 ? link_name(elf) : NULL;
	for (size_t i = 0; name && fd < 0 && i < sizeof(places) / sizeof(*places); i++)
		fd = by_link(i, path, name, build_id);
	return fd;
}
