/* SPDX-License-Identifier: MIT */
#include "runtime/time/timer_wheel.h"

#include <string.h>

#include "runtime/task.h"
#include "runtime/time/sleep.h"
#include "runtime/trace.h"

#define SLOT_BITS 6u
#define SLOT_MASK (WEFT_WHEEL_SLOTS - 1)

#define SHORT_LIST 16u /* entries that are searched each time */

static uint64_t tick_of(uint64_t ns)
{
	return ns >> WEFT_WHEEL_SHIFT;
}

/*
 * The level is that of the highest digit (base 64) in which tick and now differ: entries cascade
 * at most once per level.
 */
static unsigned level_of(uint64_t now, uint64_t tick)
{
	uint64_t differ = (now ^ tick) | SLOT_MASK;

	return (63u - (unsigned)__builtin_clzll(differ)) / SLOT_BITS;
}

static void link_entry(struct weft_timer_wheel *wheel, struct weft_sleep *entry)
{
	uint64_t tick = tick_of(entry->deadline);
	unsigned level, slot;

	if (tick < wheel->now)
		tick = wheel->now;
	level = level_of(wheel->now, tick);
	slot = (unsigned)(tick >> (level * SLOT_BITS)) & SLOT_MASK;
	entry->link = &wheel->slot[level][slot];
	if (!*entry->link || entry->deadline < wheel->first[level][slot])
		wheel->first[level][slot] = entry->deadline;
	entry->next = *entry->link;
	if (entry->next)
		entry->next->link = &entry->next;
	*entry->link = entry;
	wheel->used[level] |= 1ull << slot;
}

/* The slot's bit may stay set over an empty list: it is cleared when the slot is visited. */
static void unlink_entry(struct weft_sleep *entry)
{
	*entry->link = entry->next;
	if (entry->next)
		entry->next->link = entry->link;
	entry->next = NULL;
	entry->link = NULL;
}

void weft_timer_wheel_init(struct weft_timer_wheel *wheel, uint64_t now_ns)
{
	memset(wheel, 0, sizeof(*wheel));
	pthread_mutex_init(&wheel->lock, NULL);
	wheel->now = tick_of(now_ns);
}

void weft_timer_wheel_done(struct weft_timer_wheel *wheel)
{
	pthread_mutex_destroy(&wheel->lock);
}

bool weft_timer_wheel_insert(struct weft_timer_wheel *wheel, struct weft_sleep *entry)
{
	bool wake;

	pthread_mutex_lock(&wheel->lock);
	entry->state = WEFT_SLEEP_ARMED;
	entry->seq = ++wheel->seq;
	link_entry(wheel, entry);
	/*
	 * Seq_cst pair with weft_timer_wheel_next(): it stores wake_at and loads armed, this the
	 * other way round.
	 */
	__atomic_store_n(&wheel->armed, wheel->armed + 1, __ATOMIC_SEQ_CST);
	wake = __atomic_load_n(&wheel->wake_at, __ATOMIC_SEQ_CST) > entry->deadline;
	if (wake)
		WEFT_SET(wheel->wake_at,
			 entry->deadline); /* one wake-up is enough for all that come before it */
	pthread_mutex_unlock(&wheel->lock);
	return wake;
}

bool weft_timer_wheel_armed(struct weft_timer_wheel *wheel, struct weft_sleep *entry)
{
	bool armed;

	pthread_mutex_lock(&wheel->lock);
	armed = entry->state == WEFT_SLEEP_ARMED;
	pthread_mutex_unlock(&wheel->lock);
	return armed;
}

bool weft_timer_wheel_remove(struct weft_timer_wheel *wheel, struct weft_sleep *entry)
{
	bool armed;

	pthread_mutex_lock(&wheel->lock);
	armed = entry->state == WEFT_SLEEP_ARMED;
	if (armed) {
		unlink_entry(entry);
		entry->state = WEFT_SLEEP_IDLE;
		WEFT_SET(wheel->armed, wheel->armed - 1);
	}
	pthread_mutex_unlock(&wheel->lock);
	return armed;
}

/*
 * First slot in use at or after `now` on the finest level that has one; entries of coarser levels
 * are all later.
 */
static bool first_slot(struct weft_timer_wheel *wheel, unsigned *ret_level, unsigned *ret_slot)
{
	for (unsigned level = 0; level < WEFT_WHEEL_LEVELS; level++) {
		while (wheel->used[level]) {
			unsigned from = (unsigned)(wheel->now >> (level * SLOT_BITS)) & SLOT_MASK;
			uint64_t turned = wheel->used[level] >> from |
					  wheel->used[level] << ((64 - from) & 63);
			unsigned slot = (from + (unsigned)__builtin_ctzll(turned)) & SLOT_MASK;

			if (wheel->slot[level][slot]) {
				*ret_level = level;
				*ret_slot = slot;
				return true;
			}
			wheel->used[level] &= ~(1ull << slot);
		}
	}
	return false;
}

/* The smallest deadline of a list of at most `most`; 0: it is longer. */
static uint64_t smallest(const struct weft_sleep *e, uint64_t most)
{
	uint64_t first = UINT64_MAX;

	for (; e && most; e = e->next, most--)
		if (e->deadline < first)
			first = e->deadline;
	return e ? 0 : first;
}

static uint64_t next_deadline(struct weft_timer_wheel *wheel)
{
	uint64_t *first, exact;
	unsigned level, slot;

	if (!first_slot(wheel, &level, &slot))
		return UINT64_MAX;
	first = &wheel->first[level][slot];
	exact = smallest(wheel->slot[level][slot], SHORT_LIST);
	if (!exact && *first > weft_clock_ns())
		return *first;
	*first = exact ? exact : smallest(wheel->slot[level][slot], UINT64_MAX);
	return *first;
}

uint64_t weft_timer_wheel_next(struct weft_timer_wheel *wheel, bool park)
{
	uint64_t next;

	if (park)
		__atomic_store_n(&wheel->wake_at, UINT64_MAX, __ATOMIC_SEQ_CST);
	if (!__atomic_load_n(&wheel->armed, __ATOMIC_SEQ_CST))
		return UINT64_MAX;
	pthread_mutex_lock(&wheel->lock);
	next = next_deadline(wheel);
	if (park)
		WEFT_SET(wheel->wake_at, next);
	pthread_mutex_unlock(&wheel->lock);
	return next;
}

/* Without the lock: an insert that still sees the old value wakes the driver once for nothing. */
void weft_timer_wheel_unpark(struct weft_timer_wheel *wheel)
{
	WEFT_SET(wheel->wake_at, 0);
}

struct fired {
	struct weft_task *first, **last;
	unsigned timers, tasks;
	uint64_t now_ns;
};

/*
 * The store of FIRED is the last access: until then the task can't end, because its way out of
 * ARMED leads through the lock; after it, unless this thread owns the notification, it may be gone.
 */
static void fire(struct weft_timer_wheel *wheel, struct weft_sleep *entry, struct fired *fired)
{
	struct weft_task *task = entry->task;

	WEFT_SET(wheel->armed, wheel->armed - 1);
	fired->timers++;
	weft_sleep_trace_fire(entry, fired->now_ns);
	if (weft_task_notify(task, WEFT_W_TIMER)) {
		task->next = NULL;
		*fired->last = task;
		fired->last = &task->next;
		fired->tasks++;
	}
	__atomic_store_n(&entry->state, WEFT_SLEEP_FIRED, __ATOMIC_RELEASE);
}

/*
 * Takes the list off its slot: due entries fire, the rest is linked anew, `now` having reached
 * the slot.
 */
static void visit_slot(struct weft_timer_wheel *wheel, unsigned level, unsigned slot,
		       struct fired *fired)
{
	struct weft_sleep *list = wheel->slot[level][slot], *entry;

	wheel->slot[level][slot] = NULL;
	wheel->used[level] &= ~(1ull << slot);
	if (list)
		list->link = &list;
	while ((entry = list)) {
		unlink_entry(entry);
		if (entry->deadline <= fired->now_ns)
			fire(wheel, entry, fired);
		else
			link_entry(wheel, entry);
	}
}

/* Start of the given slot's present turn, in level-0 ticks. */
static uint64_t slot_start(const struct weft_timer_wheel *wheel, unsigned level, unsigned slot)
{
	uint64_t width = 1ull << (level * SLOT_BITS);

	return (wheel->now & ~(width * WEFT_WHEEL_SLOTS - 1)) + slot * width;
}

unsigned weft_timer_wheel_advance(struct weft_timer_wheel *wheel, uint64_t now_ns,
				  struct weft_task **ret_first, unsigned *ret_tasks)
{
	struct fired fired = { .first = NULL, .now_ns = now_ns };
	uint64_t now = tick_of(now_ns);
	unsigned level, slot;

	fired.last = &fired.first;
	pthread_mutex_lock(&wheel->lock);
	while (wheel->armed && first_slot(wheel, &level, &slot)) {
		uint64_t start = slot_start(wheel, level, slot);

		if (start > now)
			break;
		if (start > wheel->now)
			wheel->now = start;
		visit_slot(wheel, level, slot, &fired);
		if (level == 0 && start == now)
			break; /* what is left of it is due later within this slot */
	}
	if (now > wheel->now)
		wheel->now = now;
	pthread_mutex_unlock(&wheel->lock);
	*ret_first = fired.first;
	*ret_tasks = fired.tasks;
	return fired.timers;
}

unsigned weft_timer_wheel_purge(struct weft_timer_wheel *wheel, const struct weft_task *task)
{
	const char *from = (const char *)task, *to = from + task->head.bytes;
	unsigned n = 0;

	pthread_mutex_lock(&wheel->lock);
	for (unsigned i = 0; i < WEFT_WHEEL_LEVELS * WEFT_WHEEL_SLOTS; i++) {
		struct weft_sleep *entry = wheel->slot[i / WEFT_WHEEL_SLOTS][i % WEFT_WHEEL_SLOTS],
				  *next;

		for (; entry; entry = next) {
			next = entry->next;
			if ((const char *)entry < from || (const char *)entry >= to)
				continue;
			unlink_entry(entry);
			WEFT_SET(wheel->armed, wheel->armed - 1);
			n++;
		}
	}
	pthread_mutex_unlock(&wheel->lock);
	return n;
}
