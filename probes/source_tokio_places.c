// SPDX-License-Identifier: MIT
/*
 * Types as sites, numbered as in the plan. A type that is spawned at several places has a site for each of them behind
 * those; its own is that of tasks whose spawn was not seen.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "probes/source_tokio_internal.h"
#include "tokio.skel.h"

#define NEAR 256u /* a type's probes stand close together */

void tokio_set_types(struct tokio_process *w, bool there)
{
	int fd = bpf_map__fd(w->state->skel->maps.types);

	for (uint32_t i = 0; i < w->plan->n_types; i++) {
		const struct rust_type *t = &w->plan->types[i];
		struct weft_type_key key = { .vtable = t->vtable, .follow = w->p->follow };
		uint32_t site = tokio_site(i);

		if (w->raise.type && w->raise.type[i])
			site |= WEFT_SITE_RAISED;
		if (t->blocking)
			site |= WEFT_SITE_JOB;
		if (there)
			bpf_map_update_elem(fd, &key, &site, BPF_ANY);
		else
			bpf_map_delete_elem(fd, &key);
	}
}

/* "src/x.rs:12:5" to file and line. */
static void set_place(struct weft_ev_site *e, const char *place)
{
	const char *colon = place ? strchr(place, ':') : NULL;
	size_t n = colon ? (size_t)(colon - place) : 0;

	if (!n)
		return;
	if (n >= sizeof(e->file)) { /* a long one keeps its tail */
		place += n - sizeof(e->file) + 1;
		n = sizeof(e->file) - 1;
	}
	memcpy(e->file, place, n);
	e->line = (uint32_t)strtoul(colon + 1, NULL, 10);
}

/* Without a name: where it is spawned tells best, functions that were built into one another may blur what is defined where. */
static void set_name(struct weft_ev_site *e, const struct rust_type *t)
{
	if (t->brief || t->name)
		session_text(e->name, sizeof(e->name), t->brief ? t->brief : t->name);
	else if (e->line)
		snprintf(e->name, sizeof(e->name), "task %s %.40s:%u",
			 e->kind == WEFT_SITE_DEFINED ? "of" : "from", e->file, e->line);
	else
		snprintf(e->name, sizeof(e->name), "task type %#llx",
			 (unsigned long long)t->vtable);
}

/* spawned NULL: it is not known, or there are several. */
static void tell_site(struct tokio_process *w, uint32_t site, const struct rust_type *t,
		      const char *spawned)
{
	bool function = spawned && strncmp(spawned, "fn ", 3) == 0;
	struct weft_ev_site e = { .site = site };

	e.kind = spawned && !function ? 0 : WEFT_SITE_DEFINED;
	set_place(&e, e.kind ? t->place : spawned);
	session_text(e.func, sizeof(e.func), function ? spawned + 3 : t->name ? t->name : "");
	set_name(&e, t);
	session_emit(w->p->session, tokio_event(w, WEFT_EV_SITE, 0), &e, sizeof(e));
}

static int compare_probe(const void *key, const void *element)
{
	const struct rust_spawn_place *place = key;
	const struct rust_probe *probe = element;

	if (probe->kind != RUST_SPAWN)
		return RUST_SPAWN < probe->kind ? -1 : 1;
	return place->probe < probe->address ? -1 : place->probe > probe->address;
}

static uint32_t type_of(const struct tokio_process *w, const struct rust_spawn_place *place)
{
	const struct rust_plan *plan = w->plan;
	const struct rust_probe *probe =
		bsearch(place, plan->probes, plan->n_probes, sizeof(*plan->probes), compare_probe);

	return probe && probe->type < plan->n_types ? probe->type : UINT32_MAX;
}

/* One of the same type and place before it; n = there is none. */
static uint32_t same_before(const struct tokio_process *w, uint32_t n, uint32_t type)
{
	const struct rust_spawn_place *places = w->plan->spawn_places;

	for (uint32_t i = n; i-- > 0 && n - i <= NEAR;) {
		uint32_t other = type_of(w, &places[i]);

		if (other == type && !strcmp(places[i].place, places[n].place))
			return i;
	}
	return n;
}

uint32_t tokio_type_of_place(const struct tokio_process *w, uint32_t place)
{
	return type_of(w, &w->plan->spawn_places[place]);
}

/* More types than sites: the last site is all of the rest. */
static bool has_rest(const struct rust_plan *plan)
{
	return plan->n_types > WEFT_MAX_SITES;
}

uint32_t tokio_type_of_site(const struct tokio_process *w, uint32_t site)
{
	if (has_rest(w->plan) && site >= WEFT_MAX_SITES - 1)
		return UINT32_MAX;
	if (site < w->plan->n_types)
		return site;
	for (uint32_t i = 0; w->place_site && i < w->plan->n_spawn_places; i++)
		if (w->place_site[i] == site)
			return type_of(w, &w->plan->spawn_places[i]);
	return UINT32_MAX;
}

/* A place where each hit would be single-stepped gets no probe. */
static void find_unborn(struct tokio_process *w)
{
	const struct rust_plan *plan = w->plan;
	uint32_t async = 0, unborn = 0;
	bool *seen = calloc(plan->n_types + 1, sizeof(*seen));

	free(w->unborn);
	w->unborn = calloc(plan->n_types + 1, sizeof(*w->unborn));
	for (uint32_t i = 0; seen && w->unborn && i < plan->n_probes; i++) {
		const struct rust_probe *at = &plan->probes[i];

		if (at->kind != RUST_SPAWN || at->type >= plan->n_types)
			continue;
		seen[at->type] = true;
		w->unborn[at->type] |= !at->emulated;
	}
	for (uint32_t i = 0; seen && w->unborn && i < plan->n_types; i++) {
		w->unborn[i] |= !seen[i];
		async += !plan->types[i].blocking;
		unborn += !plan->types[i].blocking && w->unborn[i];
	}
	free(seen);
	if (unborn)
		session_cannot_see(w->p->session, w->p->index, "spawns of some task types",
				   "%u of %u: a probe there would cost too much", unborn, async);
}

static void tell_rest(struct tokio_process *w)
{
	uint32_t n = w->plan->n_types - (WEFT_MAX_SITES - 1);
	struct weft_ev_site e = { .site = WEFT_MAX_SITES - 1 };

	snprintf(e.name, sizeof(e.name), "one of %u more task types", n);
	session_emit(w->p->session, tokio_event(w, WEFT_EV_SITE, 0), &e, sizeof(e));
	session_cannot_see(w->p->session, w->p->index, "names of some task types",
			   "%u of %u: Weft tells %u apart", n, w->plan->n_types,
			   WEFT_MAX_SITES - 1);
}

void tokio_tell_sites(struct tokio_process *w)
{
	const struct rust_plan *plan = w->plan;
	uint32_t next = plan->n_types, named = has_rest(plan) ? WEFT_MAX_SITES - 1 : next;

	find_unborn(w);

	for (uint32_t i = 0; i < named; i++)
		tell_site(w, i, &plan->types[i], plan->types[i].spawned);
	if (has_rest(plan))
		tell_rest(w);
	free(w->place_site);
	w->place_site = calloc(plan->n_spawn_places + 1, sizeof(*w->place_site));
	for (uint32_t i = 0; w->place_site && i < plan->n_spawn_places; i++) {
		uint32_t type = type_of(w, &plan->spawn_places[i]), same;

		w->place_site[i] = tokio_site(type);
		if (type == UINT32_MAX || plan->types[type].spawned)
			continue;
		same = same_before(w, i, type);
		if (same < i) {
			w->place_site[i] = w->place_site[same];
		} else if (next < WEFT_MAX_SITES) {
			w->place_site[i] = next;
			tell_site(w, next++, &plan->types[type], plan->spawn_places[i].place);
		}
	}
}

static int compare_place(const void *a, const void *b)
{
	const struct rust_spawn_place *x = a, *y = b;

	if (x->probe != y->probe)
		return x->probe < y->probe ? -1 : 1;
	return x->caller < y->caller ? -1 : x->caller > y->caller;
}

uint32_t tokio_spawn_site(const struct tokio_process *w, uint32_t probe, int64_t caller)
{
	const struct rust_plan *plan = w->plan;
	struct rust_spawn_place wanted = { .probe = plan->probes[probe].address };
	const struct rust_spawn_place *found = NULL;

	for (int by_caller = caller != 0; by_caller >= 0 && !found && w->place_site; by_caller--) {
		wanted.caller = by_caller ? wanted.probe + (uint64_t)caller : 0;
		if (plan->n_spawn_places)
			found = bsearch(&wanted, plan->spawn_places, plan->n_spawn_places,
					sizeof(*found), compare_place);
	}
	return found ? w->place_site[found - plan->spawn_places]
		     : tokio_site(plan->probes[probe].type);
}
