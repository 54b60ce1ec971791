/* SPDX-License-Identifier: MIT */
/* The findings of one run: kept by fingerprint, at most FINDING_MAX, the oldest resolved one gives way. */
#ifndef WEFT_DETECT_FINDING_H
#define WEFT_DETECT_FINDING_H

#include "collector/live.h"
#include "collector/mutes.h"

#define FINDING_MAX 256u

struct finding {
	struct live_finding row; /* first: detect_raise() hands it out */
	uint64_t hash, hold_until_ns;
	uint64_t told_ns; /* when the row was last handed on */
	uint64_t place; /* hash of name and place of its subject, where that is a task, a type or a thread; else 0 */
	uint64_t culprit; /* the same of the task that it blames beside it; 0 = none */
	bool fresh;       /* appeared, worsened or was resolved since */
};

struct finding_table {
	struct finding *entry[FINDING_MAX];
	uint32_t n;
	uint64_t key, version;
	const struct mutes *mutes; /* borrowed; NULL = none */
};

uint64_t finding_hash(const char *id, const char *name, const char *location);
/* The advice ends with where there is more to read: "weft explain ID", after a # where it is a command. */
void finding_more(struct live_finding *f, const char *id);
/* Into the row: who else of the table has to do with it. */
void finding_relate(const struct finding_table *t, const struct finding *f,
		    struct live_finding *row);
struct finding *finding_table_find(const struct finding_table *t, uint64_t hash, uint32_t process);
struct finding *finding_table_add(struct finding_table *t,
				  uint64_t hash); /* NULL = full of open ones */
void finding_table_done(struct finding_table *t);
/* Positions by rank: open first, then by severity, harm and age; muted last. Writes t->n numbers. */
void finding_table_rank(const struct finding_table *t, uint32_t *ret);

#endif
