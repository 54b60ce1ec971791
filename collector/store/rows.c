/* SPDX-License-Identifier: MIT */
#include "collector/store/rows.h"

#include <stdlib.h>
#include <string.h>

enum tag { NEXT = 1, INT, REAL, TEXT, BLOB, NUL };

static void put(struct rows *r, enum tag tag, const void *at, uint32_t bytes)
{
	if (r->used + bytes + 8 > r->room) {
		size_t room = r->room ? r->room * 2 : 16384;
		uint8_t *more;

		while (room < r->used + bytes + 8)
			room *= 2;
		more = realloc(r->at, room);
		if (!more) {
			r->failed = true;
			return;
		}
		r->at = more;
		r->room = room;
	}
	if (r->failed)
		return;
	r->at[r->used] = (uint8_t)tag;
	memcpy(r->at + r->used + 1, &bytes, 4);
	if (bytes)
		memcpy(r->at + r->used + 5, at, bytes);
	r->used += 5 + bytes;
}

void rows_begin(struct rows *r, enum store_statement statement)
{
	uint8_t s = (uint8_t)statement;

	put(r, NEXT, &s, 1);
}

void rows_int(struct rows *r, int64_t v)
{
	put(r, INT, &v, sizeof(v));
}

void rows_known(struct rows *r, uint64_t v)
{
	if (v == UINT64_MAX)
		rows_null(r);
	else
		rows_int(r, (int64_t)v);
}

void rows_real(struct rows *r, double v)
{
	put(r, REAL, &v, sizeof(v));
}

void rows_null(struct rows *r)
{
	put(r, NUL, NULL, 0);
}

void rows_blob(struct rows *r, const void *at, size_t bytes)
{
	put(r, BLOB, at, (uint32_t)bytes);
}

/* Length of the UTF-8 sequence at p, 0 = none. */
static unsigned sequence(const uint8_t *p)
{
	unsigned n = *p < 0x80                 ? 1
		     : *p >= 0xc2 && *p < 0xe0 ? 2
		     : (*p & 0xf0) == 0xe0     ? 3
		     : *p >= 0xf0 && *p < 0xf5 ? 4
					       : 0;

	for (unsigned i = 1; i < n; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f) ||
	    (p[0] == 0xf0 && p[1] < 0x90) || (p[0] == 0xf4 && p[1] > 0x8f))
		return 0;
	return n;
}

void rows_text(struct rows *r, const char *text)
{
	size_t at = r->used + 5;

	if (!text) {
		rows_null(r);
		return;
	}
	put(r, TEXT, text, (uint32_t)strlen(text) + 1);
	if (r->failed)
		return;
	for (uint8_t *p = r->at + at; *p;) {
		unsigned n = sequence(p);

		if (!n)
			*p = '?';
		p += n ? n : 1;
	}
}

void rows_done(struct rows *r)
{
	free(r->at);
	*r = (struct rows){ 0 };
}

static int64_t as_int(const uint8_t *p)
{
	int64_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static void bind(sqlite3_stmt *s, int i, enum tag tag, const uint8_t *p, uint32_t bytes)
{
	double real;

	switch (tag) {
	case INT:
		sqlite3_bind_int64(s, i, as_int(p));
		break;
	case REAL:
		memcpy(&real, p, sizeof(real));
		sqlite3_bind_double(s, i, real);
		break;
	case TEXT:
		sqlite3_bind_text(s, i, (const char *)p, (int)bytes - 1, SQLITE_STATIC);
		break;
	case BLOB:
		sqlite3_bind_blob(s, i, p, (int)bytes, SQLITE_STATIC);
		break;
	default:
		sqlite3_bind_null(s, i);
	}
}

static int step(sqlite3_stmt *s)
{
	int rc = s ? sqlite3_step(s) : SQLITE_DONE;

	if (s)
		sqlite3_reset(s);
	return rc == SQLITE_DONE || rc == SQLITE_ROW ? SQLITE_OK : rc;
}

int rows_run(const struct rows *r, sqlite3_stmt *const *statements)
{
	sqlite3_stmt *s = NULL;
	int i = 0, rc;

	for (size_t at = 0; at < r->used;) {
		enum tag tag = r->at[at];
		uint32_t bytes;

		memcpy(&bytes, r->at + at + 1, 4);
		if (tag == NEXT) {
			rc = step(s);
			if (rc)
				return rc;
			s = statements[r->at[at + 5]];
			i = 0;
		} else {
			bind(s, ++i, tag, r->at + at + 5, bytes);
		}
		at += 5 + bytes;
	}
	return step(s);
}
