// SPDX-License-Identifier: MIT
/*
 * Timers that are past their deadlines, read out of the tasks that wait for them. Tokio's entry of one (TimerEntry) lies in the task's future,
 * or in a box that the future points to. It has the runtime's handle, the deadline, the tick it is due in, twice while it is armed (what it was
 * registered for, what it is now; all ones once it has fired or is gone), and the waker of its task. All four have to be there, and the tick has to
 * fit the deadline; in which order they lie is up to the compiler.
 */
#include <string.h>

#include "probes/source_tokio_internal.h"

#define TASKS_MAX  4096u
#define WORDS_MAX  2048u /* of one task's block */
#define BOX_WORDS  32u
#define BOXES_MAX  64u /* of one task */
#define NEAR       16u /* words, from the handle to the rest of an entry */
#define TICK_NS    1000000ull
#define TICK_LIMIT (1ull << 40)
#define SECOND_NS  1000000000ull
#define SLACK_NS   3000000ull /* of a tick and the deadline that was rounded up to it */

struct search {
	const struct tokio_process *w;
	const struct tokio_list *list;
	struct weft_ev_block_on *e;
	uint64_t now_ns, begun_ns; /* begun: the process */
};

/* The words around a handle: an entry, if it is one. */
struct entry {
	const uint64_t *word;
	uint32_t from, to;
};

static bool has_waker(const struct search *s, const struct entry *e, uint64_t header)
{
	for (uint32_t i = e->from; i + 1 < e->to; i++)
		for (unsigned k = 0; k < 2; k++)
			if (e->word[i + k] == header &&
			    e->word[i + !k] - s->list->bias < 1ull << 32 &&
			    e->word[i + !k] % 8 == 0)
				return true;
	return false;
}

static bool is_twice(const struct entry *e, uint32_t at)
{
	for (uint32_t i = e->from; i < e->to; i++)
		if (i != at && e->word[i] == e->word[at])
			return true;
	return false;
}

/* Seconds, nanoseconds. The driver began to count when the deadline less the tick was: in the life of the process. */
static uint64_t deadline_of(const struct search *s, const struct entry *e, uint64_t tick)
{
	uint64_t found = 0;

	for (uint32_t i = e->from; i + 1 < e->to; i++) {
		uint64_t sec = e->word[i], ns = (uint32_t)e->word[i + 1], start;

		if (sec == tick || e->word[i + 1] == tick || sec > s->now_ns / SECOND_NS + 1 ||
		    ns >= SECOND_NS)
			continue;
		start = sec * SECOND_NS + ns - tick * TICK_NS;
		if (start + SLACK_NS < s->begun_ns || start > s->now_ns)
			continue;
		if (found) /* which of them it is can't be told */
			return 0;
		found = sec * SECOND_NS + ns;
	}
	return found;
}

static bool has_ended(const struct entry *e)
{
	for (uint32_t i = e->from; i < e->to; i++)
		if (e->word[i] == UINT64_MAX)
			return true;
	return false;
}

static uint64_t overdue_ns(const struct search *s, const struct entry *e, uint64_t header)
{
	if (has_ended(e) || !has_waker(s, e, header))
		return 0;
	for (uint32_t i = e->from; i < e->to; i++) {
		uint64_t tick = e->word[i], deadline;

		if (!tick || tick >= TICK_LIMIT || !is_twice(e, i))
			continue;
		deadline = deadline_of(s, e, tick);
		if (deadline && deadline < s->now_ns)
			return s->now_ns - deadline;
	}
	return 0;
}

static uint64_t look_words(const struct search *s, const uint64_t *word, uint32_t n,
			   uint64_t header)
{
	uint64_t worst = 0;

	for (uint32_t i = 0; i < n; i++) {
		struct entry e = { .word = word,
				   .from = i > NEAR ? i - NEAR : 0,
				   .to = i + NEAR < n ? i + NEAR : n };
		uint64_t late = word[i] == s->list->handle ? overdue_ns(s, &e, header) : 0;

		worst = late > worst ? late : worst;
	}
	return worst;
}

static uint64_t look_boxes(const struct search *s, const uint64_t *word, uint32_t n,
			   uint64_t header)
{
	uint64_t box[BOX_WORDS], worst = 0;
	uint32_t boxes = 0;

	for (uint32_t i = 0; i < n && boxes < BOXES_MAX; i++) {
		uint64_t late;

		if (word[i] % 8 || word[i] < 4096 || word[i] >= 1ull << 47 ||
		    word[i] == s->list->handle || word[i] - header < 8ull * n ||
		    !tokio_read(s->w, word[i], box, sizeof(box)))
			continue;
		boxes++;
		late = look_words(s, box, BOX_WORDS, header);
		worst = late > worst ? late : worst;
	}
	return worst;
}

static void look_task(void *ctx, const struct rust_walk_task *t)
{
	uint64_t word[WORDS_MAX], late, boxed;
	uint32_t n = t->type->size / 8 < WORDS_MAX ? t->type->size / 8 : WORDS_MAX;
	struct search *s = ctx;

	/* What runs, or is about to, may have moved on. */
	if (!n || t->owner != s->list->owner ||
	    t->state & (RUST_TOKIO_RUNNING | RUST_TOKIO_COMPLETE | RUST_TOKIO_NOTIFIED) ||
	    !tokio_read(s->w, t->header, word, n * 8ull))
		return;
	late = look_words(s, word, n, t->header);
	boxed = look_boxes(s, word, n, t->header);
	late = boxed > late ? boxed : late;
	if (!late)
		return;
	s->e->due++;
	if (late <= s->e->overdue_ns)
		return;
	s->e->overdue_ns = late;
	s->e->due_task = t->id;
}

void tokio_due(const struct tokio_process *w, const struct tokio_list *list,
	       struct weft_ev_block_on *e)
{
	const struct rust_walk_target target = { .pid = w->p->pid,
						 .bias = list->bias,
						 .plan = w->plan };
	struct search s = { .w = w,
			    .list = list,
			    .e = e,
			    .now_ns = w->p->session->now_ns,
			    .begun_ns = process_start_ns(w->p) };
	struct rust_walk_result result;

	rust_walk(&target, list->header, TASKS_MAX, look_task, &s, &result);
}
