/* SPDX-License-Identifier: MIT */
/* What a plan owns behind its public face. */
#ifndef WEFT_RUST_PLAN_INTERNAL_H
#define WEFT_RUST_PLAN_INTERNAL_H

#include <stddef.h>
#include <sys/stat.h>

#include "probes/rust/plan.h"

struct rust_texts {
	struct rust_texts *next;
	size_t n, room;
	char text[];
};

struct rust_plan_box {
	struct rust_plan plan; /* first */
	struct rust_texts *texts;
	unsigned refs; /* cache.c's, as what follows */
	struct stat file;
	struct rust_plan_box *next;
};

/* Without the cache. */
int rust_plan_analyse(int fd, struct rust_plan **ret);
void rust_plan_destroy(struct rust_plan *plan); /* NULL is fine */

static inline struct rust_plan_box *rust_plan_box(struct rust_plan *plan)
{
	return (struct rust_plan_box *)plan;
}

#endif
