// SPDX-License-Identifier: MIT
/*
 * A task's future F is in the name of its poll function (v0 mangling). The older mangling, still the default of
 * stable compilers, leaves generics out there, but not in drop_in_place<Cell<F, S>> and drop_in_place<Stage<F>>,
 * which the vtable's functions call; else the function of an async block that the poll calls tells. Equal
 * functions are merged and then have several names: what does not tell one F is not believed.
 */
#include "probes/rust/names.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "probes/rust/async_task.h"
#include "probes/rust/brief.h"
#include "probes/rust/graph.h"
#include "probes/rust/places.h"
#include "probes/rust/tokio.h"
#include "probes/symbols/demangle.h"

#define MAX_NAME    (16u << 10)
#define MAX_BRIEF   96
#define MAX_REACHED 64
#define MAX_ALIASES 64

struct names {
	struct rust_builder *b;
	struct rust_places *places;
	char text[MAX_NAME], found[MAX_NAME];
	bool any, several; /* `found` is set; and another one, too */
};

/* What to look for in mangled names, before they are demangled, and the text that stands before F. */
struct wanted {
	const char *parts[2]; /* in the mangled name */
	const char *before;
};

static const struct wanted in_polls[] = {
	{ { "3raw4poll", NULL }, "task::raw::poll::<" },
	{ { "10async_task3raw", "7RawTask" }, "async_task::raw::RawTask<" },
};

/* With the scheduler in it, a cell is less often the same for two futures. */
static const struct wanted in_drops[] = {
	{ { "drop_in_place", "Cell" }, "task::core::Cell<" },
	{ { "drop_in_place", "Stage" }, "task::core::CoreStage<" },
	{ { "drop_in_place", "Stage" }, "task::core::Stage<" },
};

static const struct wanted in_async_drops[] = {
	{ { "drop_in_place", "Guard" }, "::run::Guard<" },
	{ { "drop_in_place", "AsyncCallOnDrop" },
	  "drop_in_place<async_executor::AsyncCallOnDrop<" },
	{ { "drop_in_place", "SupportTaskLocals" }, "SupportTaskLocals<" },
};

static void note(struct names *n, const char *text, size_t bytes)
{
	if (bytes >= MAX_NAME)
		return;
	if (n->any && (strncmp(n->found, text, bytes) != 0 || n->found[bytes])) {
		n->several = true;
		return;
	}
	memcpy(n->found, text, bytes);
	n->found[bytes] = '\0';
	n->any = true;
}

static void look(struct names *n, const char *symbol, const struct wanted *w)
{
	const char *at, *argument;
	size_t bytes;

	if (!strstr(symbol, w->parts[0]) || (w->parts[1] && !strstr(symbol, w->parts[1])) ||
	    !demangle(symbol, n->text, sizeof(n->text)))
		return;
	at = strstr(n->text, w->before);
	if (at && rust_brief_argument(at + strlen(w->before) - 1, &argument, &bytes))
		note(n, argument, bytes);
}

/* All names of a function. */
static void look_at(struct names *n, uint64_t function, const struct wanted *wanted,
		    size_t n_wanted)
{
	const struct symbol_table *symbols = n->b->image->symbols;
	size_t i = symbol_table_from(symbols, function);
	uint64_t address;
	const char *name;

	for (size_t end = i + MAX_ALIASES; i < end; i++) {
		name = symbol_table_at(symbols, i, &address);
		if (!name || address != function)
			return;
		for (size_t k = 0; k < n_wanted; k++)
			look(n, name, &wanted[k]);
	}
}

static bool take(struct names *n)
{
	bool one = n->any && !n->several;

	n->any = n->several = false;
	return one;
}

static bool by_poll(struct names *n, const struct rust_type *type)
{
	look_at(n, type->poll, in_polls, sizeof(in_polls) / sizeof(in_polls[0]));
	return take(n);
}

/* Which functions to start from, and what to look for, by family. */
struct drops {
	unsigned slot[5];
	const struct wanted *wanted;
	size_t n;
};

static const struct drops tokio_drops = {
	{ RUST_TOKIO_DEALLOC, RUST_TOKIO_SHUTDOWN, RUST_TOKIO_POLL, RUST_TOKIO_HANDLE_DROP,
	  RUST_TOKIO_TRY_READ },
	in_drops,
	sizeof(in_drops) / sizeof(in_drops[0]),
};

static const struct drops async_drops = {
	{ RUST_ASYNC_RUN, RUST_ASYNC_DROP_FUTURE, RUST_ASYNC_DESTROY, RUST_ASYNC_DROP_REF,
	  RUST_ASYNC_SCHEDULE },
	in_async_drops,
	sizeof(in_async_drops) / sizeof(in_async_drops[0]),
};

/* Slot by slot: one whose function was merged with others may stand beside one that was not. */
static bool by_drop_of(struct names *n, const struct rust_type *type, const struct drops *drops,
		       const struct wanted *wanted)
{
	uint64_t reached[MAX_REACHED], function;

	for (size_t s = 0; s < sizeof(drops->slot) / sizeof(drops->slot[0]); s++) {
		size_t count;

		if (!rust_image_code_pointer(n->b->image, type->vtable + 8 * drops->slot[s],
					     &function))
			continue;
		count = rust_graph_reach(n->b->graph, function, n->b->unoptimised ? 3 : 2, reached,
					 MAX_REACHED);
		for (size_t i = 0; i < count; i++) {
			look_at(n, reached[i], wanted, 1);
			if (take(n))
				return true;
		}
	}
	return false;
}

static bool by_drop(struct names *n, const struct rust_type *type)
{
	const struct drops *drops = type->family == RUST_TOKIO ? &tokio_drops : &async_drops;

	for (size_t i = 0; i < drops->n; i++)
		if (by_drop_of(n, type, drops, &drops->wanted[i]))
			return true;
	return false;
}

static bool is_library(const char *name)
{
	static const char *const own[] = { "tokio::", "core::",       "std::",
					   "alloc::", "async_task::", "async_executor::",
					   "mio::",   "parking_lot" };

	name += strspn(name, "<&");
	for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++)
		if (strncmp(name, own[i], strlen(own[i])) == 0)
			return true;
	return false;
}

/* Futures that wait for one thing: a task waits for such a one, it is none. */
static bool is_leaf(const char *name)
{
	static const char *const crates[] = {
		"async_io::",       "async_net::",    "async_channel::",   "async_lock::",
		"event_listener::", "futures_lite::", "futures_channel::", "piper::"
	};

	name += strspn(name, "<&");
	for (size_t i = 0; i < sizeof(crates) / sizeof(crates[0]); i++)
		if (strncmp(name, crates[i], strlen(crates[i])) == 0)
			return true;
	return false;
}

static bool ends_with(const char *text, const char *end)
{
	size_t n = strlen(text), m = strlen(end);

	return n >= m && strcmp(text + n - m, end) == 0;
}

/* The function of an async block, or of a future written by hand: "<F as core::future::future::Future>::poll". */
static void look_future(struct names *n, const char *symbol)
{
	static const char poll[] = " as core::future::future::Future>::poll";

	if ((!strstr(symbol, "closure") && !strstr(symbol, "4poll") &&
	     strncmp(symbol, "_RNC", 4) != 0) ||
	    !demangle(symbol, n->text, sizeof(n->text)) || is_library(n->text) || is_leaf(n->text))
		return;
	if (n->text[0] == '<' && ends_with(n->text, poll))
		note(n, n->text + 1, strlen(n->text) - strlen(poll) - 1);
	else if (ends_with(n->text, "}"))
		note(n, n->text, strlen(n->text));
}

static bool by_future(struct names *n, const struct rust_type *type)
{
	const struct symbol_table *symbols = n->b->image->symbols;
	uint64_t reached[MAX_REACHED], address;
	size_t count = rust_graph_reach(n->b->graph, type->poll, 4, reached, MAX_REACHED);

	for (size_t i = 1; i < count; i++) {
		const char *name;

		for (size_t s = symbol_table_from(symbols, reached[i]);
		     (name = symbol_table_at(symbols, s, &address)) && address == reached[i]; s++)
			look_future(n, name);
		if (n->any)
			return take(n);
	}
	return false;
}

/* In the order of the calls: the outermost coroutine is nearest to the poll. One of the executor's own may be around it. */
static void add_place(struct names *n, struct rust_type *type)
{
	uint64_t reached[MAX_REACHED];
	size_t count = rust_graph_reach(n->b->graph, type->poll, 3, reached, MAX_REACHED);
	struct rust_location at;
	char text[1200];
	bool wrapper;

	for (size_t i = 0; i < count; i++) {
		if (!rust_places_of(n->places, reached[i], &at))
			continue;
		wrapper = rust_location_has(&at, "/async-executor-");
		if (wrapper && type->place)
			continue;
		snprintf(text, sizeof(text), "%.*s:%u:%u", (int)at.bytes, at.file, at.line,
			 at.column);
		type->place = rust_builder_text(n->b, text, strlen(text));
		if (!wrapper)
			return;
	}
}

static void set_name(struct names *n, struct rust_type *type)
{
	char brief[MAX_BRIEF];

	type->name = rust_builder_text(n->b, n->found, strlen(n->found));
	rust_brief(n->found, type->blocking, brief, sizeof(brief));
	type->brief = rust_builder_text(n->b, brief, strlen(brief));
}

/* By the name of the function that frees it: sure only if no other type goes by that name. */
static void add_name(struct names *n, struct rust_type *type, bool *ret_sure)
{
	*ret_sure = by_poll(n, type);
	if (!*ret_sure &&
	    (!by_drop(n, type) || (type->family == RUST_TOKIO &&
				   (strstr(n->found, "BlockingTask") != NULL) != type->blocking)) &&
	    !by_future(n, type))
		return;
	set_name(n, type);
}

/* Types of one future differ by scheduler. */
static int compare_names(const void *a, const void *b)
{
	const struct rust_type *x = *(const struct rust_type *const *)a,
			       *y = *(const struct rust_type *const *)b;
	int order = strcmp(x->name, y->name);

	if (order == 0 && x->id_offset != y->id_offset)
		order = x->id_offset < y->id_offset ? -1 : 1;
	if (order == 0 && x->vtable != y->vtable)
		order = x->vtable < y->vtable ? -1 : 1;
	return order;
}

static uint64_t scheduler_of(const struct names *n, const struct rust_type *type)
{
	uint64_t function = 0;

	rust_image_code_pointer(n->b->image,
				type->vtable + 8 * (type->family == RUST_TOKIO
							    ? RUST_TOKIO_SCHEDULE
							    : RUST_ASYNC_SCHEDULE),
				&function);
	return function;
}

/* Of Tokio's blocks the size is told in steps. */
static bool is_other_size(const struct rust_type *a, const struct rust_type *b)
{
	return a->family == RUST_ASYNC_TASK && a->size && b->size && a->size != b->size;
}

/* Does another type go by the same name? One future has one size: with `by_size` only one of another size counts. */
static bool is_claimed_twice(const struct names *n, struct rust_type *const *list, size_t count,
			     size_t i, bool by_size)
{
	size_t first = i;

	while (first > 0 && strcmp(list[first - 1]->name, list[i]->name) == 0)
		first--;
	for (size_t j = first; j < count && strcmp(list[j]->name, list[i]->name) == 0; j++)
		if (j != i && (!by_size || is_other_size(list[i], list[j])) &&
		    scheduler_of(n, list[j]) == scheduler_of(n, list[i]))
			return true;
	return false;
}

/* The types whose names are not sure and are told twice, at the front of `list`. */
static size_t find_doubtful(const struct names *n, const bool *sure, bool by_size,
			    struct rust_type **list)
{
	struct rust_plan *plan = n->b->plan;
	size_t count = 0, doubtful = 0;
	struct rust_type **named = calloc(plan->n_types + 1, sizeof(*named));

	for (uint32_t i = 0; named && i < plan->n_types; i++)
		if (plan->types[i].name && !sure[i])
			named[count++] = &plan->types[i];
	if (count > 1)
		qsort(named, count, sizeof(*named), compare_names);
	for (size_t i = 0; i < count; i++)
		if (is_claimed_twice(n, named, count, i, by_size))
			list[doubtful++] = named[i];
	free(named);
	return doubtful;
}

/*
 * Merged functions carry the name of one of their types. The poll, which differs, decides, or nobody is named. What it
 * calls may be a future that several wait for.
 */
static int settle(struct names *n, const bool *sure)
{
	struct rust_type **list = calloc(n->b->plan->n_types + 1, sizeof(*list));
	size_t count = list ? find_doubtful(n, sure, false, list) : 0;

	for (size_t i = 0; i < count; i++) {
		list[i]->name = list[i]->brief = NULL;
		if (by_future(n, list[i]))
			set_name(n, list[i]);
	}
	count = list ? find_doubtful(n, sure, true, list) : 0;
	for (size_t i = 0; i < count; i++)
		list[i]->name = list[i]->brief = NULL;
	free(list);
	return list ? 0 : -ENOMEM;
}

/* The crate whose sources cargo keeps there: ".../registry/src/INDEX/CRATE-1.2.3/...". 0 = none. */
static size_t crate_of(const char *place, const char **ret)
{
	static const char mark[] = "/registry/src/";
	const char *at = strstr(place, mark), *end;

	at = at ? strchr(at + sizeof(mark) - 1, '/') : NULL;
	end = at ? strchr(at + 1, '/') : NULL;
	if (!end)
		return 0;
	*ret = at + 1;
	for (const char *dash = end; dash > at; dash--)
		if (dash[0] == '-' && dash[1] >= '0' && dash[1] <= '9')
			end = dash;
	return (size_t)(end - *ret);
}

/* Cargo's "async-io" is Rust's "async_io". */
static bool is_of_crate(const char *name, const char *crate, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (name[i] != crate[i] && !(name[i] == '_' && crate[i] == '-'))
			return false;
	return strncmp(name + n, "::", 2) == 0;
}

/* src/a/b.rs holds the module b, unless the name of the file says nothing of it. */
static bool is_in_module(const char *name, const char *place)
{
	const char *end = strstr(place, ".rs:"), *stem = end;
	char module[80];
	size_t n;

	while (stem && stem > place && stem[-1] != '/')
		stem--;
	n = stem ? (size_t)(end - stem) : 0;
	if (!n || n + 3 > sizeof(module) || !strncmp(stem, "main.", 5) ||
	    !strncmp(stem, "lib.", 4) || !strncmp(stem, "mod.", 4))
		return true;
	snprintf(module, sizeof(module), "%.*s::", (int)n, stem);
	for (char *c = module; *c; c++)
		*c = *c == '-' ? '_' : *c;
	for (const char *at = name; (at = strstr(at, module)); at++)
		if (at == name || at[-1] == ':' || at[-1] == '<')
			return true;
	return false;
}

/*
 * A coroutine that never returns has lost its own place, and what is found is that of one inlined into it. A type
 * that was written by hand has none at all.
 */
static void check_place(struct rust_type *type)
{
	const char *crate;
	size_t n;

	n = type->place ? crate_of(type->place, &crate) : 0;
	if (type->blocking && n > 0) /* the pool's wrapper */
		type->place = NULL;
	if (!type->place || !type->brief || type->blocking)
		return;
	if (!strstr(type->brief, "::{async") || (n > 0 && !is_of_crate(type->brief, crate, n)) ||
	    (n == 0 && !is_in_module(type->brief, type->place)))
		type->place = NULL;
}

static int compare_places(const void *a, const void *b)
{
	const struct rust_type *x = *(const struct rust_type *const *)a,
			       *y = *(const struct rust_type *const *)b;

	return strcmp(x->place, y->place);
}

/* One future has one size, apart from what its scheduler adds. */
static bool is_as_large(const struct rust_type *a, const struct rust_type *b)
{
	return a->family == b->family && a->trailer_offset == b->trailer_offset &&
	       (a->family == RUST_TOKIO || a->size == b->size);
}

/*
 * Types that are defined at one place and equally large are one future: a name that one of them has holds for all,
 * if it is the only one.
 */
static void share(struct rust_type **list, size_t n)
{
	const struct rust_type *named = NULL;

	for (size_t i = 0; i < n; i++) {
		if (!list[i]->name || list[i]->blocking)
			continue;
		if (named && strcmp(named->name, list[i]->name) != 0)
			return;
		named = list[i];
	}
	for (size_t i = 0; named && i < n; i++) {
		if (list[i]->name || !is_as_large(named, list[i]))
			continue;
		list[i]->name = named->name;
		list[i]->brief = named->brief;
	}
}

static int share_names(struct rust_plan *plan)
{
	struct rust_type **list = calloc(plan->n_types + 1, sizeof(*list));
	size_t n = 0;

	if (!list)
		return -ENOMEM;
	for (uint32_t i = 0; i < plan->n_types; i++)
		if (plan->types[i].place)
			list[n++] = &plan->types[i];
	if (n > 1)
		qsort(list, n, sizeof(*list), compare_places);
	for (size_t i = 0, end; i < n; i = end) {
		for (end = i + 1; end < n && strcmp(list[i]->place, list[end]->place) == 0;)
			end++;
		share(list + i, end - i);
	}
	free(list);
	return 0;
}

static int add_all(struct names *n)
{
	struct rust_plan *plan = n->b->plan;
	bool *sure = calloc(plan->n_types + 1, sizeof(*sure));
	int rc = sure ? 0 : -ENOMEM;

	for (uint32_t i = 0; rc == 0 && n->b->rc == 0 && i < plan->n_types; i++) {
		add_name(n, &plan->types[i], &sure[i]);
		add_place(n, &plan->types[i]);
	}
	if (rc == 0)
		rc = settle(n, sure);
	for (uint32_t i = 0; i < plan->n_types; i++)
		check_place(&plan->types[i]);
	if (rc == 0)
		rc = share_names(plan);
	free(sure);
	return rc;
}

void rust_names_add(struct rust_builder *b)
{
	struct names *n = calloc(1, sizeof(*n));
	int rc = n ? 0 : -ENOMEM;

	if (rc == 0) {
		n->b = b;
		rc = b->graph ? 0 : rust_graph_new(b->image, &b->graph);
	}
	if (rc == 0)
		rc = rust_places_new(b, &n->places);
	if (rc == 0)
		rc = add_all(n);
	if (rc < 0 && rc != -ENOENT && b->rc == 0)
		b->rc = rc;
	if (n)
		rust_places_free(n->places);
	free(n);
}
