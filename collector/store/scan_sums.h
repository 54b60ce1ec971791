/* SPDX-License-Identifier: MIT */
/* Polls by type from the sums in the file (table poll_sum), for the runs of chunks that lie within a range as a whole. */
#ifndef WEFT_SCAN_SUMS_H
#define WEFT_SCAN_SUMS_H

#include "collector/store/scan.h"

struct scan_run {
	int64_t first, last; /* chunks */
};

struct scan_runs {
	struct scan_run *at; /* in order */
	size_t n, room;
};

struct scan_sums_sink {
	/* The type of the tasks of a place; NULL = not known: the chunks have to be asked. Stays where it is. */
	struct scan_type *(*type_of)(void *ctx, uint32_t process, uint32_t site);
	void *ctx;
};

/* Adds what there is to the types; *ret: the chunks that are done with it. A file without the table has none. SQLite's code. */
int scan_sums(sqlite3 *db, const struct scan_range *range, const struct scan_sums_sink *sink,
	      struct scan_runs *ret);
void scan_runs_free(struct scan_runs *runs);

#endif
