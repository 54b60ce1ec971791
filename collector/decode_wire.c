/* SPDX-License-Identifier: MIT */
#include "collector/decode_wire.h"

static const uint8_t words_of[WEFT_MAX_KINDS] = {
#define X(name, code, text, level, words) [code] = words,
	WEFT_WIRE_EVENTS(X)
#undef X
};

enum {
#define X(name, code, text, level, words) WORDS_##name = (words),
	WEFT_WIRE_EVENTS(X)
#undef X
};
_Static_assert(WORDS_TASK_POLL == WIRE_POLL_WORDS && WORDS_TASK_WAKE == WIRE_WAKE_WORDS,
	       "read without the table");

unsigned wire_words(const uint64_t *w, unsigned kind, unsigned room)
{
	unsigned words;
	uint64_t text;

	if (kind >= WEFT_MAX_KINDS || !kind)
		return 0;
	words = words_of[kind];
	if (words)
		return words <= room ? words : 0;
	if ((kind != WEFT_K_TASK_NAME && kind != WEFT_K_LABEL) || room < 3)
		return 0;
	words = (uint32_t)(w[1] & 0xffff) / 8;
	if (words < 3 || words > room || w[1] & 7)
		return 0;
	text = (w[1] >> 16 & 0xffff) + (kind == WEFT_K_LABEL ? w[1] >> 32 & 0xffff : 0);
	return text <= (words - 3) * 8ull ? words : 0;
}

static void task_fields(const struct wire_context *c, const uint64_t *w, struct record *r,
			bool *fits)
{
	if (r->kind == WEFT_K_TASK_SPAWN) {
		r->a = wire_task(c, w[2], fits);
		r->b = w[3] & UINT32_MAX;
		r->c = w[3] >> 32;
		r->d = (w[1] >> 48) << 32 | (w[4] & UINT32_MAX);
	} else {
		r->a = wire_task(c, w[2], fits);
		r->b = r->kind == WEFT_K_TASK_END ? w[2] >> 48 | w[1] >> 48 << 16
						  : w[2] >> 48 & 0xff;
		r->c = 0;
		r->d = 0;
	}
}

static void worker_fields(const struct wire_context *c, const uint64_t *w, struct record *r)
{
	r->a = w[1] >> 32 & 0xffff;
	r->b = w[1] & UINT32_MAX;
	if (r->kind == WEFT_K_WORKER_PARK)
		r->c = w[1] >> 48 & 0xff;
	else
		r->c = r->kind == WEFT_K_WORKER_UNPARK ? wire_span(c, w[2]) : w[2];
}

/* Kinds whose first word is no task. */
static void other_fields(const struct wire_context *c, const uint64_t *w, struct record *r)
{
	switch (r->kind) {
	case WEFT_K_RUNTIME_START:
	case WEFT_K_RUNTIME_STOP:
		r->a = w[1] & UINT32_MAX;
		r->b = w[1] >> 32 & 0xff;
		r->c = w[1] >> 48;
		break;
	case WEFT_K_STEAL:
		r->a = w[1] & 0xffff;
		r->b = w[1] >> 16 & 0xffff;
		r->c = w[1] >> 32;
		r->d = w[2] & UINT32_MAX;
		break;
	case WEFT_K_QUEUE_DEPTH:
		r->a = w[1] & UINT32_MAX;
		r->b = w[1] >> 32;
		r->c = w[2] & UINT32_MAX;
		r->d = w[2] >> 32 & 0xffff;
		break;
	case WEFT_K_DRIVER_TURN:
		r->a = w[1] & UINT32_MAX;
		r->b = w[1] >> 32;
		r->c = wire_span(c, w[2]);
		break;
	case WEFT_K_LEVEL:
		r->a = w[1];
		break;
	default:
		worker_fields(c, w, r);
	}
}

/* Kinds with something first and a task second. */
static void owned_fields(const struct wire_context *c, const uint64_t *w, struct record *r,
			 bool *fits)
{
	r->task = wire_task(c, w[2], fits);
	r->a = w[1];
	switch (r->kind) {
	case WEFT_K_TIMER_ARM:
	case WEFT_K_TIMER_FIRE:
	case WEFT_K_TIMER_CANCEL:
		r->b = w[3] - c->start_ns;
		break;
	case WEFT_K_JOB_START:
	case WEFT_K_JOB_END:
		r->b = wire_span(c, w[3]);
		break;
	case WEFT_K_LOCK_WAIT:
		r->b = w[2] >> 48 & 0xff;
		break;
	case WEFT_K_IO_READY:
	case WEFT_K_MISUSE:
		r->a = w[1] & UINT32_MAX;
		r->b = w[1] >> 32;
		break;
	default: /* TASK_NAME, LABEL: the text is in ev */
		r->a = 0;
	}
}

bool wire_fields(const struct wire_context *c, const uint64_t *w, unsigned kind, struct record *r)
{
	bool fits = true;

	r->kind = (uint16_t)kind;
	switch (kind) {
	case WEFT_K_TASK_POLL:
		return wire_poll(c, w, r);
	case WEFT_K_TASK_WAKE:
		return wire_wake(c, w, r);
	case WEFT_K_TASK_SPAWN:
	case WEFT_K_TASK_END:
	case WEFT_K_HANDLE_DROP:
		r->task = wire_task(c, w[1], &fits);
		task_fields(c, w, r, &fits);
		break;
	case WEFT_K_TASK_NAME:
	case WEFT_K_LABEL:
	case WEFT_K_TIMER_ARM:
	case WEFT_K_TIMER_FIRE:
	case WEFT_K_TIMER_CANCEL:
	case WEFT_K_JOB_START:
	case WEFT_K_JOB_END:
	case WEFT_K_IO_READY:
	case WEFT_K_LOCK_WAIT:
	case WEFT_K_MISUSE:
		owned_fields(c, w, r, &fits);
		break;
	default:
		other_fields(c, w, r);
	}
	return fits;
}
