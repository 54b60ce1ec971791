/* SPDX-License-Identifier: MIT */
/*
 * Which driver a runtime gets, and why: io_uring where it was asked for and works, else epoll with a
 * word. What the driver does once it is there is tested by all tests of IO (flavours_run_io).
 */
/* ldflags: -Wl,--wrap=io_uring_queue_init_params,--wrap=io_uring_submit_and_wait,--wrap=io_uring_submit */
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "runtime/weft.h"
#include "tests/unit/runtime/events.h"

static int init_error, submit_error;
static bool old_kernel;

#ifdef WEFT_URING
#include <liburing.h>

int __real_io_uring_queue_init_params(unsigned n, struct io_uring *ring, struct io_uring_params *p);
int __wrap_io_uring_queue_init_params(unsigned n, struct io_uring *ring, struct io_uring_params *p);
int __wrap_io_uring_queue_init_params(unsigned n, struct io_uring *ring, struct io_uring_params *p)
{
	int rc = init_error ? init_error : __real_io_uring_queue_init_params(n, ring, p);

	if (rc == 0 && old_kernel)
		p->features = IORING_FEAT_NODROP | IORING_FEAT_EXT_ARG;
	return rc;
}

int __real_io_uring_submit_and_wait(struct io_uring *ring, unsigned n);
int __wrap_io_uring_submit_and_wait(struct io_uring *ring, unsigned n);
int __wrap_io_uring_submit_and_wait(struct io_uring *ring, unsigned n)
{
	return submit_error ? submit_error : __real_io_uring_submit_and_wait(ring, n);
}

static int refusals; /* by the kernel, to come */

int __real_io_uring_submit(struct io_uring *ring);
int __wrap_io_uring_submit(struct io_uring *ring);
int __wrap_io_uring_submit(struct io_uring *ring)
{
	if (!refusals)
		return __real_io_uring_submit(ring);
	refusals--;
	return -EAGAIN;
}
#endif

struct echo {
	WEFT_FRAME;
	struct weft_stream *end[2];
	struct weft_sleep sleep;
	size_t n;
	char buf[8];
};

/* A bit of all that a driver is for. */
static weft_poll_t echo(struct weft_cx *cx, struct echo *f)
{
	weft_async_begin(f);
	weft_await(f, weft_sleep(cx, &f->sleep, 1000));
	if (weft_stream_pair(weft_runtime_current(), f->end))
		return -EIO;
	weft_await(f, weft_timeout(cx, &f->sleep, 1000000,
				   weft_stream_read(cx, f->end[0], f->buf, 8, &f->n)));
	if (f->rc != -ETIMEDOUT)
		return -EIO;
	weft_await(f, weft_stream_write(cx, f->end[1], "x", 1, &f->n));
	weft_await(f, weft_stream_read(cx, f->end[0], f->buf, 8, &f->n));
	weft_stream_close(f->end[0]);
	weft_stream_close(f->end[1]);
	weft_async_end(f, f->rc == 0 && f->n == 1 ? 0 : -EIO);
}

/* What a new runtime says of its driver, "none" if it doesn't work. *ret_why: words or "". */
static const char *driver_of(uint32_t kind, uint32_t flavour, uint32_t workers,
			     const char **ret_why)
{
	struct weft_config config = {
		.size = sizeof(config), .driver = kind, .flavour = flavour, .workers = workers
	};
	struct echo f = { .n = 0 };
	struct weft_runtime *rt;
	const char *name, *why = NULL;
	int rc;

	*ret_why = "";
	if (weft_runtime_new(&config, &rt))
		return "none";
	name = weft_runtime_driver(rt, &why);
	rc = weft_block_on(rt, echo, &f);
	weft_runtime_free(rt);
	if (why)
		*ret_why = why;
	return rc ? "none" : name;
}

static int open_fds(void)
{
	int n = 0;

	for (int fd = 0; fd < 256; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

static void falls_back(const char *because)
{
	int before = open_fds();
	const char *why;

	for (uint32_t flavour = WEFT_MULTI_THREAD; flavour <= WEFT_EXECUTOR; flavour++) {
		const char *name = driver_of(WEFT_DRIVER_URING, flavour, 2, &why);

		assert_string_equal(name, "epoll");
		if (!strstr(why, because))
			fail_msg("\"%s\" does not say %s", why, because);
	}
	assert_int_equal(open_fds(), before);
}

static bool driver_is(const uint64_t *words, uint64_t kind)
{
	return (words[1] >> 40 & 0xff) == kind;
}

/* A watcher sees which one it is. Of each kind there are more starts than before, of no other. */
static void watched(uint32_t asked, enum weft_driver_kind kind)
{
	struct weft_config config = { .size = sizeof(config),
				      .driver = asked,
				      .flavour = WEFT_CURRENT_THREAD };
	unsigned before[3], expected;
	struct weft_runtime *rt;

	events_light(true);
	for (unsigned i = 0; i < 3; i++)
		before[i] = events_count(WEFT_K_RUNTIME_START, driver_is, i);
	assert_int_equal(weft_runtime_new(&config, &rt), 0);
	for (unsigned i = 0; i < 3; i++) {
		expected = before[i] + (i == kind);
		assert_int_equal(events_count(WEFT_K_RUNTIME_START, driver_is, i), expected);
	}
	weft_runtime_free(rt); /* which hands the batch over */
	events_light(false);
}

static void test_default(void **state)
{
	const char *why;

	(void)state;
	assert_string_equal(driver_of(WEFT_DRIVER_EPOLL, WEFT_MULTI_THREAD, 2, &why), "epoll");
	assert_string_equal(why, "");
	assert_string_equal(driver_of(WEFT_DRIVER_AUTO, WEFT_MULTI_THREAD, 2, &why), "epoll");
	assert_non_null(strstr(why, "several threads"));
	assert_string_equal(driver_of(3, WEFT_MULTI_THREAD, 2, &why), "none");
	watched(WEFT_DRIVER_EPOLL, WEFT_D_EPOLL);
}

#ifdef WEFT_URING
static bool has_ring;

static void test_ring(void **state)
{
	const char *why;

	(void)state;
	if (!has_ring)
		return;
	for (uint32_t flavour = WEFT_MULTI_THREAD; flavour <= WEFT_EXECUTOR; flavour++) {
		assert_string_equal(driver_of(WEFT_DRIVER_URING, flavour, 2, &why), "io_uring");
		assert_string_equal(why, "");
	}
	watched(WEFT_DRIVER_URING, WEFT_D_URING);
	assert_string_equal(driver_of(WEFT_DRIVER_AUTO, WEFT_CURRENT_THREAD, 0, &why), "io_uring");
	assert_string_equal(driver_of(WEFT_DRIVER_AUTO, WEFT_REACTOR_POOL, 2, &why), "io_uring");
	assert_string_equal(driver_of(WEFT_DRIVER_AUTO, WEFT_MULTI_THREAD, 1, &why), "io_uring");
}

static void test_fallback(void **state)
{
	static const struct {
		int rc;
		const char *because;
	} cases[] = {
		{ -EPERM, "forbidden" }, { -ENOSYS, "ENOSYS" },        { -ENOMEM, "ENOMEM" },
		{ -EMFILE, "EMFILE" },   { -EINVAL, "gave an error" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		init_error = cases[i].rc;
		falls_back(cases[i].because);
		watched(WEFT_DRIVER_URING, WEFT_D_EPOLL_INSTEAD);
		init_error = 0;
		if (!has_ring)
			continue;
		submit_error = cases[i].rc;
		falls_back(cases[i].because);
		submit_error = 0;
	}
	old_kernel = true;
	if (has_ring)
		falls_back("too old");
	old_kernel = false;
}

/* The kernel's own refusal, as containers do it: a filter on one of the system calls. */
static void forbid(long call)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)call, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog filter = { sizeof(code) / sizeof(code[0]), code };

	if (prctl(PR_SET_NO_NEW_PRIVS, 1UL, 0UL, 0UL, 0UL) ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter))
		_exit(3);
}

static void test_seccomp(void **state)
{
	const long calls[] = { SYS_io_uring_setup, SYS_io_uring_enter };

	(void)state;
	for (int i = 0; i < 2; i++) {
		pid_t pid = fork();
		int status;

		if (pid == 0) {
			const char *why, *name;

			forbid(calls[i]);
			name = driver_of(WEFT_DRIVER_URING, WEFT_CURRENT_THREAD, 0, &why);
			_exit(!name || strcmp(name, "epoll") != 0 ? 1
			      : !why || !strstr(why, "EPERM")     ? 2
								  : 0);
		}
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_int_equal(status, 0);
	}
}
#else
static void test_without(void **state)
{
	(void)state;
	falls_back("liburing");
}
#endif

#ifdef WEFT_URING
struct wait {
	WEFT_FRAME;
	struct weft_stream *end;
	size_t n;
	char byte;
};

static weft_poll_t wait_for_byte(struct weft_cx *cx, struct wait *f)
{
	weft_async_begin(f);
	weft_await(f, weft_stream_read(cx, f->end, &f->byte, 1, &f->n));
	weft_async_end(f, f->rc == 0 && f->n == 1 ? 0 : -EIO);
}

static weft_poll_t nothing(struct weft_cx *cx, struct weft_yield *f)
{
	(void)cx, (void)f;
	return WEFT_READY;
}

/* Writes a byte, and calls the runtime if that is not seen. */
struct writer {
	struct weft_runtime *rt;
	int fd;
	bool over, called;
};

static void *write_byte(void *arg)
{
	struct writer *w = arg;
	struct weft_yield frame = { 0 };

	usleep(50000);
	if (write(w->fd, "x", 1) != 1)
		abort();
	for (unsigned i = 0; i < 500 && !__atomic_load_n(&w->over, __ATOMIC_RELAXED); i++)
		usleep(10000);
	w->called = !__atomic_load_n(&w->over, __ATOMIC_RELAXED);
	if (w->called)
		weft_spawn(w->rt, nothing, frame, .detach = true);
	return NULL;
}

/* The request that a reader waits by was refused when nothing else was to be waited for. */
static void test_no_memory_for_a_moment(void **state)
{
	struct weft_config config = { .size = sizeof(config),
				      .driver = WEFT_DRIVER_URING,
				      .flavour = WEFT_CURRENT_THREAD };
	struct writer w = { .over = false };
	struct wait f = { .n = 0 };
	pthread_t thread;
	int fd[2];

	(void)state;
	if (!has_ring)
		return;
	assert_int_equal(pipe2(fd, O_NONBLOCK | O_CLOEXEC), 0);
	assert_int_equal(weft_runtime_new(&config, &w.rt), 0);
	assert_int_equal(weft_stream_adopt(w.rt, fd[0], &f.end), 0);
	w.fd = fd[1];
	refusals = 5;
	pthread_create(&thread, NULL, write_byte, &w);
	assert_int_equal(weft_block_on(w.rt, wait_for_byte, &f), 0);
	__atomic_store_n(&w.over, true, __ATOMIC_RELAXED);
	pthread_join(thread, NULL);
	assert_int_equal(refusals, 0);
	assert_false(w.called);
	weft_stream_close(f.end);
	weft_runtime_free(w.rt);
	close(fd[1]);
}
#endif

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_default),
#ifdef WEFT_URING
		cmocka_unit_test(test_ring),     cmocka_unit_test(test_no_memory_for_a_moment),
		cmocka_unit_test(test_fallback), cmocka_unit_test(test_seccomp),
#else
		cmocka_unit_test(test_without),
#endif
	};

#ifdef WEFT_URING
	struct io_uring ring;

	has_ring = io_uring_queue_init(2, &ring, 0) == 0;
	if (has_ring)
		io_uring_queue_exit(&ring);
	else
		printf("the kernel forbids io_uring: only the fallback is tested\n");
#endif
	return cmocka_run_group_tests_name("runtime/uring", tests, NULL, NULL);
}
