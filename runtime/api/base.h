/* SPDX-License-Identifier: MIT */
/* What all parts of the API share. Include weft.h. */
#ifndef WEFT_API_BASE_H
#define WEFT_API_BASE_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/async.h"

#ifdef __cplusplus
extern "C" {
#endif

#define WEFT_VERSION "0.1.0"
#define WEFT_API     __attribute__((visibility("default")))

struct weft_runtime;
struct weft_task;
struct weft_join; /* a join handle: one reference to a task */

/*
 * Context of one poll; lives on the polling thread and must not be kept. `chain` comes first: the
 * await macros use it. The rest belongs to the runtime.
 */
struct weft_cx {
	struct weft_cx_chain chain;
	struct weft_task *task;
	struct weft_runtime *runtime;
	uint32_t budget;    /* operations this poll may still complete before it has to yield */
	uint32_t cancelled; /* 0, or 1 + operations refused since the abort */
	void *thread;
};

#ifdef __cplusplus
}
#endif

#endif
