/* SPDX-License-Identifier: MIT */
/* ldflags: -Wl,--wrap=getaddrinfo */
/* Names and connecting by name, with a getaddrinfo() that knows a few names of its own. */
#include <arpa/inet.h>
#include <netdb.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "runtime/task.h"
#include "tests/support/net_runtime.h"

int __real_getaddrinfo(const char *node, const char *service, const struct addrinfo *hints,
		       struct addrinfo **ret);
int __wrap_getaddrinfo(const char *node, const char *service, const struct addrinfo *hints,
		       struct addrinfo **ret);

static int slow_go, look_ups;

static int numeric(const char *text, const struct addrinfo *hints, struct addrinfo **ret)
{
	struct addrinfo more = *hints;

	more.ai_flags |= AI_NUMERICHOST;
	return __real_getaddrinfo(text, NULL, &more, ret);
}

int __wrap_getaddrinfo(const char *node, const char *service, const struct addrinfo *hints,
		       struct addrinfo **ret)
{
	int rc;

	__atomic_fetch_add(&look_ups, 1, __ATOMIC_SEQ_CST);
	if (strcmp(node, "gone.test") == 0)
		return EAI_NONAME;
	if (strcmp(node, "dead.test") == 0)
		return EAI_AGAIN;
	if (strcmp(node, "slow.test") == 0) {
		while (!__atomic_load_n(&slow_go, __ATOMIC_SEQ_CST))
			usleep(200);
		return numeric("127.0.0.3", hints, ret);
	}
	if (strcmp(node, "two.test") == 0) {
		rc = numeric("127.0.0.2", hints, ret);
		return rc ? rc : numeric("127.0.0.1", hints, &(*ret)->ai_next);
	}
	return __real_getaddrinfo(node, service, hints, ret);
}

struct look_up {
	WEFT_FRAME;
	struct weft_resolve resolve;
	const char *host;
};

static weft_poll_t look_up(struct weft_cx *cx, struct look_up *f)
{
	weft_async_begin(f);
	weft_await(f, weft_resolve(cx, &f->resolve, f->host, 80));
	weft_async_end(f, f->rc);
}

static int resolve(struct look_up *f, const char *host)
{
	f->host = host;
	return weft_block_on(rt, look_up, f);
}

static void test_names(void **state)
{
	struct weft_address address;
	char text[WEFT_ADDRESS_TEXT], longest[300];
	struct look_up f = { .host = NULL };

	(void)state;
	assert_int_equal(resolve(&f, "two.test"), 2);
	weft_resolve_address(&f.resolve, 0, &address);
	assert_string_equal(weft_address_text(&address, text), "127.0.0.2:80");
	weft_resolve_address(&f.resolve, 1, &address);
	assert_string_equal(weft_address_text(&address, text), "127.0.0.1:80");
	assert_true(resolve(&f, "localhost") > 0);
	assert_int_equal(resolve(&f, "gone.test"), -ENOENT);
	assert_int_equal(resolve(&f, "dead.test"), -EAGAIN);
	assert_int_equal(resolve(&f, ""), -ENOENT);
	memset(longest, 'a', sizeof(longest));
	longest[sizeof(longest) - 1] = '\0';
	assert_int_equal(resolve(&f, longest), -ENOENT);
	/* Numeric ones need no thread. */
	look_ups = 0;
	assert_int_equal(resolve(&f, "::1"), 1);
	weft_resolve_address(&f.resolve, 0, &address);
	assert_string_equal(weft_address_text(&address, text), "[::1]:80");
	assert_int_equal(resolve(&f, "1.2.3.4"), 1);
	assert_int_equal(look_ups, 0);
}

struct impatient {
	WEFT_FRAME;
	struct weft_resolve resolve;
	struct weft_sleep limit;
	struct weft_address address;
};

/* The look-up that was given up still uses the frame: the next one must not get its answer. */
static weft_poll_t impatient(struct weft_cx *cx, struct impatient *f)
{
	weft_async_begin(f);
	weft_await(f, weft_timeout(cx, &f->limit, 5 * MS,
				   weft_resolve(cx, &f->resolve, "slow.test", 1)));
	if (f->rc != -ETIMEDOUT)
		return -EIO;
	weft_await(f, weft_timeout(cx, &f->limit, 5 * MS,
				   weft_resolve(cx, &f->resolve, "two.test", 1)));
	if (f->rc != -ETIMEDOUT)
		return -EIO;
	__atomic_store_n(&slow_go, 1, __ATOMIC_SEQ_CST);
	weft_await(f, weft_resolve(cx, &f->resolve, "two.test", 1));
	weft_async_end(f, f->rc);
}

static void test_given_up(void **state)
{
	struct impatient f = { .rc = 0 };

	(void)state;
	slow_go = 0;
	assert_int_equal(weft_block_on(rt, impatient, &f), 2);
}

/* A task that ends while its look-up runs: the frame is kept until the pool lets go. */
static void test_aborted(void **state)
{
	struct weft_join *join;

	(void)state;
	slow_go = 0;
	look_ups = 0;
	assert_int_equal(weft_spawn(rt, look_up, ((struct look_up){ .host = "slow.test" }),
				    .join = &join),
			 0);
	while (!__atomic_load_n(&look_ups, __ATOMIC_SEQ_CST) ||
	       weft_task_state((struct weft_task *)join) & WEFT_T_RUNNING)
		usleep(200);
	assert_int_equal(((struct look_up *)((struct weft_task *)join)->frame)->weft_on,
			 WEFT_WAIT_RESOLVE);
	weft_join_abort(join);
	while (!weft_join_done(join))
		usleep(200);
	weft_join_detach(join);
	__atomic_store_n(&slow_go, 1, __ATOMIC_SEQ_CST);
}

struct visit {
	WEFT_FRAME;
	struct weft_listener *listener;
	const char *host;
	struct weft_connect_host connecting;
	struct weft_sleep limit;
	struct weft_tcp *conn;
	struct weft_address peer;
	uint16_t port;
};

static weft_poll_t visit(struct weft_cx *cx, struct visit *f)
{
	weft_async_begin(f);
	weft_await(f, weft_connect_host(cx, &f->connecting, f->host, f->port, &f->conn));
	if (f->rc)
		return f->rc;
	f->rc = weft_stream_peer(weft_tcp_stream(f->conn), &f->peer);
	weft_tcp_close(f->conn);
	weft_async_end(f, f->rc);
}

/* The first address refuses, the second is taken. */
static void test_connect_host(void **state)
{
	struct visit f = { .host = "two.test" };
	char text[WEFT_ADDRESS_TEXT];

	(void)state;
	assert_int_equal(weft_tcp_listen(rt, "127.0.0.1", 0, &f.listener), 0);
	f.port = weft_listener_port(f.listener);
	assert_int_equal(weft_block_on(rt, visit, &f), 0);
	assert_memory_equal(weft_address_text(&f.peer, text), "127.0.0.1:", 10);
	weft_listener_close(f.listener);
	assert_int_equal(weft_block_on(rt, visit, &f), -ECONNREFUSED);
	f.host = "gone.test";
	assert_int_equal(weft_block_on(rt, visit, &f), -ENOENT);
}

/* The first address doesn't answer at all: its queue is full. */
static void test_connect_host_each(void **state)
{
	struct visit f = { .host = "two.test", .connecting.each_ns = 20 * MS };
	int deaf = socket(AF_INET, SOCK_STREAM, 0), client[4];
	struct weft_address address;
	char text[WEFT_ADDRESS_TEXT];

	(void)state;
	assert_int_equal(weft_tcp_listen(rt, "127.0.0.1", 0, &f.listener), 0);
	f.port = weft_listener_port(f.listener);
	assert_int_equal(weft_address_parse("127.0.0.2", f.port, &address), 0);
	assert_int_equal(bind(deaf, &address.any, address.len), 0);
	assert_int_equal(listen(deaf, 0), 0);
	for (int i = 0; i < 4; i++) {
		client[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
		(void)connect(client[i], &address.any, address.len);
	}
	assert_int_equal(weft_block_on(rt, visit, &f), 0);
	assert_memory_equal(weft_address_text(&f.peer, text), "127.0.0.1:", 10);
	weft_listener_close(f.listener);
	for (int i = 0; i < 4; i++)
		close(client[i]);
	close(deaf);
}

static weft_poll_t visit_briefly(struct weft_cx *cx, struct visit *f)
{
	weft_async_begin(f);
	weft_await(f,
		   weft_timeout(cx, &f->limit, 5 * MS,
				weft_connect_host(cx, &f->connecting, f->host, f->port, &f->conn)));
	__atomic_store_n(&slow_go, 1, __ATOMIC_SEQ_CST);
	weft_async_end(f, f->rc);
}

/* Not by block_on, which copies the frame out while the pool still writes to it. */
static void test_connect_host_timeout(void **state)
{
	struct weft_join *join;

	(void)state;
	slow_go = 0;
	assert_int_equal(weft_spawn(rt, visit_briefly,
				    ((struct visit){ .host = "slow.test", .port = 1 }),
				    .join = &join),
			 0);
	while (!weft_join_done(join))
		usleep(200);
	assert_int_equal(((struct weft_task *)join)->rc, -ETIMEDOUT);
	weft_join_detach(join);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_names),
		T(test_given_up),
		T(test_aborted),
		T(test_connect_host),
		T(test_connect_host_timeout),
		T(test_connect_host_each),
	};

	return RUN("runtime/resolve", tests);
}
