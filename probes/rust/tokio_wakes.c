// SPDX-License-Identifier: MIT
/*
 * Wakes: the one RawWakerVTable { clone, wake, wake_by_ref, drop } that poll functions hand out. Completion: the
 * function that polls call, and that flips RUNNING and COMPLETE (`xor $3`, `lock cmpxchg`) itself or by its first call.
 */
#include "probes/rust/tokio.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "probes/rust/promoted.h"
#include "probes/rust/scan.h"

#define WAKER_SLOTS 4
#define MAX_WAKERS  (1u << 16)
#define MAX_CHECKED 64
#define MAX_FLIPS   4096

struct waker {
	uint64_t vtable;
	uint32_t votes;
};

struct wakes {
	struct rust_builder *b;
	struct rust_targets
		*polls; /* functions that poll: the vtables' own, and where those jump at once */
	struct rust_targets *wakers;
	uint32_t n, room;
	struct {
		uint64_t vtable;
		uint32_t votes;
	} * waker;
};

static int add_poll(struct wakes *w, uint64_t function)
{
	const uint8_t *bytes = rust_image_bytes(w->b->image, function, 5);
	int32_t distance;
	int rc = rust_targets_add(w->polls, function, 0);

	if (rc < 0 || !bytes || bytes[0] != 0xe9)
		return rc;
	memcpy(&distance, bytes + 1, 4);
	return rust_targets_add(w->polls, function + 5 + (uint64_t)(int64_t)distance, 0);
}

static bool is_waker_table(const struct rust_image *image, uint64_t at)
{
	uint64_t function, low, high;

	if (at >= image->got && at < image->got_end)
		return false;
	for (unsigned i = 0; i < WAKER_SLOTS; i++)
		if (!rust_image_code_pointer(image, at + 8 * i, &function))
			return false;
	for (unsigned i = 0; i < WAKER_SLOTS; i++) {
		rust_image_code_pointer(image, at + 8 * i, &function);
		if (!rust_image_function(image, function, &low, &high) || low != function)
			return false;
	}
	return true;
}

static int add_waker(struct wakes *w, uint64_t at)
{
	if (w->n == w->room) {
		uint32_t room = w->room ? w->room * 2 : 256;
		void *grown = reallocarray(w->waker, room, sizeof(*w->waker));

		if (!grown)
			return -ENOMEM;
		w->waker = grown;
		w->room = room;
	}
	w->waker[w->n].vtable = at;
	w->waker[w->n].votes = 0;
	return rust_targets_add(w->wakers, at, w->n++);
}

static int find_wakers(struct wakes *w)
{
	const struct rust_image *image = w->b->image;
	int rc = 0;

	for (size_t i = 0; i < image->n; i++) {
		const struct rust_segment *s = &image->segment[i];

		if ((s->flags & PF_X) || (!image->fixed && !s->pointers))
			continue;
		for (uint64_t at = (8 - s->address % 8) % 8; rc == 0 && at + 32 <= s->bytes;
		     at += 8)
			if (w->n < MAX_WAKERS && is_waker_table(image, s->address + at))
				rc = add_waker(w, s->address + at);
	}
	return rc;
}

static int vote(void *ctx, uint64_t at, uint32_t value)
{
	struct wakes *w = ctx;
	uint64_t low, high;
	uint32_t unused;

	if (rust_image_function(w->b->image, at, &low, &high) &&
	    rust_targets_find(w->polls, low, &unused))
		w->waker[value].votes++;
	return 0;
}

/* Is the register of the indirect call `i` loaded from a header's vtable shortly before? */
static bool is_of_vtable(const struct rust_builder *b, const struct rust_code *code, size_t i)
{
	int32_t at = b->plan->layout[RUST_TOKIO].vtable;

	for (size_t back = i; back > 0 && i - back < 6; back--) {
		const struct rust_insn *insn = &code->insn[back - 1];

		if (insn->op == RUST_OP_LOAD && insn->reg == code->insn[i].base)
			return insn->disp == at && insn->base < 16;
	}
	return false;
}

/* Does the function, or one that it calls, call the function in the word `disp` of a task's vtable? */
static bool uses_slot(struct rust_builder *b, uint64_t function, int32_t disp, int depth)
{
	uint64_t callee[16];
	size_t n = 0;
	const struct rust_code *code = rust_decoder_at(b->decoder, function);

	for (size_t i = 0; code && i < code->n; i++) {
		const struct rust_insn *insn = &code->insn[i];
		bool leaves = insn->op == RUST_OP_CALL || insn->op == RUST_OP_JUMP;
		uint64_t to = leaves ? rust_code_target(b->image, insn) : 0;

		if (leaves && insn->memory && insn->base < 16 && !insn->indexed &&
		    insn->disp == disp && is_of_vtable(b, code, i))
			return true;
		if (to && (to < code->low || to >= code->high) && n < 16)
			callee[n++] = to;
	}
	for (size_t i = 0; depth > 0 && i < n; i++)
		if (uses_slot(b, callee[i], disp, depth - 1))
			return true;
	return false;
}

/* Its wake must lead to a task's `schedule`, its drop to `dealloc`. */
static bool is_task_waker(struct rust_builder *b, uint64_t vtable)
{
	uint64_t wake = 0, drop = 0;

	rust_image_code_pointer(b->image, vtable + 8, &wake);
	rust_image_code_pointer(b->image, vtable + 24, &drop);
	return uses_slot(b, wake, 8 * RUST_TOKIO_SCHEDULE, 2) &&
	       uses_slot(b, drop, 8 * RUST_TOKIO_DEALLOC, 2);
}

static void add_waker_probes(struct rust_builder *b, uint64_t vtable)
{
	struct rust_probe probe = {
		.kind = RUST_WAKE, .family = RUST_TOKIO, .reg = RUST_RDI, .type = UINT32_MAX
	};
	uint64_t function;

	for (unsigned slot = 1; slot <= 2; slot++)
		if (rust_image_code_pointer(b->image, vtable + 8 * slot, &function)) {
			rust_builder_entry(b, function, probe);
			rust_promoted_wakes(b, function);
		}
}

static int by_votes(const void *a, const void *b)
{
	const struct waker *x = a, *y = b;

	if (x->votes != y->votes)
		return x->votes > y->votes ? -1 : 1;
	return x->vtable < y->vtable ? -1 : x->vtable > y->vtable;
}

/* Nearly every poll refers to the right one; a file with two releases of Tokio in it has two. */
static void add_wakes(struct wakes *w)
{
	uint32_t most = 0;

	if (w->n > 1)
		qsort(w->waker, w->n, sizeof(*w->waker), by_votes);
	for (uint32_t i = 0; i < w->n && i < MAX_CHECKED; i++) {
		if (w->waker[i].votes == 0 || w->waker[i].votes < most / 4)
			return;
		if (!is_task_waker(w->b, w->waker[i].vtable))
			continue;
		most = most ? most : w->waker[i].votes;
		add_waker_probes(w->b, w->waker[i].vtable);
	}
}

/* Functions with `xor $3, R` (64 bits) and `lock cmpxchg` right behind it. */
static int find_flips(const struct rust_image *image, struct rust_targets *ret)
{
	size_t bytes = (size_t)(image->code_end - image->code);
	const uint8_t *code = rust_image_bytes(image, image->code, bytes);
	uint64_t low, high;
	unsigned found = 0;
	int rc = 0;

	for (size_t i = 0; code && i + 24 <= bytes && rc == 0 && found < MAX_FLIPS; i++) {
		const uint8_t *p = memchr(code + i, 0x83, bytes - 24 - i);

		if (!p)
			break;
		i = (size_t)(p - code);
		if (i == 0 || (p[-1] & 0xfe) != 0x48 || (p[1] & 0xf8) != 0xf0 || p[2] != 3 ||
		    !memmem(p + 3, 16, "\x0f\xb1", 2) ||
		    !rust_image_function(image, image->code + i, &low, &high))
			continue;
		rc = rust_targets_add(ret, low, 0);
		found++;
	}
	return rc;
}

struct callers {
	const struct rust_image *image;
	const struct rust_targets *polls; /* NULL = every caller counts */
	struct rust_targets *ret;         /* callers; with polls: what they call */
	struct rust_builder *b;
};

static int add_calling(void *ctx, const struct rust_call *call)
{
	struct callers *c = ctx;
	uint64_t low, high;

	if (!rust_image_function(c->image, call->address, &low, &high))
		return 0;
	return rust_targets_add(c->ret, low, 0);
}

/* `targets` are candidates by function; those that a poll function calls are it. */
static int add_complete(void *ctx, const struct rust_call *call)
{
	struct callers *c = ctx;
	struct rust_probe probe = {
		.kind = RUST_COMPLETE, .family = RUST_TOKIO, .reg = RUST_RDI, .type = UINT32_MAX
	};
	const uint8_t *bytes = rust_image_bytes(c->image, call->address, 6);
	uint64_t low, high, to;
	int32_t distance;
	uint32_t unused;

	if (!bytes || !rust_image_function(c->image, call->address, &low, &high) ||
	    !rust_targets_find(c->polls, low, &unused))
		return 0;
	memcpy(&distance, bytes + (call->next - call->address) - 4, 4);
	to = call->next + (uint64_t)(int64_t)distance;
	if (bytes[0] == 0xff && !rust_image_code_pointer(c->image, to, &to))
		return 0;
	if (to != low && !rust_targets_find(c->polls, to, &unused))
		rust_builder_entry(c->b, to, probe);
	return c->b->rc;
}

static int find_complete(struct wakes *w)
{
	struct rust_targets *flips = NULL, *all = NULL;
	struct callers up = { .image = w->b->image };
	struct callers down = { .image = w->b->image, .polls = w->polls, .b = w->b };
	int rc = rust_targets_new(&flips);

	if (rc == 0)
		rc = rust_targets_new(&all);
	if (rc == 0)
		rc = find_flips(w->b->image, flips);
	if (rc == 0)
		rc = find_flips(w->b->image, all);
	up.ret = all;
	if (rc == 0)
		rc = rust_builder_calls(w->b, flips, add_calling, &up);
	if (rc == 0)
		rc = rust_builder_calls(w->b, all, add_complete, &down);
	rust_targets_free(flips);
	rust_targets_free(all);
	return rc;
}

void rust_tokio_wakes(struct rust_builder *b)
{
	struct wakes w = { .b = b };
	int rc = rust_targets_new(&w.polls);

	if (rc == 0)
		rc = rust_targets_new(&w.wakers);
	for (uint32_t i = 0; rc == 0 && i < b->plan->n_types; i++)
		if (b->plan->types[i].family == RUST_TOKIO)
			rc = add_poll(&w, b->plan->types[i].poll);
	if (rc == 0)
		rc = find_wakers(&w);
	if (rc == 0)
		rc = rust_targets_add_slots(w.wakers, b->image);
	if (rc == 0)
		rc = rust_scan(b->image, w.wakers, vote, &w);
	if (rc == 0)
		add_wakes(&w);
	if (rc == 0)
		rc = find_complete(&w);
	if (rc < 0 && b->rc == 0)
		b->rc = rc;
	free(w.waker);
	rust_targets_free(w.polls);
	rust_targets_free(w.wakers);
}
