/* SPDX-License-Identifier: MIT */
#include "collector/model/model_internal.h"

#define POINT_NS   100000000ull
#define QUARTER_NS 250000000ull
#define SAMPLE_NS  1300000000ull /* there is one of the process within it; */
#define SETTLED_NS \
	1200000000ull /* so long after a change of level, too, one that was taken since */

/* Numbers over all lanes; what samples and records both show is taken once (lane.c). */
static struct model_point point_now(const struct model_process *p, uint64_t now_ns)
{
	struct model_point now = { .t_ns = now_ns,
				   .spawns = p->spawns,
				   .ends = p->ends,
				   .alive = p->alive,
				   .rss = p->sample.rss_bytes,
				   .target_cpu = p->sample.cpu_user_ns + p->sample.cpu_sys_ns,
				   .own_cost = p->sample.own_target_ns,
				   .own_self = p->sample.own_self_ns };

	for (uint32_t i = 0; i < p->nlanes; i++) {
		const struct model_lane *l = p->lanes[i];

		if (!l)
			continue;
		now.polls += l->polls;
		now.wakes += l->wakes;
		now.self_wakes += l->self_wakes;
		now.steals += l->steals;
	}
	return now;
}

static void second_tick(struct model_process *p, uint64_t now_ns)
{
	uint64_t second = now_ns / SECOND_NS, slot = second / 5;

	p->rss[second % MODEL_SECONDS] = p->sample.rss_bytes;
	for (uint32_t i = 0; i < p->nruntimes; i++) {
		p->runtime[i].fds[second % MODEL_SECONDS] = p->runtime[i].gauge.fds;
		p->runtime[i].timers[second % MODEL_SECONDS] = (uint32_t)p->runtime[i].gauge.timers;
	}
	if (slot != p->recent_slot) {
		p->recent_slot = slot;
		p->recent[1] = p->recent[0];
		p->recent[0] = (struct hist){ 0 };
	}
}

void process_tick(struct model_process *p, uint64_t now_ns, bool new_second)
{
	const struct model_point *last = p->npoints ? &p->point[(p->npoints - 1) % MODEL_POINTS]
						    : NULL;

	if (new_second)
		second_tick(p, now_ns);
	for (uint32_t i = 0; now_ns / QUARTER_NS != p->quarter && i < p->nlanes; i++)
		if (p->lanes[i])
			lane_tick(p->lanes[i], now_ns, new_second);
	p->quarter = now_ns / QUARTER_NS;
	if (!last || now_ns >= last->t_ns + POINT_NS)
		p->point[p->npoints++ % MODEL_POINTS] = point_now(p, now_ns);
}

/* The point nearest before `back_ns` ago, else the oldest kept. NULL = fewer than two. */
static const struct model_point *point_before(const struct model_process *p, uint64_t now_ns,
					      uint64_t back_ns)
{
	uint64_t n = p->npoints < MODEL_POINTS ? p->npoints : MODEL_POINTS;
	const struct model_point *found = NULL;

	for (uint64_t i = 2; i <= n; i++) {
		found = &p->point[(p->npoints - i) % MODEL_POINTS];
		if (found->t_ns + back_ns <= now_ns)
			break;
	}
	return found;
}

static double per_second(uint64_t before, uint64_t after, uint64_t dt)
{
	return dt ? ((double)after - (double)before) * 1e9 / (double)dt : -1;
}

static double not_below_zero(double rate)
{
	return rate > 0 ? rate : 0;
}

void process_rates(const struct model_process *p, uint64_t now_ns, struct model_rates *ret)
{
	const struct model_point *a = point_before(p, now_ns, SECOND_NS),
				 *b = point_before(p, now_ns, 10 * SECOND_NS), *z;
	uint64_t dt, dt10, cpu;

	*ret = (struct model_rates){ -1, -1, -1, -1, -1, 0, 0, 0, 0 };
	if (!a || !b)
		return;
	z = &p->point[(p->npoints - 1) % MODEL_POINTS];
	dt = z->t_ns - a->t_ns;
	dt10 = z->t_ns - b->t_ns;
	ret->polls = not_below_zero(per_second(a->polls, z->polls, dt));
	ret->wakes = not_below_zero(per_second(a->wakes, z->wakes, dt));
	ret->steals = not_below_zero(per_second(a->steals, z->steals, dt));
	ret->spawns = not_below_zero(per_second(a->spawns, z->spawns, dt));
	ret->ends = not_below_zero(per_second(a->ends, z->ends, dt));
	/* Not from the gauge: tasks that a first walk finds were there before. */
	ret->alive = per_second(b->spawns + z->ends, z->spawns + b->ends, dt10);
	ret->rss = b->rss ? per_second(b->rss, z->rss, dt10) : 0;
	cpu = z->target_cpu - b->target_cpu;
	if (z->target_cpu > b->target_cpu && z->own_cost >= b->own_cost)
		ret->own_cost = (double)(z->own_cost - b->own_cost) / (double)cpu;
	ret->own_self = not_below_zero(per_second(b->own_self, z->own_self, dt10)) / 1e9;
}

/* The last point before `from_ns`, or the oldest that is kept; NULL = there is none. */
static const struct model_point *point_at(const struct model_process *p, uint64_t from_ns)
{
	uint64_t n = p->npoints < MODEL_POINTS ? p->npoints : MODEL_POINTS;

	for (uint64_t i = 1; i <= n; i++)
		if (i == n || p->point[(p->npoints - i) % MODEL_POINTS].t_ns <= from_ns)
			return &p->point[(p->npoints - i) % MODEL_POINTS];
	return NULL;
}

bool process_watching(const struct model_process *p, uint64_t from_ns, double *ret_part,
		      double *ret_rate)
{
	const struct model_point *a, *z;
	double cpu, own;

	if (from_ns < p->quiet_ns + SETTLED_NS)
		from_ns = p->quiet_ns + SETTLED_NS;
	a = point_at(p, from_ns);
	if (!a || (p->quiet_ns && a->t_ns <= p->quiet_ns))
		return false;
	z = &p->point[(p->npoints - 1) % MODEL_POINTS];
	if (z->t_ns < a->t_ns + SAMPLE_NS)
		return false;
	cpu = not_below_zero((double)z->target_cpu - (double)a->target_cpu);
	own = not_below_zero((double)z->own_cost - (double)a->own_cost);
	*ret_part = own < cpu ? own / cpu : own > 0;
	*ret_rate = own / (double)(z->t_ns - a->t_ns);
	return true;
}

/* ---- CPUs ---- */

double process_cpus(const struct model_process *p)
{
	const struct weft_ev_cpus *c = &p->cpus;
	double quota = c->period_us ? (double)c->quota_us / (double)c->period_us : 0;

	if (!p->cpus_ns)
		return 0;
	return quota > 0 && quota < c->cpus ? quota : c->cpus;
}

double process_throttled(const struct model_process *p)
{
	uint64_t dt = p->cpus_before_ns && p->cpus_ns > p->cpus_before_ns
			      ? p->cpus_ns - p->cpus_before_ns
			      : 0;
	uint64_t stopped = p->cpus.throttled_ns > p->cpus_before.throttled_ns
				   ? p->cpus.throttled_ns - p->cpus_before.throttled_ns
				   : 0;

	if (!dt)
		return 0;
	return stopped < dt ? (double)stopped / (double)dt : 1;
}

double process_machine_busy(const struct model_process *p)
{
	uint64_t busy = p->cpus.busy_ns - p->cpus_before.busy_ns,
		 total = p->cpus.total_ns - p->cpus_before.total_ns;

	return p->cpus_before_ns && total && busy <= total ? (double)busy / (double)total : 0;
}

double process_own_share(const struct model_process *p)
{
	double cpus = process_cpus(p);

	return cpus > 0 ? p->cpu_share / cpus : 0;
}
