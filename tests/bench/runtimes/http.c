/* SPDX-License-Identifier: MIT */
#include "tests/bench/runtimes/http.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint64_t served;

/* The header's number, 0 without it, -1 if it makes no sense. */
static long content_length(const char *head)
{
	const char *at = strcasestr(head, "\r\ncontent-length:");
	char *end;
	long n = at ? strtol(at + 17, &end, 10) : 0;

	return !at || (*end == '\r' && n >= 0) ? n : -1;
}

/* False: no room for a whole reply, write first. */
static bool answer(struct http *h, const char *status, const char *body, size_t n)
{
	if (h->ready && h->ready + n + 128 > sizeof(h->reply))
		return false;
	h->ready += (size_t)snprintf(
		h->reply + h->ready, sizeof(h->reply) - h->ready,
		"HTTP/1.1 %s\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n",
		status, n);
	memcpy(h->reply + h->ready, body, n);
	h->ready += n;
	h->close |= status[0] != '2';
	__atomic_fetch_add(&served, 1, __ATOMIC_RELAXED);
	return true;
}

static bool refuse(const struct http *h, size_t head, long body)
{
	return body < 0 || memchr(h->in, '\0', head) ||
	       (strncmp(h->in, "GET ", 4) && strncmp(h->in, "POST ", 5));
}

bool http_request(struct http *h)
{
	char *end = memmem(h->in, h->used, "\r\n\r\n", 4), json[64];
	size_t head, n;
	long body;

	if (!end)
		return h->used == sizeof(h->in) && answer(h, "413 Payload Too Large", "", 0);
	head = (size_t)(end - h->in) + 4;
	end[2] = '\0';
	body = content_length(h->in);
	end[2] = '\r';
	if (refuse(h, head, body))
		return answer(h, "400 Bad Request", "", 0);
	if (head + (size_t)body > sizeof(h->in))
		return answer(h, "413 Payload Too Large", "", 0);
	if (head + (size_t)body > h->used)
		return false;
	n = (size_t)snprintf(json, sizeof(json), "{\"message\":\"Hello, World!\",\"served\":%llu}",
			     (unsigned long long)__atomic_load_n(&served, __ATOMIC_RELAXED));
	if (!answer(h, "200 OK", h->in[0] == 'P' ? h->in + head : json,
		    h->in[0] == 'P' ? (size_t)body : n))
		return false;
	h->used -= head + (size_t)body;
	memmove(h->in, h->in + head + body, h->used);
	return true;
}
