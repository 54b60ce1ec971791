/* SPDX-License-Identifier: MIT */
/* ldflags: -Wl,--wrap=accept4 */
/* Accepting without free descriptors: told once, no spinning, goes on by itself. */
#include <fcntl.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/support/net_runtime.h"

#define CLIENTS 8

int __real_accept4(int fd, struct sockaddr *address, socklen_t *len, int flags);
int __wrap_accept4(int fd, struct sockaddr *address, socklen_t *len, int flags);

/* Errors to give before the real call. */
static int inject[4], calls;

int __wrap_accept4(int fd, struct sockaddr *address, socklen_t *len, int flags)
{
	int n = __atomic_fetch_add(&calls, 1, __ATOMIC_SEQ_CST);

	if (n < 4 && inject[n]) {
		errno = inject[n];
		return -1;
	}
	return __real_accept4(fd, address, len, flags);
}

struct acceptor {
	WEFT_FRAME;
	struct weft_listener *listener;
	struct weft_tcp *conn, **taken;
	int *errors, *accepted, last;
};

/* Goes on after an error without any pause: what must not spin. */
static weft_poll_t acceptor(struct weft_cx *cx, struct acceptor *f)
{
	weft_async_begin(f);
	while (__atomic_load_n(f->accepted, __ATOMIC_SEQ_CST) < f->last) {
		weft_await(f, weft_tcp_accept(cx, f->listener, &f->conn));
		if (f->rc == -ECANCELED || f->rc == -EBADF)
			break;
		if (f->rc == 0) {
			f->taken[*f->accepted] = f->conn;
			__atomic_fetch_add(f->accepted, 1, __ATOMIC_SEQ_CST);
		} else if (f->rc == -EMFILE) {
			__atomic_fetch_add(f->errors, 1, __ATOMIC_SEQ_CST);
		}
	}
	weft_async_end(f, f->rc);
}

static int seen(const int *n)
{
	return __atomic_load_n(n, __ATOMIC_SEQ_CST);
}

/* Leaves `free_fds` numbers; gives the old limit back. */
static rlim_t limit_descriptors(unsigned free_fds)
{
	struct rlimit limit;
	rlim_t old;
	int top = dup(0);

	/* Holes below the highest one would be free numbers too: dup() gave the lowest. */
	close(top);
	getrlimit(RLIMIT_NOFILE, &limit);
	old = limit.rlim_cur;
	limit.rlim_cur = (rlim_t)top + free_fds;
	setrlimit(RLIMIT_NOFILE, &limit);
	return old;
}

static void limit_restore(rlim_t old)
{
	struct rlimit limit;

	getrlimit(RLIMIT_NOFILE, &limit);
	limit.rlim_cur = old;
	setrlimit(RLIMIT_NOFILE, &limit);
}

static void connect_to(int fd, uint16_t port)
{
	struct sockaddr_in to = { .sin_family = AF_INET,
				  .sin_port = htons(port),
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };

	assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
}

static void test_out_of_descriptors(void **state)
{
	struct weft_tcp *taken[CLIENTS] = { NULL };
	int client[CLIENTS], errors = 0, accepted = 0, before;
	struct acceptor f = {
		.taken = taken, .errors = &errors, .accepted = &accepted, .last = CLIENTS
	};
	struct weft_join *join;
	rlim_t old;

	(void)state;
	assert_int_equal(weft_tcp_listen(rt, "127.0.0.1", 0, &f.listener), 0);
	for (int i = 0; i < CLIENTS; i++)
		client[i] = socket(AF_INET, SOCK_STREAM, 0);
	old = limit_descriptors(2);
	assert_int_equal(weft_spawn(rt, acceptor, f, .join = &join), 0);
	for (int i = 0; i < CLIENTS; i++)
		connect_to(client[i], weft_listener_port(f.listener));
	while (seen(&accepted) < 2 || seen(&errors) < 1)
		usleep(200);
	before = seen(&calls);
	usleep(50000);
	assert_int_equal(seen(&errors), 1);
	assert_in_range(seen(&calls), before, before + CLIENTS); /* edges that were under way */
	assert_int_equal(seen(&accepted), 2);
	/* Each descriptor given back lets one in. */
	for (int i = 2; i < CLIENTS; i++) {
		weft_tcp_close(taken[i - 2]);
		while (seen(&accepted) < i + 1)
			usleep(200);
	}
	limit_restore(old);
	while (!weft_join_done(join))
		usleep(200);
	weft_join_detach(join);
	for (int i = 0; i < CLIENTS; i++) {
		weft_tcp_close(taken[i]);
		close(client[i]);
	}
	weft_listener_close(f.listener);
}

/* What became of a connection in the backlog isn't the listener's trouble. */
static void test_aborted_connection(void **state)
{
	struct weft_tcp *taken[1] = { NULL };
	int client = socket(AF_INET, SOCK_STREAM, 0), errors = 0, accepted = 0;
	struct acceptor f = { .taken = taken, .errors = &errors, .accepted = &accepted, .last = 1 };

	(void)state;
	calls = 0;
	inject[0] = ECONNABORTED;
	inject[1] = EPROTO;
	inject[2] = EINTR;
	assert_int_equal(weft_tcp_listen(rt, "127.0.0.1", 0, &f.listener), 0);
	connect_to(client, weft_listener_port(f.listener));
	assert_int_equal(weft_block_on(rt, acceptor, &f), 0);
	assert_int_equal(accepted, 1);
	inject[0] = inject[1] = inject[2] = 0;
	weft_tcp_close(taken[0]);
	weft_listener_close(f.listener);
	close(client);
}

static void test_options(void **state)
{
	struct weft_listen options = { .address = "127.0.0.1", .reuse_port = true };
	struct weft_listener *first, *second, *third;

	(void)state;
	assert_int_equal(weft_tcp_listen_with(rt, &options, &first), 0);
	options.port = weft_listener_port(first);
	assert_int_equal(weft_tcp_listen_with(rt, &options, &second), 0);
	options.reuse_port = false;
	assert_int_equal(weft_tcp_listen_with(rt, &options, &third), -EADDRINUSE);
	weft_listener_close(first);
	weft_listener_close(second);
	assert_int_equal(weft_listener_port(first), 0);
	options = (struct weft_listen){ .address = "::", .v6_only = true };
	assert_int_equal(weft_tcp_listen_with(rt, &options, &first), 0);
	options = (struct weft_listen){ .port = weft_listener_port(first) };
	assert_int_equal(weft_tcp_listen_with(rt, &options, &second), 0); /* 0.0.0.0 */
	weft_listener_close(first);
	weft_listener_close(second);
}

static void test_after_shutdown(void **state)
{
	struct weft_listener *listener;
	struct weft_stream *pair[2];

	(void)state;
	assert_int_equal(weft_runtime_shutdown(rt, 5000 * MS), 0);
	assert_int_equal(weft_tcp_listen(rt, "127.0.0.1", 0, &listener), -ESHUTDOWN);
	assert_int_equal(weft_stream_pair(rt, pair), -ESHUTDOWN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_out_of_descriptors),
		T(test_aborted_connection),
		T(test_options),
		T(test_after_shutdown),
	};

	return RUN("runtime/listener", tests);
}
