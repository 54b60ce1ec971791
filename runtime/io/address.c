/* SPDX-License-Identifier: MIT */
#include <arpa/inet.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>

#include "runtime/api/address.h"

static int parse_v6(const char *text, struct sockaddr_in6 *ret)
{
	char host[INET6_ADDRSTRLEN];
	size_t n = strcspn(text, "%");

	if (n >= sizeof(host))
		return -EINVAL;
	memcpy(host, text, n);
	host[n] = '\0';
	if (inet_pton(AF_INET6, host, &ret->sin6_addr) != 1)
		return -EINVAL;
	if (text[n] == '%') {
		ret->sin6_scope_id = if_nametoindex(text + n + 1);
		if (!ret->sin6_scope_id)
			return -EINVAL;
	}
	return 0;
}

int weft_address_parse(const char *text, uint16_t port, struct weft_address *ret)
{
	struct weft_address address;

	memset(&address, 0, sizeof(address));
	if (inet_pton(AF_INET, text, &address.v4.sin_addr) == 1) {
		address.v4.sin_family = AF_INET;
		address.v4.sin_port = htons(port);
		address.len = sizeof(address.v4);
	} else if (parse_v6(text, &address.v6) == 0) {
		address.v6.sin6_family = AF_INET6;
		address.v6.sin6_port = htons(port);
		address.len = sizeof(address.v6);
	} else {
		return -EINVAL;
	}
	*ret = address;
	return 0;
}

/* The length of an abstract name is exact, that of a path counts its end. */
int weft_address_local(const char *path, struct weft_address *ret)
{
	size_t n = strlen(path);

	if (n == 0)
		return -EINVAL;
	if (n >= sizeof(ret->local.sun_path))
		return -ENAMETOOLONG;
	memset(ret, 0, sizeof(*ret));
	ret->local.sun_family = AF_UNIX;
	memcpy(ret->local.sun_path, path, n);
	ret->len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n + (path[0] != '@'));
	if (path[0] == '@')
		ret->local.sun_path[0] = '\0';
	return 0;
}

uint16_t weft_address_port(const struct weft_address *address)
{
	switch (address->any.sa_family) {
	case AF_INET:
		return ntohs(address->v4.sin_port);
	case AF_INET6:
		return ntohs(address->v6.sin6_port);
	default:
		return 0;
	}
}

static void local_text(const struct weft_address *address, char *buf)
{
	const char *path = address->local.sun_path;
	size_t head = offsetof(struct sockaddr_un, sun_path),
	       n = address->len > head ? address->len - head : 0;

	if (n && path[0] == '\0')
		snprintf(buf, WEFT_ADDRESS_TEXT, "@%.*s", (int)(n - 1), path + 1);
	else
		snprintf(buf, WEFT_ADDRESS_TEXT, "%.*s", (int)n, path);
}

char *weft_address_text(const struct weft_address *address, char buf[WEFT_ADDRESS_TEXT])
{
	char host[INET6_ADDRSTRLEN], scope[16] = "";

	buf[0] = '\0';
	switch (address->any.sa_family) {
	case AF_INET:
		inet_ntop(AF_INET, &address->v4.sin_addr, host, sizeof(host));
		snprintf(buf, WEFT_ADDRESS_TEXT, "%s:%u", host, weft_address_port(address));
		break;
	case AF_INET6:
		inet_ntop(AF_INET6, &address->v6.sin6_addr, host, sizeof(host));
		if (address->v6.sin6_scope_id)
			snprintf(scope, sizeof(scope), "%%%u", address->v6.sin6_scope_id);
		snprintf(buf, WEFT_ADDRESS_TEXT, "[%s%s]:%u", host, scope,
			 weft_address_port(address));
		break;
	case AF_UNIX:
		local_text(address, buf);
		break;
	default:
		break;
	}
	return buf;
}
