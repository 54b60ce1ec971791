/* SPDX-License-Identifier: MIT */
/*
 * One call of a file by the blocking pool: what weft_file_* and weft_dir_* have in common.
 *
 * Every operation is begin, the call's arguments (hold), then step until it is no longer pending,
 * then end. Arguments and results that the call touches are in the task's block or in f->copy, so
 * that it may outlive the task.
 */
#ifndef WEFT_RUNTIME_OS_FILE_JOB_H
#define WEFT_RUNTIME_OS_FILE_JOB_H

#include "runtime/weft.h"

#define WEFT_FILE_IO_MAX (1u << 20)

enum weft_file_kind {
	WEFT_FILE_NONE,
	WEFT_FILE_OPEN,
	WEFT_FILE_READ,
	WEFT_FILE_WRITE,
	WEFT_FILE_SYNC,
	WEFT_FILE_TRUNCATE,
	WEFT_FILE_STAT,
	WEFT_FILE_CLOSE,
	WEFT_FILE_DIRECTORY, /* getdents64 */
	WEFT_FILE_LSTAT,
	WEFT_FILE_UNLINK,
	WEFT_FILE_RENAME,
	WEFT_FILE_LINK,
	WEFT_FILE_SYMLINK,
	WEFT_FILE_READLINK,
	WEFT_FILE_REALPATH,
	WEFT_FILE_MKDIR,
	WEFT_FILE_MKDIR_ALL,
	WEFT_FILE_RMDIR,
	WEFT_FILE_REMOVE_ALL,
	WEFT_FILE_CHMOD,
	WEFT_FILE_COPY,
	WEFT_FILE_LOAD,
	WEFT_FILE_SAVE,
	WEFT_FILE_KINDS,
};

#pragma GCC visibility push(hidden)
/* True: nothing is under way, the caller starts an operation. Else go on, or give *ret_rc. */
bool weft_file_job_begin(struct weft_cx *cx, struct weft_file *f, enum weft_file_kind kind,
			 int *ret_rc);
/*
 * Makes f->buf memory that stays for as long as the call may run: the task's block does, anything
 * else is copied. `fill`: the call reads it. f->bytes of it.
 */
int weft_file_job_hold(struct weft_cx *cx, struct weft_file *f, const void *buf, bool fill);
/* f->copy: f->bytes of room for what the call gives, then the paths. The second may be NULL. */
int weft_file_job_hold_paths(struct weft_file *f, size_t bytes, const char *path,
			     const char *second);
/* Asks the pool, or looks what came of it. Given up: `kind` stays, the pool's thread reads it. */
weft_poll_t weft_file_job_step(struct weft_cx *cx, struct weft_file *f);
weft_poll_t weft_file_job_end(struct weft_file *f, weft_poll_t rc); /* gives rc */
/* step and end. rc: what begin and the preparation gave. */
weft_poll_t weft_file_job_finish(struct weft_cx *cx, struct weft_file *f, int rc);

/* The calls, on a thread of the pool: what the kernel said, -1 with errno. By enum weft_file_kind. */
typedef int64_t weft_file_call(struct weft_file *f);
weft_file_call weft_file_call_open, weft_file_call_read, weft_file_call_write, weft_file_call_sync,
	weft_file_call_truncate, weft_file_call_stat, weft_file_call_close,
	weft_file_call_directory, weft_file_call_path, weft_file_call_copy, weft_file_call_load,
	weft_file_call_save;
#pragma GCC visibility pop

/* What was held with hold_paths(). */
static inline const char *weft_file_path(const struct weft_file *f)
{
	return (const char *)f->copy + f->bytes;
}

#endif
