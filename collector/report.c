/* SPDX-License-Identifier: MIT */
#include "collector/report.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "probes/base/cleanup.h"

#define MAX_TARGETS 4096u
#define MAX_LOST    0.01
#define UNSEEN_NS   1500000000ull

static bool not_asked(const struct live_checked *c)
{
	return !strcmp(c->why, "not asked for");
}

/* An id that was asked for and is neither clean nor found nor out of the question here. */
static bool is_open(const struct live_checked *c)
{
	return !strcmp(c->verdict, "not-checked") && !not_asked(c);
}

/* What is known or muted is told, and changes nothing. */
static bool counts(const struct live_finding *f)
{
	return !f->known && !f->muted;
}

const char *report_verdict(const struct report *r)
{
	for (size_t i = 0; i < r->findings; i++)
		if (r->finding[i].severity > LIVE_INFO && counts(&r->finding[i]))
			return "findings";
	if (report_lost_share(r) > MAX_LOST)
		return "inconclusive";
	for (int i = 0; i < r->nchecked; i++)
		if (is_open(&r->checked[i]))
			return "inconclusive";
	return "clean";
}

/* While the probes are taken out time goes on, and nobody looks. */
static uint64_t watched_until(const struct live_header *h)
{
	return h->looked_ns && h->looked_ns + UNSEEN_NS < h->now_ns ? h->looked_ns : h->now_ns;
}

static int take_targets(struct live *l, struct report *r)
{
	auto_free struct live_header *h = malloc(sizeof(*h));
	uint32_t known;

	if (!h)
		return -ENOMEM;
	live_header(l, 0, h);
	known = h->processes;
	r->target = calloc(known + 1, sizeof(*r->target));
	if (!r->target)
		return -ENOMEM;
	for (uint32_t i = 0; i < MAX_TARGETS && r->targets < known; i++) {
		if (live_header(l, i, h) < 0)
			continue;
		r->target[r->targets++] = *h;
		r->produced += h->produced;
		r->stored += h->stored;
		r->lost += h->lost;
		r->filtered += h->filtered;
		r->expired += h->expired;
	}
	for (uint32_t i = 0; i < r->targets; i++) {
		uint64_t until = watched_until(&r->target[i]), from = r->target[i].attached_ns;
		double s = until > from ? (double)(until - from) / 1e9 : 0;

		if (s > r->window_s)
			r->window_s = s;
	}
	return 0;
}

static int take_findings(struct live *l, struct report *r)
{
	int n = live_findings(l, NULL, 0, 0), m;

	if (n <= 0)
		return 0;
	r->finding = calloc((size_t)n, sizeof(*r->finding));
	if (!r->finding)
		return -ENOMEM;
	m = live_findings(l, r->finding, 0, (size_t)n);
	r->findings = (size_t)(m < n ? m : n);
	return 0;
}

static int take_cannot_see(struct live *l, struct report *r)
{
	int n = live_cannot_see(l, NULL, 0), m;

	if (n <= 0)
		return 0;
	r->cannot_see = calloc((size_t)n, sizeof(*r->cannot_see));
	if (!r->cannot_see)
		return -ENOMEM;
	m = live_cannot_see(l, r->cannot_see, (size_t)n);
	r->ncannot_see = m < n ? m : n;
	return 0;
}

int report_take(struct live *l, struct report *ret)
{
	int rc;

	*ret = (struct report){ 0 };
	rc = take_targets(l, ret);
	if (!rc)
		rc = take_findings(l, ret);
	if (!rc)
		rc = take_cannot_see(l, ret);
	ret->nchecked = live_checked(l, ret->checked, REPORT_CHECKED);
	ret->verdict = report_verdict(ret);
	if (rc)
		report_done(ret);
	return rc;
}

void report_done(struct report *r)
{
	free(r->target);
	free(r->finding);
	free(r->cannot_see);
	*r = (struct report){ 0 };
}

double report_lost_share(const struct report *r)
{
	return r->produced ? (double)r->lost / (double)r->produced : 0;
}

int report_exit_code(const struct report *r, enum live_severity fail_on)
{
	for (size_t i = 0; i < r->findings; i++)
		if (r->finding[i].severity >= fail_on && counts(&r->finding[i]))
			return 1;
	if (report_lost_share(r) > MAX_LOST)
		return 3;
	for (int i = 0; i < r->nchecked; i++)
		if (is_open(&r->checked[i]))
			return 3;
	return 0;
}

int live_exit_code(struct live *l, enum live_severity fail_on)
{
	struct report r;
	int rc = report_take(l, &r) ? 2 : report_exit_code(&r, fail_on);

	report_done(&r);
	return rc;
}

/* ---- names ---- */

const char *report_level(uint32_t level)
{
	static const char *const name[] = { "off", "light", "normal", "full" };

	return name[level <= WEFT_LEVEL_FULL ? level : 0];
}

const char *report_severity(enum live_severity s)
{
	static const char *const name[] = { "info", "warn", "crit" };

	return name[s <= LIVE_CRIT ? s : 0];
}

const char *report_runtime_kind(uint16_t kind)
{
	static const char *const name[] = { "unknown", "weft", "tokio", "async-std", "smol" };

	return name[kind <= WEFT_RT_SMOL ? kind : 0];
}

const char *report_flavour(uint16_t flavour)
{
	static const char *const name[] = { "unknown", "multi_thread", "current_thread",
					    "reactor_pool", "executor" };

	return name[flavour <= WEFT_F_EXECUTOR ? flavour : 0];
}
