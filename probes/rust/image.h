/* SPDX-License-Identifier: MIT */
/*
 * A copy of what an ELF file loads, with its own relocations applied: which words are pointers, where they
 * lead, where functions begin. Read with pread, never mapped. All addresses are link-time addresses.
 */
#ifndef WEFT_RUST_IMAGE_H
#define WEFT_RUST_IMAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "probes/symbols/eh_frame.h"
#include "probes/symbols/elf_file.h"
#include "probes/symbols/symbol_table.h"

#define RUST_IMAGE_SEGMENTS 16

struct rust_segment {
	uint64_t address, bytes, offset; /* bytes: as in the file; .bss is left out */
	uint32_t flags;                  /* PF_* */
	uint8_t *data;
	uint8_t *pointers; /* a bit for each aligned word that a relocation made a pointer; NULL = none */
};

struct rust_image {
	Elf *elf;
	struct eh_frame *cfi; /* NULL = none: functions can't be told apart */
	struct symbol_table
		*symbols; /* with all names of an address; empty where the file was stripped */
	bool fixed;       /* linked to one address: pointers are plain words */
	bool has_symbols, has_lines;
	char build_id[ELF_FILE_BUILD_ID_SIZE];
	uint64_t code, code_end; /* .text */
	uint64_t got,
		got_end; /* the global offset table, where sections tell; its words are nobody's tables */
	size_t n;
	struct rust_segment segment[RUST_IMAGE_SEGMENTS];
};

/* -ENOEXEC, -EINVAL, -EFBIG, -ENOMEM. fd is borrowed and must outlive *ret. */
int rust_image_new(int fd, struct rust_image **ret);
struct rust_image *rust_image_free(struct rust_image *image);

/* NULL = not all of them are in one segment's file bytes. */
const uint8_t *rust_image_bytes(const struct rust_image *image, uint64_t address, uint64_t bytes);
bool rust_image_word(const struct rust_image *image, uint64_t address, uint64_t *ret);
/* Where the text stands next in what is never written, at `from` or after it; 0 = nowhere. Segments ascend, as in every ELF file. */
uint64_t rust_image_text(const struct rust_image *image, const char *text, uint64_t from);
/* The aligned word there, when it is a pointer into the image. */
bool rust_image_pointer(const struct rust_image *image, uint64_t address, uint64_t *ret);
bool rust_image_offset(const struct rust_image *image, uint64_t address, uint64_t *ret);

static inline bool rust_image_is_code(const struct rust_image *image, uint64_t address)
{
	return address >= image->code && address < image->code_end;
}

/* A pointer to code. */
bool rust_image_code_pointer(const struct rust_image *image, uint64_t address, uint64_t *ret);
/* Bounds of the function that holds the address. */
bool rust_image_function(const struct rust_image *image, uint64_t address, uint64_t *ret_low,
			 uint64_t *ret_high);

/* Does one begin there? Where nothing tells functions apart: it may. */
bool rust_image_begins(const struct rust_image *image, uint64_t address);

#endif
