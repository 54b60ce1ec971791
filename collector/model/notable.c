/* SPDX-License-Identifier: MIT */
#include "collector/model/notable.h"

#include "collector/model/hist.h"

void notable_log_add(struct notable_log *log, const struct notable *n)
{
	struct notable *at = &log->entry[++log->written % NOTABLE_LOG];

	*at = *n;
	at->count = 1;
}

static uint32_t hash(const struct notable *n)
{
	uint64_t key = ((uint64_t)n->type * 8 + n->kind) * LIVE_HIST + hist_bucket(n->age_ns);

	return (uint32_t)(key * 0x9e3779b97f4a7c15ull >> 32) % NOTABLE_LOG;
}

/* In whether it ran, and in its age as near as histograms tell. Each failure is told alone: they differ by their codes. */
static bool is_alike(const struct notable *a, const struct notable *b)
{
	return a->kind != NOTABLE_FAILED && a->kind == b->kind && a->process == b->process &&
	       a->type == b->type && a->whole == b->whole && (a->polls > 1) == (b->polls > 1) &&
	       (a->age_ns == UINT64_MAX) == (b->age_ns == UINT64_MAX) &&
	       hist_bucket(a->age_ns) == hist_bucket(b->age_ns);
}

void notable_log_end(struct notable_log *log, const struct notable *n)
{
	uint64_t *last = &log->alike[hash(n)];
	struct notable *at = &log->entry[*last % NOTABLE_LOG], with = *n;

	if (*last <= log->told || log->written - *last >= NOTABLE_LOG || !is_alike(at, n)) {
		notable_log_add(log, n);
		*last = log->written;
		return;
	}
	with.t_ns = at->t_ns;
	with.count = at->count + 1;
	if (!with.by)
		with.by = at->by;
	if (!with.site)
		with.site = at->site;
	*at = with;
}

void notable_log_tick(struct notable_log *log)
{
	log->told = log->written;
}

bool notable_log_next(const struct notable_log *log, uint64_t *cursor, struct notable *ret)
{
	if (*cursor + NOTABLE_LOG < log->written)
		*cursor = log->written - NOTABLE_LOG;
	if (*cursor >= log->written)
		return false;
	*ret = log->entry[++*cursor % NOTABLE_LOG];
	return true;
}
