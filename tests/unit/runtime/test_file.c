/* SPDX-License-Identifier: MIT */
/* ldflags: -Wl,--wrap=weft_cancelled */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "runtime/task.h"
#include "tests/support/net_runtime.h"

static char dir[] = "/tmp/weft-file-XXXXXX", path[64];

struct copy {
	WEFT_FRAME;
	struct weft_file file;
	struct weft_sleep limit;
	struct stat st;
	char *heap;
	char inside[16];
	size_t n;
	int closed;
};

/* Written from the heap and from the frame, read back at chosen places. */
static weft_poll_t write_and_read(struct weft_cx *cx, struct copy *f)
{
	weft_async_begin(f);
	weft_await(f, weft_file_open(cx, &f->file, path, O_RDWR | O_CREAT | O_TRUNC, 0600));
	if (f->rc)
		return f->rc;
	weft_await(f, weft_file_write(cx, &f->file, f->heap, 5, &f->n));
	memcpy(f->inside, " world", 6);
	weft_await(f, weft_file_write(cx, &f->file, f->inside, 6, &f->n));
	if (f->rc || f->n != 6 || f->file.at != 11)
		return -1;
	weft_await(f, weft_file_sync(cx, &f->file, true));
	if (f->rc)
		return f->rc;
	f->file.at = 4;
	weft_await(f, weft_file_read(cx, &f->file, f->heap, 64, &f->n));
	if (f->rc || f->n != 7 || memcmp(f->heap, "o world", 7) != 0)
		return -2;
	weft_await(f, weft_file_read(cx, &f->file, f->inside, 4, &f->n));
	if (f->rc || f->n != 0)
		return -3;
	weft_await(f, weft_file_stat(cx, &f->file, NULL, &f->st));
	if (f->rc || f->st.st_size != 11 || (f->st.st_mode & 0777) != 0600)
		return -4;
	weft_await(f, weft_file_close(cx, &f->file));
	if (f->rc || f->file.fd != -1)
		return -5;
	weft_await(f, weft_file_stat(cx, &f->file, path, &f->st));
	if (f->rc || f->st.st_size != 11)
		return -6;
	weft_await(f, weft_file_unlink(cx, &f->file, path));
	weft_async_end(f, f->rc);
}

static void test_write_and_read(void **state)
{
	struct copy f = { .heap = strdup("hello, this is longer than what is written") };

	(void)state;
	f.heap = realloc(f.heap, 64);
	assert_int_equal(weft_block_on(rt, write_and_read, &f), 0);
	assert_int_equal(access(path, F_OK), -1);
	free(f.heap);
}

static weft_poll_t errors(struct weft_cx *cx, struct copy *f)
{
	weft_async_begin(f);
	weft_await(f, weft_file_open(cx, &f->file, "/nowhere/at/all", O_RDONLY, 0));
	if (f->rc != -ENOENT || f->file.fd != -1)
		return -1;
	f->file.fd = 12345;
	weft_await(f, weft_file_read(cx, &f->file, f->inside, 4, &f->n));
	if (f->rc != -EBADF)
		return -2;
	weft_await(f, weft_file_close(cx, &f->file));
	weft_async_end(f, f->rc);
}

static void test_errors(void **state)
{
	struct copy f = { .n = 0 };

	(void)state;
	assert_int_equal(weft_block_on(rt, errors, &f), -EBADF);
}

/* A read of a pipe that nobody writes to, into the heap, given up after 5 ms; then the same again. */
static weft_poll_t given_up(struct weft_cx *cx, struct copy *f)
{
	weft_async_begin(f);
	weft_await(f, weft_timeout(cx, &f->limit, 5 * MS,
				   weft_file_read(cx, &f->file, f->heap, 4, &f->n)));
	if (f->rc != -ETIMEDOUT)
		return -1;
	free(f->heap);
	weft_await(f, weft_file_read(cx, &f->file, f->inside, 4, &f->n));
	if (f->rc != -EBUSY)
		return -2;
	if (write(f->closed, "lost", 4) != 4 || write(f->closed, "kept", 4) != 4)
		return -3;
	do {
		weft_await(f, weft_sleep(cx, &f->limit, MS));
		weft_await(f, weft_file_read(cx, &f->file, f->inside, 4, &f->n));
	} while (f->rc == -EBUSY);
	weft_async_end(f, f->rc ? f->rc : memcmp(f->inside, "kept", 4));
}

static void test_given_up(void **state)
{
	struct copy f = { .heap = malloc(4) };
	int pair[2];

	(void)state;
	assert_int_equal(pipe(pair), 0);
	f.file.fd = pair[0];
	f.closed = pair[1];
	assert_int_equal(weft_block_on(rt, given_up, &f), 0);
	close(pair[0]);
	close(pair[1]);
}

static int open_fds(void)
{
	int n = 0;

	for (int fd = 0; fd < 256; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

/* A fifo opens when somebody reads it: the task is aborted before, the descriptor must not stay. */
static weft_poll_t open_fifo(struct weft_cx *cx, struct copy *f)
{
	weft_async_begin(f);
	weft_await(f, weft_file_open(cx, &f->file, path, O_WRONLY, 0));
	weft_await(f, weft_file_close(cx, &f->file)); /* as error paths do */
	weft_async_end(f, f->rc);
}

static void test_aborted_open(void **state)
{
	struct weft_runtime_stats stats;
	struct weft_join *join;
	int before, reader;

	(void)state;
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_true(fcntl(0, F_GETFD) >= 0 || open("/dev/null", O_RDONLY) == 0);
	before = open_fds();
	assert_int_equal(weft_spawn(rt, open_fifo, ((struct copy){ .n = 0 }), .join = &join), 0);
	do { /* until a thread of the pool is at it */
		usleep(200);
		weft_runtime_stats(rt, &stats);
	} while (!stats.pool_busy);
	weft_join_abort(join);
	while (!weft_join_done(join))
		usleep(200);
	weft_join_detach(join);
	reader = open(path, O_RDONLY);
	assert_true(reader >= 0);
	close(reader);
	while (open_fds() != before)
		usleep(200);
	unlink(path);
}

/* While set, this open of the fifo ends, and the pool is done with it, in the course of a refusal. */
static struct weft_file *ending;

weft_poll_t __real_weft_cancelled(struct weft_cx *cx);
weft_poll_t __wrap_weft_cancelled(struct weft_cx *cx);
weft_poll_t __wrap_weft_cancelled(struct weft_cx *cx)
{
	uint32_t queued;
	int reader;

	if (ending) {
		queued = __atomic_load_n(&ending->job.state, __ATOMIC_ACQUIRE);
		reader = open(path, O_RDONLY);
		while (__atomic_load_n(&ending->job.state, __ATOMIC_ACQUIRE) == queued)
			usleep(100);
		close(reader);
	}
	return __real_weft_cancelled(cx);
}

static weft_poll_t open_ends(struct weft_cx *cx, struct copy *f)
{
	int rc = weft_file_open(cx, &f->file, path, O_WRONLY, 0);

	assert_int_equal(rc, WEFT_PENDING);
	ending = &f->file;
	cx->cancelled = 1;
	rc = weft_file_open(cx, &f->file, path, O_WRONLY, 0);
	cx->cancelled = 0;
	ending = NULL;
	if (rc == 0)
		close(f->file.fd);
	return rc;
}

/* It has ended after the look that decides to give it up: the descriptor is the task's. */
static void test_open_given_up_as_it_ends(void **state)
{
	struct copy f = { .n = 0 };
	int before = open_fds();

	(void)state;
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_int_equal(weft_block_on(rt, open_ends, &f), 0);
	assert_int_equal(open_fds(), before);
	unlink(path);
}

static weft_poll_t close_unopened(struct weft_cx *cx, struct copy *f)
{
	weft_async_begin(f);
	weft_await(f, weft_file_close(cx, &f->file));
	weft_async_end(f, f->rc);
}

static weft_poll_t open_and_close(struct weft_cx *cx, struct copy *f)
{
	weft_async_begin(f);
	weft_await(f, weft_file_open(cx, &f->file, "/dev/null", O_RDONLY, 0));
	f->closed = f->file.fd;
	weft_await(f, weft_file_close(cx, &f->file));
	weft_async_end(f, f->rc);
}

/* 0 is what a file has that was never opened; one that is never gets it. */
static void test_standard_input(void **state)
{
	struct copy never = { .n = 0 }, f = { .n = 0 };
	int kept = fcntl(0, F_DUPFD_CLOEXEC, 10), null, rc;

	(void)state;
	if (kept >= 0)
		close(0);
	null = open("/dev/null", O_RDONLY);
	assert_int_equal(null, 0);
	assert_int_equal(weft_block_on(rt, close_unopened, &never), -EBADF);
	assert_int_equal(never.file.fd, -1);
	rc = close(0); /* it was still open */
	assert_int_equal(weft_block_on(rt, open_and_close, &f), 0);
	if (kept >= 0) {
		dup2(kept, 0);
		close(kept);
	}
	assert_int_equal(rc, 0);
	assert_true(f.closed > 2);
}

int main(void)
{
	int rc;
	const struct CMUnitTest tests[] = {
		T(test_write_and_read),
		T(test_errors),
		T(test_given_up),
		T(test_aborted_open),
		T(test_open_given_up_as_it_ends),
		T(test_standard_input),
	};

	if (!mkdtemp(dir))
		return 1;
	snprintf(path, sizeof(path), "%s/file", dir);
	rc = flavours_run("runtime/file", tests, sizeof(tests) / sizeof(tests[0]));
	rmdir(dir);
	return rc;
}
