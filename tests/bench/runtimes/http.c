/* SPDX-License-Identifier: MIT */
#include "tests/bench/runtimes/http.h"

#include <stdint.h>
#include <string.h>
#include <strings.h>

static const char LENGTH_NAME[] = "content-length:";
static uint64_t served;

static size_t put(char *to, const char *from, size_t n)
{
	memcpy(to, from, n);
	return n;
}

static size_t put_text(char *to, const char *text)
{
	return put(to, text, strlen(text));
}

static size_t put_number(char *to, uint64_t v)
{
	char digits[20];
	size_t at = sizeof(digits);

	do {
		digits[--at] = (char)('0' + v % 10);
		v /= 10;
	} while (v);
	return put(to, digits + at, sizeof(digits) - at);
}

/* After the empty line; 0: it isn't there yet. */
static size_t head_end(const char *in, size_t used)
{
	for (size_t i = 3; i < used; i++)
		if (in[i] == '\n' && in[i - 1] == '\r' && in[i - 2] == '\n' && in[i - 3] == '\r')
			return i + 1;
	return 0;
}

/* From the blanks before it to the end of its line; -1 if it makes no sense. */
static long number(const char *at, const char *end)
{
	const char *from;
	long n = 0;

	while (at < end && (*at == ' ' || *at == '\t'))
		at++;
	for (from = at; at < end && *at >= '0' && *at <= '9' && n < 1000000; at++)
		n = n * 10 + (*at - '0');
	return at == from || at == end || *at != '\r' ? -1 : n;
}

/* The header's number, 0 without it, -1 if it makes no sense or there is a 0 byte. */
static long content_length(const char *head, size_t n)
{
	const size_t name = sizeof(LENGTH_NAME) - 1;

	for (size_t i = 0; i < n; i++) {
		if (head[i] == '\0')
			return -1;
		if (head[i] == '\n' && i + name < n && (head[i + 1] | 0x20) == LENGTH_NAME[0] &&
		    strncasecmp(head + i + 1, LENGTH_NAME, name) == 0)
			return number(head + i + 1 + name, head + n);
	}
	return 0;
}

/* False: no room for a whole reply, write first. */
static bool answer(struct http *h, const char *status, const char *body, size_t n)
{
	char *to = h->reply + h->ready;

	if (h->ready && h->ready + n + 128 > sizeof(h->reply))
		return false;
	to += put_text(to, "HTTP/1.1 ");
	to += put_text(to, status);
	to += put_text(to, "\r\nContent-Type: application/json\r\nContent-Length: ");
	to += put_number(to, n);
	to += put_text(to, "\r\n\r\n");
	to += put(to, body, n);
	h->ready = (size_t)(to - h->reply);
	h->close |= status[0] != '2';
	__atomic_fetch_add(&served, 1, __ATOMIC_RELAXED);
	return true;
}

static bool answer_json(struct http *h)
{
	char json[64];
	size_t n = put_text(json, "{\"message\":\"Hello, World!\",\"served\":");

	n += put_number(json + n, __atomic_load_n(&served, __ATOMIC_RELAXED));
	n += put_text(json + n, "}");
	return answer(h, "200 OK", json, n);
}

bool http_request(struct http *h)
{
	size_t head = head_end(h->in, h->used);
	long body = head ? content_length(h->in, head) : 0;

	if (!head)
		return h->used == sizeof(h->in) && answer(h, "413 Payload Too Large", "", 0);
	if (body < 0 || (strncmp(h->in, "GET ", 4) && strncmp(h->in, "POST ", 5)))
		return answer(h, "400 Bad Request", "", 0);
	if (head + (size_t)body > sizeof(h->in))
		return answer(h, "413 Payload Too Large", "", 0);
	if (head + (size_t)body > h->used)
		return false;
	if (h->in[0] == 'P' ? !answer(h, "200 OK", h->in + head, (size_t)body) : !answer_json(h))
		return false;
	h->used -= head + (size_t)body;
	memmove(h->in, h->in + head + body, h->used);
	return true;
}
