/* SPDX-License-Identifier: MIT */
#include "collector/store/reading.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "probes/base/cleanup.h"

#define HEADER_BYTES 100

static uint32_t big32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static int say(struct reading *r, int rc, const char *text)
{
	snprintf(r->error, sizeof(r->error), "%s", text);
	return rc;
}

/* Looks at the first bytes, before SQLite does: its own words for a wrong file help nobody. */
static int look(const char *path, struct reading *r, bool *ret_wal)
{
	auto_close int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a FIFO may wait */
	uint8_t head[HEADER_BYTES];
	struct stat st;
	ssize_t n;

	if (fd < 0 || fstat(fd, &st))
		return say(r, errno == EACCES || errno == ENOENT ? -errno : -EINVAL,
			   strerror(errno));
	if (!S_ISREG(st.st_mode))
		return say(r, -EINVAL, "not a file");
	n = pread(fd, head, sizeof(head), 0);
	if (n == 0)
		return say(r, -EINVAL, "the file is empty");
	if (n < (ssize_t)sizeof(head) || memcmp(head, "SQLite format 3", 16))
		return say(r, -EINVAL, "not a Weft recording");
	if (big32(head + 68) != STORE_APPLICATION_ID)
		return say(r, -EINVAL, "an SQLite database, but not a Weft recording");
	r->version = (int)big32(head + 60);
	if (r->version > STORE_USER_VERSION) {
		snprintf(
			r->error, sizeof(r->error),
			"recorded by a newer Weft (format %d, this one reads up to %d); use that version to read it",
			r->version, STORE_USER_VERSION);
		return -EINVAL;
	}
	*ret_wal = head[18] == 2;
	if (!*ret_wal &&
	    (uint64_t)big32(head + 28) * (head[16] << 8 | head[17]) > (uint64_t)st.st_size) {
		snprintf(r->error, sizeof(r->error),
			 "the file is cut short: %lld of %llu bytes are there",
			 (long long)st.st_size,
			 (unsigned long long)big32(head + 28) *
				 (unsigned)(head[16] << 8 | head[17]));
		return -EINVAL;
	}
	return 0;
}

/* What SQL on a recording may do: read it, and call functions. */
static int authorize(void *ctx, int action, const char *a, const char *b, const char *db,
		     const char *trigger)
{
	static const char *const pragmas[] = {
		"table_info",          "table_xinfo",    "table_list",      "index_list",
		"index_info",          "user_version",   "application_id",  "page_count",
		"page_size",           "freelist_count", "integrity_check", "quick_check",
		"function_list",       "database_list",  "data_version",    "compile_options",
		"case_sensitive_like", "journal_mode",   "schema_version"
	};

	(void)ctx;
	(void)db;
	(void)trigger;
	switch (action) {
	case SQLITE_SELECT:
	case SQLITE_READ:
	case SQLITE_RECURSIVE:
	case SQLITE_TRANSACTION:
	case SQLITE_SAVEPOINT:
		return SQLITE_OK;
	case SQLITE_INSERT:
	case SQLITE_UPDATE:
		/* Asked when a virtual table declares its columns. Nothing is written: read-only, and DEFENSIVE guards it. */
		return !strcmp(a, "sqlite_master") ? SQLITE_OK : SQLITE_DENY;
	case SQLITE_FUNCTION:
		return b && (!strcmp(b, "load_extension") || !strcmp(b, "writefile") ||
			     !strcmp(b, "edit"))
			       ? SQLITE_DENY
			       : SQLITE_OK;
	case SQLITE_PRAGMA:
		for (unsigned i = 0; i < sizeof(pragmas) / sizeof(pragmas[0]); i++)
			if (!strcmp(a, pragmas[i]) && (!b || strcmp(a, "journal_mode")))
				return SQLITE_OK;
		return SQLITE_DENY;
	default:
		return SQLITE_DENY;
	}
}

/* "file:" + path, escaped, + parameters. An absolute path gets an empty host, or its own // would begin one. */
static char *uri_of(const char *path, const char *parameters)
{
	char *uri = malloc(strlen(path) * 3 + strlen(parameters) + 8), *p = uri;

	if (!uri)
		return NULL;
	p += sprintf(p, *path == '/' ? "file://" : "file:");
	for (; *path; path++)
		if (strchr("?#%", *path))
			p += sprintf(p, "%%%02X", (unsigned char)*path);
		else
			*p++ = *path;
	strcpy(p, parameters);
	return uri;
}

/* flags: SQLITE_OPEN_READWRITE only where a -wal needs recovery, which writes its -shm; the file itself stays as it is. */
static int open_db(const char *path, const char *parameters, int flags, struct reading *r)
{
	auto_free char *uri = uri_of(path, parameters);
	int rc;

	if (!uri)
		return SQLITE_NOMEM;
	rc = sqlite3_open_v2(uri, &r->db, flags | SQLITE_OPEN_URI | SQLITE_OPEN_NOMUTEX, NULL);
	if (!rc) {
		sqlite3_db_config(r->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
		sqlite3_db_config(r->db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
		sqlite3_db_config(r->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
		sqlite3_busy_timeout(r->db, 2000);
		rc = sqlite3_exec(
			r->db,
			"PRAGMA query_only=ON; PRAGMA cell_size_check=ON; PRAGMA mmap_size=0; PRAGMA cache_size=-65536; PRAGMA temp_store=MEMORY",
			NULL, NULL, NULL);
	}
	if (!rc)
		rc = sqlite3_exec(r->db, "SELECT clean FROM session", NULL, NULL, NULL);
	if (rc)
		snprintf(r->error, sizeof(r->error), "%s",
			 r->db ? sqlite3_errmsg(r->db) : "out of memory");
	return rc;
}

static void read_clean(struct reading *r)
{
	sqlite3_stmt *s = NULL;

	if (!sqlite3_prepare_v2(r->db, "SELECT clean FROM session", -1, &s, NULL) &&
	    sqlite3_step(s) == SQLITE_ROW)
		r->clean = sqlite3_column_int(s, 0);
	sqlite3_finalize(s);
}

static bool needs_another_way(int rc)
{
	return (rc & 0xff) == SQLITE_CANTOPEN || (rc & 0xff) == SQLITE_READONLY;
}

/* After a kill -9 the -wal has to be recovered, which a read-only connection may not do. */
static int open_any(const char *path, struct reading *r)
{
	int rc = open_db(path, "?mode=ro", SQLITE_OPEN_READONLY, r);

	if (needs_another_way(rc)) {
		reading_close(r);
		rc = open_db(path, "?mode=rw", SQLITE_OPEN_READWRITE, r);
	}
	if (needs_another_way(rc)) {
		reading_close(r);
		snprintf(
			r->warning, sizeof(r->warning),
			"the recording was not closed and its folder can't be written: what waits in its -wal file is left out");
		rc = open_db(path, "?mode=ro&immutable=1", SQLITE_OPEN_READONLY, r);
	}
	return rc;
}

int reading_open(const char *path, struct reading *ret)
{
	auto_free char *wal_path = NULL;
	bool wal = false;
	int rc;

	*ret = (struct reading){ 0 };
	rc = look(path, ret, &wal);
	if (rc)
		return rc;
	if (asprintf(&wal_path, "%s-wal", path) < 0)
		return say(ret, -ENOMEM, "out of memory");
	if (wal && access(wal_path, F_OK))
		snprintf(
			ret->warning, sizeof(ret->warning),
			"the recording was not closed and its -wal file is missing: the end is not there");
	rc = open_any(path, ret);
	if (rc) {
		reading_close(ret);
		return (rc & 0xff) == SQLITE_NOMEM ? -ENOMEM : -EINVAL;
	}
	read_clean(ret);
	if (!ret->clean && !ret->warning[0])
		snprintf(ret->warning, sizeof(ret->warning),
			 "the recording was not closed: up to its last second may be missing");
	sqlite3_set_authorizer(ret->db, authorize, NULL);
	return 0;
}

void reading_close(struct reading *r)
{
	sqlite3_close_v2(r->db);
	r->db = NULL;
}

static struct chunk_bytes blob(sqlite3_stmt *s, int i)
{
	const void *at = sqlite3_column_blob(s, i);

	return (struct chunk_bytes){ (uint8_t *)at, at ? (size_t)sqlite3_column_bytes(s, i) : 0 };
}

void reading_blobs(sqlite3_stmt *s, int i, struct chunk_bytes *tasks, struct chunk_bytes *data,
		   struct chunk_bytes *flat)
{
	*tasks = blob(s, i);
	*data = blob(s, i + 1);
	*flat = blob(s, i + 2);
}
