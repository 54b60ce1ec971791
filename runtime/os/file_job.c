/* SPDX-License-Identifier: MIT */
#include "runtime/os/file_job.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "runtime/base/memory.h"
#include "runtime/executor/executor.h"

/* Who cleans up after the call: changed by exchange, the second to come does. */
enum owner { OWNER_TASK, OWNER_DONE, OWNER_GONE };

static weft_file_call *call_of(uint32_t kind)
{
	switch (kind) {
	case WEFT_FILE_OPEN:
		return weft_file_call_open;
	case WEFT_FILE_READ:
		return weft_file_call_read;
	case WEFT_FILE_WRITE:
		return weft_file_call_write;
	case WEFT_FILE_SYNC:
		return weft_file_call_sync;
	case WEFT_FILE_TRUNCATE:
		return weft_file_call_truncate;
	case WEFT_FILE_STAT:
		return weft_file_call_stat;
	case WEFT_FILE_CLOSE:
		return weft_file_call_close;
	case WEFT_FILE_DIRECTORY:
		return weft_file_call_directory;
	case WEFT_FILE_COPY:
		return weft_file_call_copy;
	case WEFT_FILE_LOAD:
		return weft_file_call_load;
	case WEFT_FILE_SAVE:
		return weft_file_call_save;
	default:
		return weft_file_call_path;
	}
}

static int64_t call(struct weft_file *f)
{
	int64_t rc = call_of(f->kind)(f);

	return rc < 0 ? -errno : rc;
}

/* Nobody wants the outcome. */
static void drop(struct weft_file *f)
{
	if (f->kind == WEFT_FILE_OPEN && f->result >= 0)
		close((int)f->result);
	if (f->kind == WEFT_FILE_LOAD && f->result >= 0)
		weft_memory_free(f->buf);
	weft_memory_free(f->copy);
	f->copy = NULL;
}

/* On a pool thread. */
static int run(void *arg)
{
	struct weft_file *f = arg;

	do
		f->result = call(f);
	while (f->result == -EINTR && f->kind != WEFT_FILE_CLOSE);
	/* Acq_rel: the outcome before the word, and the other's wish before the clean-up. */
	if (__atomic_exchange_n(&f->owner, OWNER_DONE, __ATOMIC_ACQ_REL) == OWNER_GONE)
		drop(f);
	return 0;
}

static bool inside(const struct weft_cx *cx, const void *buf, size_t bytes)
{
	uintptr_t from = (uintptr_t)cx->task, to = from + cx->task->head.bytes, at = (uintptr_t)buf;

	return at >= from && at < to && bytes <= to - at;
}

int weft_file_job_hold(struct weft_cx *cx, struct weft_file *f, const void *buf, bool fill)
{
	f->copy = NULL;
	f->buf = (void *)(uintptr_t)buf;
	if (!f->bytes || inside(cx, buf, f->bytes))
		return 0;
	f->copy = f->buf = weft_memory_alloc(f->bytes);
	if (!f->buf)
		return -ENOMEM;
	if (fill)
		memcpy(f->buf, buf, f->bytes);
	return 0;
}

bool weft_file_job_begin(struct weft_cx *cx, struct weft_file *f, enum weft_file_kind kind,
			 int *ret_rc)
{
	*ret_rc = 0;
	if (f->kind != WEFT_FILE_NONE && !f->given_up)
		return false;
	if (cx->cancelled)
		*ret_rc = weft_cancelled(cx);
	else if (!weft_pool_job_reset(&f->job)) /* one that was given up */
		*ret_rc = -EBUSY;
	if (*ret_rc)
		return false;
	f->kind = kind;
	f->owner = OWNER_TASK;
	f->given_up = 0;
	return true;
}

weft_poll_t weft_file_job_end(struct weft_file *f, weft_poll_t rc)
{
	weft_memory_free(f->copy);
	f->copy = NULL;
	f->kind = WEFT_FILE_NONE;
	return rc;
}

weft_poll_t weft_file_job_step(struct weft_cx *cx, struct weft_file *f)
{
	weft_poll_t rc;

	if (f->given_up)
		return weft_cancelled(cx);
	rc = weft_spawn_blocking(cx, &f->job, run, f);
	if (rc == WEFT_PENDING)
		return weft_pending(cx, WEFT_WAIT_FILE);
	if (rc == 0)
		return (weft_poll_t)(f->result < 0 ? f->result : 0);
	if (weft_pool_job_reset(&f->job)) {
		/* It ended in this very moment, or never got there. Relaxed: reset has acquired. */
		if (__atomic_load_n(&f->owner, __ATOMIC_RELAXED) == OWNER_DONE)
			return (weft_poll_t)(f->result < 0 ? f->result : 0);
		return rc;
	}
	f->given_up = 1;
	if (__atomic_exchange_n(&f->owner, OWNER_GONE, __ATOMIC_ACQ_REL) == OWNER_DONE)
		drop(f);
	return rc;
}

weft_poll_t weft_file_job_finish(struct weft_cx *cx, struct weft_file *f, int rc)
{
	if (rc == 0)
		rc = weft_file_job_step(cx, f);
	if (rc == WEFT_PENDING || f->given_up)
		return rc;
	return weft_file_job_end(f, rc);
}

int weft_file_job_hold_paths(struct weft_file *f, size_t bytes, const char *path,
			     const char *second)
{
	size_t one = strlen(path) + 1, two = second ? strlen(second) + 1 : 0;

	f->copy = f->buf = weft_memory_alloc(bytes + one + two);
	if (!f->buf)
		return -ENOMEM;
	f->bytes = bytes;
	memcpy((char *)f->copy + bytes, path, one);
	if (second)
		memcpy((char *)f->copy + bytes + one, second, two);
	return 0;
}
