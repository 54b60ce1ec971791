/* SPDX-License-Identifier: MIT */
#include "collector/accounts.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_ERRORS 64

struct accounts {
	struct account_process *process[ACCOUNTS_MAX_PROCESSES];
	uint32_t top; /* indices below are in use */
	bool settled;

	pthread_mutex_t lock; /* everything below */
	struct engine_account *rows;
	size_t n, room;
	struct engine_account_error error[MAX_ERRORS];
	int errors;
};

static const char *const kind_names[WEFT_EV_KINDS] = { [0] = "unsettled",
#define X(name, code, text, level, words) [code] = text,
						       WEFT_WIRE_EVENTS(X)
#undef X
#define X(name, code, text, what) [code] = text,
							       WEFT_SESSION_EVENTS(X)
#undef X
};

const char *accounts_kind_name(unsigned kind)
{
	return kind < WEFT_EV_KINDS ? kind_names[kind] : NULL;
}

int accounts_kind_of(const char *name)
{
	for (int k = 0; k < WEFT_EV_KINDS; k++)
		if (kind_names[k] && !strcmp(kind_names[k], name))
			return k;
	return -1;
}

int accounts_new(struct accounts **ret)
{
	struct accounts *a = calloc(1, sizeof(*a));

	if (!a)
		return -ENOMEM;
	pthread_mutex_init(&a->lock, NULL);
	*ret = a;
	return 0;
}

struct accounts *accounts_free(struct accounts *a)
{
	if (!a)
		return NULL;
	for (uint32_t p = 0; p < a->top; p++)
		free(a->process[p]);
	free(a->rows);
	pthread_mutex_destroy(&a->lock);
	free(a);
	return NULL;
}

struct account_process *accounts_of(struct accounts *a, uint32_t process)
{
	if (process >= ACCOUNTS_MAX_PROCESSES)
		return NULL;
	if (!a->process[process]) {
		a->process[process] = calloc(1, sizeof(struct account_process));
		if (process >= a->top)
			a->top = process + 1;
	}
	return a->process[process];
}

void accounts_tell(struct accounts *a, uint32_t process, uint32_t kind, const char *text)
{
	pthread_mutex_lock(&a->lock);
	if (a->errors < MAX_ERRORS) {
		struct engine_account_error *e = &a->error[a->errors];

		e->process = process;
		e->kind = kind;
		snprintf(e->text, sizeof(e->text), "%s", text);
	}
	a->errors++;
	pthread_mutex_unlock(&a->lock);
}

/* ---- settling ---- */

static bool loss_reported(const struct account_process *p)
{
	return p->gaps || p->kernel.lost[0] || p->dropped[WEFT_EV_BATCH];
}

static uint64_t missing(const struct account_process *p, unsigned kind)
{
	uint64_t have = p->decoded[kind] + p->dropped[kind];

	return p->counts.emitted[kind] > have ? p->counts.emitted[kind] - have : 0;
}

static uint64_t lost_of(const struct accounts *a, const struct account_process *p, unsigned kind)
{
	uint64_t lost = p->dropped[kind] + p->unsaved[kind] + p->kept_lost[kind];

	if (kind == WEFT_EV_BATCH)
		return 0; /* its records are what is lost */
	if (kind >= WEFT_EV_BATCH && kind < WEFT_EV_BATCH + 32)
		return lost + p->kernel.lost[kind - WEFT_EV_BATCH];
	if (kind && kind < WEFT_MAX_KINDS && a->settled && p->final && loss_reported(p))
		return lost + missing(p, kind);
	if (!kind)
		lost += p->counts.emitted[0];
	if (!kind && !(a->settled && p->final))
		return lost + p->gap_records;
	return lost;
}

static void check_wire(struct accounts *a, uint32_t process, const struct account_process *p)
{
	uint64_t all = 0;
	char text[160];

	for (unsigned k = 1; k < WEFT_MAX_KINDS; k++) {
		uint64_t have = p->decoded[k] + p->dropped[k], lacks = missing(p, k);

		all += lacks;
		if (have > p->counts.emitted[k])
			snprintf(text, sizeof(text), "%llu more arrived than were emitted",
				 (unsigned long long)(have - p->counts.emitted[k]));
		else if (lacks && !loss_reported(p))
			snprintf(text, sizeof(text), "%llu did not arrive and no gap was reported",
				 (unsigned long long)lacks);
		else
			continue;
		accounts_tell(a, process, k, text);
	}
	/* No header tells of what a full queue kept out behind the last batch that arrived. */
	if (loss_reported(p) && !p->gap_open &&
	    (p->dropped[WEFT_EV_BATCH] ? all < p->gap_records : all != p->gap_records)) {
		snprintf(text, sizeof(text), "%llu lost by the counts, %llu by the batch headers",
			 (unsigned long long)all, (unsigned long long)p->gap_records);
		accounts_tell(a, process, 0, text);
	}
}

/* EV_LOST is of the whole session: it is told to process 0 and holds for all. */
static void check_kernel(struct accounts *a, uint32_t process, const struct account_process *p)
{
	char text[160];

	for (unsigned k = 1; k < 32; k++) {
		unsigned kind = WEFT_EV_BATCH + k;
		uint64_t sum = p->kernel.lost[k];

		for (uint32_t i = 0; i < a->top; i++)
			if (a->process[i])
				sum += a->process[i]->decoded[kind] + a->process[i]->dropped[kind];
		if (!p->kernel.produced[k] || p->kernel.produced[k] == sum)
			continue;
		snprintf(text, sizeof(text), "%llu produced in the kernel, %llu arrived or lost",
			 (unsigned long long)p->kernel.produced[k], (unsigned long long)sum);
		accounts_tell(a, process, kind, text);
	}
}

static void check_output(struct accounts *a, uint32_t process, const struct account_process *p)
{
	char text[160];

	for (unsigned k = 0; k < WEFT_EV_KINDS; k++) {
		if (p->decoded[k] == p->passed[k])
			continue;
		snprintf(text, sizeof(text), "%llu arrived, %llu were passed on",
			 (unsigned long long)p->decoded[k], (unsigned long long)p->passed[k]);
		accounts_tell(a, process, k, text);
	}
}

void accounts_settle(struct accounts *a)
{
	if (a->settled)
		return;
	a->settled = true;
	for (uint32_t i = 0; i < a->top; i++) {
		const struct account_process *p = a->process[i];

		if (!p)
			continue;
		if (p->final) {
			check_wire(a, i, p);
			check_kernel(a, i, p);
		}
		check_output(a, i, p);
	}
}

/* ---- what others see ---- */

static bool row_of(const struct accounts *a, uint32_t process, unsigned kind,
		   struct engine_account *ret)
{
	const struct account_process *p = a->process[process];
	bool wire = kind && kind < WEFT_MAX_KINDS;
	uint64_t gone = p->unsaved[kind] + p->expired[kind];

	*ret = (struct engine_account){ .process = process, .kind = kind };
	ret->stored = p->passed[kind] > gone ? p->passed[kind] - gone : 0;
	ret->expired = p->expired[kind] + p->kept_expired[kind];
	ret->lost = lost_of(a, p, kind);
	ret->filtered = wire ? p->counts.filtered[kind] : 0;
	ret->produced = ret->stored + ret->lost + ret->filtered + ret->expired;
	if (wire && a->settled && p->final)
		ret->produced = p->counts.emitted[kind] + p->counts.filtered[kind];
	return ret->produced || ret->stored;
}

static bool push_row(struct accounts *a, const struct engine_account *row)
{
	if (a->n == a->room) {
		size_t room = a->room ? a->room * 2 : 128;
		struct engine_account *rows = realloc(a->rows, room * sizeof(*rows));

		if (!rows)
			return false;
		a->rows = rows;
		a->room = room;
	}
	a->rows[a->n++] = *row;
	return true;
}

void accounts_publish(struct accounts *a)
{
	struct engine_account row;

	pthread_mutex_lock(&a->lock);
	a->n = 0;
	for (uint32_t p = 0; p < a->top; p++)
		for (unsigned k = 0; a->process[p] && k < WEFT_EV_KINDS; k++)
			if (row_of(a, p, k, &row) && !push_row(a, &row))
				break;
	pthread_mutex_unlock(&a->lock);
}

bool accounts_row(const struct accounts *a, size_t i, struct engine_account *ret)
{
	if (i >= a->n)
		return false;
	*ret = a->rows[i];
	return true;
}

int accounts_rows(struct accounts *a, struct engine_account *rows, size_t max)
{
	int n;

	pthread_mutex_lock(&a->lock);
	n = (int)a->n;
	if (max && n)
		memcpy(rows, a->rows, (a->n < max ? a->n : max) * sizeof(*rows));
	pthread_mutex_unlock(&a->lock);
	return n;
}

int accounts_errors(struct accounts *a, struct engine_account_error *rows, size_t max)
{
	int n;

	pthread_mutex_lock(&a->lock);
	n = a->errors;
	for (size_t i = 0; i < max && i < MAX_ERRORS && i < (size_t)n; i++)
		rows[i] = a->error[i];
	pthread_mutex_unlock(&a->lock);
	return n;
}
