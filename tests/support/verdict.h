/* SPDX-License-Identifier: MIT */
/*
 * What the tests of detectors share: a process with two workers, one task "query" (7, svc.c:42) and two "ticker"
 * (8 and 9, svc.c:80), and what to say of its findings.
 */
#ifndef WEFT_VERDICT_H
#define WEFT_VERDICT_H

#include "tests/support/feed.h"

#define STEP (50 * MS)
#define T0   (1 * S) /* well after the attach */

/* cmocka's set-up and tear-down: *state is the struct feed. */
int verdict_setup(void **state);
int verdict_teardown(void **state);
#define VERDICT_TEST(name) cmocka_unit_test_setup_teardown(name, verdict_setup, verdict_teardown)

/* No finding of the program, not even a resolved one; `info` (the machine is overloaded) is none. */
void verdict_nothing(struct feed *f);
/* An open finding with advice and evidence about the subject of that name. */
const struct live_finding *verdict_found(struct feed *f, const char *id,
					 enum live_severity severity, const char *name);

/* A worker that idles along. */
void verdict_calm(struct feed *f, uint64_t t, uint32_t lane);

#endif
