/* SPDX-License-Identifier: MIT */
/*
 * JSON to a stream, a value at a time. Keys are NULL inside arrays and for the outermost value.
 * Any bytes are taken: what is not UTF-8 becomes U+FFFD, control characters are escaped (C1 too,
 * so that the output is harmless on a terminal).
 */
#ifndef WEFT_JSON_H
#define WEFT_JSON_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct json {
	FILE *out;
	unsigned depth;
	bool first; /* nothing written yet at this depth */
};

void json_init(struct json *j, FILE *out);
void json_begin(struct json *j, const char *key, char bracket); /* '{' or '[' */
void json_end(struct json *j, char bracket); /* '}' or ']'; the outermost ends the line */
void json_text(struct json *j, const char *key, const char *value); /* NULL = null */
void json_integer(struct json *j, const char *key, int64_t value);
void json_unsigned(struct json *j, const char *key, uint64_t value); /* ~0 = null */
void json_real(struct json *j, const char *key, double value);       /* not finite = null */
void json_bool(struct json *j, const char *key, bool value);
void json_null(struct json *j, const char *key);

#endif
