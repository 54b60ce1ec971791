/* SPDX-License-Identifier: MIT */
/* What writer.c (the thread) and writer_file.c (the file) share. */
#ifndef WEFT_WRITER_INTERNAL_H
#define WEFT_WRITER_INTERNAL_H

#include <pthread.h>

#include "collector/store/writer.h"

#define MAX_FATES 4096

struct writer {
	sqlite3 *db;
	sqlite3_stmt *statement[STORE_STATEMENTS_N];
	sqlite3_stmt *oldest, *expire, *page_count, *free_pages;
	char *path;
	uint64_t max_bytes;
	pthread_t thread;
	bool in_transaction, running;
	uint64_t began_ns, waiting_bytes;
	struct writer_fate pending[MAX_FATES]; /* of the open transaction */
	size_t npending;
	struct writer_account *account; /* last told */
	size_t naccounts;
	uint64_t end_ns;

	pthread_mutex_t lock; /* everything below */
	pthread_cond_t pushed, done;
	struct writer_job *first, **last;
	size_t waiting;         /* bytes in the queue */
	uint64_t jobs, handled; /* pushed, and committed or failed */
	bool stop, sync;
	struct writer_fate fate[MAX_FATES];
	size_t nfates;
	int rc;
	char error[256];
};

int writer_errno(int sqlite_rc);
struct writer_fate *writer_fate_of(struct writer_fate *table, size_t *n, uint32_t process,
				   uint32_t kind);

/* Creates the file of w->path with its schema and prepares the statements. */
int writer_file_open(struct writer *w, char *error, size_t error_bytes);
void writer_file_finalize(struct writer *w);
/* Makes room for what comes, oldest chunks first. SQLite's code. */
int writer_file_bound(struct writer *w, uint64_t incoming);

#endif
