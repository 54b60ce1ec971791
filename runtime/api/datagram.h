/* SPDX-License-Identifier: MIT */
/* Sockets that keep messages apart: UDP and Unix datagram. Part of weft.h. */
#ifndef WEFT_API_DATAGRAM_H
#define WEFT_API_DATAGRAM_H

#include "runtime/api/stream.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A handle, as struct weft_stream is. */
struct weft_datagram;

/* address: numeric IPv4 or IPv6 to receive at ("0.0.0.0", "::"), port 0 = any. */
WEFT_API int weft_udp_bind(struct weft_runtime *rt, const char *address, uint16_t port,
			   struct weft_datagram **ret);
/* path: see weft_address_local(); NULL = unnamed, can only send. The file stays: unlink it. */
WEFT_API int weft_unix_datagram_bind(struct weft_runtime *rt, const char *path,
				     struct weft_datagram **ret);
/* Two connected Unix datagram sockets. */
WEFT_API int weft_datagram_pair(struct weft_runtime *rt, struct weft_datagram *ret[2]);

/* Sets where send goes; only from there messages are received then. */
WEFT_API int weft_datagram_connect(struct weft_datagram *socket, const struct weft_address *to);

/*
 * One message per call. *ret = its length; a receiver with less room gets the beginning and its
 * length in full, so *ret > cap says it was cut. An error that an earlier message caused may be
 * given by any later call (-ECONNREFUSED of a connected UDP socket).
 */
WEFT_API weft_poll_t weft_datagram_send(struct weft_cx *cx, struct weft_datagram *socket,
					const void *buf, size_t n);
WEFT_API weft_poll_t weft_datagram_receive(struct weft_cx *cx, struct weft_datagram *socket,
					   void *buf, size_t cap, size_t *ret);

/* With an address: buffers and address together, for both directions. */
struct weft_message {
	struct weft_address address; /* to, or (after receiving) from */
	void *buf;
	size_t n; /* to send; room, and after receiving the length of the message */
};
WEFT_API weft_poll_t weft_datagram_send_to(struct weft_cx *cx, struct weft_datagram *socket,
					   const struct weft_message *message);
WEFT_API weft_poll_t weft_datagram_receive_from(struct weft_cx *cx, struct weft_datagram *socket,
						struct weft_message *message);

WEFT_API int weft_datagram_local(const struct weft_datagram *socket, struct weft_address *ret);
WEFT_API int weft_datagram_set(struct weft_datagram *socket, enum weft_option option, int value);
WEFT_API int weft_datagram_get(const struct weft_datagram *socket, enum weft_option option,
			       int *ret);
WEFT_API int weft_datagram_fd(const struct weft_datagram *socket);
WEFT_API struct weft_datagram *weft_datagram_close(
	struct weft_datagram *socket); /* returns NULL; waiters get -EBADF */

#ifdef __cplusplus
}
#endif

#endif
