/* SPDX-License-Identifier: MIT */
#ifndef WEFT_RUNTIME_SLEEP_H
#define WEFT_RUNTIME_SLEEP_H

#include <stdint.h>

#include "runtime/weft.h"

/* IDLE and FIRED: the entry is the task's; ARMED: the wheel's, changed under its lock only. */
enum weft_sleep_state { WEFT_SLEEP_IDLE, WEFT_SLEEP_ARMED, WEFT_SLEEP_FIRED };

#pragma GCC visibility push(hidden)
void weft_sleep_trace_fire(const struct weft_sleep *entry, uint64_t now_ns);
#pragma GCC visibility pop

#endif
