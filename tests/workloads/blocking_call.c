/* SPDX-License-Identifier: MIT */
/*
 * blocking-call: a task that stops its worker, four ways, 80 ms at a time, five times a second:
 *   sleep  nanosleep in a poll; cure: weft_sleep
 *   mutex  a lock that a thread outside the runtime holds; cure: taken on the blocking pool
 *   fifo   read from a FIFO that is written rarely; cure: not before it is readable
 *   dns    getaddrinfo, of a name server on loopback that never answers, 1 s at a time; cure: on the blocking pool
 * 20 tickers on the same workers are what it harms.
 */
#include "tests/workloads/support/workload.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <limits.h>
#include <netdb.h>
#include <poll.h>
#include <pthread.h>
#include <resolv.h>
#include <sys/stat.h>
#include <unistd.h>

static struct workload w;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char fifo_dir[PATH_MAX], fifo_path[PATH_MAX + 8];
static struct sockaddr_in name_server;

struct query {
	WEFT_FRAME;
	struct weft_sleep pause;
	struct weft_job job;
	struct weft_fd_wait readable;
	int fd;
};

static weft_poll_t query_sleep(struct weft_cx *cx, struct query *f)
{
	weft_async_begin(f);
	while (workload_on(&w) && !weft_is_cancelled(cx)) {
		if (w.healthy)
			weft_await(f, weft_sleep(cx, &f->pause, 80 * MS));
		else
			workload_doze(80 * MS);
		weft_await(f, weft_sleep(cx, &f->pause, 120 * MS));
	}
	weft_async_end(f, 0);
}

static int under_lock(void *arg)
{
	(void)arg;
	pthread_mutex_lock(&lock);
	pthread_mutex_unlock(&lock);
	return 0;
}

static weft_poll_t query_mutex(struct weft_cx *cx, struct query *f)
{
	weft_async_begin(f);
	while (workload_on(&w) && !weft_is_cancelled(cx)) {
		if (w.healthy)
			weft_await(f, weft_spawn_blocking(cx, &f->job, under_lock, NULL));
		else
			under_lock(NULL);
		weft_await(f, weft_sleep(cx, &f->pause, 120 * MS));
	}
	weft_async_end(f, 0);
}

static weft_poll_t query_fifo(struct weft_cx *cx, struct query *f)
{
	char byte;

	weft_async_begin(f);
	f->fd = open(fifo_path, O_RDWR | O_CLOEXEC | (w.healthy ? O_NONBLOCK : 0));
	while (workload_on(&w) && !weft_is_cancelled(cx)) {
		if (w.healthy)
			weft_await(f, weft_fd_wait(cx, &f->readable, f->fd, POLLIN));
		if (read(f->fd, &byte, 1) < 0 && !w.healthy)
			break;
		weft_await(f, weft_sleep(cx, &f->pause, 20 * MS));
	}
	weft_async_end(f, 0);
}

/* A thread's resolver starts with what /etc/resolv.conf says. */
static int look_up(void *arg)
{
	struct addrinfo *found = NULL;

	if (!(_res.options & RES_INIT))
		res_init();
	_res.nscount = 1;
	_res.nsaddr_list[0] = name_server;
	_res.retrans = _res.retry = 1; /* s, times */
	if (!getaddrinfo("silent.example", "80", NULL, &found))
		freeaddrinfo(found);
	return arg ? 1 : 0;
}

static weft_poll_t query_dns(struct weft_cx *cx, struct query *f)
{
	weft_async_begin(f);
	while (workload_on(&w) && !weft_is_cancelled(cx)) {
		if (w.healthy)
			weft_await(f, weft_spawn_blocking(cx, &f->job, look_up, NULL));
		else
			look_up(NULL);
		weft_await(f, weft_sleep(cx, &f->pause, 120 * MS));
	}
	weft_async_end(f, 0);
}

static int start_name_server(void)
{
	socklen_t n = sizeof(name_server);
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	name_server = (struct sockaddr_in){ .sin_family = AF_INET,
					    .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	return fd < 0 || bind(fd, (struct sockaddr *)&name_server, n) ||
	       getsockname(fd, (struct sockaddr *)&name_server, &n);
}

static void *lock_holder(void *arg)
{
	(void)arg;
	while (workload_on(&w)) {
		pthread_mutex_lock(&lock);
		workload_doze(90 * MS);
		pthread_mutex_unlock(&lock);
		workload_doze(10 * MS);
	}
	return NULL;
}

static void *fifo_writer(void *arg)
{
	int fd = open(fifo_path, O_RDWR | O_CLOEXEC);

	(void)arg;
	while (fd >= 0 && workload_on(&w)) {
		workload_doze(100 * MS);
		if (write(fd, "x", 1) < 0)
			break;
	}
	/* One more, so that a reader that blocks sees the end. */
	workload_doze(50 * MS);
	return write(fd, "xxxx", 4) < 0 ? NULL : arg;
}

static int start_query(void)
{
	struct query q = { 0 };

	if (workload_is(&w, "mutex"))
		return workload_spawn(&w, query_mutex, q, .name = "query_mutex");
	if (workload_is(&w, "fifo"))
		return workload_spawn(&w, query_fifo, q, .name = "query_fifo");
	if (workload_is(&w, "dns"))
		return workload_spawn(&w, query_dns, q, .name = "query_dns");
	return workload_spawn(&w, query_sleep, q, .name = "query_sleep");
}

static int start_helper(void)
{
	const char *tmp = getenv("TMPDIR");
	pthread_t thread;

	if (workload_is(&w, "mutex"))
		return pthread_create(&thread, NULL, lock_holder, NULL);
	if (workload_is(&w, "dns"))
		return start_name_server();
	if (!workload_is(&w, "fifo"))
		return 0;
	snprintf(fifo_dir, sizeof(fifo_dir), "%s/weft-fifo-XXXXXX", tmp ? tmp : "/tmp");
	if (!mkdtemp(fifo_dir))
		return -1;
	snprintf(fifo_path, sizeof(fifo_path), "%s/in", fifo_dir);
	return mkfifo(fifo_path, 0600) < 0 ? -1 : pthread_create(&thread, NULL, fifo_writer, NULL);
}

int main(int argc, char **argv)
{
	char task[32];
	int rc;

	workload_begin(&w, argc, argv, "sleep mutex fifo dns");
	workload_tickers(&w, 20);
	if (start_helper() || start_query() < 0)
		return 1;
	snprintf(task, sizeof(task), "query_%s", *w.variant ? w.variant : "sleep");
	workload_ready(&w, task, NULL);
	workload_rest(&w);
	rc = workload_end(&w);
	if (*fifo_dir) {
		unlink(fifo_path);
		rmdir(fifo_dir);
	}
	return rc;
}
