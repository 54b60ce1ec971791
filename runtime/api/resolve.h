/* SPDX-License-Identifier: MIT */
/* Host names. Part of weft.h. */
#ifndef WEFT_API_RESOLVE_H
#define WEFT_API_RESOLVE_H

#include "runtime/api/blocking.h"
#include "runtime/api/net.h"
#include "runtime/api/time.h"

#ifdef __cplusplus
extern "C" {
#endif

#define WEFT_RESOLVE_MAX 8

/*
 * One look-up; zero before first use, reusable once ready. getaddrinfo() on a thread of the
 * blocking pool: /etc/hosts, nsswitch and all. A numeric address is parsed on the spot.
 *
 * Ready with the number of addresses, in the order to try them, in `found`. -ENOENT: no such
 * name; -EAGAIN: the name server doesn't answer; -EIO: it refuses. After a timeout the look-up
 * goes on in the pool; using f again waits for its end first. A frame that weft_block_on() has
 * handed back can't be used again then.
 */
struct weft_resolve {
	struct weft_job job;
	uint32_t count;
	uint16_t port;
	bool given_up, started;
	struct sockaddr_in6 found[WEFT_RESOLVE_MAX]; /* a struct sockaddr_in for AF_INET */
	char host[256];
};
WEFT_API weft_poll_t weft_resolve(struct weft_cx *cx, struct weft_resolve *f, const char *host,
				  uint16_t port);
/* found[i] as an address; i below the count. */
WEFT_API void weft_resolve_address(const struct weft_resolve *f, unsigned i,
				   struct weft_address *ret);

/*
 * Resolves host and connects to its addresses in turn until one accepts; the last error if none
 * does. Zero before first use, reusable once ready. each_ns: how long one address may take before
 * the next is tried (-ETIMEDOUT if it was the last); 0 = as long as the kernel, two minutes.
 */
struct weft_connect_host {
	WEFT_FRAME;
	uint32_t i;
	uint64_t each_ns;
	struct weft_sleep limit;
	struct weft_connect connecting;
	struct weft_address address;
	struct weft_resolve resolve;
};
WEFT_API weft_poll_t weft_connect_host(struct weft_cx *cx, struct weft_connect_host *f,
				       const char *host, uint16_t port, struct weft_tcp **ret);

#ifdef __cplusplus
}
#endif

#endif
