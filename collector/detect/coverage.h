/* SPDX-License-Identifier: MIT */
/*
 * Which symptom is found where: the matrix symptom x runtime x level, and in builds. `checked` reads it (detect.c while a program
 * runs, collector/cargo/ for a build), the README shows it (test_detect_coverage.c compares), the gallery proves it.
 * What depends on the run (too short a watch, losses, no worker seen) is the detectors' `blind`.
 */
#ifndef WEFT_DETECT_COVERAGE_H
#define WEFT_DETECT_COVERAGE_H

#include "collector/detect/symptoms.h"
#include "probes/event.h"

/* From the best to the worst. */
enum coverage {
	COVERAGE_WORKS,
	COVERAGE_PARTLY, /* clean, but */
	COVERAGE_UNSEEN, /* not-checked */
	COVERAGE_NONE,   /* not-applicable */
};

/* Columns: a build; then each kind at light, and at normal and full. */
enum coverage_column {
	COVERAGE_BUILD,
	COVERAGE_RUN, /* + 2 * (kind - 1) + (1 = normal or full) */
	COVERAGE_COLUMNS = COVERAGE_RUN + 2 * WEFT_RT_SMOL
};

static inline unsigned coverage_column(enum weft_runtime_kind kind, bool normal)
{
	return COVERAGE_RUN + 2 * ((unsigned)kind - 1) + normal;
}

/* *ret_why: of all but what works; "" else. */
enum coverage coverage_of(enum symptom s, unsigned column, const char **ret_why);

#endif
