/* SPDX-License-Identifier: MIT */
/*
 * not-send, not-unpin, missing-feature as they show in C: the compiler can't tell, so the runtime refuses the operation and
 * says so by a misuse event. (On Rust runtimes these three are the compiler's.)
 */
#include <string.h>

#include "collector/detect/advice.h"
#include "collector/detect/detector.h"
#include "collector/model/notable.h"

#define PLACES 32u

struct place {
	uint32_t process, type, code, site;
	uint64_t times, first_ns, task;
};

struct state {
	uint64_t cursor;
	struct place place[PLACES];
	uint32_t n;
};

static const struct detector_option none[] = { { NULL, 0, NULL, NULL } };

static const struct {
	uint32_t code; /* enum weft_misuse */
	enum symptom symptom;
	const char *cause;
	enum advice advice;
} known[] = {
	{ WEFT_M_WRONG_THREAD, SYMPTOM_NOT_SEND,
	  "weft_spawn_local() on a thread that is in no weft_block_on() of the runtime",
	  ADVICE_LOCAL },
	{ WEFT_M_FRAME_MOVED, SYMPTOM_NOT_UNPIN, "a frame was moved while it was suspended",
	  ADVICE_MOVED },
	{ WEFT_M_TIME_OFF, SYMPTOM_MISSING_FEATURE,
	  "a timer in a runtime that was built without timers", ADVICE_TIME_OFF },
	{ WEFT_M_IO_OFF, SYMPTOM_MISSING_FEATURE, "a socket in a runtime that was built without IO",
	  ADVICE_IO_OFF },
};

static int find_known(uint32_t code, enum symptom s)
{
	for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++)
		if (known[i].code == code && known[i].symptom == s)
			return (int)i;
	return -1;
}

static struct place *place_of(struct state *s, const struct notable *n)
{
	for (uint32_t i = 0; i < s->n; i++)
		if (s->place[i].process == n->process && s->place[i].type == n->type &&
		    s->place[i].code == n->code)
			return &s->place[i];
	if (s->n == PLACES)
		return NULL;
	s->place[s->n] = (struct place){ n->process, n->type, n->code, 0, 0, n->t_ns, 0 };
	return &s->place[s->n++];
}

/* The call, where it is not told by the subject's own place. */
static void tell_call(struct detect_run *run, struct live_finding *f, const struct place *p)
{
	const struct model_site *site = detect_site(run, p->process, p->site);

	if (site && p->site != model_type(run->model, p->type)->site)
		detect_evidence(f, 1, "place", "the last one was to spawn %.64s at %.100s:%u",
				site->name, site->file, site->line);
}

static void raise_place(struct detect_run *run, const struct place *p, int which)
{
	const struct model_type *type = model_type(run->model, p->type);
	struct model_task *t = p->task ? model_task(run->model, p->task) : NULL;
	struct detect_subject subject;
	struct live_finding *f;

	if (!type)
		return;
	subject = t ? detect_subject_task(run->model, t) : detect_subject_type(type);
	f = detect_raise(run, &subject,
			 &(struct detect_verdict){ .cause = known[which].cause,
						   .severity = LIVE_CRIT,
						   .confidence = 1,
						   .first_ns = p->first_ns });
	if (!f)
		return;
	detect_evidence(f, (double)p->times, "times",
			"refused %llu %s by the runtime, with an error",
			(unsigned long long)p->times, p->times == 1 ? "time" : "times");
	tell_call(run, f, p);
	detect_advice(f, "%s",
		      advice_text(known[which].advice,
				  detect_runtime_kind(run->model, p->process, MODEL_NONE)));
}

static void tick_for(struct detect_run *run, enum symptom symptom)
{
	struct state *s = run->state;
	struct notable n;

	while (model_notable_next(run->model, &s->cursor, &n)) {
		int which = n.kind == NOTABLE_MISUSE ? find_known(n.code, symptom) : -1;
		struct place *p = which < 0 ? NULL : place_of(s, &n);

		if (!p)
			continue;
		p->times++;
		p->task = n.task;
		p->site = n.site;
		raise_place(run, p, which);
	}
}

static void tick_not_send(struct detect_run *run)
{
	tick_for(run, SYMPTOM_NOT_SEND);
}

static void tick_not_unpin(struct detect_run *run)
{
	tick_for(run, SYMPTOM_NOT_UNPIN);
}

static void tick_missing_feature(struct detect_run *run)
{
	tick_for(run, SYMPTOM_MISSING_FEATURE);
}

/* The events come at every level. */
static bool blind(const struct detect_run *run, char *why, size_t size)
{
	(void)run, (void)why, (void)size;
	return false;
}

#define DETECTOR(name, text, which)                  \
	const struct detector name##_detector = {    \
		.id = text,                          \
		.symptom = which,                    \
		.options = none,                     \
		.state_bytes = sizeof(struct state), \
		.hold_ns = 60000000000ull,           \
		.tick = tick_##name,                 \
		.blind = blind,                      \
	}

DETECTOR(not_send, "not-send", SYMPTOM_NOT_SEND);
DETECTOR(not_unpin, "not-unpin", SYMPTOM_NOT_UNPIN);
DETECTOR(missing_feature, "missing-feature", SYMPTOM_MISSING_FEATURE);
