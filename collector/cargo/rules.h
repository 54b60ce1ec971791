/* SPDX-License-Identifier: MIT */
/*
 * What a symptom looks like in the compiler's output. A rule looks at one message and fills a finding in; cargo.c does
 * the rest (dedupe, folding, verdicts). A new rule is its file, a declaration and a line in rules.c.
 */
#ifndef WEFT_CARGO_RULES_H
#define WEFT_CARGO_RULES_H

#include "collector/cargo/diag.h"
#include "collector/detect/symptoms.h"
#include "collector/live.h"
#include "probes/event.h"

/* A finding in the making: blank but for its severity, which is that of the message (error: crit, warning: warn). */
struct cargo_found {
	struct live_finding *row;
	char crate[48], features[64]; /* to be added to the dependency; "" = nothing */
};

struct cargo_rule {
	enum symptom symptom;
	/* True: it is this symptom, and cause, name, place, evidence and advice are filled in. */
	bool (*match)(const struct diag *d, struct cargo_found *ret);
};

extern const struct cargo_rule cargo_rule_not_send, cargo_rule_not_unpin, cargo_rule_gated,
	cargo_rule_moved, cargo_rule_no_dependency, cargo_rule_double_wrapped,
	cargo_rule_task_dropped, cargo_rule_never_awaited, cargo_rule_lock_held;
extern const struct cargo_rule
	*const cargo_rules[]; /* the first that matches counts; ends with NULL */

/* ---- for rules ---- */

__attribute__((format(printf, 2, 3))) void cargo_cause(struct cargo_found *f, const char *text,
						       ...);
__attribute__((format(printf, 2, 3))) void cargo_proof(struct cargo_found *f, const char *text,
						       ...);
__attribute__((format(printf, 2, 3))) void cargo_advice(struct cargo_found *f, const char *text,
							...);
/* Subject: the type or item, and the place of it. */
void cargo_subject(struct cargo_found *f, const char *name, const struct diag_place *at);
/* enum weft_runtime_kind of the function whose bound is not met (tokio::spawn, ...); 0 = none of ours. */
unsigned cargo_runtime_of(const struct diag *d);

#endif
