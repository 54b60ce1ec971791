/* SPDX-License-Identifier: MIT */
/* By which check is a point of a function reached, on every way to it? */
#ifndef WEFT_RUST_CHECK_FLOW_H
#define WEFT_RUST_CHECK_FLOW_H

#include "probes/rust/flow.h"

struct check_flow;

int check_flow_new(struct rust_flow *flow, struct check_flow **ret); /* borrows it */
struct check_flow *check_flow_free(struct check_flow *f);

/* All that leads to instruction `naming` for sure is the panic of a check; the branches to it are the check. */
void check_flow_panic(struct check_flow *f, size_t naming);
/* A task is built at this instruction: what comes behind it belongs to another one. */
void check_flow_point(struct check_flow *f, size_t insn);

/*
 * The one check that every way to the point passes last, with a task id taken right before it and none between it and
 * the point. False = it is not like that.
 */
bool check_flow_find(struct check_flow *f, size_t point, size_t *ret_naming);

#endif
