/* SPDX-License-Identifier: MIT */
/*
 * A recording as input: records leave in the order in which they were passed on when it was made, definitions and
 * session events in their places between them, so the consumer sees what it saw live. A damaged chunk is skipped, and its
 * events count as lost.
 */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "collector/decode.h"
#include "collector/input.h"
#include "collector/store/reading.h"

#define MAX_KEPT 1024 /* events that stay until the pipeline has been flushed */

struct item { /* a definition or a flat event */
	int64_t chunk;
	uint32_t pos;
	uint64_t t_ns;
	uint16_t flags;
	struct weft_ev *ev; /* NULL = none */
};

struct recording {
	struct input in;
	struct reading file;
	sqlite3_stmt *chunks, *definitions;
	uint64_t start_ns;
	struct chunk_reader reader;
	struct item definition;
	struct chunk_flat flat;
	const uint8_t *flat_at, *flat_end;
	int64_t chunk;
	bool in_chunk, stepped, at_end, settled, broken;
	void *kept[MAX_KEPT];
	unsigned nkept;
	struct account_process *damaged[16]; /* what damaged chunks held, by process; lost */
	char error[256];

	uint64_t pace_t, pace_wall; /* engine and wall time from which the speed counts */
	pthread_mutex_t lock;       /* below */
	pthread_cond_t changed;
	bool stop, paused;
	double speed;
	bool repace;
};

/* ---- what comes next ---- */

static void keep(struct recording *r, struct pipeline *p, void *ev)
{
	if (!ev)
		return;
	if (r->nkept == MAX_KEPT) {
		pipeline_flush(p);
		while (r->nkept)
			free(r->kept[--r->nkept]);
	}
	r->kept[r->nkept++] = ev;
}

/* The file can't be read any further: the next feed says so. */
static void break_off(struct recording *r)
{
	r->broken = true;
	snprintf(r->error, sizeof(r->error), "reading the recording %.150s: %s",
		 sqlite3_db_filename(r->file.db, "main"), sqlite3_errmsg(r->file.db));
}

static void next_definition(struct recording *r)
{
	sqlite3_stmt *s = r->definitions;
	int rc;

	r->definition.ev = NULL;
	while ((rc = sqlite3_step(s)) == SQLITE_ROW) {
		const uint8_t *p = sqlite3_column_blob(s, 3);

		r->definition.chunk = sqlite3_column_int64(s, 0);
		r->definition.pos = (uint32_t)sqlite3_column_int64(s, 1);
		r->definition.t_ns = (uint64_t)sqlite3_column_int64(s, 2);
		if (p && chunk_unpack_event(p, p + sqlite3_column_bytes(s, 3), &r->definition.ev))
			return;
	}
	if (rc != SQLITE_DONE)
		break_off(r);
}

static void next_flat(struct recording *r)
{
	if (chunk_next_flat(&r->flat_at, r->flat_end, r->reader.base, &r->flat) == -EBADMSG)
		r->reader.damaged = true;
}

static void count_damaged(struct recording *r, const struct chunk_count *c)
{
	if (c->process >= 16)
		return;
	if (!r->damaged[c->process])
		r->damaged[c->process] = calloc(1, sizeof(*r->damaged[0]));
	if (r->damaged[c->process])
		r->damaged[c->process]->kept_lost[c->kind] += c->n;
}

/* All of it is lost when it can't be opened; a chunk that breaks off later keeps what was read. */
static void lose_chunk(struct recording *r)
{
	struct chunk_count counts[256];
	const uint8_t *p = sqlite3_column_blob(r->chunks, 1);
	size_t n = chunk_read_counts(p, p ? (size_t)sqlite3_column_bytes(r->chunks, 1) : 0, counts,
				     256);

	for (size_t i = 0; i < n; i++)
		if (!decode_is_definition(counts[i].kind))
			count_damaged(r, &counts[i]);
}

static bool open_chunk(struct recording *r)
{
	struct chunk_bytes tasks, data, flat;

	reading_blobs(r->chunks, 2, &tasks, &data, &flat);
	if (sqlite3_column_int(r->chunks, 5) != CHUNK_CODEC ||
	    !chunk_read(&r->reader, &tasks, &data)) {
		lose_chunk(r);
		return false;
	}
	r->flat = (struct chunk_flat){ 0 };
	r->flat_at = flat.at;
	r->flat_end = flat.at + flat.bytes;
	r->stepped = false;
	next_flat(r);
	return true;
}

/* Returns 1, 0 at the end, negative errno. */
static int next_chunk(struct recording *r)
{
	int rc;

	while ((rc = sqlite3_step(r->chunks)) == SQLITE_ROW) {
		r->chunk = sqlite3_column_int64(r->chunks, 0);
		if (open_chunk(r)) {
			r->in_chunk = true;
			return 1;
		}
	}
	if (rc == SQLITE_DONE)
		return 0;
	break_off(r);
	return -EIO;
}

/* A flat event or a definition as the record it was. */
static void give_event(struct recording *r, struct pipeline *p, struct weft_ev *ev, uint64_t t_ns,
		       uint16_t flags)
{
	struct record rec;

	decode_terminate(ev);
	if (decode_flat(ev, r->start_ns, &rec)) {
		free(ev);
		return;
	}
	rec.t_ns = t_ns > INT64_MAX ? INT64_MAX : t_ns;
	rec.flags = flags;
	keep(r, p, ev);
	pipeline_record(p, &rec);
}

static bool definition_is_next(const struct recording *r, uint32_t pos)
{
	const struct item *d = &r->definition;

	return d->ev && (d->chunk < r->chunk || (d->chunk == r->chunk && d->pos <= pos));
}

static void give_column(struct recording *r, struct pipeline *p)
{
	struct weft_ev *ev = NULL;
	struct record rec;

	if (!chunk_record(&r->reader, &rec, &ev) || rec.process >= ACCOUNTS_MAX_PROCESSES) {
		free(ev);
		return;
	}
	if (ev) {
		ev->time_ns += r->start_ns;
		if (rec.kind == WEFT_EV_OFFCPU) {
			struct weft_ev_offcpu *o = (struct weft_ev_offcpu *)(ev + 1);

			o->on_ns += r->start_ns;
			o->off_ns += r->start_ns;
			o->wake_ns += o->wake_ns ? r->start_ns : 0;
		}
	}
	keep(r, p, ev);
	pipeline_record(p, &rec);
}

/* Time of what comes next; false = the chunk is at its end. */
static bool peek(struct recording *r, uint64_t *ret_t)
{
	uint32_t pos;

	if (!r->stepped)
		r->stepped = chunk_step(&r->reader);
	pos = r->stepped ? r->reader.next - 1 : r->reader.n;
	if (r->reader.damaged && !r->stepped)
		pos = UINT32_MAX;
	if (definition_is_next(r, pos))
		*ret_t = 0;
	else if (r->flat.ev && r->flat.pos <= pos)
		*ret_t = r->flat.t_ns;
	else if (r->stepped)
		*ret_t = r->reader.event_t;
	else
		return false;
	return true;
}

static void give_next(struct recording *r, struct pipeline *p)
{
	uint32_t pos = r->stepped ? r->reader.next - 1 : UINT32_MAX;

	if (definition_is_next(r, pos)) {
		give_event(r, p, r->definition.ev, r->definition.t_ns, 0);
		next_definition(r);
	} else if (r->flat.ev && r->flat.pos <= pos) {
		struct weft_ev *ev = r->flat.ev;

		give_event(r, p, ev, r->flat.t_ns, r->flat.flags);
		next_flat(r);
	} else {
		r->stepped = false;
		give_column(r, p);
	}
}

static void end_chunk(struct recording *r, struct pipeline *p)
{
	pipeline_flush(p);
	while (r->nkept)
		free(r->kept[--r->nkept]);
	if (r->reader.damaged) { /* broke off: the rest of its columns is lost */
		for (uint32_t i = r->reader.next; i < r->reader.n; i++) {
			const struct chunk_shape *s = &r->reader.shape[r->reader.shapes[i]];
			struct chunk_count one = { s->process, s->kind, 1 };

			count_damaged(r, &one);
		}
	}
	r->in_chunk = false;
}

/* ---- pace ---- */

static uint64_t wall_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* Up to which engine time may be given out now; waits a little when that is nothing new. */
static uint64_t allowed(struct recording *r, const struct pipeline *p, int timeout_ms,
			bool *ret_stop)
{
	struct timespec until;
	uint64_t t = UINT64_MAX, wall = wall_ns();

	pthread_mutex_lock(&r->lock);
	if (r->repace || !r->pace_wall) {
		r->pace_t = pipeline_now(p);
		r->pace_wall = wall;
		r->repace = false;
	}
	if (r->paused)
		t = pipeline_now(p);
	else if (r->speed > 0)
		t = r->pace_t + (uint64_t)((double)(wall - r->pace_wall) * r->speed);
	if (t != UINT64_MAX && !r->stop) {
		uint64_t at = wall + (r->paused ? (uint64_t)timeout_ms : 5) * 1000000u;

		until.tv_sec = (time_t)(at / 1000000000);
		until.tv_nsec = (long)(at % 1000000000);
		pthread_cond_timedwait(&r->changed, &r->lock, &until);
	}
	*ret_stop = r->stop;
	pthread_mutex_unlock(&r->lock);
	return t;
}

static int feed_chunk(struct recording *r, struct pipeline *p, uint64_t until)
{
	uint64_t t;
	int n = 0;

	while (peek(r, &t)) {
		if (t > until)
			return n;
		give_next(r, p);
		n++;
	}
	end_chunk(r, p);
	return n;
}

static int recording_feed(struct input *in, struct pipeline *p, int timeout_ms)
{
	struct recording *r = (struct recording *)in;
	bool stop;
	uint64_t until = allowed(r, p, timeout_ms, &stop);
	int rc = 0, n;

	if (stop)
		return -ENODATA;
	pipeline_idle(p, false);
	if (!r->in_chunk)
		rc = next_chunk(r);
	if (rc < 0)
		return rc;
	if (!r->in_chunk && !r->at_end) { /* definitions after the last chunk */
		r->chunk = INT64_MAX;
		while (definition_is_next(r, UINT32_MAX))
			give_next(r, p);
		r->at_end = true;
	}
	if (r->broken)
		return -EIO;
	if (r->at_end)
		return -ENODATA;
	n = feed_chunk(r, p, until);
	if (r->in_chunk) {
		pipeline_advance(p, until);
		while (r->nkept)
			free(r->kept[--r->nkept]);
	}
	return n;
}

static int recording_request(struct input *in, const struct session_want *want)
{
	(void)in;
	(void)want;
	return 0; /* what was asked when it was recorded was answered then */
}

static void recording_stop(struct input *in)
{
	struct recording *r = (struct recording *)in;

	pthread_mutex_lock(&r->lock);
	r->stop = true;
	pthread_cond_broadcast(&r->changed);
	pthread_mutex_unlock(&r->lock);
}

static void recording_control(struct input *in, bool paused, double speed)
{
	struct recording *r = (struct recording *)in;

	pthread_mutex_lock(&r->lock);
	r->paused = paused;
	r->speed = speed;
	r->repace = true;
	pthread_cond_broadcast(&r->changed);
	pthread_mutex_unlock(&r->lock);
}

/* What was lost, filtered or expired when it was recorded. */
static void recording_settle(struct input *in, struct accounts *a)
{
	struct recording *r = (struct recording *)in;
	sqlite3_stmt *s = NULL;
	int rc;

	for (uint32_t i = 0; i < 16; i++)
		for (unsigned k = 0; r->damaged[i] && k < WEFT_EV_KINDS; k++)
			if (accounts_of(a, i)) {
				accounts_of(a, i)->kept_lost[k] += r->damaged[i]->kept_lost[k];
				r->damaged[i]->kept_lost[k] = 0;
			}
	if (r->settled)
		return;
	r->settled = true;
	if (sqlite3_prepare_v2(r->file.db,
			       "SELECT process, kind, filtered, lost, expired FROM account", -1, &s,
			       NULL))
		return;
	while ((rc = sqlite3_step(s)) == SQLITE_ROW) {
		struct account_process *p = accounts_of(a, (uint32_t)sqlite3_column_int64(s, 0));
		unsigned kind = (unsigned)sqlite3_column_int(s, 1);

		if (!p || kind >= WEFT_EV_KINDS)
			continue;
		if (kind < WEFT_MAX_KINDS)
			p->counts.filtered[kind] = (uint64_t)sqlite3_column_int64(s, 2);
		p->kept_lost[kind] += (uint64_t)sqlite3_column_int64(s, 3);
		p->kept_expired[kind] = (uint64_t)sqlite3_column_int64(s, 4);
	}
	if (rc != SQLITE_DONE)
		break_off(r);
	sqlite3_finalize(s);
}

static struct input *recording_close(struct input *in)
{
	struct recording *r = (struct recording *)in;

	if (!r)
		return NULL;
	while (r->nkept)
		free(r->kept[--r->nkept]);
	for (unsigned i = 0; i < 16; i++)
		free(r->damaged[i]);
	free(r->definition.ev);
	free(r->flat.ev);
	chunk_reader_done(&r->reader);
	sqlite3_finalize(r->chunks);
	sqlite3_finalize(r->definitions);
	reading_close(&r->file);
	pthread_cond_destroy(&r->changed);
	pthread_mutex_destroy(&r->lock);
	free(r);
	return NULL;
}

static const char *recording_error(const struct input *in)
{
	return ((const struct recording *)in)->error;
}

static const struct input_ops recording_ops = {
	.feed = recording_feed,
	.request = recording_request,
	.stop = recording_stop,
	.control = recording_control,
	.settle = recording_settle,
	.close = recording_close,
	.error = recording_error,
};

static int prepare(struct recording *r)
{
	sqlite3_stmt *s = NULL;
	int rc = sqlite3_prepare_v2(
		r->file.db,
		"SELECT chunk, counts, tasks, data, flat, codec FROM chunk ORDER BY chunk", -1,
		&r->chunks, NULL);

	if (!rc)
		rc = sqlite3_prepare_v2(r->file.db,
					"SELECT chunk, pos, t_ns, event FROM definition ORDER BY id",
					-1, &r->definitions, NULL);
	if (!rc)
		rc = sqlite3_prepare_v2(r->file.db, "SELECT start_mono_ns, end_ns FROM session", -1,
					&s, NULL);
	if (!rc && sqlite3_step(s) == SQLITE_ROW) {
		uint64_t end = (uint64_t)sqlite3_column_int64(s, 1);

		r->start_ns = (uint64_t)sqlite3_column_int64(s, 0);
		r->in.end_ns = end > INT64_MAX ? 0 : end;
	}
	sqlite3_finalize(s);
	return rc;
}

int input_recording_open(const char *path, double speed, struct input **ret, char *error,
			 size_t error_bytes)
{
	struct recording *r = calloc(1, sizeof(*r));
	pthread_condattr_t attr;
	int rc;

	if (!r)
		return -ENOMEM;
	r->in.ops = &recording_ops;
	r->speed = speed;
	pthread_mutex_init(&r->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&r->changed, &attr);
	pthread_condattr_destroy(&attr);
	rc = reading_open(path, &r->file);
	snprintf(error, error_bytes, "%s", r->file.error);
	if (!rc && prepare(r)) {
		snprintf(error, error_bytes, "%s", sqlite3_errmsg(r->file.db));
		rc = -EINVAL;
	}
	if (rc) {
		recording_close(&r->in);
		return rc;
	}
	next_definition(r);
	*ret = &r->in;
	return 0;
}
