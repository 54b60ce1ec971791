// SPDX-License-Identifier: MIT
#include "probes/symbols/elf_file.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

/* More program headers than this is no real file; PN_XNUM alone would allow 4 billion. */
#define MAX_PHDRS 512

static bool is_supported(Elf *elf)
{
	GElf_Ehdr ehdr;

	return elf_kind(elf) == ELF_K_ELF && gelf_getehdr(elf, &ehdr) &&
	       ehdr.e_ident[EI_CLASS] == ELFCLASS64 && ehdr.e_ident[EI_DATA] == ELFDATA2LSB &&
	       ehdr.e_machine == EM_X86_64;
}

int elf_file_open(int fd, Elf **ret)
{
	auto_elf Elf *elf = NULL;
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	if (elf_version(EV_CURRENT) == EV_NONE)
		return -ENOTSUP;
	elf = elf_begin(fd, ELF_C_READ, NULL);
	if (!elf || !is_supported(elf))
		return -ENOEXEC;
	*ret = elf;
	elf = NULL;
	return 0;
}

void elf_file_done(Elf **elf)
{
	if (*elf)
		elf_end(*elf);
}

Elf_Scn *elf_file_section(Elf *elf, const char *name, GElf_Shdr *ret_header)
{
	Elf_Scn *section = NULL;
	GElf_Shdr shdr;
	size_t names;

	if (elf_getshdrstrndx(elf, &names) < 0)
		return NULL;
	while ((section = elf_nextscn(elf, section))) {
		const char *found;

		if (!gelf_getshdr(section, &shdr))
			continue;
		found = elf_strptr(elf, names, shdr.sh_name);
		if (found && strcmp(found, name) == 0) {
			*ret_header = shdr;
			return section;
		}
	}
	return NULL;
}

Elf_Data *elf_file_data(Elf_Scn *section, size_t limit)
{
	GElf_Shdr shdr;
	GElf_Chdr chdr;
	Elf_Data *data;

	if (!gelf_getshdr(section, &shdr) || shdr.sh_type == SHT_NOBITS || shdr.sh_size > limit)
		return NULL;
	if (shdr.sh_flags & SHF_COMPRESSED) {
		if (!gelf_getchdr(section, &chdr) || chdr.ch_size > limit ||
		    elf_compress(section, 0, 0) < 0)
			return NULL;
	}
	data = elf_getdata(section, NULL);
	return data && data->d_buf && data->d_size <= limit ? data : NULL;
}

/* Start of the same byte in the other space; false when [from, from + size) doesn't hold it or wraps. */
static bool translate(uint64_t value, uint64_t from, uint64_t size, uint64_t to, uint64_t *ret)
{
	if (value < from || value - from >= size)
		return false;
	*ret = to + (value - from);
	return *ret >= to;
}

static bool find_load(Elf *elf, uint64_t value, uint32_t flags, bool by_address, uint64_t *ret)
{
	size_t n;

	if (elf_getphdrnum(elf, &n) < 0)
		return false;
	if (n > MAX_PHDRS)
		n = MAX_PHDRS;
	for (size_t i = 0; i < n; i++) {
		GElf_Phdr p;

		if (!gelf_getphdr(elf, (int)i, &p) || p.p_type != PT_LOAD ||
		    (p.p_flags & flags) != flags)
			continue;
		if (by_address ? translate(value, p.p_vaddr, p.p_filesz, p.p_offset, ret)
			       : translate(value, p.p_offset, p.p_filesz, p.p_vaddr, ret))
			return true;
	}
	return false;
}

bool elf_file_offset_of(Elf *elf, uint64_t address, uint32_t flags, uint64_t *ret)
{
	return find_load(elf, address, flags, true, ret);
}

bool elf_file_address_of(Elf *elf, uint64_t offset, uint32_t flags, uint64_t *ret)
{
	return find_load(elf, offset, flags, false, ret);
}

static bool build_id_in(Elf_Data *data, char *ret)
{
	size_t pos = 0, name_pos, desc_pos;
	GElf_Nhdr note;

	while ((pos = gelf_getnote(data, pos, &note, &name_pos, &desc_pos)) > 0) {
		const unsigned char *desc = (const unsigned char *)data->d_buf + desc_pos;
		size_t n = note.n_descsz < 20 ? note.n_descsz : 20;

		if (note.n_type != NT_GNU_BUILD_ID || note.n_namesz != 4 ||
		    memcmp((const char *)data->d_buf + name_pos, "GNU", 4) != 0)
			continue;
		for (size_t i = 0; i < n; i++) {
			*ret++ = "0123456789abcdef"[desc[i] >> 4];
			*ret++ = "0123456789abcdef"[desc[i] & 15];
		}
		*ret = '\0';
		return n > 0;
	}
	return false;
}

/* By sections first; a file without section headers still has PT_NOTE. */
void elf_file_build_id(Elf *elf, char ret[ELF_FILE_BUILD_ID_SIZE])
{
	Elf_Scn *section = NULL;
	Elf_Data *data;
	GElf_Shdr shdr;
	GElf_Phdr phdr;
	size_t n = 0;

	ret[0] = '\0';
	while ((section = elf_nextscn(elf, section))) {
		if (!gelf_getshdr(section, &shdr) || shdr.sh_type != SHT_NOTE ||
		    !(shdr.sh_flags & SHF_ALLOC))
			continue;
		data = elf_file_data(section, 1 << 16);
		if (data && build_id_in(data, ret))
			return;
	}
	if (elf_getphdrnum(elf, &n) < 0)
		return;
	for (size_t i = 0; i < n && i < MAX_PHDRS; i++) {
		if (!gelf_getphdr(elf, (int)i, &phdr) || phdr.p_type != PT_NOTE ||
		    phdr.p_filesz > 1 << 16)
			continue;
		data = elf_getdata_rawchunk(elf, (int64_t)phdr.p_offset, phdr.p_filesz,
					    phdr.p_align == 8 ? ELF_T_NHDR8 : ELF_T_NHDR);
		if (data && build_id_in(data, ret))
			return;
	}
}
