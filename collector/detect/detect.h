/* SPDX-License-Identifier: MIT */
/*
 * The detectors over a model: ticks, findings, and what became of each symptom. Fed by the engine
 * thread under live.c's lock, read under the same lock. Collector-internal.
 */
#ifndef WEFT_DETECT_H
#define WEFT_DETECT_H

#include "collector/detect/symptoms.h"
#include "collector/live.h"
#include "collector/model/model.h"

struct detect;

struct detect_options {
	const char *only, *ignore;     /* comma lists of ids; NULL = all, none */
	const char *const *thresholds; /* "name=value", NULL terminated; NULL = defaults */
	void (*want)(void *ctx, const struct session_want *want); /* NULL = nobody can be asked */
	void (*row)(void *ctx,
		    const struct live_finding *f); /* a finding is new or changed; NULL = not told */
	void *ctx;
};

/* -EINVAL: an unknown id, threshold or value; the text says which. -ENOMEM. */
int detect_new(struct model *m, const struct detect_options *options, struct detect **ret,
	       char *error, size_t size);
struct detect *detect_free(struct detect *d);

/* 20 times a second, after model_tick(now_ns). lost: share of the produced events that were lost. */
void detect_tick(struct detect *d, uint64_t now_ns, double lost);
/* After the last tick: the share as it turned out, for the verdicts. */
void detect_lost(struct detect *d, double lost);
/* Findings that it has come last and are not counted; NULL = none. Borrowed until the next call. */
void detect_mutes(struct detect *d, const struct mutes *m);
uint64_t detect_version(
	const struct detect *d); /* grows when a finding appears, worsens or is resolved */

/* As live_findings and live_checked. */
size_t detect_findings(const struct detect *d, struct live_finding *rows, size_t offset,
		       size_t max);
size_t detect_checked(const struct detect *d, struct live_checked *rows, size_t max);
void detect_count(const struct detect *d, uint32_t process, uint32_t *ret_crit, uint32_t *ret_warn,
		  uint32_t *ret_muted); /* open ones */
bool detect_asked(const struct detect *d, enum symptom s);
uint64_t detect_watched_ns(const struct detect *d); /* since the first process was seen */

/* The options of all detectors, one by one; NULL after the last. */
struct detector_option;
const struct detector_option *detect_option(size_t i);

#endif
