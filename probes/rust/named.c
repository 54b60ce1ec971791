// SPDX-License-Identifier: MIT
/*
 * What only names tell. Mangled names are looked at as they are: a component is its length and its text in both
 * schemes, so "10steal_into" is a whole component, and demangling half a million symbols is saved.
 */
#include "probes/rust/named.h"

#include <ctype.h>
#include <string.h>

#include "probes/rust/scan.h"
#include "probes/rust/unoptimised.h"

#define MAX_DEPTH 3 /* of functions that end in a jump to a named one */

/* `last`: the last component; `within`: what must be in the name before it. `after`: probed where its calls return. */
static const struct named {
	uint8_t kind;
	const char *last, *within;
	uint8_t reg;
	uint8_t after;
	bool async_task; /* else of Tokio */
} named[] = {
	{ RUST_ABORT, "12remote_abort", "7RawTask", RUST_RDI, 0, false },
	{ RUST_ABORT, "12remote_abort", "RawTask$GT$", RUST_RDI, 0, false },
	{ RUST_HANDLE_DROP, "21drop_join_handle_fast", "5State", RUST_RDI, 0, false },
	{ RUST_STEAL, "10steal_into", "5queue", RUST_NO_REG, 0, false },
	{ RUST_PARK, "13park_internal", "7Context", RUST_NO_REG, 0, false },
	{ RUST_PARK, "12park_timeout", "7Context", RUST_NO_REG, 0, false },
	{ RUST_PARK, "4park", "14current_thread7Context", RUST_NO_REG, 0, false },
	{ RUST_PARK, "4park", "14current_threadNtB5_7Context", RUST_NO_REG, 0, false },
	{ RUST_PARK, "4park", "6Parker", RUST_NO_REG, 0, false },
	{ RUST_UNPARK, "6unpark", "8Unparker", RUST_NO_REG, 0, false },
	{ RUST_DRIVER_BEGIN, "4turn", "6Driver", RUST_NO_REG, RUST_DRIVER_END, false },
	{ RUST_TIMERS_BEGIN, "15process_at_time", "6Handle", RUST_NO_REG, RUST_TIMERS_END, false },
	{ RUST_TIMERS_BEGIN, "15process_at_time", "Handle$GT$", RUST_NO_REG, RUST_TIMERS_END,
	  false },
	{ RUST_TIMERS_BEGIN, "23process_at_sharded_time", "6Handle", RUST_NO_REG, RUST_TIMERS_END,
	  false },
	{ RUST_TIMERS_BEGIN, "23process_at_sharded_time", "Handle$GT$", RUST_NO_REG,
	  RUST_TIMERS_END, false },
	{ RUST_TIMER_ARM, "10reregister", "6Handle", RUST_NO_REG, 0, false },
	{ RUST_TIMER_ARM, "10reregister", "Handle$GT$", RUST_NO_REG, 0, false },
	{ RUST_TIMER_ARM, "5reset", "10TimerEntry", RUST_RDI, 0, false },
	{ RUST_HANDLE_DROP, "4drop", "async_task..task..Task$LT$", RUST_RDI, 0, true },
	{ RUST_HANDLE_DROP, "4drop", "10async_task4task", RUST_RDI, 0, true },
	{ RUST_STEAL, "5steal", "14async_executor", RUST_NO_REG, 0, true },
	{ RUST_PARK, "5sleep", "6Ticker", RUST_NO_REG, 0, true },
	{ RUST_UNPARK, "6notify", "14async_executor", RUST_NO_REG, 0, true },
	{ RUST_DRIVER_BEGIN, "5react", "11ReactorLock", RUST_NO_REG, RUST_DRIVER_END, true },
	{ RUST_TIMERS_BEGIN, "14process_timers", "7Reactor", RUST_RDI, RUST_TIMERS_END, true },
	{ RUST_TIMER_ARM, "12insert_timer", "7Reactor", RUST_RDX, 0, true },
	{ RUST_TIMER_DROP, "12remove_timer", "7Reactor", RUST_RDX, 0, true },
};

static uint8_t family_of(const struct named *n)
{
	return n->async_task ? RUST_ASYNC_TASK : RUST_TOKIO;
}

/* Is the component at `at` the name's last? Behind it may stand a hash, LLVM's suffix, or the crate that asked for the instance. */
static bool is_last(const char *end)
{
	return *end == '\0' || *end == '.' || *end == 'B' || *end == 'C' || *end == 'N' ||
	       strncmp(end, "17h", 3) == 0;
}

static const char *find_last(const char *name, const char *component)
{
	for (const char *at = name; (at = strstr(at, component)); at++)
		if ((at == name || !isdigit((unsigned char)at[-1])) &&
		    is_last(at + strlen(component)))
			return at;
	return NULL;
}

bool rust_named_is(const char *name, const char *crate, const char *within, const char *last)
{
	const char *at = strstr(name, crate) ? find_last(name, last) : NULL;
	const char *in = at ? strstr(name, within) : NULL;

	return in && in < at;
}

static const struct named *match(const char *name, bool async_task, size_t *ret_index)
{
	for (size_t i = 0; i < sizeof(named) / sizeof(named[0]); i++) {
		const char *last =
			named[i].async_task == async_task ? find_last(name, named[i].last) : NULL;
		const char *within = last ? strstr(name, named[i].within) : NULL;

		if (within && within < last) {
			*ret_index = i;
			return &named[i];
		}
	}
	return NULL;
}

/* Functions whose first instructions are not emulated, in a build where all are called. */
struct begins {
	struct rust_builder *b;
	struct rust_targets *of;
	uint8_t reg_of_now;
	bool any;
};

struct returns {
	struct rust_builder *b;
	struct rust_targets *next; /* functions that end in a jump to a target */
	bool any;
};

static int on_call(void *ctx, const struct rust_call *call)
{
	struct returns *r = ctx;
	struct rust_probe probe = { .kind = named[call->value].after,
				    .family = family_of(&named[call->value]),
				    .reg = RUST_NO_REG,
				    .type = UINT32_MAX };
	const struct rust_code *code = rust_decoder_at(r->b->decoder, call->address);
	size_t i = code ? rust_code_index(code, call->address, false) : SIZE_MAX;

	if (i == SIZE_MAX)
		return 0;
	if (call->jump) {
		r->any = true;
		return code->insn[i].op == RUST_OP_JUMP
			       ? rust_targets_add(r->next, code->low, call->value)
			       : 0;
	}
	if (r->b->unoptimised)
		rust_unoptimised_behind(r->b, code, i, probe);
	else if (i + 1 < code->n)
		rust_builder_place(r->b, code, i + 1, probe);
	return r->b->rc;
}

/* Not by a return probe: that would end a target whose panic unwinds through. */
static int add_returns(struct rust_builder *b, struct rust_targets *targets)
{
	struct rust_targets *mine = NULL;
	int rc = 0;

	for (int depth = 0; rc == 0 && depth < MAX_DEPTH; depth++) {
		struct returns r = { .b = b };

		rc = rust_targets_new(&r.next);
		if (rc == 0)
			rc = rust_builder_calls(b, targets, on_call, &r);
		rust_targets_free(mine);
		mine = targets = r.next;
		if (!r.any)
			break;
	}
	rust_targets_free(mine);
	return rc;
}

static bool is_panic(const char *name)
{
	return strcmp(name, "rust_panic") == 0 || find_last(name, "10rust_panic");
}

/* Is the third argument used before the first call? */
static bool uses_third(struct rust_builder *b, uint64_t function)
{
	const struct rust_code *code = rust_decoder_at(b->decoder, function);

	for (size_t i = 0; code && i < code->n && code->insn[i].op != RUST_OP_CALL; i++) {
		if (code->insn[i].writes >> RUST_RDX & 1) /* xor %edx,%edx reads it, too */
			return false;
		if (code->insn[i].reads >> RUST_RDX & 1)
			return true;
	}
	return false;
}

/*
 * Tokio's process_at_time(self, now); with several wheels (1.38) it is (self, shard, now): then rdx is read before it is
 * written.
 */
static uint8_t reg_of_now(struct rust_builder *b, uint64_t function)
{
	return uses_third(b, function) ? RUST_RDX : RUST_RSI;
}

/* Is the first argument, or a copy of it, used as an address, or passed on as a first argument? */
static bool uses_self(const struct rust_code *code)
{
	uint32_t copies = 1u << RUST_RDI;

	for (size_t i = 0; i < code->n && copies; i++) {
		const struct rust_insn *insn = &code->insn[i];
		bool copy = insn->op == RUST_OP_MOVE && copies >> insn->base & 1;

		if (insn->op != RUST_OP_MOVE && insn->base < 16 && copies >> insn->base & 1)
			return true;
		if (insn->op == RUST_OP_CALL && copies >> RUST_RDI & 1)
			return true;
		copies &= ~(uint32_t)insn->writes;
		copies |= copy ? 1u << insn->reg : 0;
	}
	return false;
}

/*
 * async-io's insert_timer(self, when, waker): `when` is two registers, the second of them tells both. There is one reactor, in a variable of
 * the program: link-time optimisation knows where, and leaves `self` out.
 */
static uint8_t reg_of_self(struct rust_builder *b, uint8_t kind, uint64_t function)
{
	const struct rust_code *code = b->unoptimised ? NULL
						      : rust_decoder_at(b->decoder, function);
	bool self = !code || uses_self(code);

	if (kind == RUST_TIMERS_BEGIN)
		return self ? RUST_RDI : RUST_NO_REG;
	return self ? RUST_RDX : RUST_RSI;
}

static bool is_of_reactor(const struct named *n)
{
	return n->async_task && (n->kind == RUST_TIMERS_BEGIN || n->kind == RUST_TIMER_ARM ||
				 n->kind == RUST_TIMER_DROP);
}

/*
 * TimerEntry::reset(self, Instant): two registers beside `self`, all of which are asked for, so at its entry. Since Tokio 1.5x the
 * argument is a tick.
 */
static void add_reset(struct rust_builder *b, uint64_t address, struct rust_probe probe)
{
	uint32_t before = b->plan->n_probes;

	if (!uses_third(b, address))
		return;
	rust_builder_entry(b, address, probe);
	if (b->plan->n_probes > before && b->plan->probes[before].address != address)
		b->plan->n_probes = before;
}

static bool is_reset(const struct named *n)
{
	return n->kind == RUST_TIMER_ARM && !n->async_task && n->reg == RUST_RDI;
}

/* False: its calls are where the probe belongs (unoptimised.h). */
static bool add(struct rust_builder *b, const struct named *n, uint64_t address)
{
	uint32_t before = b->plan->n_probes;
	struct rust_probe probe = {
		.kind = n->kind, .family = family_of(n), .reg = n->reg, .type = UINT32_MAX
	};

	if (is_reset(n)) {
		add_reset(b, address, probe);
		return true;
	}
	if (n->kind == RUST_TIMERS_BEGIN && !n->async_task)
		probe.reg = reg_of_now(b, address);
	if (is_of_reactor(n))
		probe.reg = reg_of_self(b, n->kind, address);
	rust_builder_entry(b, address, probe);
	if (!b->unoptimised || n->kind == RUST_PANIC ||
	    (b->plan->n_probes > before && b->plan->probes[before].emulated))
		return true;
	b->plan->n_probes = before;
	return false;
}

static int on_begin(void *ctx, const struct rust_code *code, size_t i, uint32_t value)
{
	struct begins *s = ctx;
	struct rust_probe probe = { .kind = named[value].kind,
				    .family = family_of(&named[value]),
				    .reg = named[value].reg,
				    .type = UINT32_MAX };

	if (probe.kind == RUST_TIMERS_BEGIN && probe.family == RUST_TOKIO)
		probe.reg = s->reg_of_now;
	rust_builder_place(s->b, code, i, probe);
	return s->b->rc;
}

/* Which of `named` the symbol is: *ret; false: none. */
static bool is_named(const char *name, size_t *ret)
{
	bool async_task = strstr(name, "8async_io") || strstr(name, "14async_executor") ||
			  strstr(name, "async_task..task") || strstr(name, "10async_task4task");

	return (async_task || strstr(name, "5tokio")) && match(name, async_task, ret);
}

static int add_named(struct begins *begins, struct rust_targets *returning, size_t index,
		     uint64_t address, bool *any_return)
{
	const struct named *n = &named[index];
	int rc = 0;

	if (!add(begins->b, n, address)) {
		begins->any = true;
		begins->reg_of_now = reg_of_now(begins->b, address);
		rc = rust_targets_add(begins->of, address, (uint32_t)index);
	}
	if (rc || !n->after)
		return rc;
	*any_return = true;
	return rust_targets_add(returning, address, (uint32_t)index);
}

void rust_named_find(struct rust_builder *b)
{
	static const struct named panic = { .kind = RUST_PANIC, .reg = RUST_NO_REG };
	struct begins begins = { .b = b };
	struct rust_targets *returning = NULL;
	int rc = rust_targets_new(&returning);
	bool any = false;
	const char *name;
	uint64_t address;
	size_t index;

	if (rc == 0)
		rc = rust_targets_new(&begins.of);
	for (size_t i = 0; rc == 0 && (name = symbol_table_at(b->image->symbols, i, &address));
	     i++) {
		if (is_panic(name))
			add(b, &panic, address);
		if (is_named(name, &index))
			rc = add_named(&begins, returning, index, address, &any);
	}
	if (rc == 0 && begins.any)
		rc = rust_unoptimised_calls(b, begins.of, on_begin, &begins);
	if (rc >= 0 && any)
		rc = add_returns(b, returning);
	if (rc < 0 && b->rc == 0)
		b->rc = rc;
	rust_targets_free(begins.of);
	rust_targets_free(returning);
}
