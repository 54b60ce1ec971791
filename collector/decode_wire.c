/* SPDX-License-Identifier: MIT */
#include "collector/decode_wire.h"

#define UNKNOWN   UINT64_MAX
#define TASK_MASK ((1ull << WEFT_TASK_PROCESS_SHIFT) - 1)

static const uint8_t words_of[WEFT_MAX_KINDS] = {
#define X(name, code, text, level, words) [code] = words,
	WEFT_WIRE_EVENTS(X)
#undef X
};

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

static uint64_t task(const struct wire_context *c, uint64_t word, bool *fits)
{
	uint64_t id = word & WEFT_ID_MASK;

	if (id & ~TASK_MASK)
		*fits = false;
	id &= TASK_MASK;
	return id ? c->task_base | id : 0;
}

static uint64_t span(const struct wire_context *c, uint64_t ticks)
{
	return ticks == WEFT_TICKS_UNKNOWN ? UNKNOWN : clock_piece_span(c->clock, ticks);
}

static void poll_fields(const struct wire_context *c, const uint64_t *w, struct record *r)
{
	r->a = span(c, w[2] & WEFT_ID_MASK);
	r->b = span(c, w[3] & WEFT_ID_MASK);
	r->c = (w[2] >> 48 & 0xff) << 8 | w[2] >> 56;
	r->d = 0;
}

static void task_fields(const struct wire_context *c, const uint64_t *w, struct record *r,
			bool *fits)
{
	if (r->kind == WEFT_K_TASK_SPAWN) {
		r->a = task(c, w[2], fits);
		r->b = w[3] & UINT32_MAX;
		r->c = w[3] >> 32;
		r->d = (w[1] >> 48) << 32 | (w[4] & UINT32_MAX);
	} else {
		r->a = task(c, w[2], fits);
		r->b = w[2] >> 48 & 0xff;
		r->c = r->kind == WEFT_K_TASK_WAKE ? w[2] >> 56 & 1 : 0;
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
		r->c = r->kind == WEFT_K_WORKER_UNPARK ? span(c, w[2]) : w[2];
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
		r->c = span(c, w[2]);
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
	r->task = task(c, w[2], fits);
	r->a = w[1];
	switch (r->kind) {
	case WEFT_K_TIMER_ARM:
	case WEFT_K_TIMER_FIRE:
	case WEFT_K_TIMER_CANCEL:
		r->b = w[3] - c->start_ns;
		break;
	case WEFT_K_JOB_START:
	case WEFT_K_JOB_END:
		r->b = span(c, w[3]);
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
		r->task = task(c, w[1], &fits);
		poll_fields(c, w, r);
		break;
	case WEFT_K_TASK_SPAWN:
	case WEFT_K_TASK_WAKE:
	case WEFT_K_TASK_END:
	case WEFT_K_HANDLE_DROP:
		r->task = task(c, w[1], &fits);
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
