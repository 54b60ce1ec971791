/* SPDX-License-Identifier: MIT */
/*
 * A session that delivers a synthetic list, for engine_options.session and .session_ops: a slice of events at each
 * drain, the rest at the end. Alive until all is delivered (or, with `stay`, until finish).
 */
#ifndef WEFT_FAKE_SESSION_H
#define WEFT_FAKE_SESSION_H

#include <stdbool.h>

#include "tests/support/synth.h"

extern const struct engine_session_ops fake_session_ops;

/* Borrows `synth`, which must be complete. slice: events per drain. */
struct session *fake_session_new(const struct synth *synth, size_t slice, bool stay);
struct session *fake_session_free(struct session *s);
/* How many wants were asked, and the last one. */
unsigned fake_session_wants(const struct session *s, struct session_want *last);

#endif
