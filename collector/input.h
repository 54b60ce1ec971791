/* SPDX-License-Identifier: MIT */
/*
 * Where the pipeline's events come from: a live session (input_ring.c) or a recording
 * (input_recording.c). Used by the engine thread alone, but for the functions marked "any thread".
 */
#ifndef WEFT_INPUT_H
#define WEFT_INPUT_H

#include "collector/accounts.h"
#include "collector/engine.h"
#include "collector/pipeline.h"

struct input;

struct input_ops {
	/* Feeds the pipeline with what is there, waiting at most timeout_ms for the first of it. Returns how many events,
	 * -ENODATA at the end, or another negative errno that ends the run. */
	int (*feed)(struct input *in, struct pipeline *p, int timeout_ms);
	int (*request)(struct input *in, const struct session_want *want); /* any thread */
	void (*stop)(
		struct input *
			in); /* any thread: make an end; feed returns -ENODATA after the last event */
	void (*control)(struct input *in, bool paused, double speed); /* any thread */
	void (*settle)(struct input *in,
		       struct accounts *a); /* after the last feed: what only the input knows */
	struct input *(*close)(struct input *in);
	const char *(*error)(const struct input *in);
};

/* Each kind of input begins with this. */
struct input {
	const struct input_ops *ops;
	uint64_t end_ns; /* of the recording; 0 = the last record says */
};

/* ops NULL = probes/session.h. The drain thread runs from here to stop. */
int input_ring_open(struct session *session, const struct engine_session_ops *ops,
		    size_t queue_bytes, struct input **ret);
int input_recording_open(const char *path, double speed, struct input **ret, char *error,
			 size_t error_bytes);

#endif
