/* SPDX-License-Identifier: MIT */
/*
 * Code places of a session as ids: each place is resolved once per process and told by a FRAME event (and its
 * module by a MODULE event) the first time. Keeps one resolver per process. Not thread-safe.
 */
#ifndef WEFT_FRAME_TABLE_H
#define WEFT_FRAME_TABLE_H

#include "probes/symbols/resolver.h"
#include "probes/unwinder.h"

struct frame_table;

struct frame_table *frame_table_new(void);                   /* NULL: no memory */
struct frame_table *frame_table_free(struct frame_table *t); /* takes NULL, returns NULL */
void frame_table_output(struct frame_table *t, unwinder_fn fn, void *ctx);

/* Of the job's process; NULL: it could not be read. Borrowed. */
struct resolver *frame_table_resolver(struct frame_table *t, const struct unwind_job *job);

void frame_table_forget(struct frame_table *t,
			uint32_t process); /* frees what it knows of a process */

/* Write the ids of one address, inlined frames included, leaf first; return how many. */
unsigned frame_table_user(struct frame_table *t, const struct unwind_job *job, uint64_t pc,
			  bool call_site, uint32_t *ids, unsigned max);
unsigned frame_table_kernel(struct frame_table *t, const struct unwind_job *job, uint64_t pc,
			    uint32_t *ids);

#endif
