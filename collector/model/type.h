/* SPDX-License-Identifier: MIT */
/* Task types: what was spawned at one place of one process (later also: one future type). */
#ifndef WEFT_MODEL_TYPE_H
#define WEFT_MODEL_TYPE_H

#include "collector/model/hist.h"

#define MODEL_SECONDS   128u /* of history, one sample a second */
#define MODEL_MAX_TYPES 16384u

/* Cumulative numbers as of one second. */
struct model_type_sample {
	uint32_t alive, held;
	uint64_t spawned, ended;
};

struct model_type {
	uint32_t id, process, site, runtime;
	uint32_t alive, held, held_now,
		found; /* held: complete but kept, as of the last walk; held_now: of the one under way;
						* found: existed before */
	uint64_t spawned, ended; /* seen to happen */
	uint64_t off;            /* of the ended: not done, but taken off or failed */
	uint64_t bytes;          /* of all that were spawned, together */
	uint32_t one_bytes;      /* of the one that was spawned or met by a walk last */
	uint64_t polls, busy_ns, blocked_ns, runnable_ns, poll_max_ns;
	struct hist poll_hist, delay_hist, life_hist;
	struct model_type_sample history[MODEL_SECONDS]; /* [second % MODEL_SECONDS] */
	uint64_t first_second, last_second;              /* of history; first > last: none yet */
	bool row;                                        /* stored */
	char name[128], location[160], func[64];
};

#endif
