// SPDX-License-Identifier: MIT
/*
 * A poll is `vtable->poll(header)`: `mov 0x10(H), R` and `call *(R)` with H in rdi, in each loop that runs tasks
 * (workers, current thread, local sets, the blocking pool): about ten places, whatever the number of types. Older
 * releases have it in a function of its own that ends in `jmp *(R)`; then the calls of that function count.
 * async-task: `vtable->run(header)`, `call *0x28(R)`; where the header holds the vtable is up to the compiler.
 */
#include "probes/rust/polls.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "probes/rust/location.h"
#include "probes/rust/scan.h"

#define MAX_HEADER 32 /* bytes of a header that may hold the vtable */
#define LOOK_BACK  24
#define MAX_SITES  4096
#define MAX_MEMORY 32
#define MAX_WAY    32 /* instructions from one poll to where another goes on */

/* Values of registers by number, as far as a straight line of code tells which of them are equal. */
struct values {
	unsigned next, reg[16];
	unsigned vtable_of[16]; /* the value in whose memory the register was found; 0 = none */
	int32_t vtable_at[16];
	size_t n;
	struct {
		unsigned base, value;
		int32_t disp;
	} memory[MAX_MEMORY];
};

static void store(struct values *v, unsigned base, int32_t disp, unsigned value)
{
	size_t at = v->n < MAX_MEMORY ? v->n++ : MAX_MEMORY - 1;

	for (size_t i = 0; i < v->n; i++)
		if (v->memory[i].base == base && v->memory[i].disp == disp)
			at = i;
	v->memory[at].base = base;
	v->memory[at].disp = disp;
	v->memory[at].value = value;
}

static unsigned load(struct values *v, unsigned base, int32_t disp)
{
	for (size_t i = 0; i < v->n; i++)
		if (v->memory[i].base == base && v->memory[i].disp == disp)
			return v->memory[i].value;
	store(v, base, disp, v->next);
	return v->next++;
}

static void clobber(struct values *v, uint16_t writes)
{
	for (unsigned i = 0; i < 16; i++) {
		if (!(writes >> i & 1))
			continue;
		v->reg[i] = v->next++;
		v->vtable_of[i] = 0;
	}
}

static void step(struct values *v, const struct rust_insn *insn)
{
	bool plain = insn->base < 16 && !insn->indexed;
	unsigned base = insn->base < 16 ? v->reg[insn->base] : 0, value;

	if (insn->op == RUST_OP_MOVE && insn->base < 16 && insn->reg < 16) {
		v->vtable_of[insn->reg] = v->vtable_of[insn->base];
		v->vtable_at[insn->reg] = v->vtable_at[insn->base];
		v->reg[insn->reg] = base;
	} else if (insn->op == RUST_OP_LOAD && plain && insn->reg < 16) {
		value = load(v, base, insn->disp);
		v->vtable_of[insn->reg] = base;
		v->vtable_at[insn->reg] = insn->disp;
		v->reg[insn->reg] = value;
	} else if (insn->op == RUST_OP_STORE && plain) {
		store(v, base, insn->disp, insn->reg < 16 ? v->reg[insn->reg] : v->next++);
	} else {
		clobber(v, insn->writes);
	}
}

/* Backwards no further than a place that the line above can't fall through to. */
static size_t window(const struct rust_code *code, size_t i)
{
	size_t from = i;

	while (from > 0 && i - from < LOOK_BACK && code->insn[from - 1].op != RUST_OP_JUMP &&
	       code->insn[from - 1].op != RUST_OP_END)
		from--;
	return from;
}

/* Where in the header the vtable is; < 0: it is no poll. */
static int32_t vtable_at(const struct rust_code *code, size_t i, int32_t slot)
{
	const struct rust_insn *call = &code->insn[i];
	struct values v = { .next = 17 };

	if (!call->memory || call->indexed || call->disp != slot || call->base > 15 || call->leader)
		return -1;
	for (unsigned r = 0; r < 16; r++)
		v.reg[r] = r + 1;
	for (size_t at = window(code, i); at < i; at++) {
		if (code->insn[at].leader) /* the vtable must come from this block */
			memset(v.vtable_of, 0, sizeof(v.vtable_of));
		step(&v, &code->insn[at]);
	}
	if (!v.vtable_of[call->base] || v.vtable_of[call->base] != v.reg[RUST_RDI] ||
	    v.vtable_at[call->base] > MAX_HEADER)
		return -1;
	return v.vtable_at[call->base];
}

struct sites {
	struct rust_builder *b;
	uint8_t family;
	int32_t slot;      /* of the vtable, in bytes */
	int32_t vtable_at; /* in the header; -1: to be found */
	size_t n;
	struct site {
		uint64_t call;
		int32_t vtable_at;
		bool tail; /* a jump: the function it ends is called to poll */
	} site[MAX_SITES];
};

/* Bytes of `call *slot(R)` or `jmp *slot(R)`: ff /2 or ff /4. Returns R's low bits, -1 = something else. */
static int indirect_base(const uint8_t *at, size_t left, int32_t slot)
{
	unsigned mod = at[1] >> 6, op = at[1] >> 3 & 7, base = at[1] & 7;
	size_t disp = base == 4 ? 3 : 2;

	if (at[0] != 0xff || (op != 2 && op != 4) || (base == 4 && (left < 3 || at[2] != 0x24)))
		return -1;
	if (mod == 0 && base != 5)
		return slot == 0 ? (int)base : -1;
	return mod == 1 && left > disp && at[disp] == slot ? (int)base : -1;
}

/* Is there a `mov D(H), R` shortly before? On bytes: saves decoding most functions. */
static bool loads_vtable(const uint8_t *code, size_t at, unsigned reg, int32_t wanted)
{
	for (size_t back = 2; back < 64 && back <= at; back++) {
		const uint8_t *p = code + at - back;
		unsigned mod = p[1] >> 6;

		if (p[0] != 0x8b || (p[1] >> 3 & 7) != reg)
			continue;
		if (mod == 0 && wanted <= 0)
			return true;
		if (mod != 1 || back < 3)
			continue;
		p += (p[1] & 7) == 4 ? 3 : 2;
		if (wanted < 0 ? *p <= MAX_HEADER : *p == wanted)
			return true;
	}
	return false;
}

static void check(struct sites *s, uint64_t address)
{
	const struct rust_code *code = rust_decoder_at(s->b->decoder, address);
	size_t i = code ? rust_code_index(code, address, true) : SIZE_MAX;
	int32_t at = i == SIZE_MAX ? -1 : vtable_at(code, i, s->slot);

	if (at < 0 || (s->vtable_at >= 0 && at != s->vtable_at) || s->n == MAX_SITES)
		return;
	if (s->n > 0 && s->site[s->n - 1].call == code->insn[i].address)
		return;
	s->site[s->n++] =
		(struct site){ code->insn[i].address, at, code->insn[i].op == RUST_OP_JUMP };
}

static void find_sites(struct sites *s)
{
	const struct rust_image *image = s->b->image;
	size_t bytes = (size_t)(image->code_end - image->code);
	const uint8_t *code = rust_image_bytes(image, image->code, bytes);

	for (size_t i = 0; code && i + 2 <= bytes; i++) {
		const uint8_t *next = memchr(code + i, 0xff, bytes - 1 - i);
		int base;

		if (!next)
			return;
		i = (size_t)(next - code);
		base = indirect_base(next, bytes - i, s->slot);
		if (base >= 0 && loads_vtable(code, i, (unsigned)base, s->vtable_at))
			check(s, image->code + i);
	}
}

/* The place in the header that most sites name; the others are somebody else's. */
static void settle(struct sites *s)
{
	unsigned votes[MAX_HEADER / 8 + 1] = { 0 };
	int32_t best = 0;
	size_t kept = 0;

	for (size_t i = 0; i < s->n; i++)
		votes[s->site[i].vtable_at / 8]++;
	for (int32_t i = 1; i <= MAX_HEADER / 8; i++)
		if (votes[i] > votes[best])
			best = i;
	for (size_t i = 0; i < s->n; i++)
		if (s->site[i].vtable_at == 8 * best)
			s->site[kept++] = s->site[i];
	s->n = kept;
	s->vtable_at = 8 * best;
}

static enum rust_poller poller_of_path(const char *text, size_t n)
{
	static const struct {
		const char *part;
		enum rust_poller poller;
	} known[] = {
		{ "blocking", RUST_BY_BLOCKING_POOL },
		{ "UnownedTask", RUST_BY_BLOCKING_POOL }, /* a job, while it is nobody's */
		{ "multi_thread", RUST_BY_WORKER },
		{ "current_thread", RUST_BY_CURRENT_THREAD },
		{ "basic_scheduler", RUST_BY_CURRENT_THREAD },
		{ "thread_pool", RUST_BY_WORKER },
	};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (memmem(text, n, known[i].part, strlen(known[i].part)))
			return known[i].poller;
	return RUST_BY_OTHER;
}

/* By name; where inlining or stripping took that, by the sources that the function's panics name. */
uint8_t rust_polls_poller(struct rust_builder *b, const struct rust_code *code)
{
	uint64_t start;
	const char *name = symbol_table_find(b->image->symbols, code->low, &start);
	unsigned votes[RUST_BY_OTHER + 1] = { 0 };
	enum rust_poller best = RUST_BY_OTHER;
	struct rust_location at;

	if (name && (strstr(name, "tokio") || strstr(name, "8blocking8Executor")))
		return poller_of_path(name, strlen(name));
	for (size_t i = 0; i < code->n; i++)
		if (code->insn[i].op == RUST_OP_LEA && code->insn[i].target &&
		    rust_location_at(b->image, code->insn[i].target, &at) &&
		    (rust_location_has(&at, "/src/runtime/") ||
		     rust_location_has(&at, "/blocking-")))
			votes[poller_of_path(at.file, at.bytes)]++;
	for (int i = RUST_BY_WORKER; i < RUST_BY_OTHER; i++)
		if (votes[i] > (best == RUST_BY_OTHER ? 0 : votes[best]))
			best = (enum rust_poller)i;
	return best;
}

/* Only the blocking pool gives its reference back right after the poll: `mov $-64, R; lock xadd R, (H)`. */
static bool drops_reference(const struct rust_code *code, size_t i)
{
	for (size_t end = i + 3; i < end && i < code->n; i++)
		if (code->insn[i].op == RUST_OP_CONST && (int32_t)code->insn[i].target == -64)
			return true;
	return false;
}

static bool is_behind_poll(const struct sites *s, const struct rust_code *code, size_t i)
{
	for (size_t k = 0; i > 0 && k < s->n; k++)
		if (s->site[k].call == code->insn[i - 1].address && !s->site[k].tail)
			return true;
	return false;
}

/* Goes on behind another poll, as that does itself: the end there is this one's, too, and one is enough. */
static bool joins_other(const struct sites *s, const struct rust_code *code, size_t call)
{
	size_t i = call + 1;

	for (unsigned n = 0; i < code->n && n < MAX_WAY; n++) {
		const struct rust_insn *insn = &code->insn[i];

		if (i != call + 1 && insn->leader && is_behind_poll(s, code, i))
			return true;
		if (insn->op == RUST_OP_CALL || insn->op == RUST_OP_BRANCH ||
		    insn->op == RUST_OP_END || (insn->op == RUST_OP_JUMP && insn->memory))
			return false;
		i = insn->op == RUST_OP_JUMP ? rust_code_index(code, insn->target, false) : i + 1;
	}
	return false;
}

/* An instruction after whose call the poll is over. */
static void add_end(const struct sites *s, const struct rust_code *code, size_t call)
{
	struct rust_builder *b = s->b;
	struct rust_probe end = { .kind = RUST_POLL_END,
				  .family = s->family,
				  .reg = RUST_NO_REG,
				  .type = UINT32_MAX,
				  .poller = rust_polls_poller(b, code) };

	if (end.poller == RUST_BY_OTHER && drops_reference(code, call + 1))
		end.poller = RUST_BY_BLOCKING_POOL;
	if (call + 1 < code->n && !joins_other(s, code, call))
		rust_builder_place(b, code, call + 1, end);
}

static int add_caller(void *ctx, const struct rust_call *call)
{
	const struct sites *s = ctx;
	const struct rust_code *code = call->jump ? NULL
						  : rust_decoder_at(s->b->decoder, call->address);
	size_t i = code ? rust_code_index(code, call->address, false) : SIZE_MAX;

	if (i != SIZE_MAX)
		add_end(s, code, i);
	return s->b->rc;
}

/* The functions that end in a poll: what follows their calls. */
static void add_callers(struct sites *s)
{
	struct rust_targets *targets = NULL;
	uint64_t low, high;
	bool any = false;
	int rc = rust_targets_new(&targets);

	for (size_t i = 0; rc == 0 && i < s->n; i++) {
		if (!s->site[i].tail ||
		    !rust_image_function(s->b->image, s->site[i].call, &low, &high))
			continue;
		any = true;
		rc = rust_targets_add(targets, low, (uint32_t)i);
	}
	if (rc == 0 && any)
		rc = rust_builder_calls(s->b, targets, add_caller, s);
	if (rc < 0 && s->b->rc == 0)
		s->b->rc = rc;
	rust_targets_free(targets);
}

/*
 * The beginning: at the poll functions themselves, whose first instruction is nearly always one that the kernel
 * emulates (`push`, `jmp`), where the indirect call is not: two probes of 0.5 us instead of one of 11.
 */
static void add_begins(const struct sites *s)
{
	struct rust_builder *b = s->b;
	struct rust_probe begin = {
		.kind = RUST_POLL_BEGIN, .family = s->family, .reg = RUST_RDI, .type = UINT32_MAX
	};

	for (uint32_t i = 0; i < b->plan->n_types && b->rc == 0; i++) {
		const struct rust_type *type = &b->plan->types[i];

		if (type->family == s->family)
			rust_builder_entry(b, type->poll, begin);
	}
}

static void find(struct sites *s)
{
	find_sites(s);
	if (s->vtable_at < 0)
		settle(s);
	for (size_t i = 0; i < s->n; i++) {
		const struct rust_code *code =
			s->site[i].tail ? NULL : rust_decoder_at(s->b->decoder, s->site[i].call);

		if (code)
			add_end(s, code, rust_code_index(code, s->site[i].call, false));
	}
	add_callers(s);
	add_begins(s);
}

void rust_polls_find(struct rust_builder *b, uint8_t family, unsigned slot, int32_t *vtable)
{
	struct sites *s = calloc(1, sizeof(*s));

	if (!s) {
		b->rc = -ENOMEM;
		return;
	}
	s->b = b;
	s->family = family;
	s->slot = (int32_t)slot * 8;
	s->vtable_at = *vtable;
	find(s);
	if (*vtable < 0 && s->n > 0)
		*vtable = s->vtable_at;
	free(s);
}
