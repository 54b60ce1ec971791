/* SPDX-License-Identifier: MIT */
/* All detectors: one line each. */
#include "collector/detect/detector.h"

const struct detector *const detect_registry[] = {
	&busy_loop_detector,        &blocking_call_detector,
	&task_leak_detector,        &never_runs_detector,
	&timer_stall_detector,      &handle_dropped_detector,
	&mixed_runtimes_detector,   &not_send_detector,
	&not_unpin_detector,        &missing_feature_detector,
	&long_poll_detector,        &lost_waker_detector,
	&worker_imbalance_detector, &queue_backlog_detector,
	&cpu_starved_detector,      &wait_cycle_detector,
	&timer_late_detector,       &detached_panic_detector,
	&large_future_detector,     &worker_count_detector,
	&hanging_test_detector,     NULL,
};
