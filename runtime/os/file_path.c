/* SPDX-License-Identifier: MIT */
/* Files by name. */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runtime/os/file_job.h"

#define REMOVE_FDS 16 /* that a removal keeps open at once */

static const char *second(const struct weft_file *f)
{
	const char *path = weft_file_path(f);

	return path + strlen(path) + 1;
}

/* Each directory on the way; those that are there are fine. */
static int64_t mkdir_all(struct weft_file *f)
{
	char *path = (char *)f->copy + f->bytes, *slash = path;
	struct stat st;

	while (*slash && (slash = strchr(slash + 1, '/'))) {
		int rc;

		*slash = 0;
		rc = mkdir(path, (mode_t)f->flags);
		*slash = '/';
		if (rc && errno != EEXIST)
			return rc;
	}
	if (mkdir(path, (mode_t)f->flags) == 0)
		return 0;
	if (errno != EEXIST)
		return -1;
	if (stat(path, &st) == 0 && S_ISDIR(st.st_mode))
		return 0;
	errno = EEXIST;
	return -1;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
	(void)st, (void)type, (void)at;
	return remove(path);
}

static int64_t real_path(struct weft_file *f)
{
	char found[PATH_MAX];
	size_t n;

	if (!realpath(weft_file_path(f), found))
		return -1;
	n = strlen(found) + 1;
	if (n > f->bytes) {
		errno = ENAMETOOLONG;
		return -1;
	}
	memcpy(f->copy, found, n);
	return (int64_t)n - 1;
}

/* A link that fits exactly may have been cut short. */
static int64_t read_link(struct weft_file *f)
{
	ssize_t n = f->bytes ? readlink(weft_file_path(f), f->copy, f->bytes) : 0;

	if (n >= 0 && (size_t)n == f->bytes) {
		errno = ENAMETOOLONG;
		return -1;
	}
	if (n >= 0)
		((char *)f->copy)[n] = 0;
	return n;
}

int64_t weft_file_call_path(struct weft_file *f)
{
	const char *path = weft_file_path(f);

	switch (f->kind) {
	case WEFT_FILE_UNLINK:
		return unlink(path);
	case WEFT_FILE_RENAME:
		return rename(path, second(f));
	case WEFT_FILE_LINK:
		return link(path, second(f));
	case WEFT_FILE_SYMLINK:
		return symlink(path, second(f));
	case WEFT_FILE_LSTAT:
		return lstat(path, f->copy);
	case WEFT_FILE_READLINK:
		return read_link(f);
	case WEFT_FILE_REALPATH:
		return real_path(f);
	case WEFT_FILE_MKDIR:
		return mkdir(path, (mode_t)f->flags);
	case WEFT_FILE_MKDIR_ALL:
		return mkdir_all(f);
	case WEFT_FILE_RMDIR:
		return rmdir(path);
	case WEFT_FILE_REMOVE_ALL:
		return nftw(path, remove_one, REMOVE_FDS, FTW_DEPTH | FTW_PHYS);
	case WEFT_FILE_CHMOD:
		return chmod(path, (mode_t)f->flags);
	default:
		errno = EINVAL;
		return -1;
	}
}

struct names {
	enum weft_file_kind kind;
	const char *path, *second;
	unsigned mode;
	size_t room; /* bytes that the call gives */
};

/* What it gives is in f->copy, unless *ret_done: nothing is to be taken from there, give the result. */
static weft_poll_t by_name(struct weft_cx *cx, struct weft_file *f, const struct names *names,
			   bool *ret_done)
{
	int rc;

	*ret_done = true;
	if (weft_file_job_begin(cx, f, names->kind, &rc)) {
		f->flags = (int32_t)names->mode;
		rc = weft_file_job_hold_paths(f, names->room, names->path, names->second);
	} else if (rc) {
		return rc;
	}
	if (rc == 0)
		rc = weft_file_job_step(cx, f);
	if (rc == WEFT_PENDING || f->given_up)
		return rc;
	*ret_done = rc != 0;
	return *ret_done ? weft_file_job_end(f, rc) : 0;
}

static weft_poll_t plain(struct weft_cx *cx, struct weft_file *f, const struct names *names)
{
	bool done;
	weft_poll_t rc = by_name(cx, f, names, &done);

	return done ? rc : weft_file_job_end(f, 0);
}

weft_poll_t weft_file_unlink(struct weft_cx *cx, struct weft_file *f, const char *path)
{
	return plain(cx, f, &(struct names){ WEFT_FILE_UNLINK, path, NULL, 0, 0 });
}

weft_poll_t weft_file_rename(struct weft_cx *cx, struct weft_file *f, const char *from,
			     const char *to)
{
	return plain(cx, f, &(struct names){ WEFT_FILE_RENAME, from, to, 0, 0 });
}

weft_poll_t weft_file_link(struct weft_cx *cx, struct weft_file *f, const char *from,
			   const char *to)
{
	return plain(cx, f, &(struct names){ WEFT_FILE_LINK, from, to, 0, 0 });
}

weft_poll_t weft_file_symlink(struct weft_cx *cx, struct weft_file *f, const char *target,
			      const char *path)
{
	return plain(cx, f, &(struct names){ WEFT_FILE_SYMLINK, target, path, 0, 0 });
}

weft_poll_t weft_file_mkdir(struct weft_cx *cx, struct weft_file *f, const char *path,
			    unsigned mode)
{
	return plain(cx, f, &(struct names){ WEFT_FILE_MKDIR, path, NULL, mode, 0 });
}

weft_poll_t weft_file_mkdir_all(struct weft_cx *cx, struct weft_file *f, const char *path,
				unsigned mode)
{
	return plain(cx, f, &(struct names){ WEFT_FILE_MKDIR_ALL, path, NULL, mode, 0 });
}

weft_poll_t weft_file_rmdir(struct weft_cx *cx, struct weft_file *f, const char *path)
{
	return plain(cx, f, &(struct names){ WEFT_FILE_RMDIR, path, NULL, 0, 0 });
}

weft_poll_t weft_file_remove_all(struct weft_cx *cx, struct weft_file *f, const char *path)
{
	return plain(cx, f, &(struct names){ WEFT_FILE_REMOVE_ALL, path, NULL, 0, 0 });
}

weft_poll_t weft_file_chmod(struct weft_cx *cx, struct weft_file *f, const char *path,
			    unsigned mode)
{
	return plain(cx, f, &(struct names){ WEFT_FILE_CHMOD, path, NULL, mode, 0 });
}

weft_poll_t weft_file_lstat(struct weft_cx *cx, struct weft_file *f, const char *path,
			    struct stat *ret)
{
	const struct names names = { WEFT_FILE_LSTAT, path, NULL, 0, sizeof(*ret) };
	bool done;
	weft_poll_t rc = by_name(cx, f, &names, &done);

	if (done)
		return rc;
	memcpy(ret, f->copy, sizeof(*ret));
	return weft_file_job_end(f, 0);
}

static weft_poll_t text_of(struct weft_cx *cx, struct weft_file *f, const struct names *names,
			   char *buf)
{
	bool done;
	weft_poll_t rc = by_name(cx, f, names, &done);

	if (done)
		return rc;
	memcpy(buf, f->copy, (size_t)f->result + 1);
	return weft_file_job_end(f, 0);
}

weft_poll_t weft_file_readlink(struct weft_cx *cx, struct weft_file *f, const char *path, char *buf,
			       size_t cap)
{
	return text_of(cx, f, &(struct names){ WEFT_FILE_READLINK, path, NULL, 0, cap }, buf);
}

weft_poll_t weft_file_realpath(struct weft_cx *cx, struct weft_file *f, const char *path, char *buf,
			       size_t cap)
{
	return text_of(cx, f, &(struct names){ WEFT_FILE_REALPATH, path, NULL, 0, cap }, buf);
}
