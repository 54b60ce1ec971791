/* SPDX-License-Identifier: MIT */
/*
 * What a driver may take from the kernel before anybody asks: bytes stay in order, whoever falls
 * behind slows its peer down, and nothing is lost or left. On both drivers, which may only differ
 * where a stream is released with bytes unread.
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "runtime/io/source.h"
#include "runtime/task.h"
#include "tests/support/net_runtime.h"

#define SMALL    1000u
#define MANY     80 /* connections that hold more than the pool has buffers for */
#define ACCEPTED 40

static void conn_close(const struct net_conn *conn)
{
	weft_tcp_close(conn->near);
	weft_tcp_close(conn->far);
}

/* Waits for a first byte, then for the word to go on, then reads all there is in small pieces. */
struct slow {
	WEFT_FRAME;
	struct weft_tcp *conn;
	int *started, *go;
	struct weft_sleep sleep;
	size_t n, i;
	uint64_t got, wrong;
	char buf[700];
};

static weft_poll_t slow(struct weft_cx *cx, struct slow *f)
{
	weft_async_begin(f);
	f->i = 1;
	do {
		weft_await(f, weft_tcp_read(cx, f->conn, f->buf, f->i, &f->n));
		if (f->rc < 0)
			break;
		for (f->i = 0; f->i < f->n; f->i++)
			f->wrong += f->buf[f->i] != (char)((f->got + f->i) % 251);
		if (f->got == 0) {
			__atomic_fetch_add(f->started, 1, __ATOMIC_SEQ_CST);
			while (!__atomic_load_n(f->go, __ATOMIC_SEQ_CST))
				weft_await(f, weft_sleep(cx, &f->sleep, MS));
		}
		f->got += f->n;
		f->i = sizeof(f->buf);
	} while (f->n);
	weft_async_end(f, f->wrong ? -EILSEQ : f->rc < 0 ? f->rc : (int)(f->got & 0x3fffffff));
}

/* As much as the peer lets through, in small pieces. */
static uint64_t send_until_full(int fd, uint64_t from, uint64_t most)
{
	char piece[SMALL];
	uint64_t sent = from;
	ssize_t n = 0;

	while (sent < most && n >= 0) {
		size_t want = most - sent < SMALL ? (size_t)(most - sent) : SMALL;

		for (unsigned i = 0; i < want; i++)
			piece[i] = (char)((sent + i) % 251);
		n = send(fd, piece, want, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n > 0)
			sent += (uint64_t)n;
	}
	return sent;
}

static void wait_for(const int *count, int n)
{
	while (__atomic_load_n(count, __ATOMIC_SEQ_CST) < n)
		usleep(200);
}

/* Until a task waits to read, or accept, there. */
static void wait_waiting(const void *handle)
{
	struct weft_source *source = weft_source_of((uintptr_t)handle);

	while (__atomic_load_n(&source->slot[WEFT_DIR_READ], __ATOMIC_SEQ_CST) <= WEFT_SOURCE_READY)
		usleep(100);
}

static void end_with(struct weft_join *join, uint64_t expected)
{
	struct weft_task *task = (struct weft_task *)join;

	while (!weft_join_done(join))
		usleep(200);
	assert_int_equal(task->rc, (int)expected);
	weft_join_detach(join);
}

static int bytes_in(int fd)
{
	int n = -1;

	assert_int_equal(ioctl(fd, FIONREAD, &n), 0);
	return n;
}

/* Of a listener: connections that wait (net/ipv4/tcp.c, tcp_get_info). */
static int waiting_at(int fd)
{
	struct tcp_info info;
	socklen_t len = sizeof(info);

	assert_int_equal(getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len), 0);
	return (int)info.tcpi_unacked;
}

/* The point of it: while the reader sleeps, io_uring has emptied the socket and epoll has not. */
static void test_bytes_ahead(void **state)
{
	int started = 0, go = 0, expected = flavours_driver_of(state) == WEFT_DRIVER_URING ? 0 : 99;
	struct weft_join *join;
	struct net_conn c;

	net_conns_open(&c, 1);
	weft_spawn(rt, slow, ((struct slow){ .conn = c.near, .started = &started, .go = &go }),
		   .join = &join);
	wait_waiting(c.near);
	assert_int_equal(send_until_full(weft_tcp_fd(c.far), 0, 1), 1);
	wait_for(&started, 1);
	assert_int_equal(send_until_full(weft_tcp_fd(c.far), 1, 100), 100);
	for (int i = 0; i < 5000 && bytes_in(weft_tcp_fd(c.near)) != expected; i++)
		usleep(200);
	assert_int_equal(bytes_in(weft_tcp_fd(c.near)), expected);
	__atomic_store_n(&go, 1, __ATOMIC_SEQ_CST);
	shutdown(weft_tcp_fd(c.far), SHUT_WR);
	end_with(join, 100);
	conn_close(&c);
}

/* A reader that sleeps: its peer is stopped as soon as the kernel's buffers are full. */
static void test_slow_reader(void **state)
{
	int started = 0, go = 0, small = 16384;
	uint64_t sent, more;
	struct weft_join *join;
	struct net_conn c;
	int fd;

	(void)state;
	net_conns_open(&c, 1);
	fd = weft_tcp_fd(c.far);
	setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof(small));
	weft_spawn(rt, slow, ((struct slow){ .conn = c.near, .started = &started, .go = &go }),
		   .join = &join);
	wait_waiting(c.near);
	sent = send_until_full(fd, 0, 1);
	wait_for(&started, 1);
	for (int quiet = 0; quiet < 20; quiet++) {
		more = send_until_full(fd, sent, sent + 100000);
		if (more != sent)
			quiet = 0;
		sent = more;
		assert_true(sent < 8000000);
		usleep(1000);
	}
	__atomic_store_n(&go, 1, __ATOMIC_SEQ_CST);
	for (more = sent + 300000; sent < more; usleep(100))
		sent = send_until_full(fd, sent, more);
	shutdown(fd, SHUT_WR);
	end_with(join, sent);
	conn_close(&c);
}

/* More unread bytes than there are buffers: the rest waits in the kernel, and none is lost. */
static void test_many_slow_readers(void **state)
{
	int started = 0, go = 0;
	struct weft_join *join[MANY];
	struct net_conn c[MANY];
	uint64_t sent[MANY];

	(void)state;
	net_conns_open(c, MANY);
	for (int i = 0; i < MANY; i++)
		weft_spawn(rt, slow,
			   ((struct slow){ .conn = c[i].near, .started = &started, .go = &go }),
			   .join = &join[i]);
	for (int i = 0; i < MANY; i++)
		sent[i] = send_until_full(weft_tcp_fd(c[i].far), 0, 1);
	wait_for(&started, MANY);
	for (int turn = 1; turn < 30; turn++) {
		for (int i = 0; i < MANY; i++)
			sent[i] = send_until_full(weft_tcp_fd(c[i].far), sent[i],
						  (uint64_t)turn * SMALL);
		if (turn % 10 == 0)
			usleep(1000);
	}
	__atomic_store_n(&go, 1, __ATOMIC_SEQ_CST);
	for (int i = 0; i < MANY; i++)
		shutdown(weft_tcp_fd(c[i].far), SHUT_WR);
	for (int i = 0; i < MANY; i++) {
		end_with(join[i], sent[i]);
		conn_close(&c[i]);
	}
}

/* Reads one byte, then gives the descriptor away. */
struct leaver {
	WEFT_FRAME;
	struct weft_tcp *conn;
	struct weft_sleep sleep;
	size_t n, got;
	int fd, tries;
	char buf[8];
};

static weft_poll_t leaver(struct weft_cx *cx, struct leaver *f)
{
	weft_async_begin(f);
	weft_await(f, weft_tcp_read(cx, f->conn, f->buf, 1, &f->n));
	f->got = f->n;
	for (f->tries = 0; f->rc == 0; f->tries++) {
		f->fd = weft_stream_release(weft_tcp_stream(f->conn));
		if (f->fd != -EBUSY || f->tries == 100)
			break;
		weft_await(f, weft_timeout(cx, &f->sleep, 5 * MS,
					   weft_tcp_read(cx, f->conn, f->buf + f->got,
							 sizeof(f->buf) - f->got, &f->n)));
		if (f->rc == 0)
			f->got += f->n;
		else if (f->rc == -ETIMEDOUT)
			f->rc = 0;
	}
	if (f->fd >= 0) {
		/* What the runtime hasn't given is in the kernel, and what comes later too. */
		ssize_t n = recv(f->fd, f->buf + f->got, sizeof(f->buf) - f->got, MSG_DONTWAIT);

		f->got += n > 0 ? (size_t)n : 0;
	}
	weft_async_end(f,
		       f->fd >= 0 && f->got == 3 && memcmp(f->buf, "abc", 3) == 0 ? f->fd : -EIO);
}

/* By a task: also where the thread that runs it is the one that turns the driver. */
static void test_release(void **state)
{
	struct leaver f = { .fd = -1 };
	struct net_conn c;
	char byte = 0;
	int fd, waits;

	(void)state;
	for (int late = 0; late < 2; late++) {
		struct weft_join *join;

		net_conns_open(&c, 1);
		f.conn = c.near;
		weft_spawn(rt, leaver, f, .join = &join);
		usleep(late ? 2000 : 0);
		assert_int_equal(send(weft_tcp_fd(c.far), "abc", 3, 0), 3);
		while (!weft_join_done(join))
			usleep(200);
		fd = ((struct weft_task *)join)->rc;
		weft_join_detach(join);
		assert_true(fd >= 0);
		assert_int_equal(send(weft_tcp_fd(c.far), "x", 1, 0), 1);
		for (waits = 0; recv(fd, &byte, 1, MSG_DONTWAIT) != 1 && waits < 5000; waits++)
			usleep(200);
		assert_int_equal(byte, 'x');
		assert_int_equal(close(fd), 0);
		weft_tcp_close(c.far);
	}
}

static int open_fds(void)
{
	int n = 0;

	for (int fd = 0; fd < 512; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

struct once {
	WEFT_FRAME;
	struct weft_listener *listener;
	struct weft_tcp *conn;
};

static weft_poll_t once(struct weft_cx *cx, struct once *f)
{
	weft_async_begin(f);
	weft_await(f, weft_tcp_accept(cx, f->listener, &f->conn));
	weft_tcp_close(f->conn);
	weft_async_end(f, f->rc);
}

/* Connections that nobody accepts end with their listener. */
static void test_backlog(void **state)
{
	struct once f = { .conn = NULL };
	int client[ACCEPTED], before = open_fds();
	struct weft_join *join;
	char c;

	assert_int_equal(weft_tcp_listen(rt, "127.0.0.1", 0, &f.listener), 0);
	weft_spawn(rt, once, f, .join = &join);
	wait_waiting(f.listener);
	for (int i = 0; i < ACCEPTED; i++) {
		struct sockaddr_storage to;
		socklen_t len = sizeof(to);

		client[i] = socket(AF_INET, SOCK_STREAM, 0);
		getsockname(weft_listener_fd(f.listener), (struct sockaddr *)&to, &len);
		assert_int_equal(connect(client[i], (struct sockaddr *)&to, len), 0);
	}
	while (!weft_join_done(join))
		usleep(200);
	weft_join_detach(join);
	/* io_uring takes some, until it sees that nobody accepts them. */
	if (flavours_driver_of(state) == WEFT_DRIVER_URING)
		while (waiting_at(weft_listener_fd(f.listener)) >= ACCEPTED - 1)
			usleep(200);
	else
		assert_int_equal(waiting_at(weft_listener_fd(f.listener)), ACCEPTED - 1);
	weft_listener_close(f.listener);
	for (int i = 0; i < ACCEPTED; i++) {
		assert_true(recv(client[i], &c, 1, 0) <= 0);
		close(client[i]);
	}
	for (int i = 0; i < 5000 && open_fds() != before; i++)
		usleep(200);
	assert_int_equal(open_fds(), before);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_bytes_ahead), T(test_slow_reader), T(test_many_slow_readers),
		T(test_release),     T(test_backlog),
	};

	return RUN("runtime/ahead", tests);
}
