/* SPDX-License-Identifier: MIT */
/*
 * Memory order: the queue, the fates and the error are under `lock`; the connection and everything else
 * belong to the writer thread, which is joined before they are freed.
 */

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "collector/accounts.h"
#include "collector/store/writer_internal.h"

#define COMMIT_NS 250000000ull
/* What a full disk can cost at most; without an fsync a commit is cheap. */
#define COMMIT_BYTES (1u << 20)
#define MAX_WAITING  ((size_t)256 << 20)

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

void writer_job_free(struct writer_job *job)
{
	if (!job)
		return;
	chunk_blobs_free(&job->blobs);
	rows_done(&job->rows);
	free(job->counts);
	free(job->account);
	free(job);
}

/* ---- fates ---- */

struct writer_fate *writer_fate_of(struct writer_fate *table, size_t *n, uint32_t process,
				   uint32_t kind)
{
	size_t i;

	for (i = 0; i < *n; i++)
		if (table[i].kind == kind && table[i].process == process)
			return &table[i];
	if (*n == MAX_FATES)
		return &table[0];
	table[(*n)++] = (struct writer_fate){ .process = process, .kind = kind };
	return &table[i];
}

static void pend(struct writer *w, const struct chunk_count *counts, size_t n)
{
	for (size_t i = 0; i < n; i++)
		writer_fate_of(w->pending, &w->npending, counts[i].process, counts[i].kind)
			->stored += counts[i].n;
}

/* The transaction is in the file, or it is not: what it held moves on at once. */
static void settle_pending(struct writer *w, bool committed)
{
	pthread_mutex_lock(&w->lock);
	for (size_t i = 0; i < w->npending; i++) {
		const struct writer_fate *p = &w->pending[i];
		struct writer_fate *f = writer_fate_of(w->fate, &w->nfates, p->process, p->kind);

		if (committed) {
			f->stored += p->stored - p->expired;
			f->expired += p->expired;
		} else {
			f->unsaved += p->stored;
		}
	}
	pthread_mutex_unlock(&w->lock);
	w->npending = 0;
}

static void count_unsaved(struct writer *w, const struct writer_job *job)
{
	pthread_mutex_lock(&w->lock);
	for (size_t i = 0; i < job->ncounts; i++)
		writer_fate_of(w->fate, &w->nfates, job->counts[i].process, job->counts[i].kind)
			->unsaved += job->counts[i].n;
	pthread_mutex_unlock(&w->lock);
}

size_t writer_fates(struct writer *w, struct writer_fate *rows, size_t max)
{
	size_t n;

	pthread_mutex_lock(&w->lock);
	n = w->nfates;
	memcpy(rows, w->fate, (n < max ? n : max) * sizeof(*rows));
	pthread_mutex_unlock(&w->lock);
	return n;
}

/* ---- errors ---- */

static void keep_error(struct writer *w, int sqlite_rc, const char *what)
{
	int rc = writer_errno(sqlite_rc);

	pthread_mutex_lock(&w->lock);
	if (!w->rc) {
		w->rc = rc;
		snprintf(w->error, sizeof(w->error), "%s %s: %s; what was stored before is intact",
			 what, w->path,
			 rc == -ENOSPC ? "the disk is full, recording stopped"
				       : sqlite3_errmsg(w->db));
	}
	pthread_mutex_unlock(&w->lock);
}

const char *writer_error(struct writer *w)
{
	const char *text;

	pthread_mutex_lock(&w->lock);
	text = w->rc ? w->error : "";
	pthread_mutex_unlock(&w->lock);
	return text;
}

static bool failed(struct writer *w)
{
	bool is;

	pthread_mutex_lock(&w->lock);
	is = w->rc != 0;
	pthread_mutex_unlock(&w->lock);
	return is;
}

static void give_up(struct writer *w, int sqlite_rc, const char *what)
{
	keep_error(w, sqlite_rc, what);
	sqlite3_exec(w->db, "ROLLBACK", NULL, NULL, NULL);
	w->in_transaction = false;
	settle_pending(w, false);
}

/* ---- writing ---- */

static int begin(struct writer *w)
{
	int rc = w->in_transaction ? SQLITE_OK : sqlite3_exec(w->db, "BEGIN", NULL, NULL, NULL);

	if (!w->in_transaction)
		w->began_ns = now_ns();
	w->in_transaction = !rc;
	return rc;
}

static void bind_blob(sqlite3_stmt *s, int i, const struct chunk_bytes *b)
{
	if (b->at)
		sqlite3_bind_blob64(s, i, b->at, b->bytes, SQLITE_STATIC);
	else
		sqlite3_bind_null(s, i);
}

static int insert_chunk(struct writer *w, const struct writer_job *job)
{
	const struct chunk_blobs *b = &job->blobs;
	sqlite3_stmt *s = w->statement[STORE_CHUNK];

	sqlite3_bind_int64(s, 1, job->chunk);
	sqlite3_bind_int64(s, 2, (int64_t)b->t0);
	sqlite3_bind_int64(s, 3, (int64_t)b->t1);
	sqlite3_bind_int64(s, 4, b->n);
	sqlite3_bind_int(s, 5, CHUNK_CODEC);
	sqlite3_bind_int64(s, 6, (int64_t)b->task0);
	sqlite3_bind_int64(s, 7, (int64_t)b->task1);
	bind_blob(s, 8, &b->counts);
	bind_blob(s, 9, &b->tasks);
	bind_blob(s, 10, &b->data);
	bind_blob(s, 11, &b->flat);
	sqlite3_step(s);
	return sqlite3_reset(s);
}

static void take_account(struct writer *w, struct writer_job *job)
{
	if (job->end_ns)
		w->end_ns = job->end_ns;
	if (!job->account)
		return;
	free(w->account);
	w->account = job->account;
	w->naccounts = job->naccounts;
	job->account = NULL;
}

static int write_job(struct writer *w, struct writer_job *job)
{
	int rc = begin(w);

	if (!rc && job->has_chunk)
		rc = writer_file_bound(w, job->bytes + w->waiting_bytes);
	if (!rc)
		rc = rows_run(&job->rows, w->statement);
	if (!rc && job->has_chunk)
		rc = insert_chunk(w, job);
	pend(w, job->counts, job->ncounts);
	w->waiting_bytes += job->bytes;
	take_account(w, job);
	return rc;
}

static void put_account(struct writer *w, struct rows *rows, const struct writer_account *a)
{
	const struct writer_fate *p = writer_fate_of(w->pending, &w->npending, a->process, a->kind);
	struct writer_fate f;

	pthread_mutex_lock(&w->lock);
	f = *writer_fate_of(w->fate, &w->nfates, a->process, a->kind);
	pthread_mutex_unlock(&w->lock);
	rows_begin(rows, STORE_ACCOUNT);
	rows_int(rows, a->process);
	rows_int(rows, a->kind);
	rows_text(rows, accounts_kind_name(a->kind));
	rows_known(rows, a->emitted);
	rows_int(rows, (int64_t)a->filtered);
	rows_int(rows, (int64_t)(f.stored + p->stored - p->expired));
	rows_int(rows, (int64_t)(a->lost + f.unsaved));
	rows_int(rows, (int64_t)(f.expired + p->expired));
	rows_int(rows, a->final);
}

static bool was_told(const struct writer *w, const struct writer_fate *f)
{
	for (size_t i = 0; i < w->naccounts; i++)
		if (w->account[i].kind == f->kind && w->account[i].process == f->process)
			return true;
	return false;
}

/* Chunks may hold kinds that the accounts, told four times a second, do not name yet. */
static void put_untold(struct writer *w, struct rows *rows)
{
	for (size_t i = 0; i < w->npending; i++) {
		const struct writer_account a = { .process = w->pending[i].process,
						  .kind = w->pending[i].kind,
						  .emitted = UINT64_MAX };

		if (!was_told(w, &w->pending[i]))
			put_account(w, rows, &a);
	}
}

/* The file's accounting is that of the chunks in it, in the same transaction. */
static int write_accounts(struct writer *w)
{
	struct rows rows = { 0 };
	int rc;

	/* What was open while it ran ("unsettled") has no row any more once it is settled. */
	if (w->naccounts)
		sqlite3_exec(w->db, "DELETE FROM account", NULL, NULL, NULL);
	for (size_t i = 0; i < w->naccounts; i++)
		put_account(w, &rows, &w->account[i]);
	put_untold(w, &rows);
	if (w->end_ns) {
		rows_begin(&rows, STORE_SESSION_END);
		rows_int(&rows, (int64_t)w->end_ns);
		rows_int(&rows, 0);
	}
	rc = rows.failed ? SQLITE_NOMEM : rows_run(&rows, w->statement);
	rows_done(&rows);
	return rc;
}

static int commit(struct writer *w)
{
	int rc;

	if (!w->in_transaction)
		return SQLITE_OK;
	rc = write_accounts(w);
	if (!rc)
		rc = sqlite3_exec(w->db, "COMMIT", NULL, NULL, NULL);
	if (rc) {
		give_up(w, rc, "writing");
		return rc;
	}
	w->in_transaction = false;
	w->waiting_bytes = 0;
	settle_pending(w, true);
	return rc;
}

/* ---- the thread ---- */

/* Waits for a job, for the time to commit, or for the end. Returns the list, taken over. */
static struct writer_job *take_jobs(struct writer *w, bool *ret_stop, bool *ret_sync)
{
	struct writer_job *jobs;
	struct timespec until;
	uint64_t at = w->began_ns + COMMIT_NS;

	until.tv_sec = (time_t)(at / 1000000000);
	until.tv_nsec = (long)(at % 1000000000);
	pthread_mutex_lock(&w->lock);
	while (!w->first && !w->stop && !w->sync) {
		if (!w->in_transaction)
			pthread_cond_wait(&w->pushed, &w->lock);
		else if (pthread_cond_timedwait(&w->pushed, &w->lock, &until) == ETIMEDOUT)
			break;
	}
	jobs = w->first;
	w->first = NULL;
	w->last = &w->first;
	w->waiting = 0;
	*ret_stop = w->stop;
	*ret_sync = w->sync;
	pthread_mutex_unlock(&w->lock);
	return jobs;
}

/* A transaction lies in the -wal, which --max-size counts as well. */
static uint64_t commit_bytes(const struct writer *w)
{
	uint64_t part = w->max_bytes / 16;

	return part && part < COMMIT_BYTES ? part : COMMIT_BYTES;
}

static void write_jobs(struct writer *w, struct writer_job *job)
{
	uint64_t n = 0;

	while (job) {
		struct writer_job *next = job->next;
		int rc;

		if (failed(w)) {
			count_unsaved(w, job);
		} else {
			rc = write_job(w, job);
			if (rc)
				give_up(w, rc, "writing");
			else if (w->waiting_bytes >= commit_bytes(w) ||
				 now_ns() - w->began_ns >= COMMIT_NS)
				commit(w);
		}
		writer_job_free(job);
		job = next;
		n++;
	}
	pthread_mutex_lock(&w->lock);
	w->handled += n;
	pthread_mutex_unlock(&w->lock);
}

static void *writer_main(void *arg)
{
	struct writer *w = arg;
	bool stop = false, sync;

	pthread_setname_np(pthread_self(), "weft-writer");
	while (!stop) {
		write_jobs(w, take_jobs(w, &stop, &sync));
		if (w->in_transaction && (sync || stop || now_ns() - w->began_ns >= COMMIT_NS))
			commit(w);
		pthread_mutex_lock(&w->lock);
		w->sync = w->sync && w->handled != w->jobs;
		pthread_cond_broadcast(&w->done);
		pthread_mutex_unlock(&w->lock);
	}
	return NULL;
}

bool writer_push(struct writer *w, struct writer_job *job)
{
	bool taken;

	pthread_mutex_lock(&w->lock);
	taken = !w->rc && w->waiting + job->bytes <= MAX_WAITING;
	if (taken) {
		job->next = NULL;
		*w->last = job;
		w->last = &job->next;
		w->waiting += job->bytes;
		w->jobs++;
		pthread_cond_signal(&w->pushed);
	}
	pthread_mutex_unlock(&w->lock);
	if (!taken)
		writer_drop(w, job);
	return taken;
}

void writer_drop(struct writer *w, struct writer_job *job)
{
	count_unsaved(w, job);
	writer_job_free(job);
}

void writer_sync(struct writer *w)
{
	pthread_mutex_lock(&w->lock);
	w->sync = true;
	pthread_cond_signal(&w->pushed);
	while (w->sync)
		pthread_cond_wait(&w->done, &w->lock);
	pthread_mutex_unlock(&w->lock);
}

/* ---- open and close ---- */

int writer_open(const char *path, uint64_t max_bytes, struct writer **ret, char *error,
		size_t error_bytes)
{
	struct writer *w = calloc(1, sizeof(*w));
	pthread_condattr_t attr;
	int rc = -ENOMEM;

	if (!w)
		return -ENOMEM;
	w->last = &w->first;
	w->max_bytes = max_bytes;
	pthread_mutex_init(&w->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&w->pushed, &attr);
	pthread_cond_init(&w->done, &attr);
	pthread_condattr_destroy(&attr);
	w->path = strdup(path);
	if (w->path)
		rc = writer_file_open(w, error, error_bytes);
	if (!rc)
		rc = -pthread_create(&w->thread, NULL, writer_main, w);
	w->running = !rc;
	if (rc) {
		writer_close(w);
		return rc;
	}
	*ret = w;
	return 0;
}

static void end_thread(struct writer *w)
{
	if (!w->running)
		return;
	pthread_mutex_lock(&w->lock);
	w->stop = true;
	pthread_cond_signal(&w->pushed);
	pthread_mutex_unlock(&w->lock);
	pthread_join(w->thread, NULL);
	w->running = false;
}

int writer_finish(struct writer *w, uint64_t end_ns)
{
	char sql[160];
	int rc;

	if (!w->running)
		return w->rc;
	end_thread(w);
	writer_file_finalize(w);
	snprintf(sql, sizeof(sql), "UPDATE session SET end_ns=%llu, clean=%d",
		 (unsigned long long)end_ns, !w->rc);
	rc = sqlite3_exec(w->db, sql, NULL, NULL, NULL);
	if (!rc)
		rc = sqlite3_exec(w->db,
				  "PRAGMA wal_checkpoint(TRUNCATE); PRAGMA journal_mode=DELETE",
				  NULL, NULL, NULL);
	if (rc)
		keep_error(w, rc, "closing");
	return w->rc;
}

struct writer *writer_close(struct writer *w)
{
	if (!w)
		return NULL;
	end_thread(w);
	writer_file_finalize(w);
	sqlite3_close(w->db);
	for (struct writer_job *job = w->first, *next; job; job = next) {
		next = job->next;
		writer_job_free(job);
	}
	free(w->account);
	free(w->path);
	pthread_cond_destroy(&w->pushed);
	pthread_cond_destroy(&w->done);
	pthread_mutex_destroy(&w->lock);
	free(w);
	return NULL;
}
