/* SPDX-License-Identifier: MIT */
#include "tui/json_out.h"

#include <math.h>
#include <string.h>

#include "probes/base/safe_text.h"

void json_out_init(struct json_out *j, FILE *out)
{
	*j = (struct json_out){ .out = out, .first = true };
}

/* Length of the UTF-8 sequence at p when it may stand on a terminal as it is, 0 = no. */
static size_t harmless_bytes(const unsigned char *p)
{
	size_t n = *p >= 0xf0 ? 4 : *p >= 0xe0 ? 3 : 2;
	char same[8];

	return safe_text_copy(same, sizeof(same), (const char *)p, n) == n &&
			       memcmp(same, p, n) == 0
		       ? n
		       : 0;
}

static void escape_byte(FILE *out, unsigned char c)
{
	static const char from[] = "\"\\\n\r\t", to[] = "\"\\nrt";
	const char *hit = strchr(from, c);

	if (hit)
		fprintf(out, "\\%c", to[hit - from]);
	else if (c < 0x20 || c == 0x7f)
		fprintf(out, "\\u%04x", c);
	else
		fputc(c, out);
}

/* A sequence that is UTF-8 but not for a terminal: by its code point, in UTF-16. */
static size_t escape_wide(FILE *out, const unsigned char *p)
{
	size_t n = *p >= 0xf0 ? 4 : *p >= 0xe0 ? 3 : *p >= 0xc2 ? 2 : 0;
	uint32_t c = n == 4 ? *p & 7u : n == 3 ? *p & 15u : *p & 31u;

	for (size_t i = 1; i < n; i++) {
		if ((p[i] & 0xc0) != 0x80)
			n = 0;
		else
			c = c << 6 | (p[i] & 0x3f);
	}
	if (n == 0 || c < 0x80 || (n == 3 && c < 0x800) || (n == 4 && c < 0x10000) ||
	    c > 0x10ffff || (c >= 0xd800 && c < 0xe000)) {
		fputs("\\ufffd", out);
		return 1;
	}
	if (c >= 0x10000)
		fprintf(out, "\\u%04x\\u%04x", 0xd7c0 + (c >> 10), 0xdc00 + (c & 0x3ff));
	else
		fprintf(out, "\\u%04x", c);
	return n;
}

static void quoted(FILE *out, const char *text)
{
	const unsigned char *p = (const unsigned char *)text;
	size_t n;

	fputc('"', out);
	while (*p) {
		if (*p < 0x80) {
			escape_byte(out, *p++);
		} else if ((n = harmless_bytes(p)) != 0) {
			fwrite(p, 1, n, out);
			p += n;
		} else {
			p += escape_wide(out, p);
		}
	}
	fputc('"', out);
}

/* Objects and arrays of the two outer levels get a line per member. */
static void lead(struct json_out *j, const char *key)
{
	if (j->depth) {
		if (!j->first)
			fputc(',', j->out);
		if (j->depth <= 2)
			fprintf(j->out, "\n%*s", (int)j->depth * 2, "");
		else if (!j->first)
			fputc(' ', j->out);
	}
	j->first = false;
	if (key) {
		quoted(j->out, key);
		fputs(": ", j->out);
	}
}

void json_out_begin(struct json_out *j, const char *key, char bracket)
{
	lead(j, key);
	fputc(bracket, j->out);
	j->depth++;
	j->first = true;
}

void json_out_end(struct json_out *j, char bracket)
{
	if (j->depth <= 2 && !j->first)
		fprintf(j->out, "\n%*s", (int)(j->depth - 1) * 2, "");
	fputc(bracket, j->out);
	j->depth--;
	j->first = false;
	if (j->depth == 0)
		fputc('\n', j->out);
}

void json_out_text(struct json_out *j, const char *key, const char *value)
{
	if (!value) {
		json_out_null(j, key);
		return;
	}
	lead(j, key);
	quoted(j->out, value);
}

void json_out_integer(struct json_out *j, const char *key, int64_t value)
{
	lead(j, key);
	fprintf(j->out, "%lld", (long long)value);
}

void json_out_unsigned(struct json_out *j, const char *key, uint64_t value)
{
	if (value == UINT64_MAX) {
		json_out_null(j, key);
		return;
	}
	lead(j, key);
	fprintf(j->out, "%llu", (unsigned long long)value);
}

void json_out_real(struct json_out *j, const char *key, double value)
{
	if (!isfinite(value)) {
		json_out_null(j, key);
		return;
	}
	lead(j, key);
	fprintf(j->out, "%.10g", value);
}

void json_out_bool(struct json_out *j, const char *key, bool value)
{
	lead(j, key);
	fputs(value ? "true" : "false", j->out);
}

void json_out_null(struct json_out *j, const char *key)
{
	lead(j, key);
	fputs("null", j->out);
}
