/* SPDX-License-Identifier: MIT */
/* Whole files: copied, loaded, saved by one job each. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/base/memory.h"
#include "runtime/os/file_job.h"

#define CHUNK      (64u << 10)
#define LOAD_FIRST 4096u /* of files that don't tell their size, those of /proc for instance */

static int close_with(int fd, int64_t rc)
{
	int saved = errno;

	/* What was written may turn out to be lost only here. */
	if (close(fd) && rc >= 0)
		return -1;
	errno = saved;
	return 0;
}

/* -1 with errno; EINTR is met by another try. */
static int write_all(int fd, const char *data, size_t bytes)
{
	while (bytes) {
		ssize_t n = write(fd, data, bytes);

		if (n < 0 && errno != EINTR)
			return -1;
		if (n > 0) {
			data += n;
			bytes -= (size_t)n;
		}
	}
	return 0;
}

static int64_t copy_by_hand(int from, int to)
{
	char *chunk = weft_memory_alloc(CHUNK);
	int64_t sum = 0;
	ssize_t n = chunk ? 1 : -1;

	while (n > 0) {
		n = read(from, chunk, CHUNK);
		if (n < 0 && errno == EINTR)
			n = 1;
		else if (n > 0 && write_all(to, chunk, (size_t)n))
			n = -1;
		else if (n > 0)
			sum += n;
	}
	weft_memory_free(chunk);
	return n < 0 ? -1 : sum;
}

/* The kernel copies where it can (5.3: across file systems), else by hand from where it stopped. */
static int64_t copy_between(int from, int to)
{
	int64_t sum = 0, rest;
	ssize_t n;

	do {
		n = copy_file_range(from, NULL, to, NULL, 1u << 30, 0);
		if (n > 0)
			sum += n;
	} while (n > 0 || (n < 0 && errno == EINTR));
	/* 0 may also be a file without a size of its own. */
	if (n < 0 && errno != EXDEV && errno != EINVAL && errno != ENOSYS && errno != EOPNOTSUPP)
		return -1;
	rest = copy_by_hand(from, to);
	return rest < 0 ? -1 : sum + rest;
}

static int64_t copy_from(int from, const char *to)
{
	struct stat st, old;
	int64_t rc = -1;
	int fd;

	if (fstat(from, &st))
		return -1;
	if (S_ISDIR(st.st_mode)) { /* before `to` is emptied */
		errno = EISDIR;
		return -1;
	}
	if (stat(to, &old) == 0 && old.st_dev == st.st_dev && old.st_ino == st.st_ino) {
		errno = EINVAL; /* onto itself: it would be emptied first */
		return -1;
	}
	fd = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, st.st_mode & 0777);
	if (fd < 0)
		return -1;
	if (fchmod(fd, st.st_mode & 0777) == 0)
		rc = copy_between(from, fd);
	return close_with(fd, rc) ? -1 : rc;
}

int64_t weft_file_call_copy(struct weft_file *f)
{
	const char *path = weft_file_path(f);
	int from = open(path, O_RDONLY | O_CLOEXEC);
	int64_t rc;

	if (from < 0)
		return -1;
	rc = copy_from(from, path + strlen(path) + 1);
	close_with(from, -1);
	return rc;
}

/* Room for one byte more than is expected, to see the end. Moves what is there. */
static char *grow(char *data, size_t used, size_t room)
{
	char *more = weft_memory_alloc(room);

	if (more && used)
		memcpy(more, data, used);
	weft_memory_free(data);
	if (!more)
		errno = ENOMEM;
	return more;
}

/* Up to `most` bytes; *ret NULL on failure. */
static int64_t load_from(int fd, size_t room, size_t most, char **ret)
{
	size_t used = 0;
	ssize_t n;

	*ret = grow(NULL, 0, room);
	while (*ret) {
		n = read(fd, *ret + used, room - used);
		if (n == 0)
			return (int64_t)used;
		if (n < 0 && errno == EINTR)
			continue;
		used += n > 0 ? (size_t)n : 0;
		if (n < 0 || used > most) {
			if (n > 0)
				errno = EFBIG;
			break;
		}
		if (used == room) {
			room = room < most / 2 ? room * 2 : most + 1;
			*ret = grow(*ret, used, room);
		}
	}
	weft_memory_free(*ret);
	*ret = NULL;
	return -1;
}

int64_t weft_file_call_load(struct weft_file *f)
{
	size_t most = f->bytes < SIZE_MAX / 4 ? f->bytes : SIZE_MAX / 4, room = LOAD_FIRST;
	int fd = open(f->copy, O_RDONLY | O_CLOEXEC);
	struct stat st;
	int64_t rc = -1;
	char *data;

	if (fd < 0)
		return -1;
	if (fstat(fd, &st) == 0 && st.st_size > 0)
		room = (uint64_t)st.st_size < most ? (size_t)st.st_size + 1 : most + 1;
	else if (room > most)
		room = most + 1;
	rc = load_from(fd, room, most, &data);
	close_with(fd, -1);
	if (rc >= 0)
		f->buf = data;
	return rc;
}

int64_t weft_file_call_save(struct weft_file *f)
{
	int fd = open((const char *)f->copy + f->bytes, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC,
		      (mode_t)f->flags);
	int rc;

	if (fd < 0)
		return -1;
	rc = write_all(fd, f->copy, f->bytes);
	return close_with(fd, rc) ? -1 : rc;
}

weft_poll_t weft_file_copy(struct weft_cx *cx, struct weft_file *f, const char *from,
			   const char *to, uint64_t *ret)
{
	int rc;

	if (weft_file_job_begin(cx, f, WEFT_FILE_COPY, &rc))
		rc = weft_file_job_hold_paths(f, 0, from, to);
	else if (rc)
		return rc;
	rc = weft_file_job_finish(cx, f, rc);
	if (rc == 0 && ret)
		*ret = (uint64_t)f->result;
	return rc;
}

weft_poll_t weft_file_load(struct weft_cx *cx, struct weft_file *f, const char *path, size_t most,
			   struct weft_file_bytes *ret)
{
	int rc;

	if (weft_file_job_begin(cx, f, WEFT_FILE_LOAD, &rc)) {
		rc = weft_file_job_hold_paths(f, 0, path, NULL);
		f->bytes = most;
	} else if (rc) {
		return rc;
	}
	rc = weft_file_job_finish(cx, f, rc);
	if (rc == 0)
		*ret = (struct weft_file_bytes){ f->buf, (size_t)f->result };
	return rc;
}

void weft_file_unload(struct weft_file_bytes *bytes)
{
	weft_memory_free(bytes->data);
	*bytes = (struct weft_file_bytes){ NULL, 0 };
}

weft_poll_t weft_file_save(struct weft_cx *cx, struct weft_file *f, const char *path,
			   const struct weft_file_bytes *bytes)
{
	int rc;

	if (weft_file_job_begin(cx, f, WEFT_FILE_SAVE, &rc)) {
		f->flags = 0666;
		rc = weft_file_job_hold_paths(f, bytes->bytes, path, NULL);
		if (rc == 0 && bytes->bytes)
			memcpy(f->copy, bytes->data, bytes->bytes);
	} else if (rc) {
		return rc;
	}
	return weft_file_job_finish(cx, f, rc);
}
