/* SPDX-License-Identifier: MIT */
/*
 * The inside of chunks as SQL: the eponymous table `events` and the table-valued functions `task_stats(t0,t1)`,
 * `poll_histogram(t0,t1)`, `poll_percentiles(t0,t1)` and `short_tasks(t0,t1)`. Used by query.c and by the loadable
 * extension. Bounds are ns from the start of the recording; left out or NULL = none.
 */
#ifndef WEFT_VTAB_H
#define WEFT_VTAB_H

#include "collector/store/sqlite.h"

int vtab_register(sqlite3 *db); /* SQLite's error code */

/* The parts: */
int vtab_events_register(sqlite3 *db);
int vtab_scans_register(sqlite3 *db);
int task_of_register(sqlite3 *db); /* the function task_of(fingerprint) */

#endif
