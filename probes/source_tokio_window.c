// SPDX-License-Identifier: MIT
/*
 * Level light: a probe's hit costs what a small poll does, so the begins and ends of polls are watched in windows, about a
 * tenth of the time. What is counted there is extrapolated by the threads' CPU time. Trouble is not judged by
 * extrapolation: where there may be some (a poll that stays open, tasks that wake themselves), the window stays open.
 * Between windows the current task, read from the threads' memory (source_tokio_current.c), tells when to open one.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "probes/source_tokio_internal.h"
#include "probes/thread_stat.h"

#define MS           1000000ull
#define FIRST_NS     (500 * MS) /* after attaching */
#define WINDOW_NS    (200 * MS)
#define EVERY_NS     (2000 * MS) /* 75 to 125 % of it: no beat with what is periodic */
#define HOLD_NS      (3000 * MS) /* after the last trouble */
#define LOOK_NS      (20 * MS)
#define CHECK_NS     (100 * MS)
#define TROUBLE_NS   (20 * MS)
#define ASK_NS       (500 * MS)
#define PATIENCE     4u /* looks: 80 ms */
#define PATIENCE_MAX 32u
#define HIT_NS       650.0
#define UNSEEN_SEQ   (1ull << 40) /* apart from the programs' own numbers */
#define STORM_WAKES  100u         /* per check */

/* ---- threads ---- */

static bool is_worker(const struct tokio_process *w, uint32_t lane)
{
	const struct tokio_lane *t = &w->state->lane[lane];

	return t->owner == w->p && t->role == WEFT_LANE_WORKER;
}

/* The thread slept all the time between two looks, inside one poll. */
static bool is_blocked(const struct tokio_process *w, uint32_t lane)
{
	struct weft_ev_lane_sample e = { .off_cpu = 3 };

	thread_stat_look(w->p->pid, w->state->lane[lane].tid, true, &e);
	return e.off_cpu == 2;
}

static bool was_met(const struct tokio_window *window, uint64_t task)
{
	return window->met[task % TOKIO_MET_IDS] == task;
}

/* True: this thread needs a window. */
static bool look(struct tokio_process *w, uint32_t lane, uint64_t dt)
{
	const struct tokio_lane *t = &w->state->lane[lane];
	struct tokio_look *k = &w->state->lane[lane].look, before = *k;
	uint64_t runq, task;

	if (!tokio_current_read(w, lane, &task))
		task = 0;
	if (!thread_stat_read_slices(t->schedstat, &k->cpu_ns, &runq, &k->slices))
		return false;
	k->task = task;
	k->asleep = task && task == before.task && k->slices == before.slices &&
		    k->cpu_ns == before.cpu_ns;
	if (!k->asleep)
		k->since_ns = w->p->session->now_ns;
	else if (is_blocked(w, lane))
		return true;
	k->computes = task && task == before.task && (k->cpu_ns - before.cpu_ns) * 10 > dt * 7
			      ? before.computes + 1
			      : 0;
	if (k->computes < w->window->patience)
		return false;
	w->window->for_computing = true;
	return true;
}

/* A poll that was open when the window was opened, or when a thread was looked at: no probe saw it begin. */
static void adopt(struct tokio_process *w, uint32_t lane)
{
	const struct weft_row *row = tokio_row(w->state, lane);
	struct tokio_unseen *u = &w->state->lane[lane].unseen;
	const struct tokio_look *k = &w->state->lane[lane].look;
	uint64_t hits = __atomic_load_n(&row->hits, __ATOMIC_ACQUIRE), task;

	if (__atomic_load_n(&row->depth, __ATOMIC_RELAXED) || !tokio_current_read(w, lane, &task) ||
	    !task || __atomic_load_n(&row->hits, __ATOMIC_ACQUIRE) != hits)
		return;
	u->seq = (u->seq ? u->seq : UNSEEN_SEQ) + 1;
	u->task = task;
	u->hits = hits;
	u->confirmed = false;
	u->since_ns = w->p->session->now_ns;
	if (k->asleep && k->task == task)
		u->since_ns = k->since_ns;
}

static bool still_unseen(const struct tokio_process *w, uint32_t lane)
{
	struct tokio_unseen *u = &w->state->lane[lane].unseen;
	uint64_t task;

	if (!u->task)
		return false;
	if (w->window->state != TOKIO_OPEN || !tokio_current_read(w, lane, &task) ||
	    task != u->task ||
	    __atomic_load_n(&tokio_row(w->state, lane)->hits, __ATOMIC_ACQUIRE) != u->hits)
		u->task = 0;
	return u->task;
}

bool tokio_window_unseen(struct tokio_process *w, uint32_t lane, struct poll_now *ret)
{
	const struct tokio_unseen *u = &w->state->lane[lane].unseen;

	if (!w->window || !still_unseen(w, lane) || !u->confirmed)
		return false;
	ret->task = u->task;
	ret->poll_seq = u->seq;
	ret->open_ns = w->p->session->now_ns - u->since_ns;
	return true;
}

void tokio_window_met(struct tokio_process *w, const struct rust_walk_task *t)
{
	if (!w->window)
		return;
	w->window->met[t->id % TOKIO_MET_IDS] = t->id;
	for (uint32_t i = 0; i < w->state->lanes_used; i++)
		if (is_worker(w, i) && w->state->lane[i].unseen.task == t->id &&
		    t->state & WEFT_T_RUNNING)
			w->state->lane[i].unseen.confirmed = true;
}

/* ---- counters ---- */

static void counters(const struct weft_row *row, uint64_t to[TOKIO_N])
{
	to[TOKIO_N_POLLS] = row->polls;
	to[TOKIO_N_BUSY] = row->busy_ns;
	to[TOKIO_N_WAKES] = row->wakes;
	to[TOKIO_N_SELF_WAKES] = row->self_wakes;
}

/* In a window what was counted; between windows what so much CPU time was found to go with. */
static void count(struct tokio_process *w, uint32_t lane, const struct weft_row *row, bool watched)
{
	struct tokio_lane *t = &w->state->lane[lane];
	struct tokio_estimate *e = &t->estimate;
	uint64_t now[TOKIO_N], cpu = e->seen_cpu_ns, runq, ns = w->p->session->now_ns;
	double spent, hits = (double)(row->hits - e->seen_hits) * HIT_NS;
	bool first = !e->seen_ns; /* what CPU time its counts up to here took is not known */

	counters(row, now);
	thread_stat_read(t->schedstat, &cpu, &runq);
	if (first)
		e->seen_cpu_ns = cpu;
	spent = (double)(cpu - e->seen_cpu_ns);
	spent = spent > 2 * hits ? spent - hits : spent / 2;
	for (unsigned i = 0; i < TOKIO_N; i++) {
		double more = (double)(now[i] - e->seen[i]);

		if (watched)
			e->in_windows[i] += first ? 0 : more;
		else if (e->windows_cpu_ns > 0)
			more = e->in_windows[i] * spent / e->windows_cpu_ns;
		if (!watched && i == TOKIO_N_BUSY && more > (double)(ns - e->seen_ns))
			more = (double)(ns - e->seen_ns);
		e->told[i] += more;
		e->seen[i] = now[i];
	}
	if (watched)
		e->windows_cpu_ns += spent;
	e->seen_ns = ns;
	e->seen_cpu_ns = cpu;
	e->seen_hits = row->hits;
}

static void count_all(struct tokio_process *w, bool watched)
{
	for (uint32_t i = 0; i < w->state->lanes_used; i++)
		if (w->state->lane[i].owner == w->p)
			count(w, i, tokio_row(w->state, i), watched);
}

/* A window begins: the ones before it weigh half. */
static void age_all(struct tokio_process *w)
{
	for (uint32_t i = 0; i < w->state->lanes_used; i++) {
		struct tokio_estimate *e = &w->state->lane[i].estimate;

		if (w->state->lane[i].owner != w->p)
			continue;
		for (unsigned k = 0; k < TOKIO_N; k++)
			e->in_windows[k] /= 2;
		e->windows_cpu_ns /= 2;
	}
}

void tokio_window_sample(struct tokio_process *w, uint32_t lane, const struct weft_row *row,
			 struct weft_ev_lane_sample *e)
{
	const struct tokio_estimate *est = &w->state->lane[lane].estimate;
	struct poll_now now;

	if (!w->window)
		return;
	count(w, lane, row, w->window->state == TOKIO_OPEN);
	e->polls = (uint64_t)est->told[TOKIO_N_POLLS];
	e->busy_ns = (uint64_t)est->told[TOKIO_N_BUSY];
	e->wakes = (uint64_t)est->told[TOKIO_N_WAKES];
	e->self_wakes = (uint64_t)est->told[TOKIO_N_SELF_WAKES];
	if (w->window->state == TOKIO_OPEN && row->task)
		w->window->met[row->task % TOKIO_MET_IDS] = row->task;
	if (row->task)
		return;
	if (tokio_window_unseen(w, lane, &now)) {
		e->task = now.task;
		e->open_ns = now.open_ns;
		e->poll_seq = now.poll_seq;
	} else if (w->window->state != TOKIO_OPEN && tokio_current_read(w, lane, &now.task) &&
		   now.task && was_met(w->window, now.task)) {
		/* The sample meets it; nothing is known of this poll, nor whether the next sample meets the same one. */
		e->task = now.task;
		e->poll_seq = ++w->state->lane[lane].unseen.seq | UNSEEN_SEQ;
	}
}

/* ---- opening and closing ---- */

static uint64_t about(struct tokio_window *window, uint64_t ns)
{
	uint64_t x = window->random;

	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	window->random = x;
	/* xorshift64 */
	return ns * 3 / 4 + x % (ns / 2);
}

static void set_closed(struct tokio_process *w, uint32_t closed)
{
	__atomic_store_n(&w->state->rust[w->p->follow].closed, closed, __ATOMIC_RELEASE);
}

/* The kernel lets an attachment go when all CPUs have passed by: up to seconds on a busy machine. */
static void *transit(void *arg)
{
	struct tokio_process *w = arg;

	if (w->window->state == TOKIO_OPENING)
		w->window->err = tokio_place_polls(w);
	else
		tokio_take_out_polls(w);
	__atomic_store_n(&w->window->arrived, true, __ATOMIC_RELEASE);
	return NULL;
}

/* Signals belong to the program's own threads. */
static void begin_transit(struct tokio_process *w, enum tokio_window_state to)
{
	sigset_t all, before;

	w->window->state = to;
	w->window->arrived = false;
	w->window->err = 0;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	w->window->threaded = !pthread_create(&w->window->thread, NULL, transit, w);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (!w->window->threaded)
		transit(w);
}

static void begin_open(struct tokio_process *w)
{
	begin_transit(w, TOKIO_OPENING);
}

/* Of a process that ends just now, mostly; else it may go better the next time. */
static void not_opened(struct tokio_process *w)
{
	struct tokio_window *window = w->window;

	window->state = TOKIO_CLOSED;
	window->next_ns = w->p->session->now_ns + about(window, EVERY_NS);
	window->not_before_ns = window->next_ns;
	if (window->err != -ESRCH && !w->p->gone)
		session_cannot_see(w->p->session, w->p->index, "polls for a time",
				   "their probes could not be placed again (%s)",
				   strerror(-window->err));
}

static void opened(struct tokio_process *w)
{
	struct tokio_window *window = w->window;

	if (window->err) {
		not_opened(w);
		return;
	}
	window->state = TOKIO_OPEN;
	count_all(w, false);
	age_all(w);
	set_closed(w, 0);
	window->opened_ns = w->p->session->now_ns;
	window->close_ns = window->opened_ns + WINDOW_NS;
	window->check_ns = window->opened_ns + CHECK_NS;
	window->trouble = false;
	window->wakes = 0;
	for (uint32_t i = 0; i < w->state->lanes_used; i++)
		if (is_worker(w, i))
			adopt(w, i);
}

static void say(struct tokio_process *w)
{
	if (w->window->used)
		return;
	w->window->used = true;
	session_cannot_see(
		w->p->session, w->p->index, "each poll",
		"level light watches polls about a tenth of the time: counts and shares are estimates, blocks shorter than 50 ms are met by chance");
}

static void begin_close(struct tokio_process *w)
{
	say(w);
	set_closed(w, 1);
	count_all(w, true);
	begin_transit(w, TOKIO_CLOSING);
}

/* The rows are the session's to write. */
void tokio_window_blank(struct tokio_process *w)
{
	for (uint32_t i = 0; i < w->state->lanes_used; i++) {
		struct weft_row *row = &w->p->session->rows[i];

		if (w->state->lane[i].owner != w->p)
			continue;
		row->depth = 0;
		row->task = 0;
	}
}

static void closed(struct tokio_process *w)
{
	struct tokio_window *window = w->window;

	window->state = TOKIO_CLOSED;
	if (!tokio_is_raised(w)) /* else polls are seen to end: there is nothing old in them */
		tokio_window_blank(w);
	for (uint32_t i = 0; i < w->state->lanes_used; i++) {
		if (w->state->lane[i].owner != w->p)
			continue;
		w->state->lane[i].unseen.task = 0;
		w->state->lane[i].look.task = 0;
		w->state->lane[i].look.computes = 0;
	}
	window->next_ns = w->p->session->now_ns + about(window, EVERY_NS);
	if (window->trouble || !window->for_computing)
		window->patience = PATIENCE;
	else if (window->patience < PATIENCE_MAX)
		window->patience *= 2; /* it was many short polls of one busy task */
	window->for_computing = false;
}

static void arrive(struct tokio_process *w)
{
	struct tokio_window *window = w->window;

	if (window->threaded)
		pthread_join(window->thread, NULL);
	window->threaded = false;
	if (window->state == TOKIO_OPENING)
		opened(w);
	else
		closed(w);
}

static bool in_transit(const struct tokio_window *window)
{
	return window->state == TOKIO_OPENING || window->state == TOKIO_CLOSING;
}

void tokio_window_settle(struct tokio_process *w)
{
	if (w->window && in_transit(w->window))
		arrive(w);
}

/* ---- when ---- */

static bool lasts(struct tokio_process *w, uint32_t lane)
{
	const struct tokio_lane *t = &w->state->lane[lane];
	const struct weft_row *row = tokio_row(w->state, lane);
	uint64_t now = w->p->session->now_ns,
		 start = __atomic_load_n(&row->poll_start, __ATOMIC_RELAXED);

	if (__atomic_load_n(&row->task, __ATOMIC_RELAXED))
		return now > start + TROUBLE_NS;
	return still_unseen(w, lane) && now > t->unseen.since_ns + TROUBLE_NS;
}

/* What waits for a CPU is not in trouble of its own making. */
static bool is_trouble(struct tokio_process *w, uint32_t lane, uint64_t dt)
{
	const struct tokio_lane *t = &w->state->lane[lane];
	struct tokio_look *k = &w->state->lane[lane].look;
	uint64_t before = k->cpu_ns, runq;

	if (!thread_stat_read_slices(t->schedstat, &k->cpu_ns, &runq, &k->slices) ||
	    !lasts(w, lane))
		return false;
	return (k->cpu_ns - before) * 2 > dt || is_blocked(w, lane);
}

static bool storms(struct tokio_process *w)
{
	struct tokio_window *window = w->window;
	uint64_t wakes = 0, self = 0, had = window->wakes, had_self = window->self_wakes;

	for (uint32_t i = 0; i < w->state->lanes_used; i++) {
		if (!is_worker(w, i))
			continue;
		wakes += tokio_row(w->state, i)->wakes;
		self += tokio_row(w->state, i)->self_wakes;
	}
	window->wakes = wakes;
	window->self_wakes = self;
	return had && wakes - had >= STORM_WAKES && (self - had_self) * 2 > wakes - had;
}

static void extend(struct tokio_window *window, uint64_t now_ns)
{
	window->trouble = true;
	if (window->close_ns < now_ns + HOLD_NS)
		window->close_ns = now_ns + HOLD_NS;
}

static void ask_for_walk(struct tokio_process *w, uint32_t lane)
{
	const struct tokio_unseen *u = &w->state->lane[lane].unseen;
	uint64_t now = w->p->session->now_ns;

	if (!u->task || u->confirmed || now < w->window->asked_ns + ASK_NS)
		return;
	w->window->asked_ns = now;
	tokio_census_ask(w, false);
}

static void look_in_window(struct tokio_process *w, uint64_t dt)
{
	struct tokio_window *window = w->window;
	uint64_t now = w->p->session->now_ns;

	for (uint32_t i = 0; i < w->state->lanes_used; i++)
		if (is_worker(w, i) && is_trouble(w, i, dt)) {
			extend(window, now);
			ask_for_walk(w, i);
		}
	if (now >= window->check_ns) {
		window->check_ns = now + CHECK_NS;
		if (storms(w))
			extend(window, now);
	}
}

static bool look_between(struct tokio_process *w, uint64_t dt)
{
	bool wanted = false;

	for (uint32_t i = 0; i < w->state->lanes_used; i++)
		if (is_worker(w, i))
			wanted |= look(w, i, dt);
	return wanted;
}

/* With async-task's tasks in it there is no word that tells. */
static bool may_close(struct tokio_process *w)
{
	for (uint32_t i = 0; i < w->plan->n_probes; i++)
		if (w->plan->probes[i].family == RUST_ASYNC_TASK)
			return false;
	return tokio_current_learn(w);
}

static void step(struct tokio_process *w)
{
	struct tokio_window *window = w->window;
	uint64_t now = w->p->session->now_ns, dt = now - window->look_ns;
	bool look = dt >= LOOK_NS;

	if (in_transit(window) && __atomic_load_n(&window->arrived, __ATOMIC_ACQUIRE))
		arrive(w);
	if (look)
		window->look_ns = now;
	if (window->state == TOKIO_OPEN) {
		bool able = may_close(w);

		if (look)
			look_in_window(w, dt);
		if (able && now >= window->close_ns)
			begin_close(w);
	} else if (window->state == TOKIO_CLOSED && now >= window->not_before_ns &&
		   ((look && look_between(w, dt)) || now >= window->next_ns)) {
		begin_open(w);
	}
}

static bool have_window(struct tokio_process *w)
{
	if (w->window)
		return true;
	w->window = calloc(1, sizeof(*w->window));
	if (!w->window)
		return false;
	w->window->state = TOKIO_OPEN;
	w->window->opened_ns = w->p->session->now_ns;
	w->window->close_ns = w->window->opened_ns + FIRST_NS;
	w->window->patience = PATIENCE;
	w->window->random = w->window->opened_ns | 1;
	return true;
}

void tokio_window_step(struct tokio_process *w)
{
	if (w->p->state == PROCESS_LIVE && w->p->level == WEFT_LEVEL_LIGHT && have_window(w))
		step(w);
}

int tokio_window_hold(struct tokio_process *w)
{
	tokio_window_settle(w);
	if (!w->window || w->window->state == TOKIO_OPEN)
		return 0;
	begin_open(w);
	arrive(w);
	return w->window->err;
}

bool tokio_window_shut(const struct tokio_process *w)
{
	return w->window && w->window->state != TOKIO_OPEN;
}

bool tokio_window_blind(const struct tokio_process *w)
{
	return tokio_window_shut(w) && !tokio_is_raised(w);
}
