// SPDX-License-Identifier: MIT
#include "probes/await_reader.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>

#define SITES_MAX   4096u /* places of one process; power of two, half the table */
#define TABLE       (2 * SITES_MAX)
#define ADDRESS_MAX (1ull << 56)
#define NO_PLACE    0u
#define FRAME_ALIGN 8u
#define FILE_READ   1024u /* of a path, to find its tail */

/* The head of a frame and the words that WEFT_FRAME puts behind it (runtime/async.h). */
struct frame {
	struct weft_frame head;
	__s32 rc;
	__u32 on;
};
WEFT_ASSERT(frame, sizeof(struct frame) == 24);

struct site {
	uint64_t address; /* 0 = free */
	uint32_t place;   /* NO_PLACE: what is there is no site */
};

struct await_reader {
	pid_t pid;
	await_place_fn fn;
	void *ctx;
	uint32_t sites, places;
	struct site site[TABLE];
};

int await_reader_new(pid_t pid, await_place_fn fn, void *ctx, struct await_reader **ret)
{
	struct await_reader *r = calloc(1, sizeof(*r));

	if (!r)
		return -ENOMEM;
	r->pid = pid;
	r->fn = fn;
	r->ctx = ctx;
	*ret = r;
	return 0;
}

struct await_reader *await_reader_free(struct await_reader *r)
{
	free(r);
	return NULL;
}

/* ---- reading ---- */

static bool plausible(uint64_t address)
{
	return address >= WEFT_PAGE && address < ADDRESS_MAX;
}

static bool read_target(const struct await_reader *r, uint64_t address, void *to, size_t bytes)
{
	struct iovec local = { to, bytes }, remote = { (void *)(uintptr_t)address, bytes };

	return plausible(address) &&
	       process_vm_readv(r->pid, &local, 1, &remote, 1, 0) == (ssize_t)bytes;
}

/* Up to `size` - 1 bytes of text; it may end right before memory that is not there. False: no end found. */
static bool read_text(const struct await_reader *r, uint64_t address, char *to, size_t size)
{
	struct iovec local = { to, size };
	struct iovec page[1 + FILE_READ / WEFT_PAGE + 1];
	size_t pages = 0, left = size;
	ssize_t n;

	if (!plausible(address))
		return false;
	for (uint64_t at = address; left && pages < sizeof(page) / sizeof(*page); pages++) {
		size_t in_page = WEFT_PAGE - at % WEFT_PAGE;

		in_page = in_page < left ? in_page : left;
		page[pages] = (struct iovec){ (void *)(uintptr_t)at, in_page };
		at += in_page;
		left -= in_page;
	}
	n = process_vm_readv(r->pid, &local, 1, page, pages, 0);
	return n > 0 && memchr(to, '\0', (size_t)n);
}

/* ---- sites ---- */

static struct site *site_slot(struct await_reader *r, uint64_t address)
{
	uint32_t at = (uint32_t)(address * 0x9e3779b97f4a7c15ull >> 40) & (TABLE - 1);

	while (r->site[at].address && r->site[at].address != address)
		at = (at + 1) & (TABLE - 1);
	return &r->site[at];
}

static bool describe(const struct await_reader *r, uint64_t address, struct weft_ev_place *place)
{
	struct weft_await_site site;
	char text[FILE_READ];
	size_t n;

	if (!read_target(r, address, &site, sizeof(site)) ||
	    !read_text(r, (uintptr_t)site.func, text, sizeof(text)))
		return false;
	place->line = site.line;
	memcpy(place->func, text, strnlen(text, sizeof(place->func) - 1));
	if (!read_text(r, (uintptr_t)site.file, text, sizeof(text)))
		return false;
	n = strlen(text);
	if (n >= sizeof(place->file))
		memcpy(place->file, text + n - (sizeof(place->file) - 1), sizeof(place->file) - 1);
	else
		memcpy(place->file, text, n);
	return true;
}

/* A full table answers for what it knows only: so many places mean that the process makes them up. */
static uint32_t place_of(struct await_reader *r, uint64_t address)
{
	struct site *s = site_slot(r, address);
	struct weft_ev_place place = { 0 };

	if (s->address)
		return s->place;
	if (r->sites == SITES_MAX)
		return NO_PLACE;
	r->sites++;
	s->address = address;
	if (!describe(r, address, &place))
		return NO_PLACE;
	place.place = s->place = ++r->places;
	r->fn(r->ctx, &place);
	return s->place;
}

/* ---- chains ---- */

static bool read_frame(const struct await_reader *r, const struct await_block *b, uint64_t address,
		       struct frame *ret, bool *outside)
{
	uint64_t offset = address - b->address;

	if (address % FRAME_ALIGN)
		return false;
	if (address >= b->address && offset <= b->size && sizeof(*ret) <= b->size - offset) {
		memcpy(ret, b->bytes + offset, sizeof(*ret));
		return true;
	}
	*outside = true;
	return read_target(r, address, ret, sizeof(*ret));
}

static void leaf_first(struct await_chain *c)
{
	for (uint32_t i = 0; i < c->places / 2; i++) {
		uint32_t other = c->places - 1 - i, place = c->place[i];

		c->place[i] = c->place[other];
		c->place[other] = place;
	}
}

/* Follows one frame; false: this was the last one that can be. */
static bool follow(struct await_reader *r, const struct await_block *b, uint64_t *address,
		   struct await_chain *c)
{
	struct frame f;
	uint32_t place;

	if (!read_frame(r, b, *address, &f, &c->outside))
		return false;
	if (!f.head.at) { /* a root that was never polled; a callee always has one */
		c->complete = c->places == 0;
		return false;
	}
	if (f.head.self != (uint32_t)*address)
		return false;
	place = place_of(r, (uintptr_t)f.head.at);
	if (place == NO_PLACE)
		return false;
	c->place[c->places++] = place;
	c->on = f.on;
	c->complete = f.head.callee == 0;
	*address += (uint64_t)(int64_t)f.head.callee;
	return !c->complete;
}

void await_reader_read(struct await_reader *r, const struct await_block *block,
		       struct await_chain *ret)
{
	uint64_t address = block->address + block->frame;

	*ret = (struct await_chain){ .on = WEFT_WAIT_UNKNOWN };
	while (ret->places < WEFT_AWAIT_DEPTH && follow(r, block, &address, ret))
		;
	leaf_first(ret);
}
