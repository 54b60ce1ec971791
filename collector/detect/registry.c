/* SPDX-License-Identifier: MIT */
/* All detectors: one line each. */
#include "collector/detect/detector.h"

const struct detector *const detect_registry[] = {
	&busy_loop_detector,
	&blocking_call_detector,
	&task_leak_detector,
	NULL,
};
