/* SPDX-License-Identifier: MIT */
/*
 * detached-panic: a task without a handle ended with an error, or a panic: nobody can learn of it. Errors that a peer causes by
 * going away belong to a connection's life and are none.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "collector/detect/advice.h"
#include "collector/detect/detector.h"
#include "collector/model/notable.h"

static const struct detector_option options[] = {
	{ "detached.times", 1, "tasks", "of a type that ended so" },
	{ NULL, 0, NULL, NULL },
};

#define PLACES 32u

struct place {
	uint32_t process, type, code;
	uint64_t times, first_ns, task;
};

struct state {
	uint64_t cursor;
	struct place place[PLACES];
	uint32_t n;
};

static bool is_peers(uint32_t code)
{
	static const uint8_t peers[] = { ECONNRESET,   EPIPE,       ETIMEDOUT,    ECANCELED,
					 ESHUTDOWN,    ENOTCONN,    ECONNABORTED, ECONNREFUSED,
					 EHOSTUNREACH, ENETUNREACH, ENETDOWN,     EINTR };

	return code && memchr(peers, (int)code, sizeof(peers));
}

static struct place *place_of(struct state *s, const struct notable *n)
{
	for (uint32_t i = 0; i < s->n; i++)
		if (s->place[i].process == n->process && s->place[i].type == n->type)
			return &s->place[i];
	if (s->n == PLACES)
		return NULL;
	s->place[s->n] =
		(struct place){ .process = n->process, .type = n->type, .first_ns = n->t_ns };
	return &s->place[s->n++];
}

static void raise_place(struct detect_run *run, const struct place *p, bool panic)
{
	const struct model_type *type = model_type(run->model, p->type);
	struct model_task *t = model_task(run->model, p->task);
	struct detect_subject subject;
	struct live_finding *f;

	if (!type)
		return;
	subject = t ? detect_subject_task(run->model, t) : detect_subject_type(type);
	f = detect_raise(run, &subject,
			 &(struct detect_verdict){
				 .cause = panic ? "a detached task panicked"
						: "a detached task ended with an error",
				 .severity = LIVE_WARN,
				 .confidence = 0.95f,
				 .first_ns = p->first_ns });
	if (!f)
		return;
	detect_evidence(f, (double)p->times, "tasks", "%llu %s so, and nobody had a handle",
			(unsigned long long)p->times, p->times == 1 ? "task ended" : "tasks ended");
	if (p->code)
		detect_evidence(f, p->code, "errno", "the last result was -%s",
				strerrorname_np((int)p->code) ? strerrorname_np((int)p->code)
							      : "?");
	detect_evidence(f, type->alive, "tasks", "%u of the type are left", type->alive);
	detect_advice(f, "%s",
		      advice_text(ADVICE_UNSEEN,
				  detect_runtime_kind(run->model, p->process, MODEL_NONE)));
}

static void tick(struct detect_run *run)
{
	struct state *s = run->state;
	struct notable n;

	while (model_notable_next(run->model, &s->cursor, &n)) {
		bool rust = detect_runtime_kind(run->model, n.process, MODEL_NONE) != WEFT_RT_WEFT;
		struct place *p;

		/* The C runtime says with what; an older recording of it does not. */
		if (n.kind != NOTABLE_FAILED || !n.detached || is_peers(n.code) ||
		    (!n.code && !rust))
			continue;
		p = place_of(s, &n);
		if (!p)
			continue;
		p->times++;
		p->code = n.code;
		p->task = n.task;
		if ((double)p->times >= run->value[0])
			raise_place(run, p, rust);
	}
}

/* Ends come at every level. */
static bool blind(const struct detect_run *run, char *why, size_t size)
{
	(void)run, (void)why, (void)size;
	return false;
}

const struct detector detached_panic_detector = {
	.id = "detached-panic",
	.symptom = SYMPTOM_DETACHED_PANIC,
	.options = options,
	.state_bytes = sizeof(struct state),
	.hold_ns = 60000000000ull,
	.tick = tick,
	.blind = blind,
};
