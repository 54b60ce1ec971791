// SPDX-License-Identifier: MIT
/*
 * Plans are shared by all that ask for the same file, and the last few stay when nobody has them any more: a
 * service has many processes, and is attached to again and again. The key is what the kernel says of the file, not
 * its build id, which the file may claim. In memory: an analysis takes a fraction of a second, and what lay on a disk
 * would have to be distrusted.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "probes/rust/plan_internal.h"

#define MAX_IDLE 8

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct rust_plan_box *all; /* the one given back last comes first */

static bool is_same(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
	       a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec &&
	       a->st_ctim.tv_sec == b->st_ctim.tv_sec && a->st_ctim.tv_nsec == b->st_ctim.tv_nsec;
}

static struct rust_plan *find(const struct stat *st)
{
	struct rust_plan *found = NULL;

	pthread_mutex_lock(&lock);
	for (struct rust_plan_box *box = all; box && !found; box = box->next) {
		if (!is_same(&box->file, st))
			continue;
		box->refs++;
		found = &box->plan;
	}
	pthread_mutex_unlock(&lock);
	return found;
}

static void add(struct rust_plan *plan, const struct stat *st)
{
	struct rust_plan_box *box = rust_plan_box(plan);

	box->file = *st;
	box->refs = 1;
	pthread_mutex_lock(&lock);
	box->next = all;
	all = box;
	pthread_mutex_unlock(&lock);
}

int rust_plan_new(int fd, struct rust_plan **ret)
{
	struct rust_plan *plan;
	struct stat st;
	int rc;

	if (fstat(fd, &st) < 0)
		return -errno;
	plan = find(&st);
	if (!plan) {
		rc = rust_plan_analyse(fd, &plan);
		if (rc < 0)
			return rc;
		add(plan, &st);
	}
	*ret = plan;
	return 0;
}

static void to_front(struct rust_plan_box *box)
{
	struct rust_plan_box **at = &all;

	while (*at != box)
		at = &(*at)->next;
	*at = box->next;
	box->next = all;
	all = box;
}

/* One too many that nobody has, the one given back longest ago; NULL = there is none. */
static struct rust_plan_box *take_oldest(void)
{
	struct rust_plan_box **oldest = NULL, *box;
	unsigned idle = 0;

	for (struct rust_plan_box **at = &all; *at; at = &(*at)->next) {
		if ((*at)->refs > 0)
			continue;
		idle++;
		oldest = at;
	}
	if (idle <= MAX_IDLE)
		return NULL;
	box = *oldest;
	*oldest = box->next;
	return box;
}

struct rust_plan *rust_plan_free(struct rust_plan *plan)
{
	struct rust_plan_box *box = plan ? rust_plan_box(plan) : NULL, *old = NULL;

	if (!box)
		return NULL;
	pthread_mutex_lock(&lock);
	if (--box->refs == 0) {
		to_front(box);
		old = take_oldest();
	}
	pthread_mutex_unlock(&lock);
	if (old)
		rust_plan_destroy(&old->plan);
	return NULL;
}
