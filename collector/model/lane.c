/* SPDX-License-Identifier: MIT */
#include "collector/model/lane.h"

#include <string.h>

#define SECOND     1000000000ull
#define WATCHED_NS 300000000ull  /* what lies between samples further apart goes unseen */
#define SAMPLED_NS 1000000000ull /* samples older than this: the lane is not sampled */
#define CPU_LAG_NS \
	5000000ull /* the kernel brings a running thread's CPU time up to date at its tick */

static uint64_t least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static uint64_t most(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

/* a - b, not below 0: cumulative values of a hostile or restarted lane may go back. */
static uint64_t minus(uint64_t a, uint64_t b)
{
	return a > b ? a - b : 0;
}

void lane_init(struct model_lane *l, uint32_t process, uint32_t lane)
{
	*l = (struct model_lane){ .process = process, .lane = lane, .worker = UINT32_MAX };
	for (unsigned i = 0; i < LANE_HISTORY; i++)
		l->history[i] = l->history_blocked[i] = -1;
}

/* ---- slices of time ---- */

static void push_second(struct model_lane *l, uint64_t second)
{
	double span = (double)l->second.span;

	for (uint64_t s = l->history_second + 1;
	     s < second && s <= l->history_second + LANE_HISTORY; s++)
		l->history[s % LANE_HISTORY] = l->history_blocked[s % LANE_HISTORY] = -1;
	l->history[second % LANE_HISTORY] =
		span ? (float)((double)(l->second.busy + l->second.blocked) / span) : -1;
	l->history_blocked[second % LANE_HISTORY] = span ? (float)((double)l->second.blocked / span)
							 : -1;
	l->history_second = second;
	l->second = (struct lane_parts){ 0 };
}

static void add_parts(struct lane_parts *sum, const struct lane_parts *p)
{
	sum->span += p->span;
	sum->busy += p->busy;
	sum->blocked += p->blocked;
	sum->runnable += p->runnable;
	sum->own += p->own;
	sum->parked += p->parked;
}

static void push_slice(struct model_lane *l, uint64_t end_ns, const struct lane_parts *p)
{
	uint64_t second = end_ns / SECOND;

	l->slice[l->nslices % LANE_SLICES].end_ns = end_ns;
	l->slice[l->nslices % LANE_SLICES].p = *p;
	l->nslices++;
	if (l->slice_ns / SECOND != second && l->slice_ns)
		push_second(l, l->slice_ns / SECOND);
	add_parts(&l->second, p);
	l->slice_ns = end_ns;
	l->rec = (struct lane_parts){ 0 };
}

/* Time in polls between two samples, that of the open one up to now. */
static uint64_t poll_time(const struct weft_ev_lane_sample *a, const struct weft_ev_lane_sample *b,
			  uint64_t dt)
{
	uint64_t before = a->busy_ns + (a->task && a->open_ns != UINT64_MAX ? a->open_ns : 0);
	uint64_t after = b->busy_ns + (b->task && b->open_ns != UINT64_MAX ? b->open_ns : 0);

	if (b->task && b->open_ns == UINT64_MAX && a->task == b->task && a->poll_seq == b->poll_seq)
		return dt;
	return least(minus(after, before), dt);
}

static bool parked_throughout(const struct weft_ev_lane_sample *a,
			      const struct weft_ev_lane_sample *b)
{
	return a->state >= WEFT_WS_PARKED_DRIVER && b->state >= WEFT_WS_PARKED_DRIVER &&
	       a->parks == b->parks && a->polls == b->polls && !b->task;
}

/* Without the kernel's CPU time: only what the lane says of itself. */
static void parts_without_cpu(const struct model_lane *l, const struct weft_ev_lane_sample *s,
			      struct lane_parts *p)
{
	uint64_t in_poll = poll_time(&l->last, s, p->span);
	bool off = s->off_cpu == 2 && s->task && l->last.off_cpu == 2 &&
		   l->last.poll_seq == s->poll_seq;

	p->blocked = off ? in_poll : least(l->rec.blocked, in_poll);
	p->runnable = least(l->rec.runnable, in_poll - p->blocked);
	p->busy = in_poll - p->blocked - p->runnable;
	p->parked = parked_throughout(&l->last, s)
			    ? p->span - in_poll
			    : least(minus(s->park_ns, l->last.park_ns), p->span - in_poll);
}

/*
 * The kernel adds a wait for a CPU up when it ends: one under way is in no count yet. A thread that is neither known to run
 * nor known to block may be in one, and the benefit of the doubt is its.
 */
static bool may_wait(const struct weft_ev_lane_sample *s)
{
	return s->off_cpu == 1 || s->off_cpu == 3;
}

static struct lane_parts parts_between(const struct model_lane *l, uint64_t t_ns,
				       const struct weft_ev_lane_sample *s)
{
	struct lane_parts p = { .span = t_ns - l->sample_ns };
	uint64_t cpu = least(minus(s->cpu_ns, l->last.cpu_ns), p.span), in_poll, off;

	if (!s->cpu_ns || !l->last.cpu_ns) {
		parts_without_cpu(l, s, &p);
		return p;
	}
	in_poll = poll_time(&l->last, s, p.span);
	p.runnable = least(minus(s->runq_ns, l->last.runq_ns), p.span - cpu);
	if (s->task && may_wait(s) && l->last.off_cpu != 2)
		p.runnable = most(p.runnable, least(s->open_ns, p.span - cpu));
	off = p.span - cpu - p.runnable;
	p.blocked =
		least(most(l->rec.blocked, minus(in_poll, cpu + p.runnable)), least(off, in_poll));
	p.busy = least(cpu, in_poll - p.blocked);
	p.own = cpu - p.busy;
	p.parked = off - p.blocked;
	return p;
}

/*
 * A wait that has ended is told whole, and was longer than the time since the last sample: what went before it, back to when the
 * thread ran last, was no parking.
 */
static void share_back(struct model_lane *l, uint64_t t_ns, const struct weft_ev_lane_sample *s)
{
	uint64_t span = t_ns - l->sample_ns, cpu = least(minus(s->cpu_ns, l->last.cpu_ns), span);
	uint64_t more = minus(minus(s->runq_ns, l->last.runq_ns), span - cpu), part;
	uint32_t n = l->nslices < LANE_SLICES ? l->nslices : LANE_SLICES;

	if (!s->cpu_ns || !l->last.cpu_ns)
		return;
	for (uint32_t i = 1; more && i <= n; i++) {
		struct lane_parts *p = &l->slice[(l->nslices - i) % LANE_SLICES].p;

		more = minus(more, p->runnable);
		part = least(more, p->parked);
		p->runnable += part;
		p->parked -= part;
		more -= part;
		if (p->span <= WATCHED_NS) {
			l->watched.runnable += part;
			l->watched.parked -= part;
		}
		if (p->busy + p->own)
			break;
	}
}

/* ---- the open poll ---- */

/*
 * What is proven of the stretch of this poll that lies between the last sample and this one: what came before
 * the poll may have used all the CPU time it could.
 */
static void open_first(struct model_lane *l, uint64_t t_ns, const struct weft_ev_lane_sample *s)
{
	struct lane_open *o = &l->open;
	uint64_t cpu, runq, before, stretch;

	*o = (struct lane_open){
		.task = s->task, .seq = s->poll_seq, .seen_ns = t_ns, .start_ns = UINT64_MAX
	};
	if (s->open_ns != UINT64_MAX)
		o->start_ns = minus(t_ns, s->open_ns);
	if (!l->sample_ns || !s->cpu_ns || !l->last.cpu_ns || o->start_ns == UINT64_MAX)
		return;
	before = minus(o->start_ns, l->sample_ns);
	stretch = t_ns - most(o->start_ns, l->sample_ns);
	cpu = minus(s->cpu_ns, l->last.cpu_ns);
	runq = minus(s->runq_ns, l->last.runq_ns);
	o->cpu_ns = least(minus(cpu, before), stretch);
	o->runq_ns = may_wait(s) ? stretch - o->cpu_ns
				 : least(minus(runq, before), stretch - o->cpu_ns);
	if (!may_wait(s))
		o->blocked_ns = minus(stretch, cpu + runq + (s->off_cpu == 0 ? CPU_LAG_NS : 0));
}

static void open_goes_on(struct model_lane *l, uint64_t t_ns, const struct weft_ev_lane_sample *s)
{
	struct lane_open *o = &l->open;
	uint64_t dt = t_ns - l->sample_ns, cpu, runq;

	if (s->cpu_ns && l->last.cpu_ns) {
		cpu = least(minus(s->cpu_ns, l->last.cpu_ns), dt);
		runq = least(minus(s->runq_ns, l->last.runq_ns), dt - cpu);
		o->cpu_ns += cpu;
		if (may_wait(s) && l->last.off_cpu != 2)
			runq = dt - cpu;
		o->runq_ns += runq;
		o->blocked_ns += s->off_cpu == 2 || l->last.off_cpu == 2
					 ? dt - cpu - runq
					 : minus(dt - cpu - runq, CPU_LAG_NS);
	} else if (s->off_cpu == l->last.off_cpu) {
		o->cpu_ns += s->off_cpu == 0 ? dt : 0;
		o->runq_ns += s->off_cpu == 1 ? dt : 0;
		o->blocked_ns += s->off_cpu == 2 ? dt : 0;
	}
}

static void update_open(struct model_lane *l, uint64_t t_ns, const struct weft_ev_lane_sample *s,
			uint64_t behind)
{
	struct lane_open *o = &l->open;

	if (!s->task) {
		o->task = 0;
		l->blocked = false;
		return;
	}
	if (o->task == s->task && o->seq == s->poll_seq)
		open_goes_on(l, t_ns, s);
	else
		open_first(l, t_ns, s);
	o->behind_ns += behind * (t_ns - most(o->sample_ns ? o->sample_ns : o->seen_ns,
					      minus(t_ns, SECOND)));
	o->sample_ns = t_ns;
	o->samples++;
	o->on_cpu += s->off_cpu == 0;
	o->off_cpu += s->off_cpu == 2;
	o->state = s->off_cpu;
	o->syscall = s->off_cpu == 2 ? s->syscall : -1;
	l->blocked = s->off_cpu == 2 && lane_open_ns(l, t_ns) >= 10000000;
}

static void count_sample(struct model_lane *l, const struct weft_ev_lane_sample *s)
{
	l->polls = most(s->polls, l->rec_polls);
	l->wakes = most(s->wakes, l->rec_wakes);
	l->self_wakes = most(s->self_wakes, l->rec_self_wakes);
	l->steals = most(s->steals, l->rec_steals);
	l->stolen = most(s->stolen_tasks, l->rec_stolen);
	l->parks = most(s->parks, l->rec_parks);
	l->local_depth = s->local_depth;
	l->state = s->state;
}

void lane_sample(struct model_lane *l, uint64_t t_ns, const struct weft_ev_lane_sample *s,
		 uint64_t behind)
{
	struct lane_parts p;

	if (l->sample_ns && t_ns <= l->sample_ns)
		return;
	if (l->sample_ns) {
		p = parts_between(l, t_ns, s);
		share_back(l, t_ns, s);
		push_slice(l, t_ns, &p);
		if (p.span <= WATCHED_NS)
			add_parts(&l->watched, &p);
	} else {
		l->slice_ns = l->first_ns = t_ns;
		l->first_polls = s->polls;
		l->rec = (struct lane_parts){ 0 };
	}
	update_open(l, t_ns, s, behind);
	count_sample(l, s);
	l->last = *s;
	l->sample_ns = t_ns;
}

void lane_waited(const struct model_lane *l, uint64_t from_ns, uint64_t to_ns, uint64_t *ret_least,
		 uint64_t *ret_most)
{
	uint32_t n = l->nslices < LANE_SLICES ? l->nslices : LANE_SLICES;

	*ret_least = *ret_most = 0;
	for (uint32_t i = 1; i <= n; i++) {
		uint32_t k = (l->nslices - i) % LANE_SLICES;
		const struct lane_parts *p = &l->slice[k].p;
		uint64_t end = l->slice[k].end_ns, begin = minus(end, p->span), shared;

		if (end <= from_ns)
			break;
		shared = minus(least(end, to_ns), most(begin, from_ns));
		*ret_most += least(p->runnable, shared);
		*ret_least += minus(p->runnable + shared, p->span);
	}
}

double lane_waiting(const struct model_lane *l, uint64_t from_ns, uint64_t to_ns)
{
	uint32_t n = l->nslices < LANE_SLICES ? l->nslices : LANE_SLICES;
	uint64_t runnable = 0, wanted = 0;

	for (uint32_t i = 1; i <= n; i++) {
		uint32_t k = (l->nslices - i) % LANE_SLICES;
		const struct lane_parts *p = &l->slice[k].p;

		if (l->slice[k].end_ns <= from_ns)
			break;
		if (minus(l->slice[k].end_ns, p->span) >= to_ns)
			continue;
		runnable += p->runnable;
		wanted += minus(p->span, p->parked);
	}
	return wanted ? (double)runnable / (double)wanted : 0;
}

bool lane_stood_still(const struct model_lane *l, uint64_t from_ns, uint64_t to_ns)
{
	uint32_t n = l->nslices < LANE_SLICES ? l->nslices : LANE_SLICES, within = 0;

	for (uint32_t i = 1; i <= n; i++) {
		uint32_t k = (l->nslices - i) % LANE_SLICES;
		const struct lane_parts *p = &l->slice[k].p;
		uint64_t end = l->slice[k].end_ns;

		if (end > to_ns)
			continue;
		if (minus(end, p->span) < from_ns)
			break;
		if (p->busy || p->own || p->blocked || p->runnable)
			return false;
		within++;
	}
	return within >= 2;
}

bool lane_shares(const struct model_lane *l, uint64_t now_ns, struct lane_parts *ret)
{
	struct lane_parts sum = { 0 };
	uint32_t n = l->nslices < LANE_SLICES ? l->nslices : LANE_SLICES;

	for (uint32_t i = 1; i <= n; i++) {
		uint32_t k = (l->nslices - i) % LANE_SLICES;

		if (l->slice[k].end_ns + SECOND <= now_ns ||
		    sum.span + l->slice[k].p.span / 2 > SECOND)
			break;
		add_parts(&sum, &l->slice[k].p);
	}
	if (sum.span && l->nslices > n && sum.span < SECOND / 2)
		sum.span = SECOND; /* silent for a while: the rest is not known */
	*ret = sum;
	return sum.span;
}

/* ---- time off the CPU inside polls ---- */

void lane_offcpu(struct model_lane *l, const struct record *r)
{
	struct lane_off *o = NULL, *oldest = &l->off[0];

	for (unsigned i = 0; i < 4; i++) {
		if (l->off[i].task == r->task && l->off[i].seq == r->d)
			o = &l->off[i];
		if (l->off[i].last_ns < oldest->last_ns)
			oldest = &l->off[i];
	}
	if (!o) {
		o = oldest;
		l->noff += (uint32_t)((r->task != 0) - (o->task != 0));
		*o = (struct lane_off){ .task = r->task, .seq = r->d, .syscall = -1 };
		o->first_ns = minus(r->t_ns, r->a + r->b);
	}
	o->last_ns = r->t_ns;
	o->blocked_ns += r->a;
	o->runnable_ns += r->b;
	if (r->a > o->longest_ns) {
		o->longest_ns = r->a;
		o->syscall = (int32_t)r->c;
	}
	l->rec.blocked += r->a;
	l->rec.runnable += r->b;
}

bool lane_take_off(struct model_lane *l, uint64_t task, uint64_t start_ns, uint64_t end_ns,
		   struct lane_off *ret)
{
	for (unsigned i = 0; i < 4; i++) {
		struct lane_off *o = &l->off[i];

		if (o->task != task || !task || o->last_ns > end_ns)
			continue;
		*ret = *o;
		*o = (struct lane_off){ 0 };
		l->noff--;
		if (ret->last_ns < start_ns)
			continue; /* of a poll whose own record was lost */
		ret->blocked_ns = least(ret->blocked_ns, end_ns - start_ns);
		ret->runnable_ns = least(ret->runnable_ns, end_ns - start_ns - ret->blocked_ns);
		return true;
	}
	return false;
}

/* ---- long polls ---- */

void lane_long_poll(struct model_lane *l, const struct lane_poll *p)
{
	struct lane_poll *slot = &l->poll[++l->npolls % LANE_LONG_POLLS];

	*slot = *p;
	slot->number = l->npolls;
}

void lane_victim(struct model_lane *l, uint64_t ready_ns, uint64_t start_ns)
{
	for (uint64_t n = l->npolls; n && n + 4 > l->npolls; n--) {
		struct lane_poll *p = &l->poll[n % LANE_LONG_POLLS];
		uint64_t from = most(ready_ns, p->start_ns);

		if (p->end_ns <= ready_ns || p->number != n)
			return;
		if (start_ns < p->end_ns)
			continue;
		p->victims++;
		p->harm_ns += p->end_ns - from;
		p->worst_ns = most(p->worst_ns, p->end_ns - from);
	}
}

/* Records tell of polls and parks when they end: a stretch of which they tell all, or nearly. */
static bool is_told(const struct lane_parts *p, uint64_t span)
{
	return (p->busy + p->blocked + p->runnable + p->parked) * 10 >= span * 9;
}

void lane_seen_whole(struct model_lane *l, uint64_t t_ns)
{
	if (l->sample_ns)
		return;
	l->nslices = 0;
	l->slice_ns = t_ns;
	l->rec = (struct lane_parts){ 0 };
}

static void count_parks(struct model_lane *l)
{
	if (l->parks_before && l->parks >= l->parks_before)
		l->parks_s = (float)(l->parks - l->parks_before);
	l->parks_before = l->parks;
}

void lane_tick(struct model_lane *l, uint64_t now_ns, bool new_second)
{
	if (new_second)
		count_parks(l);
	if (l->sample_ns && now_ns < l->sample_ns + SAMPLED_NS)
		return;
	l->open.task = 0;
	l->blocked = false;
	if (!new_second && l->slice_ns && !is_told(&l->rec, minus(now_ns, l->slice_ns)))
		return;
	if (l->slice_ns && now_ns > l->slice_ns &&
	    (l->rec.busy || l->rec.blocked || l->rec.parked || l->rec_polls)) {
		struct lane_parts p = l->rec;

		p.span = now_ns - l->slice_ns;
		p.blocked = least(p.blocked, p.span);
		p.runnable = least(p.runnable, p.span - p.blocked);
		p.busy = least(p.busy, p.span - p.blocked - p.runnable);
		p.parked = least(p.parked, p.span - p.blocked - p.runnable - p.busy);
		push_slice(l, now_ns, &p);
	} else {
		l->slice_ns = now_ns;
		l->rec = (struct lane_parts){ 0 };
	}
}
