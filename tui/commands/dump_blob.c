/* SPDX-License-Identifier: MIT */
#include "tui/commands/dump_blob.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "probes/base/safe_text.h"

#define LINE_BYTES 57u /* make 76 letters */
#define MAX_TEXT   (1ull << 30)

static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/* ---- writing ---- */

static void write_group(FILE *out, const uint8_t *b, size_t n)
{
	uint32_t v = (uint32_t)b[0] << 16 | (n > 1 ? (uint32_t)b[1] << 8 : 0) | (n > 2 ? b[2] : 0);

	for (size_t i = 0; i < 4; i++)
		fputc(i <= n ? letters[v >> (18 - 6 * i) & 63] : '=', out);
}

int dump_blob_write(FILE *out, const char *text, size_t bytes)
{
	uLongf packed = compressBound(bytes);
	uint8_t *b = malloc(packed);

	if (!b || compress2(b, &packed, (const Bytef *)text, bytes, 9) != Z_OK) {
		free(b);
		return -ENOMEM;
	}
	for (size_t i = 0; i < packed; i += 3) {
		write_group(out, b + i, packed - i < 3 ? packed - i : 3);
		if ((i + 3) % LINE_BYTES == 0 || i + 3 >= packed)
			fputc('\n', out);
	}
	free(b);
	return 0;
}

/* ---- reading ---- */

struct reader {
	FILE *in;
	bool ended; /* at '=' or the end of the file */
	uint32_t bits, value;
};

/* The next byte; -1 at the end, -EBADMSG. */
static int next_byte(struct reader *r)
{
	while (r->bits < 8) {
		int c = r->ended ? EOF : fgetc(r->in);
		const char *at = c > 0 ? strchr(letters, c) : NULL;

		if (c == EOF || c == '=') {
			r->ended = true;
			return -1;
		}
		if (strchr(" \t\r\n>", c) && c)
			continue;
		if (!at)
			return -EBADMSG;
		r->value = r->value << 6 | (uint32_t)(at - letters);
		r->bits += 6;
	}
	r->bits -= 8;
	return (int)(r->value >> r->bits & 0xff);
}

static int fill(struct reader *r, z_stream *z, uint8_t *buffer, size_t size)
{
	size_t n = 0;
	int c = 0;

	while (n < size && (c = next_byte(r)) >= 0)
		buffer[n++] = (uint8_t)c;
	z->next_in = buffer;
	z->avail_in = (uInt)n;
	return c == -EBADMSG ? c : 0;
}

struct buffers {
	uint8_t in[4096], text[16384];
};

static int unpack(struct reader *r, z_stream *z, struct buffers *b, FILE *out)
{
	int rc = Z_OK;

	while (rc != Z_STREAM_END) {
		if (!z->avail_in && (fill(r, z, b->in, sizeof(b->in)) || !z->avail_in))
			return -EBADMSG;
		z->next_out = b->text;
		z->avail_out = sizeof(b->text);
		rc = inflate(z, Z_NO_FLUSH);
		if (rc != Z_OK && rc != Z_STREAM_END)
			return -EBADMSG;
		fwrite(b->text, 1, sizeof(b->text) - z->avail_out, out);
		if (z->total_out > MAX_TEXT)
			return -EFBIG;
	}
	return 0;
}

int dump_blob_read(FILE *in, FILE *out)
{
	struct reader r = { .in = in };
	struct buffers b;
	z_stream z = { 0 };
	int rc;

	if (inflateInit(&z) != Z_OK)
		return -ENOMEM;
	rc = unpack(&r, &z, &b, out);
	inflateEnd(&z);
	return rc;
}

/* ---- for a terminal ---- */

static bool is_harmless(const char *text, size_t bytes)
{
	char *clean = malloc(bytes + 1);
	bool same = clean && strlen(text) == bytes;

	for (const char *line = text; same && *line; line += *line == '\n') {
		size_t n = strcspn(line, "\n");

		same = safe_text_copy(clean, bytes + 1, line, n) == n && !memcmp(clean, line, n);
		line += n;
	}
	free(clean);
	return same;
}

int dump_blob_print(FILE *in, FILE *out)
{
	char *text = NULL;
	size_t bytes = 0;
	FILE *f = open_memstream(&text, &bytes);
	int rc = f ? dump_blob_read(in, f) : -ENOMEM;

	if (f && fclose(f) && !rc)
		rc = -ENOMEM;
	if (!rc && !is_harmless(text, bytes))
		rc = -EBADMSG;
	if (!rc)
		fwrite(text, 1, bytes, out);
	free(text);
	return rc;
}
