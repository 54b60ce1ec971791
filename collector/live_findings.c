/* SPDX-License-Identifier: MIT */
#include "collector/live_internal.h"

#include "collector/baseline.h"
#include "collector/detect/detector.h"

int live_findings(struct live *l, struct live_finding *rows, size_t offset, size_t max)
{
	size_t n;

	pthread_mutex_lock(&l->lock);
	n = detect_findings(l->detect, rows, offset, max);
	for (size_t i = 0; i < max && offset + i < n; i++)
		rows[i].known = baseline_has(l->baseline, rows[i].fingerprint);
	pthread_mutex_unlock(&l->lock);
	return (int)n;
}

void live_baseline(struct live *l, const struct baseline *b)
{
	pthread_mutex_lock(&l->lock);
	l->baseline = b;
	pthread_mutex_unlock(&l->lock);
}

void live_mutes(struct live *l, const struct mutes *m)
{
	pthread_mutex_lock(&l->lock);
	detect_mutes(l->detect, m);
	pthread_mutex_unlock(&l->lock);
}

int live_checked(struct live *l, struct live_checked *rows, size_t max)
{
	size_t n;

	pthread_mutex_lock(&l->lock);
	n = detect_checked(l->detect, rows, max);
	pthread_mutex_unlock(&l->lock);
	return (int)n;
}

bool live_threshold(size_t i, struct live_threshold *ret)
{
	for (uint32_t k = 0; detect_registry[k]; k++)
		for (const struct detector_option *o = detect_registry[k]->options; o->name; o++)
			if (i-- == 0) {
				*ret = (struct live_threshold){ o->name, o->unit, o->help,
								o->value };
				return true;
			}
	return false;
}

int live_cannot_see(struct live *l, struct live_cannot_see *rows, size_t max)
{
	size_t n = 0;

	pthread_mutex_lock(&l->lock);
	for (uint32_t i = 0; i < model_processes(l->model); i++) {
		const struct model_process *p = model_process(l->model, i);

		for (uint32_t k = 0; p && k < p->ncannot_see; k++, n++)
			if (n < max)
				rows[n] = p->cannot_see[k];
	}
	pthread_mutex_unlock(&l->lock);
	return (int)n;
}
