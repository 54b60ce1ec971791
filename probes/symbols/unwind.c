// SPDX-License-Identifier: MIT
/*
 * Stack walks by .eh_frame. The frame pointer is a last resort for code without it (JIT, hand-written
 * assembly): such a step is taken only to a plausible place, and a walk that used one can still end well.
 */
#include <errno.h>
#include <string.h>
#include <sys/uio.h>
#include <time.h>

#include "probes/symbols/cfi_rules.h"
#include "probes/symbols/resolver.h"
#include "probes/symbols/resolver_internal.h"

struct walk {
	struct resolver *r;
	const char *stack;
	uint64_t base;
	size_t bytes;
	bool unmapped; /* met a pc outside of all known mappings */
};

/* What can't be written to is the same now as when the stack was copied. */
static bool read_constant(const struct walk *w, uint64_t address, uint64_t *ret)
{
	const struct proc_map *map = w->r->maps ? proc_maps_find(w->r->maps, address) : NULL;
	struct iovec to = { ret, sizeof(*ret) },
		     from = { (void *)(uintptr_t)address, sizeof(*ret) };

	return map && !(map->flags & PROC_MAP_WRITE) &&
	       process_vm_readv(w->r->pid, &to, 1, &from, 1, 0) == (ssize_t)sizeof(*ret);
}

static bool read_word(void *ctx, uint64_t address, uint64_t *ret)
{
	const struct walk *w = ctx;

	if (address < w->base || address - w->base >= w->bytes)
		return read_constant(w, address, ret);
	if (w->bytes - (address - w->base) < sizeof(*ret))
		return false;
	memcpy(ret, w->stack + (address - w->base), sizeof(*ret));
	return true;
}

static bool is_code(struct walk *w, uint64_t pc)
{
	const struct proc_map *map;

	if (resolver_code_at(w->r, pc))
		return true;
	map = w->r->maps ? proc_maps_find(w->r->maps, pc) : NULL;
	w->unmapped |= !map;
	return map && (map->flags & PROC_MAP_EXEC);
}

/* A call through a bad pointer: nothing was pushed since the return address. */
static bool step_bad_call(const struct cfi_frame *f, struct cfi_frame *ret)
{
	*ret = *f;
	ret->reg[EH_RSP] = f->reg[EH_RSP] + 8;
	return f->read(f->ctx, f->reg[EH_RSP], &ret->reg[EH_RIP]);
}

static bool step_frame_pointer(const struct cfi_frame *f, struct cfi_frame *ret)
{
	uint64_t rbp = f->reg[EH_RBP];

	*ret = (struct cfi_frame){ .read = f->read,
				   .ctx = f->ctx,
				   .valid = 1u << EH_RBP | 1u << EH_RSP | 1u << EH_RIP };
	ret->reg[EH_RSP] = rbp + 16;
	return (f->valid & 1u << EH_RBP) && rbp % 8 == 0 && rbp >= f->reg[EH_RSP] &&
	       f->read(f->ctx, rbp, &ret->reg[EH_RBP]) &&
	       f->read(f->ctx, rbp + 8, &ret->reg[EH_RIP]);
}

struct step {
	bool first, exact; /* exact: the pc is where the thread was, not a return address */
	bool trampoline;   /* the frame left behind was the kernel's way into a signal handler */
	bool complete;
};

/* One frame up; false = the walk ends here. */
static bool step(struct walk *w, struct cfi_frame *f, struct step *s)
{
	uint64_t pc = f->reg[EH_RIP] - !s->exact;
	const struct resolver_code *code = resolver_code_at(w->r, pc);
	const struct eh_row *row = NULL;
	struct cfi_frame up;
	bool moved;

	if (code)
		row = cfi_rules_at(w->r->rules, w->r->module[code->module - 1].elf, pc,
				   pc - code->bias);
	if (row)
		moved = cfi_rules_step(row, f, &up) == 0;
	else if (s->first && !is_code(w, pc))
		moved = step_bad_call(f, &up);
	else
		moved = step_frame_pointer(f, &up);
	if (!moved)
		return false;
	if (!(up.valid & 1u << EH_RIP) || up.reg[EH_RIP] == 0) {
		s->complete = row != NULL;
		return false;
	}
	/* a signal may have come in on another stack; all else goes up */
	if (!(up.valid & 1u << EH_RSP) || !is_code(w, up.reg[EH_RIP] - 1) ||
	    (up.reg[EH_RSP] <= f->reg[EH_RSP] && !(row && row->signal)))
		return false;
	s->trampoline = row && row->signal;
	s->exact = s->trampoline;
	s->first = false;
	*f = up;
	return true;
}

static size_t walk_up(struct walk *w, const struct unwind_regs *regs, uint64_t *ret_pcs, size_t max,
		      bool *ret_complete)
{
	struct cfi_frame f = { .valid = (1u << EH_REGS) - 1, .read = read_word, .ctx = w };
	struct step s = { .first = true, .exact = true };
	size_t n = 0;

	memcpy(f.reg, regs->r, sizeof(f.reg));
	/*
	 * The caller takes all but the first for return addresses and looks one byte before them. A trampoline
	 * and what a signal interrupted were not called: one byte is added to make up for that.
	 */
	while (n < max) {
		ret_pcs[n] = f.reg[EH_RIP] + (n > 0 && s.exact);
		n++;
		if (!step(w, &f, &s))
			break;
		if (s.trampoline && n > 1)
			ret_pcs[n - 1] = ret_pcs[n - 1] + 1;
	}
	*ret_complete = s.complete;
	return n;
}

/* A library was opened, or a program started, since the last look. Noise on a stack must not make this frequent. */
static bool look_again(struct resolver *r)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
	if (r->pid == 0 || now.tv_sec <= r->refreshed_s)
		return false;
	r->refreshed_s = now.tv_sec;
	return resolver_refresh(r) == 0;
}

int unwind_stack(struct resolver *r, const struct unwind_regs *regs, const void *stack,
		 size_t bytes, uint64_t *ret_pcs, size_t max, bool *ret_complete)
{
	struct walk w = { .r = r, .stack = stack, .base = regs->r[EH_RSP], .bytes = bytes };
	size_t n = walk_up(&w, regs, ret_pcs, max, ret_complete);

	if (w.unmapped && !*ret_complete && look_again(r))
		n = walk_up(&w, regs, ret_pcs, max, ret_complete);
	return (int)n;
}
