// SPDX-License-Identifier: MIT
/*
 * The task that a thread is polling, without a probe: Tokio keeps its id in thread-local storage (CONTEXT.current_task_id) for
 * task::id(). Where is up to the compiler, so it is learnt: the one word that was equal to the id of the poll that the
 * probes saw open, for many polls of different tasks. A process in which no such word shows keeps its probes.
 */
#include <string.h>
#include <sys/uio.h>

#include "probes/source_tokio_internal.h"

#define ENOUGH_CHANGES 6u /* matches that were of another task than the one before */
#define RESTS          3u
#define WRONG_MAX      8u /* and one in sixteen: the word is not what it was taken for */
#define LOOKS_MAX      20000u
#define TRIES          8000u /* per round, 20 us: most find the threads between polls */

static bool read_below(const struct tokio_process *w, uint64_t thread_pointer, uint64_t offset,
		       void *to, size_t bytes)
{
	struct iovec local = { to, bytes },
		     remote = { (void *)(uintptr_t)(thread_pointer - offset), bytes };

	return thread_pointer > offset &&
	       process_vm_readv(w->p->pid, &local, 1, &remote, 1, 0) == (ssize_t)bytes;
}

static uint64_t load(const __u64 *word)
{
	return __atomic_load_n(word, __ATOMIC_ACQUIRE);
}

/* ---- where it is ---- */

static void compare(struct tokio_current *c, uint64_t task, const uint64_t *word)
{
	c->looks++;
	for (uint32_t i = 0; i < TOKIO_TLS_WORDS; i++) {
		if (word[i] != task)
			continue;
		if (c->last[i] != task && c->changes[i] < UINT16_MAX)
			c->changes[i]++;
		c->last[i] = task;
	}
}

/* One word, far ahead of all others: a constant equals one id, and never changes to the next. */
static void decide(struct tokio_current *c)
{
	uint32_t best = 0, second = 0;

	for (uint32_t i = 0; i < TOKIO_TLS_WORDS; i++) {
		if (c->changes[i] > c->changes[best])
			best = i;
	}
	for (uint32_t i = 0; i < TOKIO_TLS_WORDS; i++)
		if (i != best && c->changes[i] > second)
			second = c->changes[i];
	if (c->changes[best] >= ENOUGH_CHANGES && second <= 1) {
		c->known = true;
		c->at = best;
	}
	c->given_up = !c->known && c->looks >= LOOKS_MAX;
}

/* True: one poll was looked into. */
static bool learn_from(struct tokio_process *w, const struct weft_row *row)
{
	uint64_t word[TOKIO_TLS_WORDS], task = load(&row->task), seq = load(&row->poll_seq);

	if (!task || !row->tls || !read_below(w, row->tls, TOKIO_TLS_BYTES, word, sizeof(word)) ||
	    load(&row->task) != task || load(&row->poll_seq) != seq)
		return task;
	compare(&w->current, task, word);
	return true;
}

/* ---- what it is ---- */

static bool read_word(const struct tokio_process *w, const struct weft_row *row, uint64_t *ret)
{
	return row->tls &&
	       read_below(w, row->tls, TOKIO_TLS_BYTES - w->current.at * 8, ret, sizeof(*ret));
}

bool tokio_current_read(const struct tokio_process *w, uint32_t lane, uint64_t *ret_task)
{
	const struct tokio_look *look = &w->state->lane[lane].look;
	uint64_t word;

	if (!w->current.known || look->rests < RESTS ||
	    !read_word(w, tokio_row(w->state, lane), &word))
		return false;
	*ret_task = word == look->rest ? 0 : word;
	return true;
}

/* Between polls that the probes see the word has its value at rest, inside of one it has that or the task. */
static void check(struct tokio_process *w, uint32_t lane)
{
	const struct weft_row *row = tokio_row(w->state, lane);
	struct tokio_look *look = &w->state->lane[lane].look;
	uint64_t task = load(&row->task), seq = load(&row->poll_seq), hits = load(&row->hits), word;

	if (!read_word(w, row, &word) || load(&row->hits) != hits || load(&row->task) != task ||
	    load(&row->poll_seq) != seq)
		return;
	if (task) {
		if (word == task)
			w->current.right++;
		else if (look->rests >= RESTS && word != look->rest)
			w->current.wrong++;
	} else if (look->rests < RESTS) {
		look->rests = look->rests && look->rest == word ? look->rests + 1 : 1;
		look->rest = word;
	} else if (word == look->rest) {
		w->current.right++;
	}
}

static bool threads_known(const struct tokio_process *w)
{
	bool any = false;

	for (uint32_t i = 0; i < w->state->lanes_used; i++) {
		const struct tokio_lane *t = &w->state->lane[i];

		if (t->owner != w->p || t->role != WEFT_LANE_WORKER)
			continue;
		any = true;
		if (t->look.rests < RESTS || !t->cpu_ns)
			return false;
	}
	return any;
}

bool tokio_current_learn(struct tokio_process *w)
{
	struct tokio_current *c = &w->current;

	if (c->given_up)
		return false;
	for (uint32_t i = 0; i < w->state->lanes_used; i++) {
		if (w->state->lane[i].owner != w->p)
			continue;
		if (c->known)
			check(w, i);
		else
			for (unsigned k = 0; k < TRIES / w->state->lanes_used; k++)
				if (learn_from(w, tokio_row(w->state, i)))
					break;
	}
	if (!c->known)
		decide(c);
	if (c->wrong > WRONG_MAX && c->wrong > c->right / 16) {
		c->known = false;
		c->given_up = true;
	}
	return c->known && threads_known(w);
}
