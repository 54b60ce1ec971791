/* SPDX-License-Identifier: MIT */
/* What rustc and clippy only warn of: tasks dropped at once, futures that nobody awaits, locks held across an await. */
#include <stdio.h>
#include <string.h>

#include "collector/cargo/rules.h"

static bool unused(const struct diag *d)
{
	return !strcmp(d->code, "unused_must_use");
}

static bool match_dropped(const struct diag *d, struct cargo_found *f)
{
	struct diag_place at = { .label = "" };
	char name[64];

	/* async-task's own words; Tokio's and async-std's handles detach and carry no such mark. */
	if (!unused(d) || !diag_child(d, "cancel") ||
	    !diag_quoted(d->text, 0, name, sizeof(name)) || !strstr(name, "Task"))
		return false;
	diag_place(d, 0, &at);
	cargo_subject(f, name, &at);
	cargo_cause(f, "the task is cancelled as soon as it is spawned");
	cargo_proof(f, "the `%s` is dropped at the end of this statement, which cancels it", name);
	cargo_advice(f,
		     "Keep it, await it, or add .detach(); let _ = .. cancels it just the same.");
	return true;
}

static bool match_never_awaited(const struct diag *d, struct cargo_found *f)
{
	struct diag_place at = { .label = "" };
	char name[64] = "Future";

	if (!unused(d) || !diag_child(d, "futures do nothing"))
		return false;
	diag_place(d, 0, &at);
	diag_quoted(d->text, 0, name, sizeof(name));
	cargo_subject(f, name, &at);
	cargo_cause(f, "never polled: the future is made and dropped");
	cargo_proof(f, "nothing awaits or spawns what this statement makes");
	cargo_advice(f, "Add .await, or spawn it.");
	return true;
}

static bool match_lock(const struct diag *d, struct cargo_found *f)
{
	struct diag_place at = { .label = "" }, await;
	char name[64] = "guard", where[200];
	const json_t *note;

	if (strcmp(d->code, "clippy::await_holding_lock"))
		return false;
	diag_place(d, 0, &at);
	diag_quoted(d->text, 0, name, sizeof(name));
	cargo_subject(f, name, &at);
	cargo_cause(f, "a std lock is held across an await");
	note = diag_child(d, "await points");
	for (size_t i = 0; note && diag_span(note, i, &await); i++) {
		diag_place_text(&await, where, sizeof(where));
		cargo_proof(f, "the task may be suspended at %s with the lock held", where);
	}
	cargo_advice(
		f,
		"Others that lock it block their worker meanwhile, or for ever: end the guard in a block before the "
		"await, or use the runtime's async Mutex.");
	return true;
}

const struct cargo_rule cargo_rule_task_dropped = { SYMPTOM_HANDLE_DROPPED, match_dropped };
const struct cargo_rule cargo_rule_never_awaited = { SYMPTOM_NEVER_RUNS, match_never_awaited };
const struct cargo_rule cargo_rule_lock_held = { SYMPTOM_BLOCKING_CALL, match_lock };
