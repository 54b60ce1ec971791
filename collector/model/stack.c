/* SPDX-License-Identifier: MIT */
#include "collector/model/stack.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_FRAMES  (64u << 10)
#define MAX_MODULES 4096u

struct stack_store {
	struct model_frame *frame; /* by id */
	uint32_t nframes;
	char **module; /* path by id */
	uint32_t nmodules;
	struct model_stack stack[MODEL_STACKS]; /* [number % MODEL_STACKS] */
	uint64_t number;
};

int stack_store_new(struct stack_store **ret)
{
	*ret = calloc(1, sizeof(**ret));
	return *ret ? 0 : -ENOMEM;
}

struct stack_store *stack_store_free(struct stack_store *s)
{
	if (!s)
		return NULL;
	for (uint32_t i = 0; i < s->nframes; i++) {
		free(s->frame[i].func);
		free(s->frame[i].file);
	}
	for (uint32_t i = 0; i < s->nmodules; i++)
		free(s->module[i]);
	free(s->frame);
	free(s->module);
	free(s);
	return NULL;
}

/* Makes room for index i in an array; new entries are zero. */
static void *grown(void *array, uint32_t *n, uint32_t i, size_t size)
{
	uint32_t want = *n ? *n : 64;
	void *p;

	while (want <= i)
		want *= 2;
	if (want == *n)
		return array;
	p = realloc(array, want * size);
	if (!p)
		return NULL;
	memset((char *)p + *n * size, 0, (want - *n) * size);
	*n = want;
	return p;
}

static const void *payload(const struct record *r, size_t bytes)
{
	return r->ev && r->ev->size >= sizeof(*r->ev) + bytes ? r->ev + 1 : NULL;
}

static bool apply_module(struct stack_store *s, const struct record *r)
{
	const struct weft_ev_module *e = payload(r, sizeof(*e));
	char **module;

	if (!e || e->module >= MAX_MODULES)
		return false;
	module = grown(s->module, &s->nmodules, e->module, sizeof(*module));
	if (!module)
		return false;
	s->module = module;
	free(module[e->module]);
	module[e->module] = strndup(e->path, sizeof(e->path));
	return true;
}

static bool begins(const char *text, const char *prefix)
{
	return !strncmp(text, prefix, strlen(prefix));
}

static bool is_system_module(const char *path)
{
	const char *base = strrchr(path, '/');

	base = base ? base + 1 : path;
	return begins(base, "libc.so") || begins(base, "libc-") || begins(base, "libpthread") ||
	       begins(base, "ld-") || begins(base, "ld-linux") || begins(base, "libm.so") ||
	       begins(base, "libgcc_s") || begins(base, "libstdc++") || begins(base, "[vdso]") ||
	       begins(base, "libresolv") || begins(base, "libnss_") || begins(base, "libweft.so");
}

static bool is_runtime_code(const char *func, const char *file)
{
	static const char *const crates[] = {
		"tokio::",        "async_std::", "smol::",         "async_executor::",
		"async_task::",   "async_io::",  "futures_lite::", "futures_util::",
		"futures_core::", "polling::",   "mio::",          "blocking::"
	};

	static const char *const folders[] = { "/runtime/executor/", "/runtime/base/",
					       "/runtime/io/",       "/runtime/time/",
					       "/runtime/sync/",     "/runtime/blocking/",
					       "/runtime/task.c",    "/runtime/runtime.c",
					       "/runtime/join.c" };

	if (begins(func, "weft_"))
		return true;
	for (size_t i = 0; i < sizeof(crates) / sizeof(*crates); i++)
		if (begins(func + (*func == '<'), crates[i]))
			return true;
	for (size_t i = 0; i < sizeof(folders) / sizeof(*folders); i++)
		if (strstr(file, folders[i]))
			return true;
	return begins(file, "runtime/") && !begins(file, "runtime/examples/");
}

static bool is_system_code(const char *func, const char *file)
{
	static const char *const crates[] = {
		"std::",      "core::",    "alloc::",         "parking_lot::", "parking_lot_core::",
		"lock_api::", "parking::", "event_listener::"
	};

	for (size_t i = 0; i < sizeof(crates) / sizeof(*crates); i++)
		if (begins(func + (*func == '<'), crates[i]))
			return true;
	return strstr(file, "/rustc/") || begins(func, "__libc_") || begins(file, "../sysdeps/");
}

static enum frame_origin origin_of(const struct stack_store *s, const struct model_frame *f)
{
	const char *module = f->module && f->module < s->nmodules ? s->module[f->module] : NULL;

	if (f->module == 0)
		return FRAME_KERNEL;
	if ((module && is_system_module(module)) || is_system_code(f->func, f->file))
		return FRAME_SYSTEM;
	return is_runtime_code(f->func, f->file) ? FRAME_RUNTIME : FRAME_PROGRAM;
}

static bool apply_frame(struct stack_store *s, const struct record *r)
{
	const struct weft_ev_frame *e = payload(r, sizeof(*e));
	struct model_frame *f;

	if (!e || e->frame >= MAX_FRAMES)
		return false;
	f = grown(s->frame, &s->nframes, e->frame, sizeof(*f));
	if (!f)
		return false;
	s->frame = f;
	f += e->frame;
	free(f->func);
	free(f->file);
	*f = (struct model_frame){
		.id = e->frame, .module = e->module, .line = e->line, .inlined = e->inlined
	};
	f->func = strndup(e->func, sizeof(e->func));
	f->file = strndup(e->file, sizeof(e->file));
	if (f->func && f->file)
		f->origin = origin_of(s, f);
	return true;
}

static bool apply_stack(struct stack_store *s, const struct record *r)
{
	const struct weft_ev_stack *e = payload(r, sizeof(*e));
	struct model_stack *k;
	const __u32 *ids;
	uint32_t n;

	if (!e || e->frames > 4096 || !payload(r, sizeof(*e) + e->frames * sizeof(*ids)))
		return false;
	n = e->frames < MODEL_STACK_FRAMES ? e->frames : MODEL_STACK_FRAMES;
	k = &s->stack[++s->number % MODEL_STACKS];
	*k = (struct model_stack){ .number = s->number,
				   .t_ns = r->t_ns,
				   .task = r->task,
				   .poll_seq = e->poll_seq,
				   .open_ns = e->open_ns,
				   .process = r->process,
				   .tid = r->tid,
				   .lane = e->lane,
				   .why = e->why,
				   .syscall = e->syscall,
				   .nframes = n,
				   .kernel = e->kernel_frames < n ? e->kernel_frames : n };
	memcpy(k->args, e->args, sizeof(k->args));
	ids = (const __u32 *)(e + 1);
	memcpy(k->frame, ids, n * sizeof(*ids));
	return true;
}

bool stack_store_apply(struct stack_store *s, const struct record *r)
{
	switch (r->kind) {
	case WEFT_EV_MODULE:
		return apply_module(s, r);
	case WEFT_EV_FRAME:
		return apply_frame(s, r);
	case WEFT_EV_STACK:
		return apply_stack(s, r);
	}
	return false;
}

const struct model_frame *stack_store_frame(const struct stack_store *s, uint32_t frame)
{
	if (frame >= s->nframes || !s->frame[frame].func || !s->frame[frame].file)
		return NULL;
	return &s->frame[frame];
}

const struct model_stack *stack_store_last(const struct stack_store *s, uint64_t task, uint32_t why,
					   uint64_t poll_seq)
{
	for (uint64_t n = s->number; n && n + MODEL_STACKS > s->number; n--) {
		const struct model_stack *k = &s->stack[n % MODEL_STACKS];

		if (k->task == task && (!why || k->why == why) &&
		    (poll_seq == LIVE_UNKNOWN || k->poll_seq == poll_seq))
			return k;
	}
	return NULL;
}

const struct model_stack *stack_store_next(const struct stack_store *s, uint64_t after)
{
	uint64_t n = after + 1;

	if (s->number >= MODEL_STACKS && n <= s->number - MODEL_STACKS)
		n = s->number - MODEL_STACKS + 1;
	return n <= s->number ? &s->stack[n % MODEL_STACKS] : NULL;
}

const struct model_frame *stack_store_culprit(const struct stack_store *s,
					      const struct model_stack *stack)
{
	for (uint32_t i = stack->kernel; i < stack->nframes; i++) {
		const struct model_frame *f = stack_store_frame(s, stack->frame[i]);

		if (f && f->origin == FRAME_PROGRAM && f->func[0])
			return f;
	}
	return NULL;
}

uint32_t stack_store_text(const struct stack_store *s, const struct model_stack *stack,
			  struct live_frame *rows, uint32_t max)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < stack->nframes && n < max; i++) {
		const struct model_frame *f = stack_store_frame(s, stack->frame[i]);
		struct live_frame *row = &rows[n++];

		row->kernel = i < stack->kernel;
		if (!f || !f->func[0])
			snprintf(row->text, sizeof(row->text), "?");
		else if (f->file[0] && f->line)
			snprintf(row->text, sizeof(row->text), "%.150s (%.150s:%u)", f->func,
				 f->file, f->line);
		else
			snprintf(row->text, sizeof(row->text), "%.300s", f->func);
	}
	return n;
}
