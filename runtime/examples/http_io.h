/* SPDX-License-Identifier: MIT */
/*
 * HTTP/1.1 for the example service: bytes in, bytes out, no waiting. http-parser reads the requests; GET gives a small JSON
 * object, POST gives its body back, anything that is wrong an error and the end of the connection.
 */
#ifndef WEFT_EXAMPLES_HTTP_IO_H
#define WEFT_EXAMPLES_HTTP_IO_H

#include <http_parser.h>
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define HEAD_ROOM  160
#define HEADER_MAX 8192

static uint64_t served;

struct http_io {
	http_parser parser;
	size_t parsed, used, ready; /* in[parsed, used) is to parse, reply[0, ready) to send */
	size_t body;                /* of the request, at reply + HEAD_ROOM */
	bool fresh, close;          /* fresh: no byte of the next request is here */
	const char *error;
	char in[2048], reply[2304];
};

static void answer(struct http_io *f, const char *status, const char *body, size_t n)
{
	char head[HEAD_ROOM];
	int len = snprintf(head, sizeof(head),
			   "HTTP/1.1 %s\r\nContent-Type: application/json\r\n%s"
			   "Content-Length: %zu\r\n\r\n",
			   status, f->close ? "Connection: close\r\n" : "", n);

	if (f->parser.method == HTTP_HEAD)
		n = 0;
	memmove(f->reply + f->ready + len, body, n);
	memcpy(f->reply + f->ready, head, (size_t)len);
	f->ready += (size_t)len + n;
	__atomic_fetch_add(&served, 1, __ATOMIC_RELAXED);
}

static int refuse(struct http_io *f, const char *status)
{
	f->error = status;
	return -1;
}

/* A body is put where its answer goes: what waits there must be sent first. */
static int on_headers(http_parser *parser)
{
	struct http_io *f = parser->data;

	f->body = 0;
	parser->upgrade = 0; /* declined by answering as if it weren't asked for */
	if (parser->method == HTTP_CONNECT)
		return refuse(f, "405 Method Not Allowed");
	if (parser->content_length != ULLONG_MAX &&
	    parser->content_length > sizeof(f->reply) - HEAD_ROOM)
		return refuse(f, "413 Payload Too Large");
	if (f->ready && (parser->flags & F_CHUNKED || parser->content_length != ULLONG_MAX))
		http_parser_pause(parser, 1);
	return 0;
}

static int on_chunk(http_parser *parser)
{
	struct http_io *f = parser->data;

	if (parser->content_length > sizeof(f->reply) - HEAD_ROOM - f->body)
		return refuse(f, "413 Payload Too Large");
	return 0;
}

static int on_body(http_parser *parser, const char *at, size_t n)
{
	struct http_io *f = parser->data;

	memcpy(f->reply + HEAD_ROOM + f->body, at, n);
	f->body += n;
	return 0;
}

static int on_message(http_parser *parser)
{
	struct http_io *f = parser->data;
	char json[64];

	f->fresh = true;
	f->close = !http_should_keep_alive(parser);
	if (parser->method == HTTP_POST) {
		answer(f, "200 OK", f->reply + HEAD_ROOM, f->body);
	} else if (parser->method == HTTP_GET || parser->method == HTTP_HEAD) {
		int n = snprintf(json, sizeof(json),
				 "{\"message\":\"Hello, World!\",\"served\":%llu}",
				 (unsigned long long)__atomic_load_n(&served, __ATOMIC_RELAXED));
		answer(f, "200 OK", json, (size_t)n);
	} else {
		answer(f, "405 Method Not Allowed", "", 0);
	}
	if (f->close || f->ready + HEAD_ROOM + sizeof(json) > sizeof(f->reply))
		http_parser_pause(parser, 1);
	return 0;
}

static const http_parser_settings settings = { .on_headers_complete = on_headers,
					       .on_chunk_header = on_chunk,
					       .on_body = on_body,
					       .on_message_complete = on_message };

/* Takes what has come in; until it is all parsed, what is ready has to be sent in between. */
static void http_parse(struct http_io *f)
{
	enum http_errno error;

	http_parser_pause(&f->parser, 0);
	f->parsed +=
		http_parser_execute(&f->parser, &settings, f->in + f->parsed, f->used - f->parsed);
	error = HTTP_PARSER_ERRNO(&f->parser);
	if (error == HPE_OK || error == HPE_PAUSED)
		return;
	if (!f->error)
		f->error = error == HPE_HEADER_OVERFLOW ? "431 Request Header Fields Too Large"
							: "400 Bad Request";
	f->close = true;
	f->parser.method = HTTP_GET; /* whatever it was: an error has a length */
	answer(f, f->error, "", 0);
}

static void http_begin(struct http_io *f)
{
	http_parser_init(&f->parser, HTTP_REQUEST);
	f->parser.data = f;
	f->fresh = true;
}

#endif
