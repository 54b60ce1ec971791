/* SPDX-License-Identifier: MIT */
/* Addresses of sockets. Part of weft.h. */
#ifndef WEFT_API_ADDRESS_H
#define WEFT_API_ADDRESS_H

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "runtime/api/base.h"

#ifdef __cplusplus
extern "C" {
#endif

/* IPv4, IPv6 or Unix; `any.sa_family` says which. */
struct weft_address {
	socklen_t len;
	union {
		struct sockaddr any;
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
		struct sockaddr_un local;
	};
};

/* Numeric IPv4 or IPv6, also with a scope (fe80::1%eth0). -EINVAL: it is neither. */
WEFT_API int weft_address_parse(const char *text, uint16_t port, struct weft_address *ret);
/* A path, or a name in the abstract namespace when it begins with '@'. -ENAMETOOLONG: over 107. */
WEFT_API int weft_address_local(const char *path, struct weft_address *ret);
/* 0 for Unix addresses. */
WEFT_API uint16_t weft_address_port(const struct weft_address *address);
/* "1.2.3.4:80", "[::1]:80", a path, "@name", "" (unnamed); cut at WEFT_ADDRESS_TEXT. Gives buf. */
#define WEFT_ADDRESS_TEXT 112
WEFT_API char *weft_address_text(const struct weft_address *address, char buf[WEFT_ADDRESS_TEXT]);

#ifdef __cplusplus
}
#endif

#endif
