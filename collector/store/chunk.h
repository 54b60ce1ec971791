/* SPDX-License-Identifier: MIT */
/*
 * Codec 1: up to CHUNK_EVENTS records as columns. Writer and reader are exact inverses: a record read back
 * equals the one put in, but for the order of late ones, which keep their place.
 *
 * `data`:  varint base time, n, shapes, the shapes themselves, columns, (id, bytes) of each column, then the columns one after another.
 *
 *   A *shape* is all that many events share: kind, flags, lane, process, tid, the fields with few values (which of
 *   a..d those are: chunk_fields[]), and for each other field how it is stored:
 *       0 zero   1 all ones (not known)   2 a number of its column   3 derived: TASK the event's own task;
 *       DELAY the distance to the delay that the last wake of the same task in this chunk explains
 *   so that what is absent costs nothing, and one byte names them all.
 *   Column ids: CHUNK_COL_TIME (ns since the event before, starting from the base; LATE events: ns back from there), CHUNK_COL_SHAPE,
 *   CHUNK_COL_TASK (index in the dictionary), CHUNK_COL(kind, field) the numbers of one field of one kind. CHUNK_COL_MARK, since
 *   version 2 of the schema: for each CHUNK_MARK events in full the bytes of TIME that they take, and the ns they span.
 *
 * `tasks`: varint mode, hot, then `hot` ids by falling frequency, then the others as rising differences. mode 1: the
 *   TASK column holds zigzag differences of indices (ids that come and go), 0: indices (a steady set).
 * `flat`:  for each: varint events since the flat one before, zigzag t - base, flags, then the event with runs of zeros cut.
 * `counts`: varint process, kind, n.
 */
#ifndef WEFT_CHUNK_H
#define WEFT_CHUNK_H

#include <stdbool.h>
#include <stddef.h>

#include "collector/record.h"

#define CHUNK_CODEC      1
#define CHUNK_EVENTS     8192u /* aim */
#define CHUNK_ROOM       9216u /* most that fit */
#define CHUNK_NS         250000000ull
#define CHUNK_FLAT_BYTES (512u << 10)

#define CHUNK_FIELDS           5 /* a, b, c, d, and one more that only some kinds have */
#define CHUNK_COL_TIME         0
#define CHUNK_COL_SHAPE        1
#define CHUNK_COL_TASK         2
#define CHUNK_COL_MARK         3
#define CHUNK_MARK             64u /* events between two marks */
#define CHUNK_COL(kind, field) ((unsigned)(kind)*CHUNK_FIELDS + (field) + 8)
#define CHUNK_COLS             CHUNK_COL(WEFT_EV_KINDS, 0)

enum chunk_class {
	CHUNK_NONE,
	CHUNK_SHAPE,
	CHUNK_UINT,
	CHUNK_TASK,
	CHUNK_WHEN /* zigzag, relative to t */,
	CHUNK_DELAY
};
enum chunk_how { CHUNK_ZERO, CHUNK_ONES, CHUNK_VALUE, CHUNK_DERIVED };

/* What each field of a kind is. */
extern const uint8_t chunk_fields[WEFT_EV_KINDS][4];
/* Kinds that are columns; the others are flat. */
bool chunk_is_column(unsigned kind);
/* Kinds with a text besides (TASK_NAME, LABEL). */
bool chunk_has_text(unsigned kind);

struct chunk_shape {
	uint16_t lane;
	uint8_t kind;
	uint8_t flags;
	uint32_t process, tid;
	uint8_t how[4]; /* of a..d: enum chunk_how; CHUNK_SHAPE fields: value[] */
	uint64_t value[4];
};

/* ---- writing ---- */

struct chunk_writer;

/* What a chunk knows of one task. */
struct chunk_task {
	uint64_t task, wake_ns, busy_ns, poll_max_ns;
	uint32_t blocked_us, runnable_us, site, life_ns; /* life: saturating */
	uint16_t count, polls, wakes, self_wakes;
	bool spawned, ended, wake_known;
};

struct chunk_count {
	uint32_t process, kind;
	uint64_t n;
};

struct chunk_bytes {
	uint8_t *at;
	size_t bytes;
};

/* A finished chunk; the blobs are owned (malloc). */
struct chunk_blobs {
	uint64_t t0, t1, task0, task1;
	uint32_t n;
	struct chunk_bytes counts, tasks, data, flat;
};

int chunk_writer_new(struct chunk_writer **ret);
struct chunk_writer *chunk_writer_free(struct chunk_writer *w);
/* -ENOSPC: full, close first. */
int chunk_put(struct chunk_writer *w, const struct record *r);
/* Puts records up to the first that is no column event, or with which the chunk would be too full. Returns how many;
 * *ret_rc: as of chunk_put. */
size_t chunk_put_run(struct chunk_writer *w, const struct record *r, size_t n, int *ret_rc);
int chunk_put_flat(struct chunk_writer *w, const struct record *r);
uint32_t chunk_count(const struct chunk_writer *w); /* column events so far */
size_t chunk_flat_bytes(const struct chunk_writer *w);
bool chunk_empty(const struct chunk_writer *w);
uint64_t chunk_start(const struct chunk_writer *w); /* UINT64_MAX while empty */
/* Counts an event that is kept elsewhere (a definition). */
void chunk_count_other(struct chunk_writer *w, uint32_t process, uint32_t kind);
/* Tasks seen, in no order; valid until the chunk is closed. Their site may be filled in. */
struct chunk_task *chunk_tasks(struct chunk_writer *w, size_t *n);
/* Events by (process, kind): once, right before the chunk is closed, chunk_count_shapes adds those in columns. */
void chunk_count_shapes(struct chunk_writer *w);
const struct chunk_count *chunk_counts(const struct chunk_writer *w, size_t *n);
/* Packs and starts anew. */
int chunk_close(struct chunk_writer *w, struct chunk_blobs *ret);
void chunk_blobs_free(struct chunk_blobs *b);

/* An event with runs of zero bytes cut, for definitions too. Returns bytes, at most CHUNK_PACK_ROOM(size). */
#define CHUNK_PACK_ROOM(size) ((size) + (size) / 8 + 32)
size_t chunk_pack_event(const struct weft_ev *ev, uint8_t *out);
/* Inverse; *ret is malloc'd. Returns the end of what was read, NULL = damaged. */
const uint8_t *chunk_unpack_event(const uint8_t *p, const uint8_t *end, struct weft_ev **ret);

/* ---- reading: everything in the blobs may be hostile ---- */

struct chunk_column {
	const uint8_t *p, *end;
	uint32_t at;
}; /* at: numbers passed */

struct chunk_reader {
	uint64_t base;
	uint32_t n, nshapes, ntasks;
	struct chunk_shape *shape;
	uint64_t *task;   /* the dictionary */
	uint16_t *shapes; /* shape of each event */
	uint32_t *tasks;  /* index in the dictionary of each event */
	uint32_t shape_room, task_room, event_room;
	struct chunk_column column[CHUNK_COLS];
	/* the walk */
	uint32_t next;     /* event to come */
	uint32_t synced;   /* columns stand before this event */
	uint64_t now;      /* time of the event before, late ones aside */
	uint64_t event_t;  /* of the event before `next` */
	uint64_t *wake;    /* last wake of each task; UINT64_MAX = none */
	uint32_t *skipped; /* by shape: passed over since synced */
	bool damaged, any_late;
	/* the walk over one task */
	bool one;
	uint64_t one_task, one_wake;
	const uint8_t *shape_bytes;    /* NULL = shapes[] */
	struct chunk_bytes dictionary; /* read when a record refers to another task */
	uint32_t *hit;                 /* its events */
	uint32_t nhits, next_hit, hit_room;
	const uint8_t *marked_p; /* TIME at the last mark used, and the time there */
	uint64_t marked_t;
};

void chunk_reader_init(struct chunk_reader *c);
void chunk_reader_done(struct chunk_reader *c);
/* The dictionary alone; false = damaged. */
bool chunk_read_tasks(struct chunk_reader *c, const struct chunk_bytes *tasks);
/* Index of a task in the dictionary without building it; -1 = not there, -2 = damaged. */
int64_t chunk_find_task(const struct chunk_bytes *tasks, uint64_t task);
/* Shapes, columns, the shape and task of each event. The blobs must stay. false = damaged. */
bool chunk_read(struct chunk_reader *c, const struct chunk_bytes *tasks,
		const struct chunk_bytes *data);

/* Passes one event; time and task of it are in event_t and tasks[next - 1]. false = end or damaged. */
bool chunk_step(struct chunk_reader *c);
/* For the events of one task only, number `index` of the dictionary: chunk_read_task in place of chunk_read,
 * chunk_step_task in place of chunk_step. tasks[] is not filled. */
bool chunk_read_task(struct chunk_reader *c, const struct chunk_bytes *tasks,
		     const struct chunk_bytes *data, uint32_t index, uint64_t task);
bool chunk_step_task(struct chunk_reader *c);
/* The event last passed, in full. `ret_text`: malloc'd event of TASK_NAME and LABEL, else NULL. false = damaged. */
bool chunk_record(struct chunk_reader *c, struct record *ret, struct weft_ev **ret_text);
/* The numbers of a column, for scans; false = not there. */
bool chunk_numbers(const struct chunk_reader *c, unsigned column, struct chunk_column *ret);

/* Of the `counts` blob; as many as make sense. */
size_t chunk_read_counts(const uint8_t *p, size_t bytes, struct chunk_count *ret, size_t max);

/* One flat event; *p moves on. Returns 0, -ENODATA at the end, -EBADMSG. */
struct chunk_flat {
	uint32_t pos;
	uint64_t t_ns;
	uint16_t flags;
	struct weft_ev *ev;
}; /* ev is malloc'd; pos: running */
int chunk_next_flat(const uint8_t **p, const uint8_t *end, uint64_t base, struct chunk_flat *io);

#endif
