/* SPDX-License-Identifier: MIT */
#include "collector/detect/finding.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint64_t fnv(uint64_t h, const char *text)
{
	for (; *text; text++)
		h = (h ^ (unsigned char)*text) * 0x100000001b3ull;
	return (h ^ 0xff) * 0x100000001b3ull;
}

uint64_t finding_hash(const char *id, const char *name, const char *location)
{
	return fnv(fnv(fnv(0xcbf29ce484222325ull, id), name), location);
}

void finding_more(struct live_finding *f, const char *id)
{
	size_t n = strlen(f->advice);

	if (n && n + 24 + strlen(id) < sizeof(f->advice))
		snprintf(f->advice + n, sizeof(f->advice) - n, "%s weft explain %s",
			 f->advice[n - 1] == '.' ? " More:" : " #", id);
}

static bool is_related(const struct finding *a, const struct finding *b)
{
	if (a == b || a->row.process != b->row.process)
		return false;
	return (a->place && (a->place == b->place || a->place == b->culprit)) ||
	       (a->culprit && (a->culprit == b->place || a->culprit == b->culprit));
}

void finding_relate(const struct finding_table *t, const struct finding *f,
		    struct live_finding *row)
{
	const uint32_t most = sizeof(row->related) / sizeof(*row->related);

	row->related_n = 0;
	for (uint32_t i = 0; i < t->n && row->related_n < most; i++)
		if (is_related(f, t->entry[i]))
			memcpy(row->related[row->related_n++], t->entry[i]->row.fingerprint,
			       sizeof(*row->related));
}

struct finding *finding_table_find(const struct finding_table *t, uint64_t hash, uint32_t process)
{
	for (uint32_t i = 0; i < t->n; i++)
		if (t->entry[i]->hash == hash && t->entry[i]->row.process == process)
			return t->entry[i];
	return NULL;
}

static struct finding *oldest_resolved(const struct finding_table *t)
{
	struct finding *oldest = NULL;

	for (uint32_t i = 0; i < t->n; i++) {
		struct finding *f = t->entry[i];

		if (f->row.resolved && !f->fresh &&
		    (!oldest || f->row.last_ns < oldest->row.last_ns))
			oldest = f;
	}
	return oldest;
}

struct finding *finding_table_add(struct finding_table *t, uint64_t hash)
{
	struct finding *f = t->n < FINDING_MAX ? malloc(sizeof(*f)) : oldest_resolved(t);

	if (!f)
		return NULL;
	if (t->n < FINDING_MAX)
		t->entry[t->n++] = f;
	*f = (struct finding){ .hash = hash };
	f->row.key = ++t->key;
	snprintf(f->row.fingerprint, sizeof(f->row.fingerprint), "%016llx",
		 (unsigned long long)hash);
	return f;
}

void finding_table_done(struct finding_table *t)
{
	for (uint32_t i = 0; i < t->n; i++)
		free(t->entry[i]);
	t->n = 0;
}

static int worse_first(const struct live_finding *a, const struct live_finding *b)
{
	if (a->resolved != b->resolved)
		return a->resolved ? 1 : -1;
	if (a->severity != b->severity)
		return a->severity > b->severity ? -1 : 1;
	if (a->harm_task_ms != b->harm_task_ms)
		return a->harm_task_ms > b->harm_task_ms ? -1 : 1;
	return a->key < b->key ? -1 : 1;
}

/* Insertion: there are few, and they are nearly in order. */
void finding_table_rank(const struct finding_table *t, uint32_t *ret)
{
	bool muted[FINDING_MAX];

	for (uint32_t i = 0; i < t->n; i++) {
		const struct live_finding *f = &t->entry[i]->row;
		uint32_t k = i;

		muted[i] = mutes_has(t->mutes, f);
		for (; k; k--) {
			uint32_t other = ret[k - 1];

			if (muted[i] != muted[other] ? muted[i]
						     : worse_first(f, &t->entry[other]->row) > 0)
				break;
			ret[k] = other;
		}
		ret[k] = i;
	}
}
