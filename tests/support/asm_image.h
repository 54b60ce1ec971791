/* SPDX-License-Identifier: MIT */
/*
 * Machine code for tests of probes/rust, written in assembler: its labels say what is true. Each function has call frame information,
 * which is how the analyser tells functions apart.
 */
#ifndef WEFT_TEST_ASM_IMAGE_H
#define WEFT_TEST_ASM_IMAGE_H

#include "probes/rust/image.h"

#define ASM_IMAGE_MACROS                                                                          \
	".macro fn name\n.globl \\name\n.type \\name,@function\n\\name:\n.cfi_startproc\n.endm\n" \
	".macro end name\n.cfi_endproc\n.size \\name,.-\\name\n.balign 16\n.endm\n.text\n"
#define ASM_IMAGE_END ".section .note.GNU-stack,\"\",@progbits\n"

struct asm_image {
	char dir[40];
	int fd; /* of the file */
	struct rust_image *image;
};

/* Assembled and linked: fixed = to one address, else as a shared object. False, with a word on stderr: it went wrong. */
bool asm_image_open(struct asm_image *a, const char *source, bool fixed);
void asm_image_close(struct asm_image *a);
/* Its link-time address; 0 = there is none. */
uint64_t asm_image_label(const struct asm_image *a, const char *name);

#endif
