/* SPDX-License-Identifier: MIT */
/* Files, by the threads of the blocking pool. Part of weft.h. */
#ifndef WEFT_API_FILE_H
#define WEFT_API_FILE_H

#include "runtime/api/blocking.h"

#ifdef __cplusplus
extern "C" {
#endif

struct stat;

/*
 * A file in a frame; zero before first use. One operation at a time. `fd` is an ordinary
 * descriptor: it may be set by hand and used with other calls.
 *
 * An operation that is given up (abort, timeout) goes on in the pool and nobody sees its outcome. It
 * touches no memory outside the task's block: buffers and paths that lie elsewhere are copied, so
 * the caller may free them at once; a file that it opens is closed. Until it has ended the file gives
 * -EBUSY. Buffers in the frame are not copied.
 */
struct weft_file {
	int32_t fd;
	uint32_t kind, owner, given_up;
	int32_t flags;
	int64_t at; /* where the next read or write goes; both move it on. Pipes ignore it */
	int64_t result;
	void *buf, *copy;
	size_t bytes;
	struct weft_job job;
};

/* Results: 0 or a negative errno of the call; -EAGAIN, -ENOMEM, -ESHUTDOWN from the pool. */

/* O_CLOEXEC is added. Sets f->fd (-1: it failed), and f->at to 0. mode: of a file that is made. */
WEFT_API weft_poll_t weft_file_open(struct weft_cx *cx, struct weft_file *f, const char *path,
				    int flags, unsigned mode);
/* *ret = bytes, 0 from read = end of file. At most 1 MiB at a time. */
WEFT_API weft_poll_t weft_file_read(struct weft_cx *cx, struct weft_file *f, void *buf, size_t cap,
				    size_t *ret);
WEFT_API weft_poll_t weft_file_write(struct weft_cx *cx, struct weft_file *f, const void *buf,
				     size_t bytes, size_t *ret);
/* fsync, or fdatasync with `data`. */
WEFT_API weft_poll_t weft_file_sync(struct weft_cx *cx, struct weft_file *f, bool data);
/* path NULL: of f->fd. */
WEFT_API weft_poll_t weft_file_stat(struct weft_cx *cx, struct weft_file *f, const char *path,
				    struct stat *ret);
/* Cuts f->fd short, or adds zeros. */
WEFT_API weft_poll_t weft_file_truncate(struct weft_cx *cx, struct weft_file *f, uint64_t bytes);
/*
 * f->fd is -1 afterwards, whatever the result. On abort it is closed too. -EBADF: none is open; 0, which a file has
 * before it is opened and never after that, is left alone, also where it was set by hand.
 */
WEFT_API weft_poll_t weft_file_close(struct weft_cx *cx, struct weft_file *f);

/*
 * By name; f->fd is not used. As the calls of the same names in section 2, but for those named here. mode
 * is subject to the umask.
 */
WEFT_API weft_poll_t weft_file_unlink(struct weft_cx *cx, struct weft_file *f, const char *path);
WEFT_API weft_poll_t weft_file_rename(struct weft_cx *cx, struct weft_file *f, const char *from,
				      const char *to);
WEFT_API weft_poll_t weft_file_link(struct weft_cx *cx, struct weft_file *f, const char *from,
				    const char *to);
WEFT_API weft_poll_t weft_file_symlink(struct weft_cx *cx, struct weft_file *f, const char *target,
				       const char *path);
WEFT_API weft_poll_t weft_file_mkdir(struct weft_cx *cx, struct weft_file *f, const char *path,
				     unsigned mode);
WEFT_API weft_poll_t weft_file_rmdir(struct weft_cx *cx, struct weft_file *f, const char *path);
WEFT_API weft_poll_t weft_file_chmod(struct weft_cx *cx, struct weft_file *f, const char *path,
				     unsigned mode);
/* Of a link, what it is; of anything else as weft_file_stat(). */
WEFT_API weft_poll_t weft_file_lstat(struct weft_cx *cx, struct weft_file *f, const char *path,
				     struct stat *ret);
/* With what is missing on the way; one that is there already is fine. */
WEFT_API weft_poll_t weft_file_mkdir_all(struct weft_cx *cx, struct weft_file *f, const char *path,
					 unsigned mode);
/* And all below it, links themselves and not what they name. Stops at the first that can't go. */
WEFT_API weft_poll_t weft_file_remove_all(struct weft_cx *cx, struct weft_file *f,
					  const char *path);
/* NUL-terminated; -ENAMETOOLONG: does not fit into cap bytes, the NUL included. */
WEFT_API weft_poll_t weft_file_readlink(struct weft_cx *cx, struct weft_file *f, const char *path,
					char *buf, size_t cap);
/* As realpath(3): absolute, without links, `.` and `..`. */
WEFT_API weft_poll_t weft_file_realpath(struct weft_cx *cx, struct weft_file *f, const char *path,
					char *buf, size_t cap);

/* Whole files, by one job each. */

/* Content and permission bits; `to` is made or overwritten. *ret (may be NULL) = bytes. */
WEFT_API weft_poll_t weft_file_copy(struct weft_cx *cx, struct weft_file *f, const char *from,
				    const char *to, uint64_t *ret);
struct weft_file_bytes {
	void *data;
	size_t bytes;
};
/* Into memory of the library's, given back by weft_file_unload(). -EFBIG: more than `most` bytes. */
WEFT_API weft_poll_t weft_file_load(struct weft_cx *cx, struct weft_file *f, const char *path,
				    size_t most, struct weft_file_bytes *ret);
WEFT_API void weft_file_unload(struct weft_file_bytes *bytes); /* data NULL is fine */
/* Makes or overwrites. Not atomic: for that save under another name, then rename. */
WEFT_API weft_poll_t weft_file_save(struct weft_cx *cx, struct weft_file *f, const char *path,
				    const struct weft_file_bytes *bytes);

/* A directory that is read; zero before first use. The rules of struct weft_file hold. */
struct weft_dir {
	struct weft_file file;
	char *batch;
	uint32_t at, end;
};
struct weft_dir_entry {
	const char *name; /* until the next call */
	uint64_t inode;
	uint32_t type; /* DT_REG, DT_DIR and so on of dirent.h; DT_UNKNOWN on some file systems */
};
WEFT_API weft_poll_t weft_dir_open(struct weft_cx *cx, struct weft_dir *f, const char *path);
/* 1: an entry, 0: that was all. Without `.` and `..`; in no order. */
WEFT_API weft_poll_t weft_dir_read(struct weft_cx *cx, struct weft_dir *f,
				   struct weft_dir_entry *ret);
/* Whatever the result, it is closed and its memory given back. */
WEFT_API weft_poll_t weft_dir_close(struct weft_cx *cx, struct weft_dir *f);

#ifdef __cplusplus
}
#endif

#endif
