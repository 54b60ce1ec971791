/* SPDX-License-Identifier: MIT */
#include "runtime/executor/deque.h"

#include "runtime/executor/inject.h"
#include "runtime/task.h"

#define MASK (WEFT_DEQUE_SIZE - 1)
#define HALF (WEFT_DEQUE_SIZE / 2)

static uint64_t pack(uint32_t steal, uint32_t real)
{
	return (uint64_t)steal << 32 | real;
}

static uint32_t steal_of(uint64_t head)
{
	return (uint32_t)(head >> 32);
}

static uint32_t real_of(uint64_t head)
{
	return (uint32_t)head;
}

/* Slots are atomic for the race detector's sake; head and tail order them. */
static struct weft_task *slot_get(struct weft_deque *deque, uint32_t at)
{
	return __atomic_load_n(&deque->slot[at & MASK], __ATOMIC_RELAXED);
}

static void slot_set(struct weft_deque *deque, uint32_t at, struct weft_task *task)
{
	__atomic_store_n(&deque->slot[at & MASK], task, __ATOMIC_RELAXED);
}

uint32_t weft_deque_room(const struct weft_deque *deque)
{
	/* Acquire: slots freed by a thief are no longer read by it. */
	uint64_t head = __atomic_load_n(&deque->head, __ATOMIC_ACQUIRE);

	return WEFT_DEQUE_SIZE - (deque->tail - steal_of(head));
}

uint32_t weft_deque_length(const struct weft_deque *deque)
{
	uint64_t head = __atomic_load_n(&deque->head, __ATOMIC_SEQ_CST);
	uint32_t n = __atomic_load_n(&deque->tail, __ATOMIC_SEQ_CST) - real_of(head);

	return n > WEFT_DEQUE_SIZE ? 0 : n; /* head moved between the loads */
}

/* Claims the older half by a compare-and-swap on head: fails when a thief came first. */
static bool overflow(struct weft_deque *deque, struct weft_task *task, struct weft_inject *inject)
{
	uint32_t head = deque->tail - WEFT_DEQUE_SIZE;
	uint64_t expected = pack(head, head);
	struct weft_task *first, *last;

	/*
	 * Release: not needed for the slots, which this thread wrote; it keeps the store ordered
	 * for length readers.
	 */
	if (!__atomic_compare_exchange_n(&deque->head, &expected, pack(head + HALF, head + HALF),
					 false, __ATOMIC_RELEASE, __ATOMIC_RELAXED))
		return false;
	first = last = slot_get(deque, head);
	for (uint32_t i = 1; i < HALF; i++) {
		last->next = slot_get(deque, head + i);
		last = last->next;
	}
	last->next = task;
	task->next = NULL;
	weft_inject_push_chain(inject, first, task, HALF + 1);
	return true;
}

void weft_deque_push(struct weft_deque *deque, struct weft_task *task, struct weft_inject *inject)
{
	uint32_t tail = deque->tail;

	for (;;) {
		uint64_t head = __atomic_load_n(&deque->head, __ATOMIC_ACQUIRE);

		if (tail - steal_of(head) < WEFT_DEQUE_SIZE)
			break;
		if (steal_of(head) !=
		    real_of(head)) { /* a thief is about to make room: don't wait for it */
			task->next = NULL;
			weft_inject_push_chain(inject, task, task, 1);
			return;
		}
		if (overflow(deque, task, inject))
			return;
	}
	slot_set(deque, tail, task);
	if (deque->alone) {
		__atomic_store_n(&deque->tail, tail + 1, __ATOMIC_RELEASE);
		return;
	}
	/*
	 * Sequentially consistent (which includes release for thieves): the pusher next loads the
	 * idle word, a parking worker stores it and then loads this tail. One of the two must see
	 * the other.
	 */
	__atomic_store_n(&deque->tail, tail + 1, __ATOMIC_SEQ_CST);
}

static struct weft_task *pop_alone(struct weft_deque *deque)
{
	uint32_t real = real_of(__atomic_load_n(&deque->head, __ATOMIC_RELAXED));

	if (real == deque->tail)
		return NULL;
	__atomic_store_n(&deque->head, pack(real + 1, real + 1), __ATOMIC_RELEASE);
	return slot_get(deque, real);
}

struct weft_task *weft_deque_pop(struct weft_deque *deque)
{
	uint64_t head = __atomic_load_n(&deque->head, __ATOMIC_ACQUIRE), next;
	uint32_t real;

	if (deque->alone)
		return pop_alone(deque);
	do {
		real = real_of(head);
		if (real == deque->tail)
			return NULL;
		next = steal_of(head) == real ? pack(real + 1, real + 1)
					      : pack(steal_of(head), real + 1);
		/* Acq_rel: ordered with the claims of thieves on the same word. */
	} while (!__atomic_compare_exchange_n(&deque->head, &head, next, true, __ATOMIC_ACQ_REL,
					      __ATOMIC_ACQUIRE));
	return slot_get(deque, real);
}

/*
 * Claims half of what is there: moves `real` past it and leaves `steal` behind. 0: empty, or
 * another thief is at it.
 */
static uint32_t claim(struct weft_deque *from, uint32_t *ret_first, uint64_t *ret_head)
{
	uint64_t head = __atomic_load_n(&from->head, __ATOMIC_ACQUIRE), next;
	uint32_t n;

	do {
		/* Acquire: pairs with the tail store in push; the slots up to it are written. */
		uint32_t tail = __atomic_load_n(&from->tail, __ATOMIC_ACQUIRE);

		if (steal_of(head) != real_of(head))
			return 0;
		n = tail - real_of(head);
		n -= n / 2;
		if (n == 0 || n > HALF)
			return 0;
		next = pack(steal_of(head), real_of(head) + n);
	} while (!__atomic_compare_exchange_n(&from->head, &head, next, true, __ATOMIC_ACQ_REL,
					      __ATOMIC_ACQUIRE));
	*ret_first = real_of(head);
	*ret_head = next;
	return n;
}

/* The copy is done: `steal` catches up with wherever the owner has popped to meanwhile. */
static void release_claim(struct weft_deque *from, uint64_t head)
{
	uint64_t next;

	do {
		next = pack(real_of(head), real_of(head));
	} while (!__atomic_compare_exchange_n(&from->head, &head, next, true, __ATOMIC_ACQ_REL,
					      __ATOMIC_ACQUIRE));
}

struct weft_task *weft_deque_steal(struct weft_deque *from, struct weft_deque *to,
				   unsigned *ret_taken)
{
	uint32_t tail = to->tail, first, n;
	struct weft_task *last;
	uint64_t head;

	if (weft_deque_room(to) < HALF)
		return NULL;
	n = claim(from, &first, &head);
	if (n == 0)
		return NULL;
	for (uint32_t i = 0; i + 1 < n; i++)
		slot_set(to, tail + i, slot_get(from, first + i));
	last = slot_get(from, first + n - 1);
	release_claim(from, head);
	*ret_taken = n;
	if (n > 1)
		__atomic_store_n(&to->tail, tail + n - 1, __ATOMIC_SEQ_CST);
	return last;
}
