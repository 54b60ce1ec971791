/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/support/net_runtime.h"

struct talk {
	WEFT_FRAME;
	struct weft_datagram *a, *b;
	struct weft_message out, in;
	struct weft_sleep limit;
	size_t n;
	int i;
	char buf[64];
};

/* a -> b with an address, the answer to where it came from, then connected both ways. */
static weft_poll_t talk(struct weft_cx *cx, struct talk *f)
{
	weft_async_begin(f);
	f->out.buf = "ping";
	f->out.n = 4;
	weft_await(f, weft_datagram_send_to(cx, f->a, &f->out));
	if (f->rc)
		return f->rc;
	f->in.buf = f->buf;
	f->in.n = sizeof(f->buf);
	weft_await(f, weft_datagram_receive_from(cx, f->b, &f->in));
	if (f->rc || f->in.n != 4 || memcmp(f->buf, "ping", 4))
		return f->rc ? f->rc : -EIO;
	f->in.buf = "pong!";
	f->in.n = 5;
	weft_await(f, weft_datagram_send_to(cx, f->b, &f->in));
	if (f->rc)
		return f->rc;
	weft_await(f, weft_datagram_receive(cx, f->a, f->buf, sizeof(f->buf), &f->n));
	if (f->rc || f->n != 5)
		return f->rc ? f->rc : -EIO;
	f->rc = weft_datagram_connect(f->a, &f->out.address);
	if (f->rc)
		return f->rc;
	weft_await(f, weft_datagram_send(cx, f->a, "0123456789", 10));
	weft_await(f, weft_datagram_receive(cx, f->b, f->buf, 4, &f->n));
	weft_async_end(f, f->rc);
}

static void test_udp(void **state)
{
	static const char *const hosts[] = { "127.0.0.1", "::1" };
	char text[WEFT_ADDRESS_TEXT];

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		struct weft_address from;
		struct talk f = { .n = 0 };

		assert_int_equal(weft_udp_bind(rt, hosts[i], 0, &f.a), 0);
		assert_int_equal(weft_udp_bind(rt, hosts[i], 0, &f.b), 0);
		assert_int_equal(weft_datagram_local(f.b, &f.out.address), 0);
		assert_int_equal(weft_block_on(rt, talk, &f), 0);
		assert_int_equal(f.n, 10); /* cut to 4 bytes, and told */
		assert_memory_equal(f.buf, "0123", 4);
		assert_int_equal(weft_datagram_local(f.a, &from), 0);
		assert_int_equal(weft_address_port(&f.in.address), weft_address_port(&from));
		assert_int_equal(strncmp(weft_address_text(&f.in.address, text),
					 i ? "[::1]:" : "127.0.0.1:", i ? 6 : 10),
				 0);
		weft_datagram_close(f.a);
		weft_datagram_close(f.b);
	}
}

static void test_unix(void **state)
{
	char path[2][64];
	struct talk f = { .n = 0 };

	(void)state;
	for (int i = 0; i < 2; i++)
		snprintf(path[i], sizeof(path[i]), "%s/weft_test_datagram.%d", i ? "/tmp" : "@",
			 getpid());
	assert_int_equal(weft_unix_datagram_bind(rt, path[0], &f.a), 0);
	assert_int_equal(weft_unix_datagram_bind(rt, path[1], &f.b), 0);
	assert_int_equal(weft_address_local(path[1], &f.out.address), 0);
	assert_int_equal(weft_block_on(rt, talk, &f), 0);
	assert_int_equal(f.n, 10);
	weft_datagram_close(f.a);
	weft_datagram_close(f.b);
	unlink(path[1]);
}

struct receiver {
	WEFT_FRAME;
	struct weft_datagram *socket;
	struct weft_sleep pause;
	size_t n;
	int got;
	char buf[1024];
};

static weft_poll_t receiver(struct weft_cx *cx, struct receiver *f)
{
	weft_async_begin(f);
	weft_await(f, weft_sleep(cx, &f->pause, 5 * MS));
	for (; f->got < 1000; f->got++) {
		weft_await(f, weft_datagram_receive(cx, f->socket, f->buf, sizeof(f->buf), &f->n));
		if (f->rc || f->n != sizeof(f->buf))
			break;
	}
	weft_async_end(f, f->got);
}

struct flood {
	WEFT_FRAME;
	struct weft_datagram *socket;
	struct weft_join *join;
	int i;
	char buf[1024];
};

static weft_poll_t flood(struct weft_cx *cx, struct flood *f)
{
	weft_async_begin(f);
	for (f->i = 0; f->i < 1000; f->i++) {
		weft_await(f, weft_datagram_send(cx, f->socket, f->buf, sizeof(f->buf)));
		if (f->rc)
			return f->rc;
	}
	weft_await(f, weft_join(cx, &f->join));
	weft_async_end(f, f->rc);
}

/* Unix datagrams aren't dropped: the sender waits for the receiver. Paired, and connected by name. */
static void test_sender_waits(void **state)
{
	struct weft_datagram *pair[2];
	struct weft_address to;
	char path[64];

	(void)state;
	snprintf(path, sizeof(path), "@weft_test_datagram.%d", getpid());
	for (int i = 0; i < 2; i++) {
		struct flood f = { .i = 0 };

		if (i == 0) {
			assert_int_equal(weft_datagram_pair(rt, pair), 0);
		} else {
			assert_int_equal(weft_unix_datagram_bind(rt, NULL, &pair[0]), 0);
			assert_int_equal(weft_unix_datagram_bind(rt, path, &pair[1]), 0);
			assert_int_equal(weft_address_local(path, &to), 0);
			assert_int_equal(weft_datagram_connect(pair[0], &to), 0);
		}
		f.socket = pair[0];
		weft_spawn(rt, receiver, ((struct receiver){ .socket = pair[1] }), .join = &f.join);
		assert_int_equal(weft_block_on(rt, flood, &f), 1000);
		weft_datagram_close(pair[0]);
		weft_datagram_close(pair[1]);
	}
}

/* Without a connection the kernel would never say when there is room: no wait for ever. */
static weft_poll_t fill(struct weft_cx *cx, struct talk *f)
{
	weft_async_begin(f);
	f->out.buf = f->buf;
	f->out.n = sizeof(f->buf);
	for (f->i = 0; f->i < 100000; f->i++) {
		weft_await(f, weft_datagram_send_to(cx, f->a, &f->out));
		if (f->rc)
			break;
	}
	weft_async_end(f, f->rc);
}

static void test_receiver_is_full(void **state)
{
	struct talk f = { .n = 0 };
	char path[64];

	(void)state;
	snprintf(path, sizeof(path), "@weft_test_datagram.%d", getpid());
	assert_int_equal(weft_unix_datagram_bind(rt, NULL, &f.a), 0);
	assert_int_equal(weft_unix_datagram_bind(rt, path, &f.b), 0);
	assert_int_equal(weft_address_local(path, &f.out.address), 0);
	assert_int_equal(weft_block_on(rt, fill, &f), -EAGAIN);
	weft_datagram_close(f.a);
	weft_datagram_close(f.b);
}

static weft_poll_t too_late(struct weft_cx *cx, struct talk *f)
{
	weft_async_begin(f);
	weft_await(f, weft_timeout(cx, &f->limit, 5 * MS,
				   weft_datagram_receive(cx, f->a, f->buf, 8, &f->n)));
	if (f->rc != -ETIMEDOUT)
		return -EIO;
	/* Nobody is at the port: the kernel tells the next call. */
	weft_await(f, weft_datagram_send(cx, f->a, "x", 1));
	weft_await(f, weft_datagram_receive(cx, f->a, f->buf, 8, &f->n));
	weft_async_end(f, f->rc);
}

static void test_timeout_and_refusal(void **state)
{
	struct talk f = { .n = 0 };
	struct weft_address nobody;

	(void)state;
	assert_int_equal(weft_udp_bind(rt, "127.0.0.1", 0, &f.a), 0);
	assert_int_equal(weft_udp_bind(rt, "127.0.0.1", 0, &f.b), 0);
	assert_int_equal(weft_datagram_local(f.b, &nobody), 0);
	weft_datagram_close(f.b);
	assert_int_equal(weft_datagram_connect(f.a, &nobody), 0);
	assert_int_equal(weft_block_on(rt, too_late, &f), -ECONNREFUSED);
	weft_datagram_close(f.a);
	assert_int_equal(weft_datagram_connect(f.a, &nobody), -EBADF);
	assert_int_equal(weft_udp_bind(rt, "no address", 0, &f.a), -EINVAL);
}

static void test_options(void **state)
{
	struct weft_datagram *socket;
	int value;

	(void)state;
	assert_int_equal(weft_udp_bind(rt, "0.0.0.0", 0, &socket), 0);
	assert_int_equal(weft_datagram_set(socket, WEFT_OPTION_BROADCAST, 1), 0);
	assert_int_equal(weft_datagram_get(socket, WEFT_OPTION_BROADCAST, &value), 0);
	assert_int_equal(value, 1);
	assert_int_equal(weft_datagram_set(socket, WEFT_OPTION_TTL, 7), 0);
	assert_int_equal(weft_datagram_get(socket, WEFT_OPTION_TTL, &value), 0);
	assert_int_equal(value, 7);
	assert_int_equal(weft_datagram_set(socket, WEFT_OPTION_RECEIVE_BUFFER, 65536), 0);
	assert_int_equal(weft_datagram_get(socket, WEFT_OPTION_RECEIVE_BUFFER, &value), 0);
	assert_in_range(value, 65536, 1 << 20);
	weft_datagram_close(socket);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_udp),
		T(test_unix),
		T(test_sender_waits),
		T(test_receiver_is_full),
		T(test_timeout_and_refusal),
		T(test_options),
	};

	return RUN("runtime/datagram", tests);
}
