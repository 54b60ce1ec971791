/* SPDX-License-Identifier: MIT */
/* The halves of mixed-runtimes: mixed_runtimes.c (block_on inside a task), mixed_kinds.c (two kinds that drive one program). */
#ifndef WEFT_MIXED_INTERNAL_H
#define WEFT_MIXED_INTERNAL_H

#include "collector/detect/advice.h"
#include "collector/detect/detector.h"

enum mixed_option { MIXED_POLLS, MIXED_S, MIXED_BLOCK_MS };

/* Of a process with several runtimes: which of them polled tasks in each of the last seconds. By index in the process. */
struct mixed_process {
	bool known;                       /* polls are those of a second ago */
	uint64_t polls[MODEL_RUNTIMES];   /* cumulative */
	uint32_t last[MODEL_RUNTIMES];    /* in the last second */
	uint16_t seconds[MODEL_RUNTIMES]; /* bit n: enough polls, n seconds ago */
	uint64_t first_ns;                /* two kinds did, 0 = never yet */
};

struct mixed_kinds {
	struct mixed_process *process[MODEL_MAX_PROCESSES]; /* NULL = one runtime so far */
};

/* Once a second. */
void mixed_kinds_tick(struct detect_run *run, struct mixed_kinds *kinds);
/* Two kinds, or versions of one, drive tasks of this process. */
bool mixed_kinds_drive(const struct detect_run *run, const struct mixed_kinds *kinds,
		       uint32_t process);
void mixed_kinds_done(struct mixed_kinds *kinds);

/* Not of one kind and version, as far as is known. */
bool mixed_differ(const struct model_runtime *a, const struct model_runtime *b);
/* "tokio 1.54.1": into buf. Returns buf. */
char *mixed_name(const struct model_runtime *rt, char buf[48]);

#endif
