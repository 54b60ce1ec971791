/* SPDX-License-Identifier: MIT */
/* What vtab_events.c and vtab_columns.c share. */
#ifndef WEFT_VTAB_INTERNAL_H
#define WEFT_VTAB_INTERNAL_H

#include "collector/store/reading.h"

enum column {
	T_NS,
	KIND,
	PROCESS,
	LANE,
	WORKER,
	TID,
	TASK,
	A,
	B,
	C,
	D,
	DUR_NS,
	DELAY_NS,
	BLOCKED_NS,
	RUNNABLE_NS,
	RESULT,
	WAKER,
	WAKER_KIND,
	REASON,
	TEXT,
	LATE,
	CHUNK,
	KIND_ID,
};
#define DAMAGED     WEFT_EV_KINDS /* kind of the row that stands for what could not be read */
#define MAX_WORKERS 4096

enum stage { COLUMNS, FLAT, DEFINITIONS, END };

struct event_cursor {
	sqlite3_vtab_cursor base;
	sqlite3 *db;
	sqlite3_stmt *chunks, *blobs, *definitions;
	struct chunk_reader reader;
	struct chunk_flat flat;
	const uint8_t *flat_at, *flat_end;
	uint64_t low, high; /* of t_ns */
	int64_t task, kind; /* -1 = any */
	bool nothing;       /* no event can match */
	int64_t task_index, chunk;
	enum stage stage;
	struct record row;
	bool complete; /* a..d and the text of the row are there */
	struct weft_ev *text;
	sqlite3_int64 rowid;
	uint64_t start_ns;
	struct {
		uint32_t process;
		uint16_t lane;
		int32_t worker;
	} worker[MAX_WORKERS];
	unsigned nworkers;
};

/* One column of the row the cursor stands on. */
int vtab_event_column(sqlite3_vtab_cursor *base, sqlite3_context *x, int i);

#endif
