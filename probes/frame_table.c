// SPDX-License-Identifier: MIT
#include "probes/frame_table.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define PLACES_MAX    65536u /* then the table begins anew, with new ids */
#define INLINES       8u
#define NO_MODULE     0xffffffffu
#define KERNEL_MODULE 0u
#define REFRESH_NS    1000000000ull

/* One address of one process (or of the kernel: process WEFT_EV_ALL). Open addressing; process_plus 0 = free. */
struct place {
	uint64_t pc;
	uint32_t process_plus; /* process + 1 */
	uint8_t call_site, n;
	uint32_t id[INLINES];
};

struct image {
	struct image *next;
	uint32_t process;
	struct resolver *resolver;
	uint64_t refreshed_ns;
	uint32_t modules, *module_id; /* by the resolver's id; 0 = not told yet */
};

struct frame_table {
	struct place *place; /* 2 * PLACES_MAX */
	unsigned used;
	uint32_t next_frame, next_module;
	struct image *images;
	struct resolver *kernel;
	unwinder_fn fn;
	void *ctx;
};

struct frame_table *frame_table_new(void)
{
	struct frame_table *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	t->place = calloc(2 * PLACES_MAX, sizeof(*t->place));
	if (!t->place) {
		free(t);
		return NULL;
	}
	t->next_frame = t->next_module = 1;
	return t;
}

static void free_image(struct image *i)
{
	resolver_free(i->resolver);
	free(i->module_id);
	free(i);
}

struct frame_table *frame_table_free(struct frame_table *t)
{
	if (!t)
		return NULL;
	while (t->images) {
		struct image *i = t->images;

		t->images = i->next;
		free_image(i);
	}
	resolver_free(t->kernel);
	free(t->place);
	free(t);
	return NULL;
}

void frame_table_output(struct frame_table *t, unwinder_fn fn, void *ctx)
{
	t->fn = fn;
	t->ctx = ctx;
}

/* ---- images ---- */

static struct image *image_of(struct frame_table *t, const struct unwind_job *job)
{
	struct image *i = t->images;

	while (i && i->process != job->ev.process)
		i = i->next;
	if (i)
		return i;
	i = calloc(1, sizeof(*i));
	if (!i)
		return NULL;
	i->process = job->ev.process;
	if (resolver_new(job->pid, &i->resolver)) {
		free(i);
		return NULL;
	}
	i->next = t->images;
	t->images = i;
	return i;
}

struct resolver *frame_table_resolver(struct frame_table *t, const struct unwind_job *job)
{
	struct image *i = image_of(t, job);

	return i ? i->resolver : NULL;
}

/* Its places stay: their ids are in use by whoever records. */
void frame_table_forget(struct frame_table *t, uint32_t process)
{
	for (struct image **at = &t->images; *at; at = &(*at)->next) {
		struct image *i = *at;

		if (i->process != process)
			continue;
		*at = i->next;
		free_image(i);
		return;
	}
}

static struct weft_ev event(const struct unwind_job *job, uint16_t kind)
{
	return (struct weft_ev){ .kind = kind,
				 .process = job->ev.process,
				 .tid = job->ev.tid,
				 .time_ns = job->ev.time_ns };
}

static void copy_text(char *to, size_t size, const char *from)
{
	size_t n = strnlen(from, size - 1);

	memcpy(to, from, n);
}

/* The session's id of a module, told on first use. */
static uint32_t module_of(struct frame_table *t, struct image *i, const struct unwind_job *job,
			  uint64_t pc)
{
	struct weft_ev_module e = { 0 };
	struct resolver_module m;

	if (resolver_module_at(i->resolver, pc, &m))
		return NO_MODULE;
	if (m.id >= i->modules) {
		uint32_t n = m.id + 16, *more = realloc(i->module_id, n * sizeof(*more));

		if (!more)
			return NO_MODULE;
		memset(more + i->modules, 0, (n - i->modules) * sizeof(*more));
		i->module_id = more;
		i->modules = n;
	}
	if (i->module_id[m.id])
		return i->module_id[m.id];
	i->module_id[m.id] = e.module = t->next_module++;
	e.address = m.low;
	copy_text(e.build_id, sizeof(e.build_id), m.build_id);
	copy_text(e.path, sizeof(e.path), m.path);
	t->fn(t->ctx, event(job, WEFT_EV_MODULE), &e, sizeof(e));
	return e.module;
}

/* ---- places ---- */

static struct place *find(struct frame_table *t, uint32_t process_plus, uint64_t pc, bool call_site)
{
	uint64_t hash =
		(pc ^ (uint64_t)process_plus << 48 ^ (uint64_t)call_site) * 0x9e3779b97f4a7c15ull;
	unsigned at = (unsigned)(hash >> 40) & (2 * PLACES_MAX - 1);

	if (t->used >= PLACES_MAX) {
		memset(t->place, 0, 2 * PLACES_MAX * sizeof(*t->place));
		t->used = 0;
	}
	while (t->place[at].process_plus &&
	       (t->place[at].pc != pc || t->place[at].process_plus != process_plus ||
		t->place[at].call_site != call_site))
		at = (at + 1) & (2 * PLACES_MAX - 1);
	return &t->place[at];
}

static void tell(struct frame_table *t, const struct unwind_job *job,
		 const struct resolver_frame *f, uint32_t module, struct place *to)
{
	struct weft_ev_frame e = { .frame = t->next_frame++,
				   .module = module,
				   .offset = f->offset,
				   .line = f->line,
				   .inlined = f->inlined };

	copy_text(e.func, sizeof(e.func), f->func);
	copy_text(e.file, sizeof(e.file), f->file);
	t->fn(t->ctx, event(job, WEFT_EV_FRAME), &e, sizeof(e));
	to->id[to->n++] = e.frame;
}

static struct place *take(struct frame_table *t, struct place *p, uint32_t process_plus,
			  uint64_t pc, bool call_site)
{
	*p = (struct place){ .pc = pc, .process_plus = process_plus, .call_site = call_site };
	t->used++;
	return p;
}

static int resolve(struct image *i, const struct unwind_job *job, uint64_t pc, bool call_site,
		   struct resolver_frame *f)
{
	int n = resolver_frames(i->resolver, pc, call_site, f, INLINES);

	/* Mapped since: a library that was opened, or code that was made. */
	if (n != -ENOENT || job->ev.time_ns - i->refreshed_ns < REFRESH_NS)
		return n;
	i->refreshed_ns = job->ev.time_ns;
	if (resolver_refresh(i->resolver))
		return n;
	return resolver_frames(i->resolver, pc, call_site, f, INLINES);
}

static unsigned copy_ids(const struct place *p, uint32_t *ids, unsigned max)
{
	unsigned n = p->n < max ? p->n : max;

	memcpy(ids, p->id, n * sizeof(*ids));
	return n;
}

unsigned frame_table_user(struct frame_table *t, const struct unwind_job *job, uint64_t pc,
			  bool call_site, uint32_t *ids, unsigned max)
{
	struct place *p = find(t, job->ev.process + 1, pc, call_site);
	struct resolver_frame f[INLINES];
	struct image *i;
	uint32_t module;
	int n;

	if (p->process_plus)
		return copy_ids(p, ids, max);
	i = image_of(t, job);
	if (!i)
		return 0;
	memset(f, 0, sizeof(f));
	n = resolve(i, job, pc, call_site, f);
	module = module_of(t, i, job, pc);
	if (n <= 0) { /* no name: the place is kept all the same, names can be filled in later */
		if (!f[0].offset)
			f[0].offset = pc;
		n = 1;
	}
	take(t, p, job->ev.process + 1, pc, call_site);
	for (int k = 0; k < n; k++)
		tell(t, job, &f[k], module, p);
	return copy_ids(p, ids, max);
}

unsigned frame_table_kernel(struct frame_table *t, const struct unwind_job *job, uint64_t pc,
			    uint32_t *ids)
{
	struct place *p = find(t, WEFT_EV_ALL, pc, false);
	struct resolver_frame f;

	if (p->process_plus)
		return copy_ids(p, ids, 1);
	memset(&f, 0, sizeof(f));
	if (!t->kernel && resolver_new(0, &t->kernel))
		return 0;
	resolver_kernel(t->kernel, pc, &f);
	if (!f.offset)
		f.offset = pc;
	take(t, p, WEFT_EV_ALL, pc, false);
	tell(t, job, &f, KERNEL_MODULE, p);
	return copy_ids(p, ids, 1);
}
