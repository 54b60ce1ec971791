/* SPDX-License-Identifier: MIT */
/*
 * The n-th system call fails: a clear error, or none where there is another way; no descriptor and no
 * thread stays. (The n-th allocation: test_memory.c.)
 */
/* ldflags: -Wl,--wrap=epoll_create1,--wrap=eventfd,--wrap=epoll_ctl,--wrap=epoll_wait,--wrap=epoll_pwait2,--wrap=accept4,--wrap=pthread_create,--wrap=sched_getaffinity */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "runtime/weft.h"
#include "tests/support/flavours.h"

#define MS 1000000ull

enum call { CREATE, EVENTFD, CTL, WAIT, ACCEPT, THREAD, CALLS };

/* Atomic: calls come from any thread. */
static struct {
	int64_t left;  /* calls until one fails, -1 = never */
	int64_t every; /* and then again after so many, 0 = once */
	int error;
	uint64_t failed;
} fault[CALLS];

static void inject(enum call call, int64_t nth, int64_t every, int error)
{
	__atomic_store_n(&fault[call].every, every, __ATOMIC_SEQ_CST);
	__atomic_store_n(&fault[call].error, error, __ATOMIC_SEQ_CST);
	__atomic_store_n(&fault[call].failed, 0, __ATOMIC_SEQ_CST);
	__atomic_store_n(&fault[call].left, nth, __ATOMIC_SEQ_CST);
}

static uint64_t failed(enum call call)
{
	return __atomic_load_n(&fault[call].failed, __ATOMIC_SEQ_CST);
}

static void no_faults(void)
{
	for (int i = 0; i < CALLS; i++)
		inject(i, -1, 0, 0);
}

/* 0, or the errno to fail with. */
static int due(enum call call)
{
	if (__atomic_load_n(&fault[call].left, __ATOMIC_SEQ_CST) < 0)
		return 0;
	if (__atomic_fetch_sub(&fault[call].left, 1, __ATOMIC_SEQ_CST) != 0)
		return 0;
	__atomic_store_n(&fault[call].left,
			 __atomic_load_n(&fault[call].every, __ATOMIC_SEQ_CST) - 1,
			 __ATOMIC_SEQ_CST);
	__atomic_fetch_add(&fault[call].failed, 1, __ATOMIC_SEQ_CST);
	errno = __atomic_load_n(&fault[call].error, __ATOMIC_SEQ_CST);
	return errno;
}

#define WRAP(call, name, params, args)                      \
	int __real_##name params;                           \
	int __wrap_##name params;                           \
	int __wrap_##name params                            \
	{                                                   \
		return due(call) ? -1 : __real_##name args; \
	}

WRAP(CREATE, epoll_create1, (int flags), (flags))
WRAP(EVENTFD, eventfd, (unsigned n, int flags), (n, flags))
WRAP(CTL, epoll_ctl, (int e, int op, int fd, struct epoll_event *ev), (e, op, fd, ev))
WRAP(WAIT, epoll_wait, (int e, struct epoll_event *ev, int n, int ms), (e, ev, n, ms))
WRAP(ACCEPT, accept4, (int fd, struct sockaddr *to, socklen_t *len, int flags),
     (fd, to, len, flags))

/* Calls that a filter which doesn't know epoll_pwait2 has refused; 0 = there is none. */
static uint32_t refusals;

int __real_epoll_pwait2(int e, struct epoll_event *ev, int n, const struct timespec *ts,
			const sigset_t *set);
int __wrap_epoll_pwait2(int e, struct epoll_event *ev, int n, const struct timespec *ts,
			const sigset_t *set);
int __wrap_epoll_pwait2(int e, struct epoll_event *ev, int n, const struct timespec *ts,
			const sigset_t *set)
{
	if (__atomic_load_n(&refusals, __ATOMIC_SEQ_CST)) {
		__atomic_fetch_add(&refusals, 1, __ATOMIC_SEQ_CST);
		errno = EPERM;
		return -1;
	}
	return due(WAIT) ? -1 : __real_epoll_pwait2(e, ev, n, ts, set);
}

static int cpus; /* that the process is told it may use; 0 = the truth */

int __real_sched_getaffinity(pid_t pid, size_t bytes, cpu_set_t *set);
int __wrap_sched_getaffinity(pid_t pid, size_t bytes, cpu_set_t *set);
int __wrap_sched_getaffinity(pid_t pid, size_t bytes, cpu_set_t *set)
{
	if (!cpus)
		return __real_sched_getaffinity(pid, bytes, set);
	CPU_ZERO(set);
	for (int i = 0; i < cpus; i++)
		CPU_SET(i, set);
	return 0;
}

int __real_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*fn)(void *),
			  void *arg);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*fn)(void *),
			  void *arg);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*fn)(void *),
			  void *arg)
{
	int error = due(THREAD);

	return error ? error : __real_pthread_create(thread, attr, fn, arg);
}

static int open_fds(void)
{
	int n = 0;

	for (int fd = 0; fd < 512; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

#ifdef __SANITIZE_THREAD__
#define OWN_THREADS 1 /* the sanitizer's */
#else
#define OWN_THREADS 0
#endif

static void wait_alone(void)
{
	struct stat st;

	while (stat("/proc/self/task", &st) == 0 && st.st_nlink > 3 + OWN_THREADS)
		usleep(200);
}

/* Building fails at each of its calls, then once more whole. */
static void test_building(void **state)
{
	const enum call calls[] = { CREATE, EVENTFD, CTL, THREAD };
	struct weft_config config = { .size = sizeof(config),
				      .workers = 3,
				      .flavour = flavours_of(state) };

	for (unsigned i = 0; i < 4; i++) {
		for (int64_t nth = 0;; nth++) {
			struct weft_runtime *rt = NULL;
			int fds = open_fds(), rc;

			inject(calls[i], nth, 0, EMFILE);
			rc = weft_runtime_new(&config, &rt);
			if (!failed(calls[i])) { /* it makes fewer such calls */
				assert_int_equal(rc, 0);
				weft_runtime_free(rt);
				break;
			}
			assert_int_equal(rc, -EMFILE);
			assert_null(rt);
			wait_alone();
			assert_int_equal(open_fds(), fds);
		}
		no_faults();
	}
}

static struct weft_runtime *rt;

static int setup(void **state)
{
	struct weft_config config = { .size = sizeof(config), .workers = 2 };

	return flavours_start(state, &config, &rt);
}

static int teardown(void **state)
{
	struct weft_runtime_stats stats;

	(void)state;
	no_faults();
	assert_int_equal(weft_runtime_shutdown(rt, 5000 * MS), 0);
	weft_runtime_stats(rt, &stats);
	assert_int_equal(stats.alive, 0);
	assert_int_equal(stats.fds, 0);
	assert_int_equal(stats.timers, 0);
	flavours_end(rt);
	return 0;
}

struct server {
	WEFT_FRAME;
	struct weft_listener *listener;
	struct weft_tcp *conn;
	struct weft_sleep sleep;
	int served, wanted, refused;
};

/* As a server should: an accept that fails for want of something is tried again a little later. */
static weft_poll_t server(struct weft_cx *cx, struct server *f)
{
	weft_async_begin(f);
	while (f->served < f->wanted) {
		weft_await(f, weft_tcp_accept(cx, f->listener, &f->conn));
		if (f->rc) {
			if (f->rc != -EMFILE && f->rc != -ENOMEM)
				return f->rc;
			f->refused++;
			weft_await(f, weft_sleep(cx, &f->sleep, MS));
			continue;
		}
		weft_tcp_close(f->conn);
		f->served++;
	}
	weft_async_end(f, f->refused);
}

struct client {
	WEFT_FRAME;
	struct weft_connect connecting;
	struct weft_tcp *conn;
	char byte;
	size_t n;
	uint16_t port;
	int i, done, wanted, refused;
};

static weft_poll_t client(struct weft_cx *cx, struct client *f)
{
	weft_async_begin(f);
	while (f->done < f->wanted) {
		weft_await(f, weft_tcp_connect(cx, &f->connecting, "127.0.0.1", f->port, &f->conn));
		if (f->rc == -ENOMEM) { /* epoll_ctl */
			f->refused++;
			continue;
		}
		if (f->rc)
			return f->rc;
		weft_await(f, weft_tcp_read(cx, f->conn, &f->byte, 1, &f->n));
		weft_tcp_close(f->conn);
		f->done += f->rc == 0 || f->rc == -ECONNRESET;
	}
	weft_async_end(f, 0);
}

/* 40 connections, with one fault in play. Gives how many accepts were refused. */
static int serve(void)
{
	struct server s = { .wanted = 40 };
	struct client c = { .wanted = 40 };
	struct weft_join *join;
	int rc;

	assert_int_equal(weft_tcp_listen(rt, "127.0.0.1", 0, &s.listener), 0);
	c.port = weft_listener_port(s.listener);
	assert_int_equal(weft_spawn(rt, client, c, .join = &join), 0);
	rc = weft_block_on(rt, server, &s);
	assert_true(rc >= 0);
	while (!weft_join_done(join))
		usleep(200);
	weft_join_detach(join);
	weft_listener_close(s.listener);
	return rc;
}

static void test_accept(void **state)
{
	int fds = open_fds();

	(void)state;
	inject(ACCEPT, 0, 5, EMFILE);
	assert_true(serve() > 0);
	inject(ACCEPT, 0, 5, ECONNABORTED); /* tried again inside */
	assert_int_equal(serve(), 0);
	assert_true(failed(ACCEPT) > 0);
	inject(ACCEPT, 0, 5, EINTR);
	assert_int_equal(serve(), 0);
	no_faults();
	assert_int_equal(open_fds(), fds);
}

static void test_wait(void **state)
{
	(void)state;
	inject(WAIT, 0, 3, EINTR);
	assert_int_equal(serve(), 0);
	assert_true(failed(WAIT) > 0);
	inject(WAIT, 0, 7, ENOMEM);
	assert_int_equal(serve(), 0);
}

/* A connection that can't be watched is closed again and its maker told. */
static void test_control(void **state)
{
	int fds = open_fds();
	struct server s = { .wanted = 1 };

	(void)state;
	inject(CTL, 0, 0, ENOMEM);
	assert_int_equal(weft_tcp_listen(rt, "127.0.0.1", 0, &s.listener), -ENOMEM);
	assert_int_equal(open_fds(), fds);
}

struct nap {
	WEFT_FRAME;
	struct weft_sleep sleep;
};

static weft_poll_t nap(struct weft_cx *cx, struct nap *f)
{
	weft_async_begin(f);
	weft_await(f, weft_sleep(cx, &f->sleep, 30 * MS));
	weft_async_end(f, f->rc);
}

/* Refused once, not asked for again: no spinning. */
static void test_filter(void **state)
{
	struct nap f = { .rc = 0 };
	uint64_t from = weft_now();

	(void)state;
	__atomic_store_n(&refusals, 1, __ATOMIC_SEQ_CST);
	assert_int_equal(weft_block_on(rt, nap, &f), 0);
	assert_true(weft_now() - from >= 30 * MS);
	assert_in_range(__atomic_load_n(&refusals, __ATOMIC_SEQ_CST), 1, 2);
	__atomic_store_n(&refusals, 0, __ATOMIC_SEQ_CST);
}

/* On a machine with more CPUs than there may be workers the default still starts. */
static void test_many_cpus(void **state)
{
	struct weft_config config = { .size = sizeof(config), .flavour = flavours_of(state) };
	struct weft_runtime_stats stats;

	cpus = 400;
	assert_int_equal(weft_runtime_new(&config, &rt), 0);
	cpus = 0;
	weft_runtime_stats(rt, &stats);
	if (!flavours_caller_driven(config.flavour))
		assert_int_equal(stats.workers, 256);
	assert_int_equal(weft_runtime_shutdown(rt, 20000 * MS), 0);
	weft_runtime_free(rt);
}

static int job(void *arg)
{
	return *(int *)arg;
}

struct asker {
	WEFT_FRAME;
	struct weft_job job;
	int value;
};

static weft_poll_t asker(struct weft_cx *cx, struct asker *f)
{
	weft_async_begin(f);
	f->value = 5;
	weft_await(f, weft_spawn_blocking(cx, &f->job, job, &f->value));
	weft_async_end(f, f->rc);
}

/* No thread and none can be made: an error; the next one is made again. */
static void test_pool_thread(void **state)
{
	struct asker f = { .value = 0 };

	(void)state;
	inject(THREAD, 0, 0, EAGAIN);
	assert_int_equal(weft_block_on(rt, asker, &f), -EAGAIN);
	f = (struct asker){ .value = 0 };
	assert_int_equal(weft_block_on(rt, asker, &f), 5);
	/* One that is there makes up for one that can't be made. */
	inject(THREAD, 0, 1, EAGAIN);
	f = (struct asker){ .value = 0 };
	assert_int_equal(weft_block_on(rt, asker, &f), 5);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_building),
		T(test_accept),
		T(test_wait),
		T(test_filter),
		cmocka_unit_test(test_many_cpus),
		T(test_control),
		T(test_pool_thread),
	};

	no_faults();
	return flavours_run("runtime/faults", tests, sizeof(tests) / sizeof(tests[0]));
}
