/* SPDX-License-Identifier: MIT */
/* needs: openssl/ssl.h */
/* ldflags: -lssl -lcrypto */
/*
 * TLS on the loop: OpenSSL reads and writes its socket itself and says what it waits for, the task
 * does the waiting with weft_fd_wait(). Echoes bytes.
 *
 *	tls_echo --cert FILE --key FILE [--port P] [--handshake-ms N]	(port 0 = any; it is printed)
 */
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "runtime/examples/serve.h"

#define MS 1000000ull

static SSL_CTX *tls;
static uint64_t handshake_ns = 5000 * MS;

enum step { ACCEPT, READ, WRITE, SHUTDOWN };

struct tls {
	SSL *ssl;
	struct weft_fd_wait wait;
	int wants; /* POLLIN or POLLOUT while waiting, 0 = call OpenSSL */
};

static int call(SSL *ssl, enum step step, void *buf, int n)
{
	ERR_clear_error(); /* the queue belongs to the thread, and the task may change it */
	switch (step) {
	case ACCEPT:
		return SSL_accept(ssl);
	case READ:
		return SSL_read(ssl, buf, n);
	case WRITE:
		return SSL_write(ssl, buf, n); /* all or nothing */
	default:
		return SSL_shutdown(ssl) < 0 ? -1 : 1;
	}
}

/* Bytes, 0 at the end of the stream, or a negative errno. */
static weft_poll_t tls_step(struct weft_cx *cx, struct tls *f, enum step step, void *buf, int n)
{
	int rc;

	for (;;) {
		if (f->wants) {
			rc = weft_fd_wait(cx, &f->wait, SSL_get_fd(f->ssl), f->wants);
			if (rc == WEFT_PENDING)
				return rc;
			f->wants = 0;
			if (rc < 0)
				return rc;
		}
		rc = call(f->ssl, step, buf, n);
		if (rc > 0)
			return rc;
		switch (SSL_get_error(f->ssl, rc)) {
		case SSL_ERROR_WANT_READ:
			f->wants = POLLIN;
			break;
		case SSL_ERROR_WANT_WRITE:
			f->wants = POLLOUT;
			break;
		case SSL_ERROR_ZERO_RETURN:
			return 0;
		default:
			return -EPROTO;
		}
	}
}

struct session {
	WEFT_FRAME;
	struct tls tls;
	struct weft_sleep limit;
	int fd, n;
	char buf[4096];
};

static weft_poll_t session(struct weft_cx *cx, struct session *f)
{
	weft_async_begin(f);
	f->tls.ssl = SSL_new(tls);
	if (!f->tls.ssl || !SSL_set_fd(f->tls.ssl, f->fd)) {
		f->rc = -ENOMEM;
		goto out;
	}
	weft_await(f, weft_timeout(cx, &f->limit, handshake_ns,
				   tls_step(cx, &f->tls, ACCEPT, NULL, 0)));
	while (f->rc > 0) {
		weft_await(f, tls_step(cx, &f->tls, READ, f->buf, sizeof(f->buf)));
		f->n = f->rc;
		if (f->n > 0)
			weft_await(f, tls_step(cx, &f->tls, WRITE, f->buf, f->n));
	}
	if (f->rc == 0)
		weft_await(f, weft_timeout(cx, &f->limit, handshake_ns,
					   tls_step(cx, &f->tls, SHUTDOWN, NULL, 0)));
out:
	SSL_free(f->tls.ssl);
	close(f->fd);
	weft_async_end(f, f->rc);
}

struct acceptor {
	WEFT_FRAME;
	struct weft_listener *listener;
	struct weft_tcp *conn;
};

static weft_poll_t acceptor(struct weft_cx *cx, struct acceptor *f)
{
	weft_async_begin(f);
	while (!weft_is_cancelled(cx)) {
		int fd;

		weft_await(f, weft_tcp_accept(cx, f->listener, &f->conn));
		if (f->rc < 0)
			continue;
		fd = weft_stream_release(weft_tcp_stream(f->conn));
		if (weft_spawn(NULL, session, ((struct session){ .fd = fd }), .name = "tls"))
			close(fd);
	}
	weft_listener_close(f->listener);
	weft_async_end(f, 0);
}

static bool load(const char *cert, const char *key)
{
	tls = SSL_CTX_new(TLS_server_method());
	if (tls && cert && key && SSL_CTX_use_certificate_chain_file(tls, cert) == 1 &&
	    SSL_CTX_use_PrivateKey_file(tls, key, SSL_FILETYPE_PEM) == 1)
		return true;
	fprintf(stderr, "tls_echo: certificate and key are needed: --cert FILE --key FILE\n");
	ERR_print_errors_fp(stderr);
	return false;
}

static int start(struct weft_runtime *rt, struct weft_listener *listener)
{
	return weft_spawn(rt, acceptor, ((struct acceptor){ .listener = listener }));
}

int main(int argc, char **argv)
{
	struct weft_config config = { .size = sizeof(config), .name = "tls_echo" };
	const char *cert = NULL, *key = NULL;
	uint16_t port = 0;
	int rc;

	for (int i = 1; i + 1 < argc; i += 2) {
		if (strcmp(argv[i], "--cert") == 0)
			cert = argv[i + 1];
		else if (strcmp(argv[i], "--key") == 0)
			key = argv[i + 1];
		else if (strcmp(argv[i], "--port") == 0)
			port = (uint16_t)atoi(argv[i + 1]);
		else if (strcmp(argv[i], "--handshake-ms") == 0)
			handshake_ns = (uint64_t)atoi(argv[i + 1]) * MS;
	}
	if (!load(cert, key))
		return 2;
	signal(SIGPIPE, SIG_IGN); /* OpenSSL writes without MSG_NOSIGNAL */
	rc = serve(&config, port, start);
	SSL_CTX_free(tls);
	return rc;
}
