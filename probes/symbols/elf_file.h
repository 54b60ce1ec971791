/* SPDX-License-Identifier: MIT */
/*
 * Opening of untrusted ELF files by libelf. Sections are read into memory, not mapped: a mapped file
 * that is cut short while in use would end the reader by SIGBUS.
 */
#ifndef WEFT_ELF_FILE_H
#define WEFT_ELF_FILE_H

#include <gelf.h>
#include <libelf.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define auto_elf __attribute__((cleanup(elf_file_done)))

/* ELF64, little endian, x86-64. fd is borrowed and must outlive *ret. -EINVAL not a regular file, -ENOEXEC. */
int elf_file_open(int fd, Elf **ret);
void elf_file_done(Elf **elf); /* for auto_elf; NULL is fine */

/* First section of that name, NULL = absent. *ret_header is written only on success. */
Elf_Scn *elf_file_section(Elf *elf, const char *name, GElf_Shdr *ret_header);

/*
 * Bytes of a section, decompressed, NULL = none, damaged or over `limit` bytes (checked before anything is
 * read or inflated). The data belongs to the Elf.
 */
Elf_Data *elf_file_data(Elf_Scn *section, size_t limit);

/* PT_LOAD translations between link-time addresses and file offsets. `flags`: p_flags that must be set. */
bool elf_file_offset_of(Elf *elf, uint64_t address, uint32_t flags, uint64_t *ret);
bool elf_file_address_of(Elf *elf, uint64_t offset, uint32_t flags, uint64_t *ret);

/* GNU build id as hex, "" where there is none; at most 20 bytes of it are used. */
#define ELF_FILE_BUILD_ID_SIZE 41
void elf_file_build_id(Elf *elf, char ret[ELF_FILE_BUILD_ID_SIZE]);

#endif
