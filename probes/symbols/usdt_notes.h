/* SPDX-License-Identifier: MIT */
/*
 * USDT probe sites of an ELF file, from its .note.stapsdt section: executables (PIE or not) and
 * shared objects, x86-64. Damaged notes are left out; a damaged file gives -ENOEXEC, never a crash.
 */
#ifndef WEFT_USDT_NOTES_H
#define WEFT_USDT_NOTES_H

#include <stdint.h>

/* Texts live during the call only. */
struct usdt_note {
	const char *provider, *name;
	const char *args;          /* "8@%rdi 8@%rsi", "" = none */
	uint64_t address;          /* link-time address of the probe, prelink adjusted */
	uint64_t offset;           /* of the probe in the file: what a uprobe wants */
	uint64_t semaphore;        /* link-time address, 0 = none */
	uint64_t semaphore_offset; /* in the file: the uprobe's ref_ctr_offset, 0 = none */
};

/* Called once per site (an inlined probe has several sites of one name), in file order; non-zero stops. */
typedef int (*usdt_note_fn)(void *ctx, const struct usdt_note *note);

/*
 * Sites of `provider` (NULL = all) in the regular file `fd`, whose position is not used. Returns how many were
 * given to fn, the first non-zero that fn returned, or negative errno: -ENOEXEC not a
 * sound 64-bit little-endian ELF file, -EINVAL not a regular file.
 */
int usdt_notes_read(int fd, const char *provider, usdt_note_fn fn, void *ctx);

#endif
