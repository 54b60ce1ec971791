/* SPDX-License-Identifier: MIT */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "runtime/base/memory.h"
#include "runtime/os/file_job.h"

#define BATCH (16u << 10)

/* As the kernel writes it (getdents64(2)). */
struct record {
	uint64_t inode;
	int64_t next;
	uint16_t bytes;
	uint8_t type;
	char name[];
};

int64_t weft_file_call_directory(struct weft_file *f)
{
	return syscall(SYS_getdents64, f->fd, f->buf, f->bytes);
}

weft_poll_t weft_dir_open(struct weft_cx *cx, struct weft_dir *f, const char *path)
{
	weft_poll_t rc = weft_file_open(cx, &f->file, path, O_RDONLY | O_DIRECTORY, 0);

	f->at = f->end = 0;
	return rc;
}

static weft_poll_t fill(struct weft_cx *cx, struct weft_dir *f)
{
	int rc = 0;

	if (weft_file_job_begin(cx, &f->file, WEFT_FILE_DIRECTORY, &rc)) {
		f->file.bytes = BATCH;
		rc = weft_file_job_hold(cx, &f->file, f->batch, false);
	} else if (rc) {
		return rc;
	}
	if (rc == 0)
		rc = weft_file_job_step(cx, &f->file);
	if (rc == WEFT_PENDING || f->file.given_up)
		return rc;
	if (rc == 0) {
		memcpy(f->batch, f->file.copy, (size_t)f->file.result);
		f->at = 0;
		f->end = (uint32_t)f->file.result;
	}
	return weft_file_job_end(&f->file, rc);
}

/* The next of the batch; false: there is none. */
static bool take(struct weft_dir *f, struct weft_dir_entry *ret)
{
	while (f->at < f->end) {
		const struct record *r = (const void *)(f->batch + f->at);

		f->at += r->bytes;
		if (strcmp(r->name, ".") == 0 || strcmp(r->name, "..") == 0)
			continue;
		*ret = (struct weft_dir_entry){ r->name, r->inode, r->type };
		return true;
	}
	return false;
}

weft_poll_t weft_dir_read(struct weft_cx *cx, struct weft_dir *f, struct weft_dir_entry *ret)
{
	weft_poll_t rc;

	while (!take(f, ret)) {
		if (!f->batch)
			f->batch = weft_memory_alloc(BATCH);
		if (!f->batch)
			return -ENOMEM;
		rc = fill(cx, f);
		if (rc || f->end == 0)
			return rc;
	}
	return 1;
}

weft_poll_t weft_dir_close(struct weft_cx *cx, struct weft_dir *f)
{
	weft_memory_free(f->batch);
	f->batch = NULL;
	f->at = f->end = 0;
	return weft_file_close(cx, &f->file);
}
