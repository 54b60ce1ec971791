/* SPDX-License-Identifier: MIT */
#include "collector/store/store.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "collector/accounts.h"
#include "collector/decode.h"
#include "collector/store/chunk.h"
#include "collector/store/poll_sums.h"
#include "collector/store/rollup.h"
#include "collector/store/store_internal.h"
#include "collector/store/store_rows.h"
#include "collector/store/writer.h"

#define SECOND_NS 1000000000ull
#define ROWS_AT_ONCE \
	(256u << 10) /* rows that wait are handed over at the next tick from this size on */
#define ACCOUNTS_EVERY 250000000ull
#define MAX_FATES      4096

struct store {
	struct chunk_writer *chunk;
	struct rollup *rollup;
	struct poll_sums *polls;
	struct writer *writer;
	struct rows rows; /* since the last job */
	uint8_t *pack;    /* room for a definition */
	size_t pack_room;
	int64_t number; /* of the chunk under construction */
	uint64_t start, second, now, accounts_at;
	uint64_t opened;                /* later than all that went into the chunks before */
	struct writer_account *account; /* next to be told */
	size_t naccounts;
	struct writer_fate *fates;
	bool finished;
	int rc;
};

static char open_error[256]; /* of the last failed open; under open_lock */
static pthread_mutex_t open_lock = PTHREAD_MUTEX_INITIALIZER;

const char *store_error(const struct store *s)
{
	return s ? writer_error(s->writer) : open_error;
}

int store_open(const char *path, uint64_t max_bytes, struct store **ret)
{
	struct store *s = calloc(1, sizeof(*s));
	int rc = -ENOMEM;

	if (!s)
		return -ENOMEM;
	pthread_mutex_lock(&open_lock);
	snprintf(open_error, sizeof(open_error), "out of memory");
	s->fates = calloc(MAX_FATES, sizeof(*s->fates));
	s->number = 1;
	if (s->fates && !chunk_writer_new(&s->chunk) && !rollup_new(&s->rollup) &&
	    !poll_sums_new(&s->polls))
		rc = writer_open(path, max_bytes, &s->writer, open_error, sizeof(open_error));
	pthread_mutex_unlock(&open_lock);
	if (rc) {
		store_close(s);
		return rc;
	}
	*ret = s;
	return 0;
}

struct rows *store_rows(struct store *s)
{
	return &s->rows;
}

/* ---- closing a chunk ---- */

static void put_sum(struct rows *r, const struct rollup_sum *sum)
{
	rows_int(r, (int64_t)sum->polls);
	rows_int(r, (int64_t)sum->busy_ns);
	rows_int(r, (int64_t)sum->poll_max_ns);
	rows_int(r, (int64_t)sum->wakes);
	rows_int(r, (int64_t)sum->blocked_ns);
	rows_int(r, (int64_t)sum->runnable_ns);
}

static void rollup_task_row(void *ctx, uint64_t second, uint64_t task, const struct rollup_sum *sum)
{
	struct store *s = ctx;

	rows_begin(&s->rows, STORE_ROLLUP_TASK);
	rows_int(&s->rows, (int64_t)second);
	rows_int(&s->rows, (int64_t)task);
	put_sum(&s->rows, sum);
}

static void rollup_site_row(void *ctx, uint64_t second, const struct rollup_site *site)
{
	struct store *s = ctx;

	rows_begin(&s->rows, STORE_ROLLUP_SITE);
	rows_int(&s->rows, (int64_t)second);
	rows_int(&s->rows, site->process);
	rows_int(&s->rows, site->site);
	put_sum(&s->rows, &site->sum);
	rows_int(&s->rows, (int64_t)site->spawned);
	rows_int(&s->rows, (int64_t)site->ended);
}

static void short_row(void *ctx, const struct rollup_site *site)
{
	struct store *s = ctx;
	const struct rollup_sum *sum = &site->sum;

	rows_begin(&s->rows, STORE_SHORT_TOTAL);
	rows_int(&s->rows, site->process);
	rows_int(&s->rows, site->site);
	rows_int(&s->rows, (int64_t)site->spawned);
	rows_int(&s->rows, (int64_t)sum->polls);
	rows_int(&s->rows, (int64_t)sum->busy_ns);
	rows_int(&s->rows, (int64_t)sum->blocked_ns);
	rows_int(&s->rows, (int64_t)sum->runnable_ns);
	rows_int(&s->rows, (int64_t)sum->wakes);
	rows_int(&s->rows, (int64_t)sum->self_wakes);
	rows_int(&s->rows, (int64_t)sum->poll_max_ns);
	rows_int(&s->rows, (int64_t)site->ended);
}

static void poll_row(void *ctx, const struct poll_sum *sum)
{
	struct store *s = ctx;

	rows_begin(&s->rows, STORE_POLL_SUM);
	rows_int(&s->rows, sum->last);
	rows_int(&s->rows, sum->process);
	rows_int(&s->rows, sum->site);
	rows_int(&s->rows, sum->first);
	rows_int(&s->rows, (int64_t)sum->t0);
	rows_int(&s->rows, (int64_t)sum->t1);
	rows_int(&s->rows, (int64_t)sum->polls);
	rows_int(&s->rows, (int64_t)sum->busy_ns);
	rows_int(&s->rows, (int64_t)sum->max_ns);
	rows_blob(&s->rows, sum->hist.at, sum->hist.bytes);
}

static struct rollup_sink rollup_sink(struct store *s)
{
	return (struct rollup_sink){ rollup_task_row, rollup_site_row, short_row, s };
}

/* A job with the rows and the accounting collected since the last one. */
static struct writer_job *new_job(struct store *s)
{
	struct writer_job *job = calloc(1, sizeof(*job));

	if (!job)
		return NULL;
	job->rows = s->rows;
	s->rows = (struct rows){ 0 };
	job->account = s->account;
	job->naccounts = s->naccounts;
	job->end_ns = s->now;
	s->account = NULL;
	job->bytes = job->rows.used;
	return job;
}

static void push_rows(struct store *s)
{
	struct writer_job *job = s->rows.used || s->account ? new_job(s) : NULL;

	if (job)
		writer_push(s->writer, job);
}

static void push_chunk(struct store *s)
{
	const struct chunk_count *counts;
	struct writer_job *job = new_job(s);
	int rc = -ENOMEM;

	if (job) {
		chunk_count_shapes(s->chunk);
		counts = chunk_counts(s->chunk, &job->ncounts);
		job->counts = malloc((job->ncounts + 1) * sizeof(*counts));
		if (job->counts)
			memcpy(job->counts, counts, job->ncounts * sizeof(*counts));
		else
			job->ncounts = 0;
		rc = chunk_close(s->chunk, &job->blobs);
	}
	if (rc) {
		s->rc = s->rc ? s->rc : rc;
		poll_sums_spoil(s->polls);
		if (job)
			writer_drop(s->writer, job);
		return;
	}
	poll_sums_closed(s->polls, s->number, job->blobs.t0, job->blobs.t1);
	job->has_chunk = true;
	job->chunk = s->number++;
	job->bytes += job->blobs.data.bytes + job->blobs.tasks.bytes + job->blobs.counts.bytes +
		      job->blobs.flat.bytes;
	if (!writer_push(s->writer, job))
		poll_sums_spoil(s->polls);
	if (poll_sums_full(s->polls))
		poll_sums_flush(s->polls, poll_row, s);
}

static void close_chunk(struct store *s)
{
	struct rollup_sink sink = rollup_sink(s);
	struct chunk_task *tasks;
	size_t n;

	if (chunk_empty(s->chunk))
		return;
	tasks = chunk_tasks(s->chunk, &n);
	rollup_add(s->rollup, s->second, tasks, n, &sink);
	poll_sums_add(s->polls, s->chunk);
	push_chunk(s);
	s->opened = s->now + 1;
}

/* ---- records ---- */

static void put_definition(struct store *s, const struct record *r)
{
	size_t need = CHUNK_PACK_ROOM(r->ev->size);

	if (need > s->pack_room) {
		uint8_t *more = realloc(s->pack, need);

		if (!more) {
			s->rc = -ENOMEM;
			return;
		}
		s->pack = more;
		s->pack_room = need;
	}
	rows_begin(&s->rows, STORE_DEFINITION);
	rows_int(&s->rows, s->number);
	rows_int(&s->rows, chunk_count(s->chunk));
	rows_int(&s->rows, (int64_t)r->t_ns);
	rows_int(&s->rows, r->kind);
	rows_int(&s->rows, r->process);
	rows_blob(&s->rows, s->pack, chunk_pack_event(r->ev, s->pack));
	chunk_count_other(s->chunk, r->process, r->kind);
}

static int put_record(struct store *s, const struct record *r)
{
	if (chunk_is_column(r->kind))
		return chunk_put(s->chunk, r);
	if (!r->ev)
		return -EINVAL;
	store_rows_event(&s->rows, r);
	if (decode_is_definition(r->kind)) {
		put_definition(s, r);
		return 0;
	}
	if (r->kind == WEFT_EV_SNAPSHOT_TASK)
		rollup_place(s->rollup, r->task,
			     ((const struct weft_ev_snapshot_task *)(r->ev + 1))->site);
	return chunk_put_flat(s->chunk, r);
}

/* One that is no column event, or that the chunk had no room for. */
static void put_apart(struct store *s, const struct record *r)
{
	int rc = put_record(s, r);

	if (rc == -ENOSPC) {
		close_chunk(s);
		s->start = r->t_ns;
		s->second = r->t_ns / SECOND_NS;
		rc = put_record(s, r);
	}
	if (rc)
		s->rc = s->rc ? s->rc : rc;
}

void store_put_all(struct store *s, const struct record *r, size_t n)
{
	size_t i = 0;
	int rc;

	while (i < n) {
		size_t from = i;

		if (chunk_empty(s->chunk)) {
			s->start = r[i].t_ns;
			s->second = r[i].t_ns / SECOND_NS;
		}
		i += chunk_put_run(s->chunk, r + i, n - i, &rc);
		for (size_t k = from; k < i; k++)
			s->now = r[k].t_ns > s->now ? r[k].t_ns : s->now;
		if (i == n)
			break;
		s->now = r[i].t_ns > s->now ? r[i].t_ns : s->now;
		put_apart(s, &r[i++]);
	}
}

void store_put(struct store *s, const struct record *r)
{
	store_put_all(s, r, 1);
}

void store_cut(struct store *s)
{
	if (chunk_count(s->chunk) >= CHUNK_EVENTS ||
	    chunk_flat_bytes(s->chunk) >= CHUNK_FLAT_BYTES || s->now - s->start >= CHUNK_NS)
		close_chunk(s);
}

void store_tick(struct store *s, uint64_t now_ns)
{
	if (now_ns > s->now)
		s->now = now_ns;
	if (!chunk_empty(s->chunk) &&
	    (now_ns - s->start >= CHUNK_NS || now_ns / SECOND_NS != s->second))
		close_chunk(s);
	else if (s->rows.used >= ROWS_AT_ONCE || (s->rows.used && now_ns % CHUNK_NS == 0))
		push_rows(s);
	if (chunk_empty(s->chunk))
		s->start = now_ns;
}

uint64_t store_chunk_start(const struct store *s)
{
	return s->opened;
}

/* ---- accounting ---- */

static void tell_fates(struct store *s, struct accounts *a)
{
	size_t n = writer_fates(s->writer, s->fates, MAX_FATES);

	for (size_t i = 0; i < n && i < MAX_FATES; i++) {
		struct account_process *p = accounts_of(a, s->fates[i].process);

		if (p && s->fates[i].kind < WEFT_EV_KINDS) {
			p->unsaved[s->fates[i].kind] = s->fates[i].unsaved;
			p->expired[s->fates[i].kind] = s->fates[i].expired;
		}
	}
}

static void take_accounts(struct store *s, struct accounts *a)
{
	struct engine_account row;
	size_t n = 0, room = 256;

	free(s->account);
	s->account = malloc(room * sizeof(*s->account));
	for (size_t i = 0; s->account && accounts_row(a, i, &row); i++) {
		const struct account_process *p = accounts_of(a, row.process);
		struct writer_account *to;

		if (n == room) {
			struct writer_account *more =
				realloc(s->account, (room *= 2) * sizeof(*more));

			if (!more)
				break;
			s->account = more;
		}
		to = &s->account[n++];
		*to = (struct writer_account){ .process = row.process,
					       .kind = row.kind,
					       .filtered = row.filtered,
					       .lost = row.lost - p->unsaved[row.kind],
					       .emitted = UINT64_MAX };
		if (p->counted && row.kind && row.kind < WEFT_MAX_KINDS)
			to->emitted = p->counts.emitted[row.kind];
		to->final = p->final;
	}
	s->naccounts = n;
}

void store_accounts(struct store *s, struct accounts *a, bool now)
{
	tell_fates(s, a);
	if (!now && s->now - s->accounts_at < ACCOUNTS_EVERY)
		return;
	s->accounts_at = s->now;
	accounts_publish(a);
	take_accounts(s, a);
	if (now)
		push_rows(s);
}

void store_account_error(struct store *s, uint32_t process, uint32_t kind, const char *text)
{
	rows_begin(&s->rows, STORE_ACCOUNT_ERROR);
	rows_int(&s->rows, process);
	rows_text(&s->rows, accounts_kind_name(kind));
	rows_text(&s->rows, text);
}

/* ---- the end ---- */

int store_finish(struct store *s, uint64_t end_ns, struct accounts *a)
{
	struct rollup_sink sink = rollup_sink(s);
	int rc;

	if (s->finished)
		return s->rc;
	s->finished = true;
	if (end_ns > s->now)
		s->now = end_ns;
	close_chunk(s);
	rollup_flush(s->rollup, &sink);
	poll_sums_flush(s->polls, poll_row, s);
	if (a)
		store_accounts(s, a, true);
	push_rows(s);
	rc = writer_finish(s->writer, s->now);
	if (a)
		tell_fates(s, a);
	s->rc = s->rc ? s->rc : rc;
	return s->rc;
}

int store_close(struct store *s)
{
	int rc = 0;

	if (!s)
		return 0;
	if (s->writer)
		rc = store_finish(s, 0, NULL);
	writer_close(s->writer);
	rollup_free(s->rollup);
	poll_sums_free(s->polls);
	chunk_writer_free(s->chunk);
	rows_done(&s->rows);
	free(s->account);
	free(s->fates);
	free(s->pack);
	free(s);
	return rc;
}
