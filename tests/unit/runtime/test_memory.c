/* SPDX-License-Identifier: MIT */
/* ldflags: -Wl,--wrap=ftruncate */
/* The library's memory: all of it through the hooks, all given back, each failure survived. */
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "runtime/executor/executor.h"
#include "runtime/weft.h"

#define MS   1000000ull
#define PAGE 4096u

#ifdef __SANITIZE_THREAD__
#define AFTER_FORK_NO_THREADS 1 /* it ends a child that starts some, if the parent ever had any */
#else
#define AFTER_FORK_NO_THREADS 0
#endif

static int64_t live, total, pages; /* atomic; pages are never given back */
static int64_t fail_at = -1;       /* the allocation with this number fails, counted down */
static int hook_arg;
static __thread void (*meanwhile)(void); /* what happens while this thread allocates, once */

static int64_t blocks(void)
{
	return __atomic_load_n(&live, __ATOMIC_SEQ_CST);
}

static void *hook_alloc(void *arg, size_t align, size_t bytes)
{
	void *block;

	if (meanwhile) {
		void (*now)(void) = meanwhile;

		meanwhile = NULL;
		now();
	}
	if (arg != &hook_arg || __atomic_fetch_sub(&fail_at, 1, __ATOMIC_SEQ_CST) == 0)
		return NULL;
	if (posix_memalign(&block, align, bytes))
		return NULL;
	memset(block, 0xa5, bytes);
	__atomic_fetch_add(&total, 1, __ATOMIC_SEQ_CST);
	__atomic_fetch_add(align == PAGE ? &pages : &live, 1, __ATOMIC_SEQ_CST);
	return block;
}

static void hook_free(void *arg, void *block)
{
	if (arg == &hook_arg)
		__atomic_fetch_sub(&live, 1, __ATOMIC_SEQ_CST);
	free(block);
}

static int setup(void **state)
{
	struct weft_allocator hooks = { hook_alloc, hook_free, &hook_arg };

	(void)state;
	if (weft_set_allocator(NULL) != -EINVAL)
		return -1;
	return weft_set_allocator(&hooks);
}

struct child {
	WEFT_FRAME;
	struct weft_yield yield;
	struct weft_job job;
};

static int job(void *arg)
{
	return *(int *)arg;
}

static int seven = 7;

static weft_poll_t child(struct weft_cx *cx, struct child *f)
{
	weft_async_begin(f);
	weft_await(f, weft_yield(cx, &f->yield));
	weft_await(f, weft_spawn_blocking(cx, &f->job, job, &seven));
	weft_async_end(f, f->rc);
}

struct parent {
	WEFT_FRAME;
	struct weft_join *join;
	char name[32];
	int i, wrong, refused;
};

static weft_poll_t parent(struct weft_cx *cx, struct parent *f)
{
	weft_async_begin(f);
	for (f->i = 0; f->i < 20; f->i++) {
		snprintf(f->name, sizeof(f->name), "child %d", f->i);
		f->rc = weft_spawn(NULL, child, ((struct child){ .rc = 0 }), .name = f->name,
				   .join = &f->join);
		if (f->rc) {
			f->refused += f->rc == -ENOMEM;
			f->wrong += f->rc != -ENOMEM;
			continue;
		}
		weft_await(f, weft_join(cx, &f->join));
		f->wrong += f->rc != 7;
	}
	weft_async_end(f, f->wrong);
}

struct talk {
	WEFT_FRAME;
	struct weft_listener *listener;
	struct weft_connect connecting;
	struct weft_tcp *near, *far;
	struct weft_sleep sleep;
	size_t n;
	char buf[8];
};

/* Each way to wait for a socket. Gives 0, or the first error. */
static weft_poll_t talk(struct weft_cx *cx, struct talk *f)
{
	weft_async_begin(f);
	f->rc = weft_tcp_listen(cx->runtime, "127.0.0.1", 0, &f->listener);
	if (f->rc == 0)
		weft_await(f, weft_timeout(cx, &f->sleep, MS,
					   weft_tcp_accept(cx, f->listener, &f->near)));
	if (f->rc == -ETIMEDOUT)
		weft_await(f, weft_tcp_connect(cx, &f->connecting, "127.0.0.1",
					       weft_listener_port(f->listener), &f->far));
	if (f->rc == 0)
		weft_await(f, weft_tcp_accept(cx, f->listener, &f->near));
	if (f->rc == 0)
		weft_await(f, weft_timeout(cx, &f->sleep, MS,
					   weft_tcp_read(cx, f->near, f->buf, 8, &f->n)));
	if (f->rc == -ETIMEDOUT)
		weft_await(f, weft_tcp_write(cx, f->far, "x", 1, &f->n));
	if (f->rc == 0)
		weft_await(f, weft_tcp_read(cx, f->near, f->buf, 8, &f->n));
	weft_tcp_close(f->near);
	weft_tcp_close(f->far);
	weft_listener_close(f->listener);
	weft_async_end(f, f->rc);
}

#ifdef __SANITIZE_THREAD__
#define OWN_THREADS 1 /* the sanitizer's */
#else
#define OWN_THREADS 0
#endif

/* A pool thread gives its cache back after the runtime has let go of it. */
static void wait_alone(void)
{
	struct stat st;

	while (stat("/proc/self/task", &st) == 0 && st.st_nlink > 3 + OWN_THREADS)
		usleep(200);
}

static uint32_t driver;

/* One whole life. Gives what weft_runtime_new() gave. */
static int one_life(int *ret_refused)
{
	struct weft_config config = { .size = sizeof(config), .workers = 2, .driver = driver };
	struct talk t = { .n = 0 };
	struct weft_semaphore *s = NULL;
	struct parent f = { .i = 0 };
	struct weft_runtime *rt = NULL;
	int rc = weft_runtime_new(&config, &rt);

	if (rc) {
		assert_null(rt);
		wait_alone();
		return rc;
	}
	rc = weft_semaphore_new(1, &s);
	*ret_refused = rc == -ENOMEM;
	assert_true(rc == 0 || rc == -ENOMEM);
	rc = weft_block_on(rt, parent, &f);
	*ret_refused += f.refused + (rc == -ENOMEM);
	assert_true(rc == 0 || rc == -ENOMEM);
	rc = weft_block_on(rt, talk, &t);
	*ret_refused += rc == -ENOMEM;
	assert_true(rc == 0 || rc == -ENOMEM);
	weft_semaphore_free(s);
	weft_runtime_free(rt);
	wait_alone();
	return 0;
}

static void test_all_through_the_hooks(void **state)
{
	int64_t settled;
	int refused = 0;

	(void)state;
	assert_int_equal(one_life(&refused), 0);
	assert_true(total > 5 && pages > 0);
	settled = blocks(); /* names of sites and this thread's cache stay */
	assert_int_equal(one_life(&refused), 0);
	assert_int_equal(refused, 0);
	assert_true(blocks() == settled);
}

/* A task is one block, out of runs that are taken as a whole; a timer, a join handle, a lock's waiter are part of it. */
struct sleeper {
	WEFT_FRAME;
	struct weft_sleep sleep;
	struct weft_acquire acquire;
	struct weft_mutex *mutex;
};

static weft_poll_t sleeper(struct weft_cx *cx, struct sleeper *f)
{
	weft_async_begin(f);
	weft_await(f, weft_timeout(cx, &f->sleep, MS, weft_mutex_lock(cx, f->mutex, &f->acquire)));
	weft_async_end(f, f->rc);
}

static weft_poll_t spawner(struct weft_cx *cx, struct parent *f)
{
	static struct weft_mutex mutex;

	weft_async_begin(f);
	if (f->i == 0)
		weft_mutex_try_lock(&mutex);
	for (; f->i < 1000; f->i++) {
		f->rc = weft_spawn(NULL, sleeper, ((struct sleeper){ .mutex = &mutex }),
				   .join = &f->join);
		if (f->rc)
			return f->rc;
		if (f->i % 100)
			weft_join_detach(f->join);
		else
			weft_await(f, weft_join(cx, &f->join));
	}
	weft_async_end(f, 0);
}

static void test_one_block_per_task(void **state)
{
	struct weft_config config = { .size = sizeof(config), .flavour = WEFT_CURRENT_THREAD };
	struct parent first = { .i = 999 }, f = { .i = 0 };
	struct weft_runtime *rt;
	int64_t before;

	(void)state;
	assert_int_equal(weft_runtime_new(&config, &rt), 0);
	assert_int_equal(weft_block_on(rt, spawner, &first), 0); /* the names of the sites */
	before = total - pages;
	assert_int_equal(weft_block_on(rt, spawner, &f), 0);
	assert_true(total - pages == before);
	weft_runtime_free(rt);
}

static void test_set_only_before_use(void **state)
{
	struct weft_allocator hooks = { hook_alloc, hook_free, NULL };

	(void)state;
	assert_int_equal(weft_set_allocator(&hooks), -EALREADY);
}

static int open_fds(void)
{
	int n = 0;

	for (int fd = 0; fd < 256; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

/* The n-th allocation fails, for every n until a life goes by without needing an n-th. */
static void test_every_failure(void **state)
{
	int64_t settled = blocks(), news = 0, inside = 0;
	int fds = open_fds(), refused, rc;
	int64_t n = 0;

	(void)state;
	do {
		refused = 0;
		__atomic_store_n(&fail_at, n++, __ATOMIC_SEQ_CST);
		rc = one_life(&refused);
		assert_true(rc == 0 || rc == -ENOMEM);
		news += rc != 0;
		inside += refused != 0;
		assert_true(blocks() == settled);
		assert_int_equal(open_fds(), fds);
	} while (__atomic_load_n(&fail_at, __ATOMIC_SEQ_CST) < 0 && n < 500);
	assert_true(n < 500);
	assert_true(news > 2);
	assert_true(inside > 0);
	__atomic_store_n(&fail_at, -1, __ATOMIC_SEQ_CST);
}

/* On the ring, or on epoll where there is none. */
static void test_every_failure_of_the_ring(void **state)
{
	int refused = 0;

	driver = WEFT_DRIVER_URING;
	assert_int_equal(one_life(&refused), 0);
	test_every_failure(state);
	driver = WEFT_DRIVER_EPOLL;
}

static bool no_mapping; /* for traces can be made */

int __real_ftruncate(int fd, off_t bytes);
int __wrap_ftruncate(int fd, off_t bytes);
int __wrap_ftruncate(int fd, off_t bytes)
{
	return no_mapping ? -1 : __real_ftruncate(fd, bytes);
}

static weft_poll_t nothing(struct weft_cx *cx, struct child *f)
{
	(void)cx, (void)f;
	return 0;
}

static void *call_once(void *rt)
{
	struct child f = { .rc = 0 };

	return (void *)(intptr_t)weft_block_on(rt, nothing, &f);
}

/* What `n` threads that each call once leave behind, or -1. */
static int64_t left_by_threads(int n)
{
	struct weft_config config = { .size = sizeof(config), .flavour = WEFT_CURRENT_THREAD };
	struct weft_runtime *rt;
	pthread_t thread;
	int64_t before;
	void *rc;

	if (weft_runtime_new(&config, &rt))
		return -1;
	before = blocks();
	for (int i = 0; i < n; i++)
		if (pthread_create(&thread, NULL, call_once, rt) || pthread_join(thread, &rc) || rc)
			return -1;
	return blocks() - before;
}

/* Threads of the program's own that come and go, where no trace can be mapped: in a child of this one. */
static void test_threads_without_a_mapping(void **state)
{
	int status = 0;
	int64_t left;
	pid_t pid;

	(void)state;
	if (AFTER_FORK_NO_THREADS)
		return;
	wait_alone();
	pid = fork();
	if (pid == 0) {
		no_mapping = true;
		left = left_by_threads(20);
		_exit(left < 0 || left > 5);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static struct weft_runtime *stopping;
static uint32_t within; /* the spawn; atomic */

/* Long enough for a shutdown that doesn't wait. */
static void wait_for_stop(void)
{
	__atomic_store_n(&within, 1, __ATOMIC_RELEASE);
	while (weft_runtime_running(stopping))
		usleep(200);
	usleep(50000);
}

static int spawn_named(const char *name, struct weft_join **ret)
{
	return weft_spawn(stopping, child, ((struct child){ .rc = 0 }), .name = name, .join = ret);
}

static void *spawn_late(void *join)
{
	meanwhile = wait_for_stop;
	return (void *)(intptr_t)spawn_named("another", join);
}

/* A task that is spawned while the runtime stops is refused or ends: nobody waits for it in vain. */
static void test_spawn_meets_shutdown(void **state)
{
	struct weft_config config = { .size = sizeof(config), .workers = 1 };
	struct weft_join *first, *late = NULL;
	pthread_t thread;
	void *rc;

	(void)state;
	assert_int_equal(weft_runtime_new(&config, &stopping), 0);
	assert_int_equal(spawn_named("first", &first), 0); /* names the site */
	assert_int_equal(pthread_create(&thread, NULL, spawn_late, &late), 0);
	while (!__atomic_load_n(&within, __ATOMIC_ACQUIRE))
		usleep(200);
	assert_int_equal(weft_runtime_shutdown(stopping, 5000 * MS), 0);
	pthread_join(thread, &rc);
	if ((intptr_t)rc == 0)
		assert_true(weft_join_done(late));
	else
		assert_int_equal((intptr_t)rc, -ESHUTDOWN);
	weft_join_detach(first);
	weft_join_detach(late);
	weft_runtime_free(stopping);
}

/* Nothing else in the library calls malloc: the object files say so. */
static void test_nothing_beside_the_hooks(void **state)
{
	char path[512], command[1200];
	ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 1);
	char *cut;

	(void)state;
	assert_true(n > 0);
	path[n] = '\0';
	cut = strstr(path, "/tests/unit/");
	assert_non_null(cut);
	*cut = '\0';
	snprintf(command, sizeof(command),
		 "nm -A --undefined-only %s/libweft.a | grep -v ':memory.o:' | "
		 "grep -E ' (malloc|calloc|realloc|reallocarray|free|strdup|strndup|aligned_alloc|"
		 "posix_memalign|asprintf)$' >&2",
		 path);
	assert_int_not_equal(system(command), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all_through_the_hooks),
		cmocka_unit_test(test_one_block_per_task),
		cmocka_unit_test(test_set_only_before_use),
		cmocka_unit_test(test_spawn_meets_shutdown),
		cmocka_unit_test(test_threads_without_a_mapping),
		cmocka_unit_test(test_every_failure),
		cmocka_unit_test(test_every_failure_of_the_ring),
		cmocka_unit_test(test_nothing_beside_the_hooks),
	};

	return cmocka_run_group_tests_name("runtime/memory", tests, setup, NULL);
}
