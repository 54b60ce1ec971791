// SPDX-License-Identifier: MIT
/* Making of events: header and payload in one piece to the sink, or into a queue while nobody drains. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "probes/session_internal.h"

struct queued {
	struct queued *next;
	struct weft_ev ev; /* payload follows */
};

static void build(struct weft_ev *to, struct weft_ev ev, const void *payload, size_t bytes)
{
	size_t padded = (bytes + 7) & ~(size_t)7;

	ev.size = (uint32_t)(sizeof(ev) + padded);
	*to = ev;
	if (bytes)
		memcpy(to + 1, payload, bytes);
	memset((uint8_t *)(to + 1) + bytes, 0, padded - bytes);
}

static void enqueue(struct session *s, struct weft_ev ev, const void *payload, size_t bytes)
{
	struct queued *q = malloc(sizeof(*q) + bytes + 8);

	if (!q)
		return;
	q->next = NULL;
	build(&q->ev, ev, payload, bytes);
	*s->queue_end = q;
	s->queue_end = &q->next;
}

void session_emit(struct session *s, struct weft_ev ev, const void *payload, size_t bytes)
{
	struct weft_ev *to = (struct weft_ev *)(void *)s->scratch;

	if (sizeof(ev) + bytes > sizeof(s->scratch))
		return;
	if (!s->sink) {
		enqueue(s, ev, payload, bytes);
		return;
	}
	build(to, ev, payload, bytes);
	s->sink(s->sink_ctx, to);
	s->delivered++;
}

void session_emit_queue(struct session *s)
{
	while (s->queue) {
		struct queued *q = s->queue;

		s->queue = q->next;
		s->sink(s->sink_ctx, &q->ev);
		s->delivered++;
		free(q);
	}
	s->queue_end = &s->queue;
}

void session_queue_free(struct session *s)
{
	while (s->queue) {
		struct queued *q = s->queue;

		s->queue = q->next;
		free(q);
	}
	s->queue_end = &s->queue;
}

void session_text(char *to, size_t size, const char *from)
{
	size_t n = strnlen(from, size - 1);

	memcpy(to, from, n);
	memset(to + n, 0, size - n);
}

static void cannot_see(struct session *s, struct weft_ev ev, const char *what, const char *format,
		       va_list args)
{
	struct weft_ev_cannot_see payload = { 0 };

	ev.kind = WEFT_EV_CANNOT_SEE;
	ev.time_ns = clock_pair_now_ns();
	session_text(payload.what, sizeof(payload.what), what);
	vsnprintf(payload.why, sizeof(payload.why), format, args);
	session_emit(s, ev, &payload, sizeof(payload));
}

void session_cannot_see(struct session *s, uint32_t process, const char *what, const char *format,
			...)
{
	va_list args;

	va_start(args, format);
	cannot_see(s, (struct weft_ev){ .process = process }, what, format, args);
	va_end(args);
}

void session_doubts(struct session *s, uint32_t process, const char *what, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	cannot_see(s, (struct weft_ev){ .process = process, .flags = WEFT_EVF_DOUBT }, what, format,
		   args);
	va_end(args);
}
