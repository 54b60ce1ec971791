/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/base/memory.h"
#include "runtime/os/file_job.h"
#include "runtime/os/std_fd.h"

int64_t weft_file_call_open(struct weft_file *f)
{
	/* Never 0: that is a file that was not opened. */
	return weft_fd_above_std(open(weft_file_path(f), f->flags | O_CLOEXEC, (mode_t)f->at));
}

int64_t weft_file_call_read(struct weft_file *f)
{
	ssize_t n = pread(f->fd, f->buf, f->bytes, f->at);

	return n < 0 && errno == ESPIPE ? read(f->fd, f->buf, f->bytes) : n;
}

int64_t weft_file_call_write(struct weft_file *f)
{
	ssize_t n = pwrite(f->fd, f->buf, f->bytes, f->at);

	return n < 0 && errno == ESPIPE ? write(f->fd, f->buf, f->bytes) : n;
}

int64_t weft_file_call_sync(struct weft_file *f)
{
	return f->flags ? fdatasync(f->fd) : fsync(f->fd);
}

int64_t weft_file_call_truncate(struct weft_file *f)
{
	return ftruncate(f->fd, (off_t)f->bytes);
}

int64_t weft_file_call_stat(struct weft_file *f)
{
	return f->flags ? stat(weft_file_path(f), f->copy) : fstat(f->fd, f->copy);
}

int64_t weft_file_call_close(struct weft_file *f)
{
	return close(f->flags);
}

weft_poll_t weft_file_open(struct weft_cx *cx, struct weft_file *f, const char *path, int flags,
			   unsigned mode)
{
	int rc;

	if (weft_file_job_begin(cx, f, WEFT_FILE_OPEN, &rc)) {
		f->flags = flags;
		f->at = mode;
		rc = weft_file_job_hold_paths(f, 0, path, NULL);
	} else if (rc) {
		if (rc != -EBUSY)
			f->fd = -1;
		return rc;
	}
	rc = weft_file_job_finish(cx, f, rc);
	if (rc == WEFT_PENDING)
		return rc;
	/* None, and not the 0 that it began with: whoever closes it all the same must not meet stdin. */
	f->fd = rc ? -1 : (int32_t)f->result;
	if (rc == 0)
		f->at = 0;
	return rc;
}

weft_poll_t weft_file_read(struct weft_cx *cx, struct weft_file *f, void *buf, size_t cap,
			   size_t *ret)
{
	int rc;

	if (weft_file_job_begin(cx, f, WEFT_FILE_READ, &rc)) {
		f->bytes = cap < WEFT_FILE_IO_MAX ? cap : WEFT_FILE_IO_MAX;
		rc = weft_file_job_hold(cx, f, buf, false);
	} else if (rc) {
		return rc;
	}
	if (rc == 0)
		rc = weft_file_job_step(cx, f);
	if (rc == WEFT_PENDING || f->given_up)
		return rc;
	if (rc == 0) {
		if (f->copy)
			memcpy(buf, f->copy, (size_t)f->result);
		f->at += f->result;
		*ret = (size_t)f->result;
	}
	return weft_file_job_end(f, rc);
}

weft_poll_t weft_file_write(struct weft_cx *cx, struct weft_file *f, const void *buf, size_t bytes,
			    size_t *ret)
{
	int rc;

	if (weft_file_job_begin(cx, f, WEFT_FILE_WRITE, &rc)) {
		f->bytes = bytes < WEFT_FILE_IO_MAX ? bytes : WEFT_FILE_IO_MAX;
		rc = weft_file_job_hold(cx, f, buf, true);
	} else if (rc) {
		return rc;
	}
	rc = weft_file_job_finish(cx, f, rc);
	if (rc == 0) {
		f->at += f->result;
		*ret = (size_t)f->result;
	}
	return rc;
}

weft_poll_t weft_file_sync(struct weft_cx *cx, struct weft_file *f, bool data)
{
	int rc;

	if (weft_file_job_begin(cx, f, WEFT_FILE_SYNC, &rc))
		f->flags = data;
	else if (rc)
		return rc;
	return weft_file_job_finish(cx, f, 0);
}

static int hold_stat(struct weft_file *f)
{
	f->bytes = sizeof(struct stat);
	f->copy = f->buf = weft_memory_alloc(f->bytes);
	return f->buf ? 0 : -ENOMEM;
}

weft_poll_t weft_file_stat(struct weft_cx *cx, struct weft_file *f, const char *path,
			   struct stat *ret)
{
	int rc;

	if (weft_file_job_begin(cx, f, WEFT_FILE_STAT, &rc)) {
		f->flags = path != NULL;
		rc = path ? weft_file_job_hold_paths(f, sizeof(*ret), path, NULL) : hold_stat(f);
	} else if (rc) {
		return rc;
	}
	if (rc == 0)
		rc = weft_file_job_step(cx, f);
	if (rc == WEFT_PENDING || f->given_up)
		return rc;
	if (rc == 0)
		memcpy(ret, f->copy, sizeof(*ret));
	return weft_file_job_end(f, rc);
}

weft_poll_t weft_file_truncate(struct weft_cx *cx, struct weft_file *f, uint64_t bytes)
{
	int rc;

	if (weft_file_job_begin(cx, f, WEFT_FILE_TRUNCATE, &rc))
		f->bytes = bytes;
	else if (rc)
		return rc;
	return weft_file_job_finish(cx, f, 0);
}

weft_poll_t weft_file_close(struct weft_cx *cx, struct weft_file *f)
{
	int rc;

	if (f->fd == 0 && f->kind == WEFT_FILE_NONE) {
		f->fd = -1;
		return -EBADF;
	}
	if (weft_file_job_begin(cx, f, WEFT_FILE_CLOSE, &rc)) {
		f->flags = f->fd;
		f->fd = -1;
	} else if (rc) {
		if (f->fd >= 0) /* refused, but the descriptor must not stay: here it may block */
			close(f->fd);
		f->fd = -1;
		return rc;
	}
	return weft_file_job_finish(cx, f, 0);
}
