// SPDX-License-Identifier: MIT
/*
 * One type, or one task, whose polls are all told while the rest stays at level light: the begins are probed in the type's own poll
 * functions. A poll ends in the loop that runs it, the same for all types: so while something is raised the ends stay in
 * between windows, and each poll of the service costs one hit. Above light everything is told anyway.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "probes/source_tokio_internal.h"

static void set_raised(struct tokio_process *w, uint32_t on)
{
	struct weft_rust *r = &w->state->rust[w->p->follow];

	if (on)
		r->raised_task = w->raise.task;
	__atomic_store_n(&r->raised, on, __ATOMIC_RELEASE);
}

/* An end that is not seen would leave a poll open for ever: then nothing may be seen to begin between windows. */
static bool ends_are_seen(const struct tokio_process *w)
{
	for (uint32_t i = 0; i < w->plan->n_probes; i++) {
		const struct rust_probe *at = &w->plan->probes[i];

		if (at->kind == RUST_POLL_END && at->poller != RUST_BY_BLOCKING_POOL &&
		    !at->emulated)
			return false;
	}
	return w->group[TOKIO_ENDS].links && !w->group[TOKIO_ENDS].refused;
}

static void tell(struct tokio_process *w, uint32_t site, bool first)
{
	struct weft_ev_raised e = { .task = w->raise.task, .site = site, .first = first };

	session_emit(w->p->session, tokio_event(w, WEFT_EV_RAISED, 0), &e, sizeof(e));
}

void tokio_tell_raised(struct tokio_process *w)
{
	if (w->p->state != PROCESS_LIVE)
		return;
	tell(w, UINT32_MAX, true);
	for (uint32_t i = 0; w->raise.type && i < w->plan->n_types; i++)
		if (w->raise.type[i])
			tell(w, tokio_site(i), false);
	for (uint32_t i = 0; w->raise.type && w->place_site && i < w->plan->n_spawn_places; i++) {
		uint32_t type = tokio_type_of_place(w, i);

		if (type < w->plan->n_types && w->raise.type[type])
			tell(w, w->place_site[i], false);
	}
}

/* Nothing is raised any more; what was, of polls that are open too, is told as far as windows tell it. */
static void forget(struct tokio_process *w)
{
	set_raised(w, 0);
	free(w->raise.type);
	w->raise = (struct tokio_raise){ 0 };
	tokio_set_types(w, true);
	attach_group_close(&w->group[TOKIO_RAISED]);
	if (!tokio_window_shut(w))
		return;
	attach_group_close(&w->group[TOKIO_ENDS]);
	tokio_window_blank(w);
}

/* Takes `type` over. */
static int raise_types(struct tokio_process *w, bool *type, uint64_t task)
{
	int err = 0;

	tokio_window_settle(w);
	if (tokio_is_raised(w))
		forget(w);
	w->raise = (struct tokio_raise){ .type = type, .task = task };
	tokio_set_types(w, true);
	if (!w->group[TOKIO_ENDS].links)
		err = tokio_place(w, TOKIO_ENDS);
	if (!err && !ends_are_seen(w))
		err = -EOPNOTSUPP;
	err = err ? err : tokio_place(w, TOKIO_RAISED);
	if (err) {
		forget(w);
		return err;
	}
	set_raised(w, 1);
	tokio_tell_raised(w);
	return 0;
}

/* Has it one of these, which commas separate? */
static bool has(const char *text, const char *parts)
{
	size_t n;

	for (; text && *parts; parts += n + (parts[n] == ',')) {
		n = strcspn(parts, ",");
		if (n && memmem(text, strlen(text), parts, n))
			return true;
	}
	return false;
}

static bool is_named(const struct rust_type *t, const char *name)
{
	return has(t->brief, name) || has(t->name, name) || has(t->place, name) ||
	       has(t->spawned, name);
}

static int types_named(const struct tokio_process *w, const char *name, bool **ret)
{
	const struct rust_plan *plan = w->plan;
	bool any = false, *type = calloc(plan->n_types + 1, sizeof(*type));

	if (!type)
		return -ENOMEM;
	for (uint32_t i = 0; i < plan->n_types; i++)
		type[i] = is_named(&plan->types[i], name);
	for (uint32_t i = 0; i < plan->n_spawn_places; i++) {
		uint32_t at = tokio_type_of_place(w, i);

		if (at < plan->n_types && has(plan->spawn_places[i].place, name))
			type[at] = true;
	}
	for (uint32_t i = 0; i < plan->n_types; i++)
		any |= type[i] &= !plan->types[i].blocking;
	if (!any) {
		free(type);
		return -EINVAL;
	}
	*ret = type;
	return 0;
}

int tokio_raise_check(const struct tokio_process *w, const char *name)
{
	bool *type = NULL;
	int err = types_named(w, name, &type);

	free(type);
	return err;
}

int tokio_raise_named(struct tokio_process *w, const char *name)
{
	bool *type;
	int err = types_named(w, name, &type);

	return err ? err : raise_types(w, type, 0);
}

int tokio_raise_site(struct tokio_process *w, uint32_t site, uint64_t task)
{
	uint32_t wanted = tokio_type_of_site(w, site);
	bool *type;

	if (wanted >= w->plan->n_types || w->plan->types[wanted].blocking)
		return -EINVAL;
	type = calloc(w->plan->n_types + 1, sizeof(*type));
	if (!type)
		return -ENOMEM;
	type[wanted] = true;
	return raise_types(w, type, task);
}

const char *tokio_raise_error(int err)
{
	switch (err) {
	case -EINVAL:
		return "no task type has this in its name or place; weft top and weft report name them";
	case -EOPNOTSUPP:
		return "the end of a poll can't be seen everywhere in this program";
	default:
		return strerror(-err);
	}
}

void tokio_lower(struct tokio_process *w)
{
	if (!tokio_is_raised(w))
		return;
	tokio_window_settle(w);
	forget(w);
	tokio_tell_raised(w);
}
