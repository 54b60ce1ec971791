/* SPDX-License-Identifier: MIT */
/* What the JSON and the text form of a report are made of: one consistent look at a live side. Collector-internal. */
#ifndef WEFT_REPORT_H
#define WEFT_REPORT_H

#include "collector/live.h"

#define REPORT_CHECKED 32

/* What a build said, where the report is about one (collector/cargo/). */
struct report_build {
	bool is;
	uint32_t errors, warnings, explained; /* explained: of the errors, by findings */
};

struct report {
	struct report_build build;
	struct live_header *target; /* one per process */
	uint32_t targets;
	struct live_finding *finding;
	size_t findings;
	struct live_checked checked[REPORT_CHECKED];
	int nchecked;
	struct live_cannot_see *cannot_see;
	int ncannot_see;
	uint64_t produced, stored, lost, filtered, expired; /* over all processes */
	double window_s;
	const char *verdict; /* clean findings inconclusive */
};

int report_take(struct live *l, struct report *ret);
void report_done(struct report *r);
/* The whole document; the text of targets is made safe. -ENOMEM, -EIO. */
int report_json(const struct report *r, FILE *out);
int report_text(const struct report *r, FILE *out);
int report_exit_code(const struct report *r, enum live_severity fail_on);
const char *report_verdict(const struct report *r);
double report_lost_share(const struct report *r);
const char *report_level(uint32_t level);
const char *report_severity(enum live_severity s);
const char *report_runtime_kind(uint16_t kind);
const char *report_flavour(uint16_t flavour);

#endif
