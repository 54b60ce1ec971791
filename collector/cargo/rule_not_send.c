/* SPDX-License-Identifier: MIT */
/* not-send: a value that may not change threads lives across an await of a task that may. */
#include <stdio.h>
#include <string.h>

#include "collector/cargo/rules.h"

static const char *const spawn_local[] = {
	[0] = "spawn the task on one thread only",
	[WEFT_RT_TOKIO] = "spawn it with tokio::task::spawn_local inside a LocalSet",
	[WEFT_RT_ASYNC_STD] =
		"spawn it with async_std::task::spawn_local (cargo add async-std --features unstable)",
	[WEFT_RT_SMOL] = "spawn it on a smol::LocalExecutor",
};

static const char *const async_lock[] = {
	[0] = "the runtime's async lock",
	[WEFT_RT_TOKIO] = "tokio::sync's Mutex or RwLock",
	[WEFT_RT_ASYNC_STD] = "async_std::sync's Mutex or RwLock",
	[WEFT_RT_SMOL] = "smol::lock's Mutex or RwLock",
};

#define GUARD \
	"Let the guard go before the await: put the lock and its use in a block { } of their own"

/* By what the type, or the part of it that is at fault, is called; the first that occurs. */
static const struct {
	const char *part, *advice;
} cure[] = {
	{ "MutexGuard<", GUARD },
	{ "RwLockReadGuard<", GUARD },
	{ "RwLockWriteGuard<", GUARD },
	{ "MutexGuard", GUARD },
	{ "ThreadRng",
	  "Make the generator in a block that ends before the await, or use a Send one (rand::rngs::StdRng)" },
	{ "Rc<RefCell<",
	  "Use Arc<Mutex<..>> instead of Rc<RefCell<..>>, or end the value in a block before the await" },
	{ "Rc<Cell<",
	  "Use an Arc of an atomic instead of Rc<Cell<..>>, or end the value in a block before the await" },
	{ "Rc<", "Use std::sync::Arc instead of Rc, or end the value in a block before the await" },
	{ "rc::Weak<", "Use std::sync::Weak (of an Arc) instead of rc::Weak" },
	{ "RefCell<",
	  "Use a Mutex (or an atomic) instead of RefCell where a reference to it lives across an await" },
	{ "UnsafeCell<", "Share it through a Mutex, or an atomic, instead" },
	{ "Cell<",
	  "Use an atomic (or a Mutex) instead of Cell where a reference to it lives across an await" },
	{ "dyn std::error::Error",
	  "Say Box<dyn Error + Send + Sync>, also where the result is made" },
	{ "dyn Error", "Say Box<dyn Error + Send + Sync>, also where the result is made" },
	{ "dyn Future", "Say Pin<Box<dyn Future<Output = ..> + Send>> where the future is boxed" },
	{ "dyn std::future::Future",
	  "Say Pin<Box<dyn Future<Output = ..> + Send>> where the future is boxed" },
	{ "dyn ", "Add + Send (and + Sync where it is shared) to the dyn type" },
	{ "mpsc::Receiver<",
	  "Use the runtime's own channel: std's Receiver can't be shared between threads, and waiting on it blocks" },
	{ "Receiver<",
	  "Use the runtime's own channel: std's Receiver can't be shared between threads, and waiting on it blocks" },
	{ "impl Future",
	  "Promise it in the trait: fn name(..) -> impl Future<Output = ..> + Send instead of async fn" },
	{ "*const",
	  "Keep an address (usize) or a type of your own with unsafe impl Send instead of the raw pointer" },
	{ "*mut",
	  "Keep an address (usize) or a type of your own with unsafe impl Send instead of the raw pointer" },
	{ "NonNull<", "Wrap the pointer in a type of your own with unsafe impl Send" },
};

static const char *cure_of(const char *type, const char *culprit)
{
	for (size_t i = 0; i < sizeof(cure) / sizeof(*cure); i++)
		if (strstr(type, cure[i].part) || strstr(culprit, cure[i].part))
			return cure[i].advice;
	return "Let the value end before the await, or use a type that is Send";
}

static bool is_ours(const struct diag *d)
{
	if (strcmp(d->level, "error"))
		return false;
	if (d->code[0] && strcmp(d->code, "E0277"))
		return false;
	return strstr(d->text, "cannot be sent between threads safely") ||
	       strstr(d->text, "cannot be shared between threads safely");
}

struct held {
	char type[128], culprit[128];
	struct diag_place at, await;
	bool across;
};

/* Where the value is, and where the await: rustc's note has both, in one of three forms. */
static bool held_across(const struct diag *d, struct held *h)
{
	const json_t *note = diag_child(d, "is used across an await");

	if (note && diag_child_span(note, "has type `", &h->at)) {
		h->across = diag_child_span(note, "await occurs here", &h->await);
		return diag_quoted(h->at.label, 0, h->type, sizeof(h->type));
	}
	note = diag_child(d, "captured value is not");
	if (note && diag_child_span(note, "has type `", &h->at))
		return diag_quoted(h->at.label, 0, h->type, sizeof(h->type));
	note = diag_child(d, "awaits another future");
	if (note && diag_child_span(note, "await occurs here", &h->at))
		return diag_quoted(h->at.label, 0, h->type, sizeof(h->type));
	return false;
}

static void read_held(const struct diag *d, const struct diag_place *primary, struct held *h)
{
	const char *missing = diag_child_text(diag_child(d, "the trait `"));
	const char *of = strstr(missing, " for `");

	*h = (struct held){ .at = *primary };
	if (!held_across(d, h) && !diag_quoted(d->text, 0, h->type, sizeof(h->type)))
		snprintf(h->type, sizeof(h->type), "a value");
	if (!of || !diag_quoted(of, 0, h->culprit, sizeof(h->culprit)))
		snprintf(h->culprit, sizeof(h->culprit), "%s", h->type);
}

static bool match(const struct diag *d, struct cargo_found *f)
{
	struct diag_place primary = { .label = "" };
	char where[200], name[64];
	const char *advice;
	struct held h;
	bool guard;

	if (!is_ours(d))
		return false;
	diag_place(d, 0, &primary);
	read_held(d, &primary, &h);
	advice = cure_of(h.type, h.culprit);
	guard = !strcmp(advice, GUARD);
	cargo_subject(f, h.type, &h.at);
	cargo_cause(f, "`%.50s` %s", h.type, h.across ? "is held across an await" : "is not Send");
	if (h.across) {
		diag_place_text(&h.await, where, sizeof(where));
		if (diag_quoted(h.await.label, 0, name, sizeof(name)))
			cargo_proof(f, "`%s` lives across the await at %s", name, where);
		else
			cargo_proof(f, "the await is at %s", where);
	}
	if (strcmp(h.culprit, h.type) && !strstr(h.culprit, "impl Future"))
		cargo_proof(f, "what is not Send in it: `%s`", h.culprit);
	diag_place_text(&primary, where, sizeof(where));
	cargo_proof(f, "%s at %s",
		    primary.label[0] && !h.across ? primary.label : "a Send future is needed",
		    where);
	cargo_advice(f, "%s%s%s; else %s.", advice,
		     guard ? "; where it must be kept across it, take " : "",
		     guard ? async_lock[cargo_runtime_of(d)] : "",
		     spawn_local[cargo_runtime_of(d)]);
	return true;
}

const struct cargo_rule cargo_rule_not_send = { SYMPTOM_NOT_SEND, match };
