/* SPDX-License-Identifier: MIT */
#include "collector/detect/waits.h"

#include <stdio.h>
#include <string.h>

#define LOOKED_AT 512u
#define KINDS     16u

static const char *file_of(const char *location)
{
	const char *slash = strrchr(location, '/');

	return slash ? slash + 1 : location;
}

/* ---- of a type ---- */

static struct detect_waits *kind_of(struct detect_waits kinds[KINDS], const struct live_await *a)
{
	static const struct live_place nowhere;
	const struct live_place *at = a->places ? &a->place[0] : &nowhere;
	const char *on = a->places ? a->on : "join";

	for (uint32_t i = 0; i < KINDS; i++) {
		struct detect_waits *k = &kinds[i];

		if (!k->tasks) {
			snprintf(k->on, sizeof(k->on), "%s", on);
			k->place = *at;
			return k;
		}
		if (!strcmp(k->on, on) && !strcmp(k->place.location, at->location) &&
		    !strcmp(k->place.func, at->func))
			return k;
	}
	return NULL;
}

bool detect_waits_of_type(const struct detect_run *run, const struct model_type *type,
			  struct detect_waits *ret)
{
	struct detect_waits kinds[KINDS] = { { .tasks = 0 } };
	uint32_t cursor = 0, of = 0, most = 0;
	const struct model_task *t;
	struct live_await a;

	while (of < LOOKED_AT && (t = model_task_each(run->model, &cursor))) {
		struct detect_waits *k;

		if (t->type != type->id || !task_alive(t) || t->ready_ns)
			continue;
		of++;
		if (!model_task_await(run->model, t, &a) || a.t_ns < t->poll_ns ||
		    (!a.places && !a.task))
			continue;
		k = kind_of(kinds, &a);
		if (k)
			k->tasks++;
	}
	for (uint32_t i = 1; i < KINDS; i++)
		if (kinds[i].tasks > kinds[most].tasks)
			most = i;
	*ret = kinds[most];
	ret->of = of;
	return ret->tasks;
}

/* ---- of one ---- */

bool detect_waits_tell(const struct detect_run *run, struct live_finding *f,
		       const struct model_task *t, uint64_t since_ns)
{
	char text[sizeof(f->evidence[0].text)];
	struct live_await a;
	size_t n;

	if (!model_task_await(run->model, t, &a) || a.t_ns < since_ns)
		return false;
	if (!a.places)
		return true;
	n = (size_t)snprintf(text, sizeof(text), "it stands where it awaits %s",
			     strcmp(a.on, "?") ? a.on : "something that does not say what it is");
	if (a.task)
		n += (size_t)snprintf(text + n, sizeof(text) - n, " of task %llu",
				      (unsigned long long)a.task);
	for (uint32_t i = 0; i < a.places && n < sizeof(text); i++)
		n += (size_t)snprintf(text + n, sizeof(text) - n, "%s%.40s (%.60s)",
				      i ? " < " : ": ", a.place[i].func,
				      file_of(a.place[i].location));
	if (n < sizeof(text) && !a.complete)
		snprintf(text + n, sizeof(text) - n, " < ?");
	detect_evidence(f, a.places, "place", "%s", text);
	return true;
}
