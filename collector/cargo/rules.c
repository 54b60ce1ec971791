/* SPDX-License-Identifier: MIT */
#include "collector/cargo/rules.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* The narrow ones first: what a gate explains is not looked up among the moved paths. */
const struct cargo_rule *const cargo_rules[] = {
	&cargo_rule_not_send,      &cargo_rule_not_unpin, &cargo_rule_double_wrapped,
	&cargo_rule_no_dependency, /* before the gates: a table that knows the path need not know that the crate is missing */
	&cargo_rule_gated,         &cargo_rule_moved,     &cargo_rule_task_dropped,
	&cargo_rule_never_awaited, &cargo_rule_lock_held, NULL,
};

void cargo_cause(struct cargo_found *f, const char *text, ...)
{
	va_list args;

	va_start(args, text);
	vsnprintf(f->row->cause, sizeof(f->row->cause), text, args);
	va_end(args);
}

void cargo_proof(struct cargo_found *f, const char *text, ...)
{
	struct live_finding *row = f->row;
	va_list args;

	if (row->evidence_n == sizeof(row->evidence) / sizeof(*row->evidence))
		return;
	va_start(args, text);
	vsnprintf(row->evidence[row->evidence_n].text, sizeof(row->evidence[0].text), text, args);
	va_end(args);
	row->evidence[row->evidence_n].value = 1;
	row->evidence_n++;
}

void cargo_advice(struct cargo_found *f, const char *text, ...)
{
	va_list args;

	va_start(args, text);
	vsnprintf(f->row->advice, sizeof(f->row->advice), text, args);
	va_end(args);
}

void cargo_subject(struct cargo_found *f, const char *name, const struct diag_place *at)
{
	snprintf(f->row->subject_name, sizeof(f->row->subject_name), "%s", name);
	if (at->file)
		diag_place_text(at, f->row->location, sizeof(f->row->location));
}

unsigned cargo_runtime_of(const struct diag *d)
{
	const char *bound = diag_child_text(diag_child(d, "required by a bound in"));

	if (strstr(bound, "tokio::"))
		return WEFT_RT_TOKIO;
	if (strstr(bound, "async_std::"))
		return WEFT_RT_ASYNC_STD;
	return strstr(bound, "smol::") || strstr(bound, "async_executor::") ||
			       strstr(bound, "Executor")
		       ? WEFT_RT_SMOL
		       : 0;
}
