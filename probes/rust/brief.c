// SPDX-License-Identifier: MIT
#include "probes/rust/brief.h"

#include <stdio.h>
#include <string.h>

#define MAX_DEPTH 8 /* of wrappers in wrappers */

/* Types that add nothing to the future they hold. */
static const char *const wrappers[] = {
	"Instrumented", "WithDispatch",     "Pin",
	"Box",          "BlockingTask",     "TaskLocalFuture",
	"Coop",         "MaybeDone",        "Fuse",
	"CatchUnwind",  "AssertUnwindSafe", "SupportTaskLocals",
	"Abortable",    "Compat",           "Shared",
	"Remote",       "AsyncCallOnDrop",
};

struct out {
	char *text;
	size_t n, size;
};

static void put(struct out *o, const char *text, size_t n)
{
	size_t room = o->size - 1 - o->n;

	n = n < room ? n : room;
	memcpy(o->text + o->n, text, n);
	o->n += n;
	o->text[o->n] = '\0';
}

/* Behind the bracket that closes the one at `at`; `end` where none does. "->" closes nothing. */
static const char *behind(const char *at, const char *end)
{
	int depth = 0;

	for (const char *start = at; at < end; at++) {
		if (*at == '<' || *at == '(' || *at == '[')
			depth++;
		else if (*at == ')' || *at == ']' || (*at == '>' && (at == start || at[-1] != '-')))
			depth--;
		if (depth == 0)
			return at + 1;
	}
	return end;
}

/* What follows the '<' or ',' at `from`, up to the next of its level. */
static bool argument_after(const char *from, const char **ret, size_t *ret_bytes)
{
	const char *start = from + 1, *end = from + strlen(from), *at;

	while (*start == ' ')
		start++;
	for (at = start; at < end && *at != ',' && *at != '>';) {
		if (*at == '<' || *at == '(' || *at == '[')
			at = behind(at, end);
		else
			at += at[0] == '-' && at[1] == '>' ? 2 : 1;
	}
	*ret = start;
	*ret_bytes = (size_t)(at - start);
	return at < end && at > start;
}

bool rust_brief_argument(const char *open, const char **ret, size_t *ret_bytes)
{
	return *open == '<' && argument_after(open, ret, ret_bytes);
}

static bool is_closure(const char *at, size_t n)
{
	static const char *const closures[] = { "{{closure", "{closure", "{async_", "{async ",
						"{{async" };

	for (size_t i = 0; i < sizeof(closures) / sizeof(closures[0]); i++)
		if (n > strlen(closures[i]) && memcmp(at, closures[i], strlen(closures[i])) == 0)
			return true;
	return false;
}

static bool is_wrapper(const char *at, size_t n)
{
	for (size_t i = 0; i < sizeof(wrappers) / sizeof(wrappers[0]); i++)
		if (strlen(wrappers[i]) == n && memcmp(at, wrappers[i], n) == 0)
			return true;
	return false;
}

/* " as " outside of brackets, NULL = none. */
static const char *find_as(const char *at, const char *end)
{
	while (at + 4 < end) {
		if (memcmp(at, " as ", 4) == 0)
			return at;
		if (*at == '<' || *at == '(' || *at == '[')
			at = behind(at, end);
		else
			at++;
	}
	return NULL;
}

/* "dyn A + Send": A. */
static const char *bounds(const char *at, const char *end)
{
	const char *start = at;

	while (at < end) {
		if (*at == '+' && at > start && at[-1] == ' ')
			return at - 1;
		if (*at == '<' || *at == '(' || *at == '[')
			at = behind(at, end);
		else
			at++;
	}
	return end;
}

struct path {
	struct out *out;
	unsigned segments, closures;
	bool block; /* DWARF said: an async block */
	int depth;
};

static void walk(struct path *p, const char *at, const char *end);

/* "<T as Trait>", "<T>" and the legacy form "<impl Trait for T>": T. */
static void walk_qualified(struct path *p, const char *at, const char *end)
{
	const char *as = find_as(at, end), *last = as ? as : end, *to;

	if (end - at > 5 && memcmp(at, "impl ", 5) == 0) {
		at += 5;
		p->out->n = p->segments = 0; /* the type's own path follows */
		for (to = at; to + 5 < end; to++)
			if (memcmp(to, " for ", 5) == 0)
				at = to + 5;
	}
	if (p->depth++ < MAX_DEPTH)
		walk(p, at, last);
}

static void segment(struct path *p, const char *at, size_t n)
{
	if (is_closure(at, n)) {
		p->block |= n > 12 && memcmp(at, "{async_block", 12) == 0;
		p->closures++;
		return;
	}
	if (p->segments++ > 0)
		put(p->out, "::", 2);
	put(p->out, at, n);
}

/* Any type that is made for a closure or async function says less than what it is made for. */
static bool holds_closure(const char *at, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (at[i] == '{' && is_closure(at + i, n - i))
			return true;
	return false;
}

/* A wrapper of generic type, which is what the path ends in: what it holds instead. */
static bool unwrap(struct path *p, const char *name, size_t n, const char *open, const char *end)
{
	const char *inner;
	size_t bytes;

	if (*open != '<' || behind(open, end) < end || !rust_brief_argument(open, &inner, &bytes) ||
	    !(is_wrapper(name, n) || holds_closure(inner, bytes)) || p->depth++ >= MAX_DEPTH)
		return false;
	p->out->n = 0;
	p->segments = 0;
	walk(p, inner, inner + bytes);
	return true;
}

static void walk(struct path *p, const char *at, const char *end)
{
	while (at < end && (*at == '&' || *at == '*' || *at == ' '))
		at++;
	if (end - at > 4 && memcmp(at, "mut ", 4) == 0)
		at += 4;
	end = bounds(at, end);
	while (at < end) {
		const char *name = at;

		if (*at ==
		    '<') { /* qualified, when it begins a path; else arguments of what is before it */
			const char *close = behind(at, end);

			if (p->segments == 0 || (close - at > 6 && memcmp(at + 1, "impl ", 5) == 0))
				walk_qualified(p, at + 1, close > at + 1 ? close - 1 : close);
			at = close;
		} else {
			if (*at == '{') {
				while (at < end && *at != '}')
					at++;
				while (at < end && *at == '}')
					at++;
			} else {
				while (at < end && *at != ':' && *at != '<')
					at += *at == '(' || *at == '[' ? behind(at, end) - at : 1;
			}
			if (unwrap(p, name, (size_t)(at - name), at < end ? at : "", end))
				return;
			segment(p, name, (size_t)(at - name));
		}
		while (at < end && *at == ':')
			at++;
	}
}

/* "spawn<T, F>::{{closure}}": F, NULL = not so. `at`: behind the function's name. */
static const char *second_of(const char *at, const char **ret_end)
{
	const char *first;
	size_t n;

	at = strchr(at, '<');
	if (!at || !rust_brief_argument(at, &first, &n) || first[n] != ',')
		return NULL;
	if (!argument_after(first + n, &at, &n))
		return NULL;
	*ret_end = at + n;
	return at;
}

/* What the program wants done by a function of a library, whose own closure the type is. */
static const char *given_to(const char *name, bool blocking, const char **ret_end)
{
	static const char *const spawns[] = { "async_executor::Executor::spawn",
					      "async_executor::LocalExecutor::spawn",
					      "<async_executor::Executor>::spawn",
					      "<async_executor::LocalExecutor>::spawn" };
	const char *at = blocking ? strstr(name, "blocking::unblock") : NULL;
	size_t boxed = strncmp(name, "core::pin::Pin<alloc::boxed::Box<", 33) == 0 ? 33 : 0;

	if (at)
		return second_of(at, ret_end);
	for (size_t i = 0; i < sizeof(spawns) / sizeof(spawns[0]); i++) { /* before 1.6 */
		at = name + boxed + strlen(spawns[i]);
		if (strncmp(name + boxed, spawns[i], strlen(spawns[i])) == 0 &&
		    (*at == '<' || *at == ':'))
			return second_of(at, ret_end);
	}
	return NULL;
}

void rust_brief(const char *name, bool blocking, char *ret, size_t size)
{
	struct out out = { .text = ret, .size = size };
	struct path p = { .out = &out };
	const char *end = name + strlen(name), *given = given_to(name, blocking, &end);

	ret[0] = '\0';
	walk(&p, given ? given : name, end);
	if (p.closures == 0)
		return;
	if (blocking)
		put(&out, "::{closure}", 11);
	else if (p.closures == 1 && !p.block)
		put(&out, "::{async fn}", 12);
	else
		put(&out, "::{async block}", 15);
}
