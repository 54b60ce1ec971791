// SPDX-License-Identifier: MIT
#include "probes/symbols/elf_module.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "probes/symbols/debug_file.h"
#include "probes/symbols/elf_file.h"
#include "probes/symbols/symbol_table.h"

struct elf_module {
	int fd, debug_fd;
	Elf *elf, *debug; /* debug: the split file, once it was found */
	char *image;      /* a file in memory, NULL = fd */
	char *path, *debug_dir;
	char build_id[ELF_FILE_BUILD_ID_SIZE];
	bool debug_tried, cfi_tried, info_tried;
	struct symbol_table *symbols;
	struct debug_info *info;
	struct eh_frame *cfi;
};

static struct elf_module *alloc(int fd, const char *path, const char *debug_dir)
{
	struct elf_module *m = calloc(1, sizeof(*m));

	if (!m)
		return NULL;
	m->fd = fd;
	m->debug_fd = -1;
	m->path = strdup(path);
	m->debug_dir = debug_dir ? strdup(debug_dir) : NULL;
	if (!m->path || (debug_dir && !m->debug_dir)) {
		m->fd = -1;
		return elf_module_free(m);
	}
	return m;
}

int elf_module_new(int fd, const char *path, const char *debug_dir, struct elf_module **ret)
{
	struct elf_module *m = alloc(fd, path, debug_dir);
	int rc;

	if (!m) {
		close(fd);
		return -ENOMEM;
	}
	rc = elf_file_open(fd, &m->elf);
	if (rc < 0) {
		elf_module_free(m);
		return rc;
	}
	elf_file_build_id(m->elf, m->build_id);
	*ret = m;
	return 0;
}

int elf_module_new_memory(char *image, size_t bytes, const char *path, struct elf_module **ret)
{
	struct elf_module *m = alloc(-1, path, NULL);

	if (!m) {
		free(image);
		return -ENOMEM;
	}
	m->image = image;
	m->debug_tried = m->info_tried = true;
	elf_version(EV_CURRENT);
	m->elf = elf_memory(image, bytes);
	if (!m->elf || elf_kind(m->elf) != ELF_K_ELF) {
		elf_module_free(m);
		return -ENOEXEC;
	}
	elf_file_build_id(m->elf, m->build_id);
	*ret = m;
	return 0;
}

struct elf_module *elf_module_free(struct elf_module *m)
{
	if (!m)
		return NULL;
	debug_info_free(m->info);
	symbol_table_free(m->symbols);
	eh_frame_free(m->cfi);
	elf_file_done(&m->debug);
	elf_file_done(&m->elf);
	if (m->debug_fd >= 0)
		close(m->debug_fd);
	if (m->fd >= 0)
		close(m->fd);
	free(m->image);
	free(m->debug_dir);
	free(m->path);
	free(m);
	return NULL;
}

const char *elf_module_path(const struct elf_module *m)
{
	return m->path;
}

const char *elf_module_build_id(const struct elf_module *m)
{
	return m->build_id;
}

/* The loader maps whole pages, so a segment is asked for by the page its first byte is in. */
bool elf_module_bias(const struct elf_module *m, uint64_t start, uint64_t offset, uint64_t *ret)
{
	size_t n;

	if (elf_getphdrnum(m->elf, &n) < 0)
		return false;
	for (size_t i = 0; i < n && i < 512; i++) {
		GElf_Phdr p;

		if (!gelf_getphdr(m->elf, (int)i, &p) || p.p_type != PT_LOAD ||
		    !(p.p_flags & PF_X) || offset < (p.p_offset & ~0xfffull) ||
		    offset - (p.p_offset & ~0xfffull) >= p.p_filesz + 0xfff)
			continue;
		*ret = start - offset - (p.p_vaddr - p.p_offset);
		return true;
	}
	return false;
}

/* The split debug file is wanted where the file itself lacks DWARF or the full symbol table. */
static Elf *debug_elf(struct elf_module *m)
{
	GElf_Shdr shdr;

	if (m->debug_tried)
		return m->debug;
	m->debug_tried = true;
	if (elf_file_section(m->elf, ".symtab", &shdr) && debug_info_bytes(m->elf) > 0)
		return NULL;
	m->debug_fd = debug_file_open(m->elf, m->build_id, m->path, m->debug_dir);
	if (m->debug_fd >= 0 && elf_file_open(m->debug_fd, &m->debug) < 0)
		m->debug = NULL;
	return m->debug;
}

const char *elf_module_symbol(struct elf_module *m, uint64_t address, uint64_t *ret_start)
{
	if (!m->symbols && symbol_table_new(m->elf, debug_elf(m), &m->symbols) < 0)
		return NULL;
	return symbol_table_find(m->symbols, address, ret_start);
}

size_t elf_module_frames(struct elf_module *m, uint64_t address, struct debug_frame *ret,
			 size_t max)
{
	if (!m->info_tried) {
		m->info_tried = true;
		if (debug_info_new(m->elf, ELF_MODULE_MAX_DEBUG, &m->info) < 0 && debug_elf(m))
			debug_info_new(m->debug, ELF_MODULE_MAX_DEBUG, &m->info);
	}
	return m->info ? debug_info_find(m->info, address, ret, max) : 0;
}

const struct eh_frame *elf_module_eh_frame(struct elf_module *m)
{
	if (!m->cfi_tried) {
		m->cfi_tried = true;
		if (eh_frame_new(m->elf, &m->cfi) < 0)
			m->cfi = NULL;
	}
	return m->cfi;
}
