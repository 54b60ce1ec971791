/* SPDX-License-Identifier: MIT */
/* A dump small enough to paste into a ticket: zlib, then base64 in lines of 76. */
#ifndef WEFT_DUMP_BLOB_H
#define WEFT_DUMP_BLOB_H

#include <stddef.h>
#include <stdio.h>

/* -ENOMEM */
int dump_blob_write(FILE *out, const char *text, size_t bytes);
/* White space and "> " of quoted mail are skipped. -EBADMSG: no such blob; -EFBIG: more than 1 GiB. */
int dump_blob_read(FILE *in, FILE *out);
/* The same for a terminal: all of it or nothing, and nothing (-EBADMSG) of a text that a terminal would obey. It may come
 * from anybody; what weft dump makes is clean. */
int dump_blob_print(FILE *in, FILE *out);

#endif
