/* SPDX-License-Identifier: MIT */
/*
 * The mapping and its tables. One lock guards everything here; none of it is on a hot path. The
 * tables are kept in private memory as well: they must go on working without a mapping, and a
 * forked child that starts a runtime fills its own mapping from them.
 */
#include "runtime/trace_map.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "runtime/base/memory.h"
#include "runtime/sync/waiters.h"
#include "runtime/task.h"
#include "runtime/weft.h"

#ifndef MADV_WIPEONFORK
#define MADV_WIPEONFORK 18
#endif

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static struct weft_slab slabs[WEFT_MAX_SLABS];
static uint32_t slab_count, slabs_missed;
static struct weft_site *sites[WEFT_MAX_SITES]; /* [0] stays NULL: "unknown" */
static uint32_t site_count = 1;
static uint32_t next_runtime = 1;

#ifndef WEFT_NO_PROBES

static uint32_t first_runtime = 1; /* of this process, not of the one it was forked from */
static struct weft_map_header *header;
static uint32_t *gate_page;
static const uint32_t gate_closed;
static pthread_key_t thread_key;
static struct weft_lane spare_lane;
static bool forked;    /* this process, and it has no mapping of its own yet */
static bool once_done; /* what survives fork: key, atfork handlers */

const uint32_t *weft_trace_gate = &gate_closed;
uint64_t weft_map_light_ticks = WEFT_LIGHT_POLL_NS;

#define SITE_CALL   3 /* struct weft_site_entry: of WEFT_CALL_SITE, which has no name */
#define LANE_STRIDE (WEFT_PAGE + WEFT_BATCH_BYTES)
#define SITE_OFFSET \
	(2 * WEFT_PAGE) /* after the header page and one page of room for a bigger header */
#define SLAB_OFFSET (SITE_OFFSET + WEFT_MAX_SITES * (uint32_t)sizeof(struct weft_site_entry))
#define LANE_OFFSET (SLAB_OFFSET + WEFT_MAX_SLABS * (uint32_t)sizeof(struct weft_slab))
#define MAP_BYTES   (LANE_OFFSET + WEFT_MAX_LANES * LANE_STRIDE)

struct weft_map_header *weft_map_header(void)
{
	return header;
}

static struct weft_lane *lane_at(uint32_t index)
{
	return (struct weft_lane *)(void *)((char *)header + LANE_OFFSET +
					    (size_t)index * LANE_STRIDE);
}

/* NUL-terminated; `tail` keeps the end of a text that is too long. */
static void copy_text(char *to, size_t cap, const char *from, bool tail)
{
	size_t n = from ? strlen(from) : 0;

	if (n >= cap) {
		if (tail)
			from += n - (cap - 1);
		n = cap - 1;
	}
	if (n)
		memcpy(to, from, n);
	to[n] = '\0';
}

static void site_write(uint32_t index)
{
	struct weft_site_entry *entry =
		(struct weft_site_entry *)(void *)((char *)header + SITE_OFFSET) + index;
	const struct weft_site *site = sites[index];

	entry->address = (uint64_t)(uintptr_t)site;
	entry->line = site ? site->line : 0;
	entry->kind = site && !site->name ? SITE_CALL : 0;
	copy_text(entry->func, sizeof(entry->func), site ? site->func : "?", false);
	copy_text(entry->name, sizeof(entry->name), site ? site->name : "?", false);
	copy_text(entry->file, sizeof(entry->file), site ? site->file : "?", true);
}

static void slab_write(uint32_t index)
{
	((struct weft_slab *)(void *)((char *)header + SLAB_OFFSET))[index] = slabs[index];
}

/* Sealed against shrinking before anyone can see it: a reader's mapping can't turn into SIGBUS. */
static void *map_create(void)
{
	int fd = (int)syscall(SYS_memfd_create, WEFT_MAP_NAME, MFD_CLOEXEC | MFD_ALLOW_SEALING);
	void *map = MAP_FAILED;

	if (fd < 0)
		return NULL;
	if (ftruncate(fd, MAP_BYTES) == 0 &&
	    fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) == 0)
		map = mmap(NULL, MAP_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd); /* the mapping keeps the file; it is found through /proc/PID/map_files */
	return map == MAP_FAILED ? NULL : map;
}

static void header_write(void)
{
	header->abi = WEFT_ABI_VERSION;
	header->header_bytes = sizeof(*header);
	header->pid = (uint32_t)getpid();
	header->clock = weft_clock_tsc ? WEFT_CLOCK_TSC : WEFT_CLOCK_MONOTONIC;
	header->start_mono_ns = weft_clock_ns();
	header->start_stamp = weft_clock_stamp();
	header->map_bytes = MAP_BYTES;
	header->lane_offset = LANE_OFFSET;
	header->lane_stride = LANE_STRIDE;
	header->max_lanes = WEFT_MAX_LANES;
	header->site_offset = SITE_OFFSET;
	header->site_stride = sizeof(struct weft_site_entry);
	header->max_sites = WEFT_MAX_SITES;
	header->slab_offset = SLAB_OFFSET;
	header->max_slabs = WEFT_MAX_SLABS;
	header->task_head_bytes = sizeof(struct weft_task_head);
	header->frame_offset = offsetof(struct weft_task, frame);
	header->joiner_offset = offsetof(struct weft_task, joiner);
	header->waiter_task = offsetof(struct weft_waiter, task);
	header->waiter_queue = offsetof(struct weft_waiter, queue);
	header->waiter_state = offsetof(struct weft_waiter, state);
	header->waiter_queued = WEFT_WAITER_QUEUED;
	header->fingerprint = weft_fingerprint_own();
#define X(name, code, text, level, words) header->kind_words[code] = words;
	WEFT_WIRE_EVENTS(X)
#undef X
	for (uint32_t i = 0; i < site_count; i++)
		site_write(i);
	for (uint32_t i = 0; i < slab_count; i++)
		slab_write(i);
	header->slabs_missed = slabs_missed;
	header->first_runtime = first_runtime;
	__atomic_store_n(&header->sites, site_count, __ATOMIC_RELEASE);
	__atomic_store_n(&header->slabs, slab_count, __ATOMIC_RELEASE);
	__atomic_store_n(&header->magic, WEFT_MAP_MAGIC, __ATOMIC_RELEASE);
}

static void fork_prepare(void)
{
	pthread_mutex_lock(&lock);
}

static void fork_parent(void)
{
	pthread_mutex_unlock(&lock);
}

/*
 * The child has the parent's pages in front of it (MAP_SHARED). Zero pages take the mapping's place, so
 * that pointers into it stay harmless; the first runtime that it starts makes a mapping of its own.
 * Its semaphores stay as they are: the kernel counts them in step with the breakpoints that the child has
 * inherited. One that was zeroed here could not be lowered when the watcher goes, and then the kernel
 * leaks the probe and leaves the breakpoint (seen on 6.18: "ref_ctr going negative"); nor would
 * a watcher that follows the child raise it. The lock is held: prepare took it on this thread.
 */
static void fork_child(void)
{
	struct weft_trace_thread *t = &weft_trace_thread;

	if (header &&
	    mmap(header, MAP_BYTES, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE, -1, 0) == MAP_FAILED)
		t->lane = &spare_lane; /* only this thread exists here */
	header = NULL;
	__atomic_store_n(&forked, true, __ATOMIC_RELAXED);
	first_runtime = next_runtime;
	weft_trace_gate = &gate_closed;
	if (gate_page)
		gate_page[0] = 0;
	t->batch = NULL;
	t->level = t->tries = 0;
	t->commit = t->ready = t->now = 0;
	pthread_mutex_unlock(&lock);
}

static void thread_exit(void *unused)
{
	(void)unused;
	weft_trace_thread_end();
}

/* Once per process image; a child of fork keeps key and handlers. */
static void init_once(void)
{
	if (once_done)
		return;
	once_done = true;
	weft_clock_init();
	pthread_key_create(&thread_key, thread_exit);
	pthread_atfork(fork_prepare, fork_parent, fork_child);
	gate_page =
		mmap(NULL, WEFT_PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (gate_page == MAP_FAILED)
		gate_page = NULL;
	else
		madvise(gate_page, WEFT_PAGE,
			MADV_WIPEONFORK); /* Linux 4.14; before that the atfork handler alone */
}

void weft_trace_init(void)
{
	pthread_mutex_lock(&lock);
	init_once();
	if (!header && gate_page) {
		header = map_create();
		if (header) {
			header_write();
			__atomic_store_n(&forked, false, __ATOMIC_RELAXED);
			gate_page[0] = 1;
			__atomic_store_n(&weft_trace_gate, gate_page, __ATOMIC_RELEASE);
		}
	}
	pthread_mutex_unlock(&lock);
}

/* Relaxed: set while there is one thread, and a late look at its end leaves an event out as before. */
bool weft_map_forked(void)
{
	return __atomic_load_n(&forked, __ATOMIC_RELAXED);
}

static struct weft_lane *lane_find(uint32_t role)
{
	for (uint32_t i = 0; i < header->lanes; i++)
		if (__atomic_load_n(&lane_at(i)->role, __ATOMIC_ACQUIRE) == role)
			return lane_at(i);
	return NULL;
}

static void lane_label(struct weft_lane *lane, const struct weft_trace_role *role)
{
	WEFT_SET(lane->runtime, role->runtime);
	WEFT_SET(lane->worker, role->role == WEFT_LANE_WORKER ? role->worker : UINT32_MAX);
}

/* A dead lane first, so that short-lived threads don't use up the table. */
struct weft_lane *weft_map_lane_claim(const struct weft_trace_role *role)
{
	struct weft_lane *lane;

	pthread_mutex_lock(&lock);
	lane = lane_find(WEFT_LANE_DEAD);
	if (lane) {
		WEFT_SET(lane->role, WEFT_LANE_FREE);
		lane->generation++;
	} else if (header->lanes < WEFT_MAX_LANES) {
		lane = lane_at(header->lanes);
		lane->index = header->lanes;
		__atomic_store_n(&header->lanes, header->lanes + 1, __ATOMIC_RELEASE);
	}
	pthread_mutex_unlock(&lock);
	if (!lane)
		return NULL;
	lane->tid = (uint32_t)syscall(SYS_gettid);
	lane_label(lane, role);
	lane->start_stamp = weft_clock_stamp();
	if (pthread_getname_np(pthread_self(), lane->name, sizeof(lane->name)))
		lane->name[0] = '\0';
	WEFT_SET(lane->task, 0);
	WEFT_SET(lane->poll_start, 0);
	WEFT_SET(lane->state, WEFT_WS_STOPPED);
	pthread_setspecific(thread_key, lane);
	return lane;
}

void weft_map_thread_leaves(struct weft_lane *page)
{
	pthread_setspecific(thread_key, page);
}

void weft_map_lane_publish(struct weft_lane *lane)
{
	const struct weft_trace_role *role = &weft_trace_thread.role;

	/* Release: identity and the opened batch before the role that announces them. */
	__atomic_store_n(&lane->role, role->role ? role->role : WEFT_LANE_FOREIGN,
			 __ATOMIC_RELEASE);
}

/* The thread goes on as another: a caller of block_on becomes a worker and stops being one. */
void weft_map_lane_relabel(struct weft_lane *lane)
{
	WEFT_SET(lane->role, WEFT_LANE_FREE);
	arch_store_fence();
	lane_label(lane, &weft_trace_thread.role);
	weft_map_lane_publish(lane);
}

void weft_map_lane_release(struct weft_lane *lane)
{
	WEFT_SET(lane->task, 0);
	WEFT_SET(lane->poll_start, 0);
	WEFT_SET(lane->state, WEFT_WS_STOPPED);
	/* Release: pairs with lane_find(), the next owner continues our counts and batch. */
	__atomic_store_n(&lane->role, WEFT_LANE_DEAD, __ATOMIC_RELEASE);
}

void weft_map_recount(const struct weft_batch *batch, uint32_t head, uint16_t *count)
{
	uint32_t at = sizeof(*batch);

	while (at + 8 <= head) {
		const uint64_t *w = (const uint64_t *)(const void *)((const char *)batch + at);
		unsigned kind = (unsigned)(w[0] >> WEFT_STAMP_BITS);
		uint32_t bytes = header->kind_words[kind] ? header->kind_words[kind] * 8u
							  : (uint32_t)(w[1] & 0xffff);

		count[kind]++;
		at += bytes;
	}
}

void weft_map_rate(void)
{
	static bool done;

	if (__atomic_exchange_n(&done, true, __ATOMIC_RELAXED))
		return;
	__atomic_store_n(&weft_map_light_ticks, weft_clock_ticks(WEFT_LIGHT_POLL_NS),
			 __ATOMIC_RELAXED);
}

#else

void weft_trace_init(void)
{
	weft_clock_init();
}

void weft_trace_thread_begin(const struct weft_trace_role *role, const char *name)
{
	(void)role;
	if (name)
		pthread_setname_np(pthread_self(), name);
}

void weft_trace_thread_end(void) {}

#endif

uint32_t weft_trace_site(struct weft_site *site, const char *name)
{
	uint32_t id;

	pthread_mutex_lock(&lock);
	id = site->id;
	if (!id && site_count < WEFT_MAX_SITES) {
		id = site_count;
		sites[id] = site;
		if (name && (name = weft_memory_strdup(name)))
			site->name = name;
#ifndef WEFT_NO_PROBES
		if (header) {
			site_write(id);
			__atomic_store_n(&header->sites, id + 1, __ATOMIC_RELEASE);
		}
#endif
		site_count++;
		/*
		 * Release: pairs with the acquire load in weft_spawn_at(), whose records name the
		 * entry.
		 */
		__atomic_store_n(&site->id, id, __ATOMIC_RELEASE);
	}
	pthread_mutex_unlock(&lock);
	return id;
}

const struct weft_site *weft_trace_site_get(uint32_t index)
{
	static const struct weft_site unknown = { "?", "?", "?", 0, 0 };
	const struct weft_site *site = index < WEFT_MAX_SITES ? sites[index] : NULL;

	return site ? site : &unknown;
}

void weft_trace_slab(const void *address, uint32_t slot_bytes, uint32_t slots)
{
	pthread_mutex_lock(&lock);
	if (slab_count < WEFT_MAX_SLABS) {
		slabs[slab_count] =
			(struct weft_slab){ (uint64_t)(uintptr_t)address, slot_bytes, slots };
#ifndef WEFT_NO_PROBES
		if (header) {
			slab_write(slab_count);
			__atomic_store_n(&header->slabs, slab_count + 1, __ATOMIC_RELEASE);
		}
#endif
		__atomic_store_n(&slab_count, slab_count + 1, __ATOMIC_RELEASE);
	}
	pthread_mutex_unlock(&lock);
}

void weft_trace_slab_missed(void)
{
	pthread_mutex_lock(&lock);
	slabs_missed++;
#ifndef WEFT_NO_PROBES
	if (header)
		WEFT_SET(header->slabs_missed, slabs_missed);
#endif
	pthread_mutex_unlock(&lock);
}

void weft_trace_each_slab(void (*fn)(const struct weft_slab *slab, void *arg), void *arg)
{
	uint32_t n = __atomic_load_n(&slab_count, __ATOMIC_ACQUIRE);

	for (uint32_t i = 0; i < n; i++)
		fn(&slabs[i], arg);
}

/* *ret_heap: the entry is private memory, which a forked child can't tell from its address. */
struct weft_runtime_entry *weft_trace_runtime_open(uint32_t *ret_id, bool *ret_heap)
{
	struct weft_runtime_entry *entry = NULL;

	pthread_mutex_lock(&lock);
	*ret_id = next_runtime++;
#ifndef WEFT_NO_PROBES
	for (unsigned i = 0; header && i < WEFT_MAX_RUNTIMES && !entry; i++)
		if (header->runtime[i].id == 0 || header->runtime[i].stopped)
			entry = &header->runtime[i];
#endif
	*ret_heap = !entry;
	if (!entry)
		entry = weft_memory_alloc(sizeof(*entry));
	else
		memset(entry, 0, sizeof(*entry));
	if (entry)
		__atomic_store_n(&entry->id, *ret_id, __ATOMIC_RELEASE);
	pthread_mutex_unlock(&lock);
	return entry;
}

void weft_trace_runtime_close(struct weft_runtime_entry *entry, bool heap)
{
	__atomic_store_n(&entry->stopped, 1, __ATOMIC_RELAXED);
	if (heap)
		weft_memory_free(entry);
}
