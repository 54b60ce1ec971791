/* SPDX-License-Identifier: MIT */
/* Words for the numbers of the contracts: the same on every screen, in text and in JSON. */
#ifndef WEFT_NAMES_H
#define WEFT_NAMES_H

#include "collector/live.h"

const char *names_runtime(uint32_t kind);    /* enum weft_runtime_kind: "tokio" */
const char *names_flavour(uint32_t flavour); /* enum weft_flavour: "multi_thread" */
const char *names_flavour_short(uint32_t flavour);
const char *names_task_state(enum live_task_state state);
const char *names_worker_state(uint32_t state); /* enum weft_worker_state */
const char *names_waker(uint32_t kind);         /* enum weft_waker */
const char *names_level(uint32_t level);        /* enum weft_level; 0 = "auto" */
const char *names_severity(enum live_severity severity);

#endif
