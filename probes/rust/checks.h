/* SPDX-License-Identifier: MIT */
/*
 * The check that tokio::spawn and what is built on it begin with: take a task id, and panic with the caller's place
 * where the thread has no runtime. Its panic tells the place of the spawn, in stripped files too, and is known by the
 * text of its error. Handle::spawn has no such panic; a check of Handle::current() or sleep() comes before its task id.
 */
#ifndef WEFT_RUST_CHECKS_H
#define WEFT_RUST_CHECKS_H

#include "probes/rust/builder.h"
#include "probes/rust/location.h"
#include "probes/rust/values.h"

struct rust_checks;

/* -ENOENT: no such panic in the file; -ENOMEM. */
int rust_checks_new(struct rust_builder *b, struct rust_callees *callees, struct rust_checks **ret);
struct rust_checks *rust_checks_free(struct rust_checks *c);

/* Has the function one? */
bool rust_checks_in(const struct rust_checks *c, uint64_t function);

/*
 * For each of `points` (instructions of one function where tasks are built, or functions called that do it): the
 * place that the check before it panics with, as a value; UNKNOWN where it is not sure that the check belongs to it.
 */
int rust_checks_before(struct rust_checks *c, const uint64_t *points, size_t n,
		       struct rust_value *ret);

#endif
