/* SPDX-License-Identifier: MIT */
/*
 * Memory order: the queue, the fates and the error are under `lock`; the connection and everything else
 * belong to the writer thread, which is joined before they are freed.
 */
#include "collector/store/writer.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "collector/accounts.h"
#include "schema_sql.h"

#define PAGE_BYTES   16384
#define COMMIT_NS    250000000ull
#define COMMIT_BYTES (16u << 20)
#define MAX_WAITING  ((size_t)256 << 20)
#define MAX_FATES    4096
#define WAL_BYTES    (64ull << 20)

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

static int errno_of(int sqlite_rc)
{
	switch (sqlite_rc & 0xff) {
	case SQLITE_FULL:
		return -ENOSPC;
	case SQLITE_NOMEM:
		return -ENOMEM;
	case SQLITE_READONLY:
	case SQLITE_PERM:
	case SQLITE_AUTH:
		return -EACCES;
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return -EBUSY;
	default:
		return -EIO;
	}
}

/* ---- fates ---- */

static struct writer_fate *fate_of(struct writer_fate *table, size_t *n, uint32_t process,
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
		fate_of(w->pending, &w->npending, counts[i].process, counts[i].kind)->stored +=
			counts[i].n;
}

/* The transaction is in the file, or it is not: what it held moves on at once. */
static void settle_pending(struct writer *w, bool committed)
{
	pthread_mutex_lock(&w->lock);
	for (size_t i = 0; i < w->npending; i++) {
		const struct writer_fate *p = &w->pending[i];
		struct writer_fate *f = fate_of(w->fate, &w->nfates, p->process, p->kind);

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
		fate_of(w->fate, &w->nfates, job->counts[i].process, job->counts[i].kind)->unsaved +=
			job->counts[i].n;
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
	int rc = errno_of(sqlite_rc);

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

/* ---- bounded space ---- */

static uint64_t number(sqlite3_stmt *s)
{
	uint64_t v = sqlite3_step(s) == SQLITE_ROW ? (uint64_t)sqlite3_column_int64(s, 0) : 0;

	sqlite3_reset(s);
	return v;
}

static uint64_t wal_bytes(const struct writer *w)
{
	char wal[4096];
	struct stat st;

	snprintf(wal, sizeof(wal), "%s-wal", w->path);
	return stat(wal, &st) ? 0 : (uint64_t)st.st_size;
}

static uint64_t used_bytes(const struct writer *w)
{
	return (number(w->page_count) - number(w->free_pages)) * PAGE_BYTES + wal_bytes(w);
}

static void count_expired(struct writer *w, const uint8_t *p, size_t bytes)
{
	struct chunk_count counts[256];
	size_t n = chunk_read_counts(p, bytes, counts, 256);

	for (size_t i = 0; i < n && i < 256; i++)
		fate_of(w->pending, &w->npending, counts[i].process, counts[i].kind)->expired +=
			counts[i].n;
}

/* Deletes the oldest chunk and what is as old; false = there is only one left. */
static int expire_oldest(struct writer *w, bool *ret_more)
{
	sqlite3_stmt *s = w->oldest;
	int64_t chunk, t1;
	int rc = SQLITE_OK;

	*ret_more = false;
	if (sqlite3_step(s) == SQLITE_ROW) {
		chunk = sqlite3_column_int64(s, 0);
		t1 = sqlite3_column_int64(s, 1);
		*ret_more = sqlite3_column_int64(s, 3) > chunk;
		if (*ret_more) {
			count_expired(w, sqlite3_column_blob(s, 2),
				      (size_t)sqlite3_column_bytes(s, 2));
			sqlite3_bind_int64(w->expire, 1, chunk);
		}
	}
	sqlite3_reset(s);
	if (*ret_more) {
		char sql[160];

		sqlite3_step(w->expire);
		rc = sqlite3_reset(w->expire);
		snprintf(
			sql, sizeof(sql),
			"DELETE FROM rollup_task WHERE second < %1$lld; DELETE FROM rollup_site WHERE second < %1$lld",
			(long long)(t1 / 1000000000));
		if (!rc)
			rc = sqlite3_exec(w->db, sql, NULL, NULL, NULL);
	}
	return rc;
}

/* Keeps file and -wal within max_bytes: the file never shrinks by itself, so room is made before it is needed. */
static int bound_space(struct writer *w, uint64_t incoming)
{
	uint64_t slack = w->max_bytes / 8;
	bool more = true;
	int rc = SQLITE_OK;

	while (w->max_bytes && more && !rc && used_bytes(w) + incoming + slack > w->max_bytes)
		rc = expire_oldest(w, &more);
	return rc;
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
		rc = bound_space(w, job->bytes + w->waiting_bytes);
	if (!rc)
		rc = rows_run(&job->rows, w->statement);
	if (!rc && job->has_chunk)
		rc = insert_chunk(w, job);
	pend(w, job->counts, job->ncounts);
	w->waiting_bytes += job->bytes;
	take_account(w, job);
	return rc;
}

/* The file's accounting is that of the chunks in it, in the same transaction. */
static int write_accounts(struct writer *w)
{
	struct rows rows = { 0 };
	int rc;

	for (size_t i = 0; i < w->naccounts; i++) {
		const struct writer_account *a = &w->account[i];
		const struct writer_fate *p =
			fate_of(w->pending, &w->npending, a->process, a->kind);
		struct writer_fate f;

		pthread_mutex_lock(&w->lock);
		f = *fate_of(w->fate, &w->nfates, a->process, a->kind);
		pthread_mutex_unlock(&w->lock);
		rows_begin(&rows, STORE_ACCOUNT);
		rows_int(&rows, a->process);
		rows_int(&rows, a->kind);
		rows_text(&rows, accounts_kind_name(a->kind));
		rows_known(&rows, a->emitted);
		rows_int(&rows, (int64_t)a->filtered);
		rows_int(&rows, (int64_t)(f.stored + p->stored - p->expired));
		rows_int(&rows, (int64_t)(a->lost + f.unsaved));
		rows_int(&rows, (int64_t)(f.expired + p->expired));
		rows_int(&rows, a->final);
	}
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
			else if (w->waiting_bytes >= COMMIT_BYTES ||
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

static int prepare(struct writer *w)
{
	static const char *const sql[] = {
#define X(name, text) text,
		STORE_STATEMENTS(X)
#undef X
	};
	int rc = SQLITE_OK;

	for (int i = 0; i < STORE_STATEMENTS_N && !rc; i++)
		rc = sqlite3_prepare_v3(w->db, sql[i], -1, SQLITE_PREPARE_PERSISTENT,
					&w->statement[i], NULL);
	if (!rc)
		rc = sqlite3_prepare_v2(
			w->db,
			"SELECT chunk, t1, counts, (SELECT max(chunk) FROM chunk) FROM chunk ORDER BY chunk LIMIT 1",
			-1, &w->oldest, NULL);
	if (!rc)
		rc = sqlite3_prepare_v2(w->db, "DELETE FROM chunk WHERE chunk=?", -1, &w->expire,
					NULL);
	if (!rc)
		rc = sqlite3_prepare_v2(w->db, "PRAGMA page_count", -1, &w->page_count, NULL);
	if (!rc)
		rc = sqlite3_prepare_v2(w->db, "PRAGMA freelist_count", -1, &w->free_pages, NULL);
	return rc;
}

static int create(struct writer *w)
{
	/* What waits in the -wal counts as well: with a bound it is kept to an eighth of it. */
	uint64_t wal = w->max_bytes && w->max_bytes / 8 < WAL_BYTES ? w->max_bytes / 8 : WAL_BYTES;
	unsigned pages = (unsigned)(wal / 4 / PAGE_BYTES);
	char sql[600];
	int rc;

	snprintf(
		sql, sizeof(sql),
		"PRAGMA page_size=%d; PRAGMA auto_vacuum=INCREMENTAL; PRAGMA application_id=%d; PRAGMA user_version=%d;"
		"PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA journal_size_limit=%llu;"
		"PRAGMA wal_autocheckpoint=%u; PRAGMA temp_store=MEMORY; PRAGMA cache_size=-16384; PRAGMA foreign_keys=OFF",
		PAGE_BYTES, STORE_APPLICATION_ID, STORE_USER_VERSION, (unsigned long long)wal,
		pages < 16 ? 16 : pages);
	rc = sqlite3_exec(w->db, sql, NULL, NULL, NULL);
	if (!rc)
		rc = sqlite3_exec(w->db, "BEGIN", NULL, NULL, NULL);
	if (!rc)
		rc = sqlite3_exec(w->db, schema_sql, NULL, NULL, NULL);
	if (!rc)
		rc = sqlite3_exec(w->db, "COMMIT", NULL, NULL, NULL);
	return rc ? rc : prepare(w);
}

/* A fresh file of ours alone: mode 0600 from its first byte; one that is there is replaced only when it is a recording. */
static int claim_path(const char *path, char *error, size_t error_bytes)
{
	static const char *const suffix[] = { "-wal", "-shm", "-journal" };
	char head[72] = "", other[4096];
	struct stat st;
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

	if (fd < 0) {
		int rc = -errno;

		snprintf(error, error_bytes, "%s", strerror(-rc));
		return rc;
	}
	if (fstat(fd, &st) || !S_ISREG(st.st_mode) ||
	    (st.st_size && (pread(fd, head, sizeof(head), 0) != sizeof(head) ||
			    memcmp(head, "SQLite format 3", 16) || memcmp(head + 68, "Weft", 4)))) {
		close(fd);
		snprintf(error, error_bytes, "there is a file of another kind; it was left alone");
		return -EEXIST;
	}
	if (ftruncate(fd, 0) || fchmod(fd, 0600)) {
		close(fd);
		snprintf(error, error_bytes, "%s", strerror(errno));
		return -EIO;
	}
	close(fd);
	for (unsigned i = 0; i < 3; i++) {
		snprintf(other, sizeof(other), "%s%s", path, suffix[i]);
		unlink(other);
	}
	return 0;
}

static int open_file(struct writer *w, char *error, size_t error_bytes)
{
	int rc = claim_path(w->path, error, error_bytes);

	if (rc)
		return rc;
	rc = sqlite3_open_v2(w->path, &w->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);
	if (!rc)
		rc = create(w);
	if (!rc)
		return 0;
	snprintf(error, error_bytes, "%s", w->db ? sqlite3_errmsg(w->db) : "out of memory");
	return errno_of(rc);
}

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
		rc = open_file(w, error, error_bytes);
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

static void finalize(struct writer *w)
{
	for (int i = 0; i < STORE_STATEMENTS_N; i++) {
		sqlite3_finalize(w->statement[i]);
		w->statement[i] = NULL;
	}
	sqlite3_finalize(w->oldest);
	sqlite3_finalize(w->expire);
	sqlite3_finalize(w->page_count);
	sqlite3_finalize(w->free_pages);
	w->oldest = w->expire = w->page_count = w->free_pages = NULL;
}

int writer_finish(struct writer *w, uint64_t end_ns)
{
	char sql[160];
	int rc;

	if (!w->running)
		return w->rc;
	end_thread(w);
	finalize(w);
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
	finalize(w);
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
