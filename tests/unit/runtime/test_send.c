/* SPDX-License-Identifier: MIT */
/*
 * What a driver may hand to the kernel later than it was written: bytes stay in order, a write that
 * was given up isn't made, one that was made is told, and nobody waits for ever. On both drivers:
 * only where writes wait for the driver's turn may a task see one waiting.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "runtime/io/source.h"
#include "tests/support/net_runtime.h"

#define MANY     300u /* more than the driver takes at once */
#define PIECES   60u
#define LARGE    5000u
#define TRIES    200
#define MEGABYTE 1000000u

static bool waits_for_turn(void **state)
{
	return flavours_driver_of(state) == WEFT_DRIVER_URING &&
	       flavours_of(state) == WEFT_CURRENT_THREAD;
}

static char byte_at(uint64_t i)
{
	return (char)(i % 251);
}

static void pattern(char *to, uint64_t from, size_t n)
{
	for (size_t i = 0; i < n; i++)
		to[i] = byte_at(from + i);
}

/* Writes pieces of all sizes, so that what waits for a turn and what doesn't follow each other. */
struct writer {
	WEFT_FRAME;
	struct weft_tcp *conn;
	struct iovec two[2];
	struct weft_write_all all;
	uint64_t sent;
	size_t n, size;
	unsigned piece;
	char buf[LARGE];
};

static weft_poll_t writer(struct weft_cx *cx, struct writer *f)
{
	weft_async_begin(f);
	for (f->piece = 0; f->piece < PIECES && f->rc == 0; f->piece++) {
		f->size = 1 + f->piece * 7919u % (f->piece % 5 ? 300 : LARGE);
		pattern(f->buf, f->sent, f->size);
		if (f->piece % 7 == 3) {
			f->two[0] = (struct iovec){ f->buf, f->size };
			weft_await(f, weft_stream_writev(cx, weft_tcp_stream(f->conn), f->two, 1,
							 &f->n));
			f->size = f->rc == 0 ? f->n : 0;
		} else {
			weft_await(f, weft_write_all(cx, &f->all, f->conn, f->buf, f->size));
		}
		f->sent += f->rc == 0 ? f->size : 0;
	}
	weft_tcp_close(f->conn);
	weft_async_end(f, f->rc < 0 ? f->rc : (int)f->sent);
}

/* To the end: how much came, or -EILSEQ. */
struct reader {
	WEFT_FRAME;
	struct weft_tcp *conn;
	struct weft_sleep sleep;
	uint64_t got, rest_at;
	uint64_t late_ns; /* rests for so long before the first byte, and every MEGABYTE */
	size_t n;
	char buf[900];
};

static weft_poll_t reader(struct weft_cx *cx, struct reader *f)
{
	weft_async_begin(f);
	do {
		if (f->late_ns && f->got >= f->rest_at) {
			f->rest_at += MEGABYTE;
			weft_await(f, weft_sleep(cx, &f->sleep, f->late_ns));
		}
		weft_await(f, weft_tcp_read(cx, f->conn, f->buf, sizeof(f->buf), &f->n));
		for (size_t i = 0; f->rc == 0 && i < f->n; i++)
			if (f->buf[i] != byte_at(f->got + i))
				f->rc = -EILSEQ;
		f->got += f->rc == 0 ? f->n : 0;
	} while (f->rc == 0 && f->n);
	weft_tcp_close(f->conn);
	weft_async_end(f, f->rc < 0 ? f->rc : (int)f->got);
}

struct pair {
	WEFT_FRAME;
	struct weft_join *writer, *reader;
	int wrote;
};

/* Both ends of the same number, which isn't 0. */
static weft_poll_t pair(struct weft_cx *cx, struct pair *f)
{
	weft_async_begin(f);
	weft_await(f, weft_join(cx, &f->writer));
	f->wrote = f->rc;
	weft_await(f, weft_join(cx, &f->reader));
	weft_async_end(f, f->wrote > 0 && f->rc == f->wrote ? 0 : -EILSEQ);
}

static void test_order(void **state)
{
	struct net_conn c[MANY];
	struct pair p[MANY];

	(void)state;
	net_conns_open(c, MANY);
	for (unsigned i = 0; i < MANY; i++) {
		p[i] = (struct pair){ .wrote = 0 };
		weft_spawn(rt, writer, ((struct writer){ .conn = c[i].near }),
			   .join = &p[i].writer);
		weft_spawn(rt, reader, ((struct reader){ .conn = c[i].far }), .join = &p[i].reader);
	}
	for (unsigned i = 0; i < MANY; i++)
		assert_int_equal(weft_block_on(rt, pair, &p[i]), 0);
}

/* Gives each write a short time, until a good many came through and a good many didn't. */
struct hasty {
	WEFT_FRAME;
	struct weft_tcp *conn;
	struct weft_sleep sleep;
	uint64_t sent;
	size_t n;
	unsigned late;
	char buf[1000];
};

static weft_poll_t hasty(struct weft_cx *cx, struct hasty *f)
{
	weft_async_begin(f);
	while ((f->rc == 0 || f->rc == -ETIMEDOUT) && (f->late < 20 || f->sent < 3000000)) {
		pattern(f->buf, f->sent, sizeof(f->buf));
		weft_await(f, weft_timeout(cx, &f->sleep, f->late % 3 * MS,
					   weft_tcp_write(cx, f->conn, f->buf, sizeof(f->buf),
							  &f->n)));
		f->sent += f->rc == 0 ? f->n : 0;
		f->late += f->rc == -ETIMEDOUT;
	}
	weft_tcp_close(f->conn);
	weft_async_end(f, f->rc < 0 && f->rc != -ETIMEDOUT ? f->rc : (int)f->sent);
}

/* What was told as written arrives, and nothing else. */
static void test_limit_in_time(void **state)
{
	struct pair p = { .wrote = 0 };
	int small = 8192;
	struct net_conn c;

	(void)state;
	net_conns_open(&c, 1);
	setsockopt(weft_tcp_fd(c.near), SOL_SOCKET, SO_SNDBUF, &small, sizeof(small));
	weft_spawn(rt, hasty, ((struct hasty){ .conn = c.near }), .join = &p.writer);
	weft_spawn(rt, reader, ((struct reader){ .conn = c.far, .late_ns = 60 * MS }),
		   .join = &p.reader);
	assert_int_equal(weft_block_on(rt, pair, &p), 0);
}

enum then { SOMETHING_ELSE, CLOSE, OTHER_TASK, N_THEN };

/* Writes "aaaa" and, where that waits, turns to something else in the same poll. */
struct fickle {
	struct weft_tcp *conn;
	enum then then;
	bool *waited;
	struct weft_join *other;
	bool began;
};

static size_t bystander_wrote; /* atomic */

static weft_poll_t bystander(struct weft_cx *cx, struct weft_tcp **conn)
{
	size_t n = 0;
	weft_poll_t rc = weft_tcp_write(cx, *conn, "b", 1, &n);

	__atomic_store_n(&bystander_wrote, n, __ATOMIC_SEQ_CST);
	return rc == WEFT_PENDING ? -EPROTO : rc;
}

static weft_poll_t closer(struct weft_cx *cx, struct weft_tcp **conn)
{
	(void)cx;
	weft_tcp_close(*conn);
	return 0;
}

static weft_poll_t fickle_first(struct weft_cx *cx, struct fickle *f)
{
	size_t n = 0;
	weft_poll_t rc = weft_tcp_write(cx, f->conn, "aaaa", 4, &n);

	f->began = true;
	*f->waited = rc == WEFT_PENDING;
	if (rc != WEFT_PENDING)
		return rc ? rc : (int)n;
	if (f->then == CLOSE)
		weft_spawn(cx->runtime, closer, f->conn, .join = &f->other);
	if (f->then == OTHER_TASK)
		weft_spawn(cx->runtime, bystander, f->conn, .join = &f->other);
	return f->then == SOMETHING_ELSE ? weft_tcp_write(cx, f->conn, "cc", 2, &n) : WEFT_PENDING;
}

static weft_poll_t fickle(struct weft_cx *cx, struct fickle *f)
{
	size_t n = 0;
	weft_poll_t rc;

	if (!f->began)
		return fickle_first(cx, f);
	if (f->then == SOMETHING_ELSE)
		rc = weft_tcp_write(cx, f->conn, "cc", 2, &n);
	else
		rc = weft_tcp_write(cx, f->conn, "aaaa", 4, &n);
	if (rc == WEFT_PENDING)
		return rc;
	if (f->other)
		weft_join_detach(f->other);
	return rc ? rc : (int)n;
}

static weft_poll_t joined(struct weft_cx *cx, struct weft_join **join)
{
	return weft_join(cx, join);
}

/* What came over the connection before its end, and the writer's result. */
static int outcome(enum then then, bool *waited, char *ret, size_t room)
{
	struct weft_join *join;
	struct net_conn c;
	ssize_t n = 1, got = 0;
	int rc;

	net_conns_open(&c, 1);
	weft_spawn(rt, fickle, ((struct fickle){ .conn = c.near, .then = then, .waited = waited }),
		   .join = &join);
	rc = weft_block_on(rt, joined, &join);
	if (then == OTHER_TASK)
		usleep(1000);
	weft_tcp_close(c.near);
	while (n != 0 && (size_t)got < room - 1) {
		n = recv(weft_tcp_fd(c.far), ret + got, room - 1 - (size_t)got, 0);
		got += n > 0 ? n : 0;
		if (n < 0 && errno == EAGAIN)
			usleep(200);
		else if (n < 0)
			break;
	}
	ret[got] = 0;
	weft_tcp_close(c.far);
	return rc;
}

static void test_given_up(void **state)
{
	bool waited = false;
	char got[16];
	int rc = outcome(SOMETHING_ELSE, &waited, got, sizeof(got));

	assert_int_equal(rc, waited ? 2 : 4);
	assert_string_equal(got, waited ? "cc" : "aaaa");
	assert_int_equal(waited, waits_for_turn(state));
}

static void test_closed(void **state)
{
	bool waited = false;
	char got[16];
	int rc = outcome(CLOSE, &waited, got, sizeof(got));

	assert_true(rc == 4 || (waited && rc == -EBADF));
	assert_string_equal(got, rc == 4 ? "aaaa" : "");
	assert_int_equal(waited, waits_for_turn(state));
}

/* Two tasks at one stream: neither may lose its bytes, nor its result. */
static void test_other_task(void **state)
{
	bool waited = false;
	char got[16];
	int rc = outcome(OTHER_TASK, &waited, got, sizeof(got));

	assert_int_equal(rc, 4);
	if (waited) {
		assert_true(strcmp(got, "baaaa") == 0 || strcmp(got, "aaaab") == 0);
		assert_int_equal(__atomic_load_n(&bystander_wrote, __ATOMIC_SEQ_CST), 1);
	} else {
		assert_string_equal(got, "aaaa");
	}
	assert_int_equal(waited, waits_for_turn(state));
}

/* A task next to the one that wrote in the queue, so that it mostly aborts that before the driver turns. */
struct aborter {
	WEFT_FRAME;
	struct weft_tcp *conn;
	int *ret;
	struct weft_join *join;
	struct weft_yield yield;
	bool waited;
};

static weft_poll_t aborter(struct weft_cx *cx, struct aborter *f)
{
	weft_async_begin(f);
	weft_spawn(cx->runtime, fickle,
		   ((struct fickle){ .conn = f->conn, .then = N_THEN, .waited = &f->waited }),
		   .join = &f->join);
	weft_await(f, weft_yield(cx, &f->yield));
	weft_join_abort(f->join);
	weft_await(f, weft_join(cx, &f->join));
	*f->ret = f->rc;
	weft_tcp_close(f->conn);
	weft_async_end(f, 0);
}

/* The peer got it if, and only if, the task was told. */
static void test_aborted(void **state)
{
	unsigned kept = 0;

	for (int i = 0; i < TRIES; i++) {
		struct weft_join *join;
		int rc = 0;
		struct net_conn c;
		char got[8];
		ssize_t n;

		net_conns_open(&c, 1);
		weft_spawn(rt, aborter, ((struct aborter){ .conn = c.near, .ret = &rc }),
			   .join = &join);
		assert_int_equal(weft_block_on(rt, joined, &join), 0);
		do {
			n = recv(weft_tcp_fd(c.far), got, sizeof(got), 0);
		} while (n < 0 && errno == EAGAIN && usleep(100) == 0);
		assert_true(rc == 4 || rc == -ECANCELED);
		assert_int_equal(n, rc == 4 ? 4 : 0);
		kept += rc != 4;
		weft_tcp_close(c.far);
	}
	if (waits_for_turn(state))
		assert_true(kept > 0);
}

struct leaving {
	WEFT_FRAME;
	struct net_conn c;
	struct weft_yield yield;
	struct weft_join *join;
	bool waited;
};

/* Ends while another task's write waits for the driver. */
static weft_poll_t leaving(struct weft_cx *cx, struct leaving *f)
{
	weft_async_begin(f);
	f->rc = weft_tcp_listen(cx->runtime, "127.0.0.1", 0, &f->c.listener);
	if (f->rc == 0)
		weft_await(f, net_conn_open(cx, &f->c));
	if (f->rc == 0)
		f->rc = weft_spawn(cx->runtime, fickle,
				   ((struct fickle){ .conn = f->c.near,
						     .then = N_THEN,
						     .waited = &f->waited }),
				   .join = &f->join);
	weft_await(f, weft_yield(cx, &f->yield));
	weft_async_end(f, f->rc);
}

/* What a task wrote goes out though nobody drives the runtime any more. */
static void test_root_ends(void **state)
{
	struct weft_config config = { .size = sizeof(config),
				      .flavour = WEFT_CURRENT_THREAD,
				      .driver = flavours_driver_of(state) };
	struct leaving f = { .waited = false };
	struct weft_runtime *own;
	char got[8];
	ssize_t n = -1;

	assert_int_equal(weft_runtime_new(&config, &own), 0);
	assert_int_equal(weft_block_on(own, leaving, &f), 0);
	for (int i = 0; n < 0 && i < 5000; i++) {
		n = recv(weft_tcp_fd(f.c.far), got, sizeof(got), 0);
		if (n < 0)
			usleep(200);
	}
	assert_int_equal(n, 4);
	weft_join_detach(f.join);
	weft_tcp_close(f.c.near);
	weft_tcp_close(f.c.far);
	weft_listener_close(f.c.listener);
	weft_runtime_free(own);
}

/* A write that waits, of a connection that is closed by then; its memory is another source's, that ends meanwhile. */
struct successor {
	struct weft_tcp *conn;
	int fd;
	bool *waited;
};

/*
 * The thread that closes the other source has left it while submit() looked whether it is the one
 * that wrote: what it counts down by hand here, so that who looks is the last to leave.
 */
static weft_poll_t successor(struct weft_cx *cx, struct successor *f)
{
	struct weft_source *memory = weft_source_of((uintptr_t)f->conn);
	struct weft_stream *other;
	size_t n = 0;
	int rc;

	*f->waited = weft_tcp_write(cx, f->conn, "aaaa", 4, &n) == WEFT_PENDING;
	weft_tcp_close(f->conn);
	rc = weft_stream_adopt(cx->runtime, f->fd, &other);
	if (rc || (*f->waited && weft_source_of((uintptr_t)other) != memory))
		return rc ? rc : -EPROTO;
	if (*f->waited)
		weft_source_enter((uintptr_t)other);
	weft_stream_close(other);
	if (*f->waited)
		__atomic_fetch_sub(&memory->refs, 1, __ATOMIC_RELEASE);
	return 0;
}

static void test_ends_another(void **state)
{
	struct weft_join *join;
	bool waited = false;
	struct net_conn c;
	int pair[2];
	char got;

	net_conns_open(&c, 1);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
	weft_spawn(rt, successor, ((struct successor){ c.near, pair[0], &waited }), .join = &join);
	assert_int_equal(weft_block_on(rt, joined, &join), 0);
	for (int i = 0; recv(pair[1], &got, 1, 0) < 0; i++) {
		assert_int_equal(errno, EAGAIN);
		assert_true(i < 100000);
		usleep(100);
	}
	assert_int_equal(waited, waits_for_turn(state));
	close(pair[1]);
	weft_tcp_close(c.far);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_order),      T(test_limit_in_time), T(test_given_up),  T(test_closed),
		T(test_other_task), T(test_aborted),       T(test_root_ends), T(test_ends_another),
	};

	return RUN("runtime/send", tests);
}
