/* SPDX-License-Identifier: MIT */
/*
 * The thread that owns the SQLite connection of a recording. The engine thread hands it jobs, which never block on the
 * disk; a transaction is committed every 250 ms. Space is bounded by deleting the oldest chunks first.
 *
 * An error (a full disk) ends writing: what was committed stays, everything later is counted as unsaved.
 */
#ifndef WEFT_WRITER_H
#define WEFT_WRITER_H

#include "collector/store/chunk.h"
#include "collector/store/rows.h"

struct writer;

/* One chunk and the rows that belong before it. Owned by the writer once pushed. */
struct writer_job {
	struct writer_job *next;
	bool has_chunk;
	int64_t chunk; /* number */
	struct chunk_blobs blobs;
	struct chunk_count *counts; /* malloc'd, of the chunk's events */
	size_t ncounts;
	struct rows rows;
	size_t bytes;
	/* accounting as of this job; malloc'd, NULL = unchanged */
	struct writer_account *account;
	size_t naccounts;
	uint64_t end_ns; /* 0 = unchanged */
};

struct writer_account {
	uint32_t process, kind;
	uint64_t emitted, filtered,
		lost; /* emitted UINT64_MAX = not told; lost: without what the writer could not save */
	bool final;
};

/* What became of chunks, cumulative, by (process, kind). */
struct writer_fate {
	uint32_t process, kind;
	uint64_t stored, unsaved, expired;
};

int writer_open(const char *path, uint64_t max_bytes, struct writer **ret, char *error,
		size_t error_bytes);
/* False: too much is waiting, or writing has ended; the job was counted as unsaved and freed. */
bool writer_push(struct writer *w, struct writer_job *job);
/* Counts a job as unsaved and frees it. */
void writer_drop(struct writer *w, struct writer_job *job);
void writer_job_free(struct writer_job *job);
/* Copies at most max; returns how many there are. Any thread. */
size_t writer_fates(struct writer *w, struct writer_fate *rows, size_t max);
/* Everything pushed so far is committed or has failed. */
void writer_sync(struct writer *w);
/* Commits, marks the file clean, checkpoints, leaves one file. Returns the first error met. */
int writer_finish(struct writer *w, uint64_t end_ns);
const char *writer_error(struct writer *w); /* "" = none; any thread, stays */
struct writer *writer_close(struct writer *w);

#endif
