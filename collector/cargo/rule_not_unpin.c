/* SPDX-License-Identifier: MIT */
/* not-unpin: something wants to move, or borrow unpinned, a future that points into itself. */
#include <stdio.h>
#include <string.h>

#include "collector/cargo/rules.h"

static bool is_ours(const struct diag *d)
{
	if (strcmp(d->level, "error") || strcmp(d->code, "E0277"))
		return false;
	/* The second form is that of compilers before 1.49. */
	return strstr(d->text, "cannot be unpinned") || strstr(d->text, "`Unpin` is not") ||
	       strstr(d->text, "Unpin` is not satisfied") || strstr(d->text, ": Unpin`");
}

/* PhantomPinned is only the reason: the type that has it inside is what the user knows. */
static void type_of(const struct diag *d, char *buf, size_t size)
{
	const json_t *outer = diag_child(d, "` to implement `Unpin`");

	if (!diag_quoted(d->text, 0, buf, size))
		snprintf(buf, size, "a future");
	if (strstr(buf, "PhantomPinned") && outer)
		diag_quoted(diag_child_text(outer), 0, buf, size);
}

static void advise(const struct diag *d, const struct diag_place *at, struct cargo_found *f)
{
	const char *bound = diag_child_text(diag_child(d, "required by a bound in"));
	char callee[96] = "";

	diag_quoted(bound, 0, callee, sizeof(callee));
	if (strstr(at->macro, "select")) {
		cargo_cause(f, "select! borrows a future that is not pinned");
		cargo_advice(
			f,
			"Pin it before the select!: let mut fut = std::pin::pin!(future); then &mut fut as the branch "
			"(tokio::pin!(fut) does the same in place). In a struct keep it as Pin<Box<..>>.");
	} else if (strstr(callee, "Stream") || diag_child(d, "Next<")) {
		cargo_cause(f, "a stream is read that is not pinned");
		cargo_advice(
			f,
			"Pin the stream once, before it is read: let mut stream = std::pin::pin!(stream); keep it in a struct "
			"or return it as Pin<Box<..>> (Box::pin, or StreamExt::boxed).");
	} else if (diag_child(d, "remove the `.await`") && !callee[0]) {
		cargo_cause(f, "&mut of a future is awaited that is not pinned");
		cargo_advice(
			f,
			"Pin it where it is made: let mut fut = std::pin::pin!(future); then fut.as_mut().await. If it is "
			"awaited once only, await it by value.");
	} else {
		cargo_cause(f, "`%.60s` needs a future that can be moved",
			    callee[0] ? callee : "the call");
		cargo_advice(
			f,
			"Give it a pinned one: Box::pin(future), or std::pin::pin!(future) where it does not outlive this "
			"function.");
	}
}

static bool match(const struct diag *d, struct cargo_found *f)
{
	struct diag_place at = { .label = "", .macro = "" }, made;
	char type[128], where[200];

	if (!is_ours(d))
		return false;
	diag_place(d, 0, &at);
	type_of(d, type, sizeof(type));
	cargo_subject(f, type, &at);
	advise(d, &at, f);
	cargo_proof(f, "`%s` is not Unpin", type);
	for (size_t i = 0; diag_span(d->message, i, &made); i++) {
		if (!strstr(made.label, "within this"))
			continue;
		diag_place_text(&made, where, sizeof(where));
		cargo_proof(f, "the future is made by the code at %s", where);
	}
	return true;
}

const struct cargo_rule cargo_rule_not_unpin = { SYMPTOM_NOT_UNPIN, match };
