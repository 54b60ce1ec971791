/* SPDX-License-Identifier: MIT */
/*
 * Opening a recording for reading. The file may be anything: it is told apart from garbage, foreign databases, newer
 * versions and cut files in one line, opened read-only with DEFENSIVE and TRUSTED_SCHEMA=0, and what SQL may do is
 * limited to reading it.
 */
#ifndef WEFT_READING_H
#define WEFT_READING_H

#include <stdbool.h>

#include "collector/store/chunk.h"
#include "collector/store/sqlite.h"

struct reading {
	sqlite3 *db;
	int version;
	bool clean;        /* closed in order */
	char warning[200]; /* "" = none */
	char error[300];   /* one line, of a failed open */
};

/* -ENOENT, -EACCES, -EINVAL (no recording, damaged, newer), -ENOMEM. */
int reading_open(const char *path, struct reading *ret);
void reading_close(struct reading *r);

/* The blobs of a row, borrowed from a statement until its next step: columns i .. i + 2 are tasks, data, flat. */
void reading_blobs(sqlite3_stmt *s, int i, struct chunk_bytes *tasks, struct chunk_bytes *data,
		   struct chunk_bytes *flat);

#endif
