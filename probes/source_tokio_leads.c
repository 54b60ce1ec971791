// SPDX-License-Identifier: MIT
/*
 * From a scheduler's handle to its tasks, and back: each task's block has its scheduler's handle, and the handle has the lists of its tasks and
 * the queue of those that wait, at places that differ by version and compiler. A word that leads to a task which has this very handle
 * proves both. That finds runtimes none of whose tasks was polled or woken since the probes came.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "probes/base/cleanup.h"
#include "probes/source_sched.h"
#include "probes/source_tokio_internal.h"
#include "probes/symbols/proc_maps.h"

#define SCHEDULER_SLOT 64u /* of the vtable: where the scheduler's Arc lies in the block */
#define LISTS_MAX      65536u
#define LISTS_READ     64u
#define LIST_WORDS     3u    /* lock, head, tail */
#define BOX_WORDS      32u   /* of what an Arc on a stack points to */
#define TRIES_MAX      8000u /* words of one stack that are followed */
#define PAGE           4096u

struct node {
	uint64_t handle, owner, state;
};

/* ---- one task ---- */

static bool read_node(const struct tokio_process *w, uint64_t header, uint64_t bias,
		      struct node *ret)
{
	const struct rust_layout *l = &w->plan->layout[RUST_TOKIO];
	const struct rust_type *type;
	uint64_t word[8], offset;

	if (header % 8 || header < PAGE || l->state < 0 || l->state >= 64 || l->vtable < 0 ||
	    l->vtable >= 64 || l->owner < 0 || l->owner >= 64 ||
	    !tokio_read(w, header, word, sizeof(word)))
		return false;
	type = rust_plan_type(w->plan, word[l->vtable / 8] - bias);
	*ret = (struct node){ .owner = word[l->owner / 8], .state = word[l->state / 8] };
	return type && type->family == RUST_TOKIO && !type->blocking && ret->owner &&
	       ret->state >> RUST_TOKIO_REF_SHIFT &&
	       ret->state >> RUST_TOKIO_REF_SHIFT < RUST_TOKIO_REFS_MAX &&
	       !(ret->state & RUST_TOKIO_COMPLETE) &&
	       tokio_read(w, word[l->vtable / 8] + SCHEDULER_SLOT, &offset, sizeof(offset)) &&
	       offset < PAGE && tokio_read(w, header + offset, &ret->handle, sizeof(ret->handle));
}

bool tokio_list_of(const struct tokio_process *w, uint64_t owner, struct tokio_list *ret)
{
	struct node node;

	if (!tokio_census_root(w, owner, ret) || !read_node(w, ret->header, ret->bias, &node) ||
	    node.owner != owner)
		return false;
	ret->handle = node.handle;
	return true;
}

/* ---- from a handle ---- */

static bool is_its_task(const struct tokio_process *w, uint64_t header, uint64_t handle,
			struct tokio_list *ret)
{
	struct node node;

	if (!read_node(w, header, ret->bias, &node) || node.handle != handle)
		return false;
	ret->header = header;
	ret->owner = node.owner;
	return true;
}

static bool is_in_lists(const struct tokio_process *w, const uint64_t *slice, uint64_t handle,
			struct tokio_list *ret)
{
	uint64_t word[LISTS_READ * LIST_WORDS];
	uint32_t n = slice[1] < LISTS_READ ? (uint32_t)slice[1] : LISTS_READ;

	if (slice[0] % 8 || slice[0] < PAGE || !n || slice[1] > LISTS_MAX ||
	    (slice[1] & (slice[1] - 1)) ||
	    !tokio_read(w, slice[0], word, (size_t)n * LIST_WORDS * 8))
		return false;
	for (uint32_t i = 0; i < n; i++)
		if (is_its_task(w, word[i * LIST_WORDS + 1], handle, ret))
			return true;
	return false;
}

static bool find_bias(struct tokio_process *w, struct tokio_list *ret)
{
	auto_proc_maps struct proc_maps *maps = NULL;
	const struct rust_probe *at = w->plan->probes;
	struct stat file;

	if (tokio_census_bias(w, &ret->bias))
		return true;
	if (!w->plan->n_probes || fstat(w->file, &file) || proc_maps_read(w->p->pid, &maps))
		return false;
	for (size_t i = 0; i < proc_maps_count(maps); i++) {
		const struct proc_map *map = proc_maps_at(maps, i);

		if (!(map->flags & PROC_MAP_EXEC) || map->inode != file.st_ino ||
		    at->offset < map->offset || at->offset - map->offset >= map->end - map->start)
			continue;
		ret->bias = map->start + (at->offset - map->offset) - at->address;
		return true;
	}
	return false;
}

static bool lead(struct tokio_process *w, uint64_t handle, const struct tokio_list *from)
{
	struct tokio_list list = *from;
	uint64_t word[TOKIO_HANDLE_WORDS], counts[2];
	size_t n;

	if (handle % 8 || handle < PAGE || handle >= 1ull << 47 ||
	    !tokio_read(w, handle, counts, sizeof(counts)) || !tokio_is_arc(counts))
		return false;
	n = tokio_read_handle(w, handle, word);
	for (size_t i = 2; i + 1 < n; i++) {
		if (!is_its_task(w, word[i], handle, &list) &&
		    !is_in_lists(w, word + i, handle, &list))
			continue;
		tokio_census_lead(w, &list);
		return true;
	}
	return false;
}

bool tokio_lead_handle(struct tokio_process *w, uint64_t handle)
{
	struct tokio_list list = { .header = 0 };

	return find_bias(w, &list) && lead(w, handle, &list);
}

/* What an Arc points to may have the handle: a runtime that is shared. */
static uint32_t lead_box(struct tokio_process *w, uint64_t at, const struct tokio_list *list)
{
	uint64_t word[BOX_WORDS];

	if (at % 8 || at < PAGE || at >= 1ull << 47 || !tokio_read(w, at, word, sizeof(word)) ||
	    !tokio_is_arc(word))
		return 1;
	if (lead(w, at, list))
		return BOX_WORDS;
	for (uint32_t i = 2; i < BOX_WORDS; i++)
		lead(w, word[i], list);
	return BOX_WORDS;
}

void tokio_lead_stack(struct tokio_process *w, uint32_t tid)
{
	struct tokio_list list = { .header = 0 };
	const struct weft_raw_stack *raw;
	uint32_t tries = 0;

	if (!find_bias(w, &list) || source_sched_stack(w->p->session, tid, &raw))
		return;
	for (uint32_t i = 0; i + 8 <= raw->stack_bytes && tries < TRIES_MAX; i += 8) {
		uint64_t word;

		memcpy(&word, raw->stack + i, sizeof(word));
		tries += lead_box(w, word, &list);
	}
}
