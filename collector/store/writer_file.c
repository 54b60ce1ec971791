/* SPDX-License-Identifier: MIT */
/* The file of a recording: claimed, created, kept within its bound. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "collector/decode.h"
#include "collector/store/poll_sums.h"
#include "collector/store/writer_internal.h"
#include "schema_sql.h"

#define BUSY_MS 2000
#define TRIES   8

#define PAGE_BYTES 8192
#define WAL_BYTES  (64ull << 20)

int writer_errno(int sqlite_rc)
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

	for (size_t i = 0; i < n && i < 256; i++) {
		if (decode_is_definition(
			    counts[i].kind)) /* they have a table of their own, and stay */
			continue;
		writer_fate_of(w->pending, &w->npending, counts[i].process, counts[i].kind)
			->expired += counts[i].n;
	}
}

/* Deletes the oldest chunk and what is as old; false = there is only one left. */
static int expire_oldest(struct writer *w, bool *ret_more)
{
	sqlite3_stmt *s = w->oldest;
	int64_t chunk = 0, t1 = 0;
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
		char sql[240];

		sqlite3_step(w->expire);
		rc = sqlite3_reset(w->expire);
		snprintf(sql, sizeof(sql),
			 "DELETE FROM rollup_task WHERE second < %1$lld; DELETE FROM rollup_site WHERE second < %1$lld;"
			 "DELETE FROM poll_sum WHERE first <= %2$lld AND last < %3$lld",
			 (long long)(t1 / 1000000000), (long long)chunk,
			 (long long)chunk + POLL_SUMS_CHUNKS);
		if (!rc)
			rc = sqlite3_exec(w->db, sql, NULL, NULL, NULL);
	}
	return rc;
}

/* Keeps file and -wal within max_bytes: the file never shrinks by itself, so room is made before it is needed. */
int writer_file_bound(struct writer *w, uint64_t incoming)
{
	uint64_t slack = w->max_bytes / 8;
	bool more = true;
	int rc = SQLITE_OK;

	while (w->max_bytes && more && !rc && used_bytes(w) + incoming + slack > w->max_bytes)
		rc = expire_oldest(w, &more);
	return rc;
}

/* ---- creation ---- */

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

static void unlink_beside(const char *path)
{
	static const char *const suffix[] = { "-wal", "-shm", "-journal" };
	char other[4096];

	for (unsigned i = 0; i < 3; i++) {
		snprintf(other, sizeof(other), "%s%s", path, suffix[i]);
		unlink(other);
	}
}

/* A fresh file of ours alone: mode 0600 from its first byte; one that is there is replaced only when it is a recording. */
static int claim_path(const char *path, char *error, size_t error_bytes)
{
	char head[72] = "";
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
	unlink_beside(path);
	return 0;
}

/* What has no schema is of no use, and in the way of the next try. */
static void remove_unmade(struct writer *w)
{
	writer_file_finalize(w);
	sqlite3_close(w->db);
	w->db = NULL;
	unlink(w->path);
	unlink_beside(w->path);
}

static int try_open(struct writer *w)
{
	int rc =
		sqlite3_open_v2(w->path, &w->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);

	if (rc)
		return rc;
	/* Somebody may look into the file while it is made. */
	sqlite3_busy_timeout(w->db, BUSY_MS);
	return create(w);
}

/* A -wal beside a file without pages is deleted by whoever opens it; who looks into it may have been faster. */
static bool was_forestalled(const struct writer *w)
{
	return w->db && sqlite3_extended_errcode(w->db) == SQLITE_IOERR_DELETE_NOENT;
}

int writer_file_open(struct writer *w, char *error, size_t error_bytes)
{
	bool again = true;
	int rc = 0;

	for (int i = 0; again && i < TRIES; i++) {
		rc = claim_path(w->path, error, error_bytes);
		if (rc)
			return rc;
		rc = try_open(w);
		if (!rc)
			return 0;
		again = was_forestalled(w);
		snprintf(error, error_bytes, "%s", w->db ? sqlite3_errmsg(w->db) : "out of memory");
		remove_unmade(w);
	}
	return writer_errno(rc);
}

void writer_file_finalize(struct writer *w)
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
