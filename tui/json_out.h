/* SPDX-License-Identifier: MIT */
/*
 * JSON to a stream, a value at a time (names apart from those of jansson, which the collector
 * uses). Keys are NULL inside arrays and for the outermost value.
 * Any bytes are taken: what is not UTF-8 becomes U+FFFD, control characters are escaped (C1 too,
 * so that the output is harmless on a terminal).
 */
#ifndef WEFT_JSON_OUT_H
#define WEFT_JSON_OUT_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct json_out {
	FILE *out;
	unsigned depth;
	bool first; /* nothing written yet at this depth */
};

void json_out_init(struct json_out *j, FILE *out);
void json_out_begin(struct json_out *j, const char *key, char bracket); /* '{' or '[' */
void json_out_end(struct json_out *j, char bracket); /* '}' or ']'; the outermost ends the line */
void json_out_text(struct json_out *j, const char *key, const char *value); /* NULL = null */
void json_out_integer(struct json_out *j, const char *key, int64_t value);
void json_out_unsigned(struct json_out *j, const char *key, uint64_t value); /* ~0 = null */
void json_out_real(struct json_out *j, const char *key, double value);       /* not finite = null */
void json_out_bool(struct json_out *j, const char *key, bool value);
void json_out_null(struct json_out *j, const char *key);

#endif
