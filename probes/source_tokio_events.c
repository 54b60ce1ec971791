// SPDX-License-Identifier: MIT
/* Tokio: counts as events, and the self-test. */
#include <string.h>

#include "probes/source_tokio_internal.h"

#define SELF_TEST_POLLS 32u /* fewer prove nothing */
#define ODD_STATES      8u  /* then nothing that is told of tasks is relied on */

struct weft_ev tokio_event(const struct tokio_process *w, uint16_t kind, uint16_t flags)
{
	return (struct weft_ev){ .kind = kind,
				 .flags = flags,
				 .process = w->p->index,
				 .tid = (uint32_t)w->p->pid,
				 .time_ns = w->p->session->now_ns };
}

void tokio_say_refused(const struct tokio_process *w, enum tokio_set set)
{
	const struct attach_group *g = &w->group[set];
	unsigned refused = g->refused, places = g->places;

	if (set == TOKIO_POLLS) {
		refused += w->group[TOKIO_ENDS].refused;
		places += w->group[TOKIO_ENDS].places;
	}
	if (refused)
		session_cannot_see(w->p->session, w->p->index,
				   set == TOKIO_POLLS ? "polls at some places"
						      : "what level normal adds, at some places",
				   "the kernel lets no probe on %u of %u places in its code",
				   refused, refused + places);
}

void tokio_go_live(struct tokio_process *w)
{
	w->p->state = PROCESS_LIVE;
	session_announce(w->p);
	tokio_tell_sites(w);
	for (uint32_t i = 0; i < w->plan->n_gaps; i++)
		session_cannot_see(w->p->session, w->p->index, w->plan->gaps[i].what, "%s",
				   w->plan->gaps[i].why);
	tokio_say_refused(w, TOKIO_POLLS);
	if (tokio_is_raised(w))
		tokio_tell_raised(w);
}

/* ---- counts ---- */

static void tell_lost(struct tokio_process *w, const struct tokio_counts *sum)
{
	struct weft_ev_gap e = { .lane = 0, .reason = WEFT_GAP_RING_FULL };
	uint64_t lost = 0;

	for (unsigned k = 1; k < WEFT_ROW_KINDS; k++)
		lost += sum->lost[k] + w->dropped[k];
	if (lost == w->lost_told)
		return;
	e.seq_from = (uint32_t)w->lost_told;
	e.seq_to = (uint32_t)lost;
	w->lost_told = lost;
	session_emit(w->p->session, tokio_event(w, WEFT_EV_GAP, 0), &e, sizeof(e));
}

/* Nothing more is known of what those threads did. */
static uint64_t say_rowless(struct tokio_process *w)
{
	const struct weft_follow_entry *f = &w->p->session->follow->entry[w->p->follow];
	uint64_t n = __atomic_load_n(&f->rowless, __ATOMIC_RELAXED);

	if (n && !w->said_rowless)
		session_cannot_see(
			w->p->session, w->p->index, "polls and wakes of some threads",
			"%llu hits so far came from threads that got none of the %u places",
			(unsigned long long)n, WEFT_ROW_MAX);
	w->said_rowless |= n != 0;
	return n;
}

void tokio_tell_counts(struct tokio_process *w, uint16_t flags)
{
	struct weft_ev_counts e = { .emitted = { say_rowless(w) } };
	struct tokio_counts sum;

	tokio_sum(w, &sum);
	tell_lost(w, &sum);
	for (unsigned k = 1; k < WEFT_ROW_KINDS; k++) {
		e.emitted[k] = sum.emitted[k];
		e.filtered[k] = sum.filtered[k];
	}
	e.emitted[WEFT_K_TASK_SPAWN] += w->spawns;
	e.emitted[WEFT_K_STEAL] += w->steals;
	e.emitted[WEFT_K_QUEUE_DEPTH] += w->depths;
	session_emit(w->p->session, tokio_event(w, WEFT_EV_COUNTS, flags), &e, sizeof(e));
}

/* One of many may have been read as its page came; more of them are no accident. */
static void test_states(struct tokio_process *w, uint64_t odd)
{
	bool doubt = odd >= ODD_STATES;

	if (!odd || (doubt ? w->doubted : w->said_odd_state))
		return;
	w->said_odd_state = true;
	w->doubted = doubt;
	(doubt ? session_doubts
	       : session_cannot_see)(w->p->session, w->p->index, "states of tasks",
				     "%llu task headers were not as this runtime has them",
				     (unsigned long long)odd);
}

/* Of the first polls: type known, state legal, begin and end in pairs. What fails is said, once. */
void tokio_self_test(struct tokio_process *w)
{
	struct session *s = w->p->session;
	struct tokio_counts sum;

	tokio_sum(w, &sum);
	if (sum.polls < SELF_TEST_POLLS)
		return;
	if (sum.odd_type && !w->said_odd_type) {
		w->said_odd_type = true;
		session_cannot_see(
			s, w->p->index, "types of some tasks",
			"%llu of the first polls were of a type that its file does not show",
			(unsigned long long)sum.odd_type);
	}
	test_states(w, sum.odd_state);
	if (w->window && w->window->used) /* each of them begins inside of polls */
		return;
	if (sum.unpaired > sum.polls / 100 + WEFT_ROW_MAX && !w->said_unpaired) {
		w->said_unpaired = true;
		session_cannot_see(s, w->p->index, "some polls",
				   "%llu polls ended that were not seen to begin",
				   (unsigned long long)sum.unpaired);
	}
}

uint32_t tokio_single_timers(const struct rust_plan *plan)
{
	return (rust_plan_has_timers(plan, RUST_TOKIO) ? WEFT_TIMERS_TOKIO : 0) |
	       (rust_plan_arms_by_deadline(plan) ? WEFT_TIMERS_DEADLINE : 0) |
	       (rust_plan_has_timers(plan, RUST_ASYNC_TASK) ? WEFT_TIMERS_ASYNC_IO : 0);
}
