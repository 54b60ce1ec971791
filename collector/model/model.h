/* SPDX-License-Identifier: MIT */
/*
 * What is known of the traced processes now: tasks, types, workers, rates, stacks. Fed with records
 * in time order by the engine thread; read under live.c's lock. Collector-internal.
 *
 * Memory is bounded: ended tasks are kept a while (the most recent ones), then folded into their
 * type; ids are looked up in O(1). Off-CPU records inside an open poll are kept per lane and split
 * the poll when its record comes.
 */
#ifndef WEFT_MODEL_H
#define WEFT_MODEL_H

#include "collector/live.h"
#include "collector/record.h"

struct model;

int model_new(struct model **ret);
struct model *model_free(struct model *m);

/* Takes one record; fills in r->d of polls. Never fails: what makes no sense is counted in model_oddities. */
void model_apply(struct model *m, struct record *r);
/* Rates, windows and ages as of now_ns. */
void model_tick(struct model *m, uint64_t now_ns);
uint64_t model_now(const struct model *m);
uint64_t model_oddities(const struct model *m);

#endif
