/* SPDX-License-Identifier: MIT */
/* Inside of the detectors' engine: detect.c (options, ticks, answers) and detector.c (what detectors call). */
#ifndef WEFT_DETECT_INTERNAL_H
#define WEFT_DETECT_INTERNAL_H

#include "collector/detect/detect.h"
#include "collector/detect/detector.h"
#include "collector/detect/finding.h"

#define MAX_DETECTORS 32u
#define WANTS         64u
#define SECOND_NS     1000000000ull
#define LOOK_NS       250000000ull

struct wanted {
	uint32_t process, tid, kind;
	uint64_t t_ns;
};

/* How long a process was watched, and of that at a level that tells single polls. */
struct seen {
	uint64_t ns, polls_ns;
};

struct detect {
	struct model *model;
	struct detect_options options;
	void *state[MAX_DETECTORS];
	double value[MAX_DETECTORS][DETECTOR_OPTIONS];
	bool asked[SYMPTOMS], found[SYMPTOMS];
	const struct detector *current; /* whose tick runs */
	struct finding_table findings;
	struct wanted wanted[WANTS];
	uint32_t nwanted;
	uint64_t start_ns, now_ns, second, look;
	struct seen seen[MODEL_MAX_PROCESSES];
	uint64_t polls_ns;       /* how long single polls and timers of some process were seen */
	uint32_t seconds, known; /* full ones; and those in which shares of workers were known */
	uint32_t rowless; /* full seconds in which workers were of a runtime that the model has no row of */
	bool started;
	double lost;
};

/* The subject's task shows that it has an open finding. */
void detect_mark_subject(struct detect *d, const struct finding *f, bool on);

#endif
