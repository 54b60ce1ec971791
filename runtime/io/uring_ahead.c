/* SPDX-License-Identifier: MIT */
/*
 * What the kernel gave before anybody asked: bytes of TCP connections, in buffers that the ring
 * picks from a pool (multishot receive), and connections of listeners (multishot accept). Readers
 * take them from here without a system call.
 *
 * Such a request is made when a task waits, and ends when somebody falls behind, so that a peer
 * still meets a full window or backlog: then, and where the pool is empty or a stream fills whole
 * buffers, reads go to the kernel as with epoll. While the request is on nobody reads from the
 * kernel, so bytes stay in order:
 *
 *	off -> on	want(), under both locks; nothing is queued then
 *	on  -> off	the last completion of the request; what is queued is taken first
 *
 * One lock for all of it, innermost; readers hold it for a copy of what they get.
 */
#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#include "runtime/base/clock.h"
#include "runtime/base/memory.h"
#include "runtime/executor/executor.h"
#include "runtime/io/uring.h"

#define BUFFERS     512u /* a power of two */
#define BYTES       2048u
#define RING_BYTES  (BUFFERS * sizeof(struct io_uring_buf))
#define POOL_BYTES  (RING_BYTES + (size_t)BUFFERS * BYTES)
#define BEHIND      16u /* queued buffers, or connections, at which the request is ended */
#define FULL        4u  /* full buffers in a row that make a stream a bulk transfer */
#define ENTRIES     512u
#define TABLES      2048u
#define SETTLE_NS   20000000u
#define PROBE_BYTES (sizeof(struct io_uring_probe) + 256 * sizeof(struct io_uring_probe_op))

/* Connections of one listener, a ring. */
struct backlog {
	uint32_t cap, head;
	int fd[];
};

struct entry {
	bool on, direct;              /* direct: for good, its bytes stay in the kernel */
	bool ending;                  /* the request was cancelled */
	uint8_t full;                 /* whole buffers in a row */
	uint16_t first, last, offset; /* queued buffers + 1; offset: read of the first */
	uint16_t n;                   /* queued buffers or connections */
	int32_t error;                /* after what is queued, once */
	struct backlog *backlog;
};
_Static_assert(sizeof(struct entry) == 24, "every connection pays for this");

struct weft_uring_ahead {
	pthread_mutex_t lock;
	struct io_uring_buf_ring *pool; /* followed by the buffers */
	uint32_t out;                   /* buffers that are queued */
	uint16_t next[BUFFERS], length[BUFFERS];
	struct entry *table[TABLES]; /* by fd */
};

static char *buffer(const struct weft_uring_ahead *ahead, unsigned id)
{
	return (char *)ahead->pool + RING_BYTES + (size_t)id * BYTES;
}

/* Under the lock. */
static void give(struct weft_uring_ahead *ahead, unsigned id)
{
	io_uring_buf_ring_add(ahead->pool, buffer(ahead, id), BYTES, (uint16_t)id,
			      io_uring_buf_ring_mask(BUFFERS), 0);
	io_uring_buf_ring_advance(ahead->pool, 1);
}

static bool is_able(struct io_uring *ring)
{
	union {
		struct io_uring_probe probe;
		char bytes[PROBE_BYTES];
	} u;

	memset(&u, 0, sizeof(u));
	return io_uring_register_probe(ring, &u.probe, 256) == 0 &&
	       u.probe.last_op >= IORING_OP_SEND_ZC; /* of the same release, 6.0 */
}

/*
 * The pool is a mapping of its own, untouched until used: it isn't the user's allocator's, like the
 * ring itself.
 */
struct weft_uring_ahead *weft_uring_ahead_open(struct io_uring *ring)
{
	struct io_uring_buf_reg reg = { .ring_entries = BUFFERS };
	struct weft_uring_ahead *ahead;
	void *pool;

	if (!is_able(ring))
		return NULL;
	pool = mmap(NULL, POOL_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (pool == MAP_FAILED)
		return NULL;
	ahead = weft_memory_alloc(sizeof(*ahead));
	reg.ring_addr = (uintptr_t)pool;
	if (!ahead || io_uring_register_buf_ring(ring, &reg, 0)) {
		weft_memory_free(ahead);
		munmap(pool, POOL_BYTES);
		return NULL;
	}
	pthread_mutex_init(&ahead->lock, NULL);
	ahead->pool = pool;
	io_uring_buf_ring_init(ahead->pool);
	for (unsigned i = 0; i < BUFFERS; i++)
		give(ahead, i);
	return ahead;
}

void weft_uring_ahead_close(struct weft_uring *uring)
{
	struct weft_uring_ahead *ahead = uring->ahead;

	if (!ahead)
		return;
	/* A request that was missed finds no buffer from now on. */
	io_uring_unregister_buf_ring(&uring->ring, 0);
	munmap(ahead->pool, POOL_BYTES);
	for (unsigned i = 0; i < TABLES; i++)
		weft_memory_free(ahead->table[i]);
	pthread_mutex_destroy(&ahead->lock);
	weft_memory_free(ahead);
}

/* Under the lock. NULL: never was one, or no memory for one. */
static struct entry *entry_of(const struct weft_uring_ahead *ahead, int fd)
{
	struct entry *table = (unsigned)fd / ENTRIES < TABLES ? ahead->table[(unsigned)fd / ENTRIES]
							      : NULL;

	return table ? &table[(unsigned)fd % ENTRIES] : NULL;
}

static struct entry *entry_make(struct weft_uring_ahead *ahead, int fd)
{
	unsigned i = (unsigned)fd / ENTRIES;

	if (i < TABLES && !ahead->table[i])
		ahead->table[i] = weft_memory_alloc(ENTRIES * sizeof(struct entry));
	return entry_of(ahead, fd);
}

/* Under the lock. */
static bool backlog_grow(struct entry *entry)
{
	struct backlog *old = entry->backlog, *more;
	uint32_t cap = old ? old->cap * 2 : 4 * BEHIND;

	more = cap < UINT16_MAX ? weft_memory_alloc(sizeof(*more) + cap * sizeof(int)) : NULL;
	if (!more)
		return false;
	for (uint32_t i = 0; old && i < entry->n; i++)
		more->fd[i] = old->fd[(old->head + i) % old->cap];
	more->cap = cap;
	weft_memory_free(old);
	entry->backlog = more;
	return true;
}

unsigned weft_uring_ahead_choose(struct weft_uring *uring, struct weft_source *source)
{
	struct weft_uring_ahead *ahead = uring->ahead;
	bool listener = weft_source_kind(source) == WEFT_SOURCE_LISTENER;
	unsigned tag = WEFT_URING_POLL;
	struct entry *entry;

	pthread_mutex_lock(&ahead->lock);
	entry = entry_make(ahead, source->fd);
	/* A listener's first connections must find room: the kernel has no place to put them back. */
	if (entry && listener && !entry->backlog && !entry->direct)
		entry->direct = !backlog_grow(entry);
	if (entry && !entry->direct && ahead->out < BUFFERS / 2) {
		entry->on = true;
		tag = listener ? WEFT_URING_ACCEPT : WEFT_URING_RECEIVE;
	}
	pthread_mutex_unlock(&ahead->lock);
	return tag;
}

bool weft_uring_ahead_prepare(struct weft_uring *uring, struct weft_source *source, unsigned tag,
			      struct io_uring_sqe *sqe)
{
	struct weft_uring_ahead *ahead = uring->ahead;
	struct entry *entry;
	bool on;

	pthread_mutex_lock(&ahead->lock);
	entry = entry_of(ahead, source->fd);
	on = entry && !entry->direct;
	if (entry)
		entry->on = on;
	pthread_mutex_unlock(&ahead->lock);
	if (on && tag == WEFT_URING_ACCEPT) {
		io_uring_prep_multishot_accept(sqe, source->fd, NULL, NULL,
					       SOCK_CLOEXEC | SOCK_NONBLOCK);
	} else if (on) {
		io_uring_prep_recv_multishot(sqe, source->fd, NULL, 0, 0);
		sqe->flags |= IOSQE_BUFFER_SELECT;
	}
	return on;
}

/* Under the lock. */
static void queue_buffer(struct weft_uring_ahead *ahead, struct entry *entry, unsigned id,
			 unsigned length)
{
	ahead->length[id] = (uint16_t)length;
	ahead->next[id] = 0;
	if (entry->last)
		ahead->next[entry->last - 1] = (uint16_t)(id + 1);
	else
		entry->first = (uint16_t)(id + 1);
	entry->last = (uint16_t)(id + 1);
	entry->n++;
	ahead->out++;
	entry->full = length == BYTES ? (uint8_t)(entry->full + 1) : 0;
	if (entry->full >= FULL)
		entry->direct = true;
}

/* Under the lock. Without memory for more than is there, the connection ends. */
static void queue_connection(struct entry *entry, int fd)
{
	struct backlog *to = entry->backlog;

	if ((!to || entry->n == to->cap) && !backlog_grow(entry)) {
		close(fd);
		return;
	}
	to = entry->backlog;
	to->fd[(to->head + entry->n) % to->cap] = fd;
	entry->n++;
}

/* Under the lock. -1: there is none. */
static int next_connection(struct entry *entry)
{
	struct backlog *backlog = entry->backlog;
	int fd;

	if (!entry->n || !backlog)
		return -1;
	fd = backlog->fd[backlog->head];
	backlog->head = (backlog->head + 1) % backlog->cap;
	entry->n--;
	return fd;
}

/* Under the lock. entry NULL: the source was closed meanwhile. */
static void take_in(struct weft_uring_ahead *ahead, struct entry *entry, unsigned tag,
		    const struct io_uring_cqe *cqe)
{
	unsigned id = cqe->flags >> IORING_CQE_BUFFER_SHIFT;
	bool has_buffer = cqe->flags & IORING_CQE_F_BUFFER;

	if (tag == WEFT_URING_ACCEPT) {
		if (cqe->res >= 0 && entry)
			queue_connection(entry, cqe->res);
		else if (cqe->res >= 0)
			close(cqe->res);
	} else if (cqe->res > 0 && has_buffer && entry) {
		queue_buffer(ahead, entry, id, (unsigned)cqe->res);
	} else if (has_buffer) {
		give(ahead, id);
	}
	if (!entry || cqe->flags & IORING_CQE_F_MORE)
		return;
	entry->on = entry->ending = false;
	if (cqe->res >= 0 || cqe->res == -ECANCELED)
		return;
	/* A listener without descriptors would be told again and again; accept4 tells its own errors. */
	if (tag == WEFT_URING_ACCEPT || cqe->res == -ENOBUFS)
		entry->direct = true;
	else
		entry->error = cqe->res;
}

static void end_request(struct weft_uring *uring, uintptr_t handle, unsigned tag)
{
	pthread_mutex_lock(&uring->lock);
	weft_uring_cancel(uring, handle, tag);
	weft_uring_submit(uring);
	pthread_mutex_unlock(&uring->lock);
}

unsigned weft_uring_ahead_completed(struct weft_uring *uring, uintptr_t handle, unsigned tag,
				    const struct io_uring_cqe *cqe)
{
	struct weft_source *source = weft_source_enter(handle);
	struct weft_uring_ahead *ahead = uring->ahead;
	struct entry *entry;
	bool end = false;
	unsigned io = 0;

	pthread_mutex_lock(&ahead->lock);
	entry = source ? entry_of(ahead, source->fd) : NULL;
	take_in(ahead, entry, tag, cqe);
	if (entry && entry->on && !entry->ending && (entry->n >= BEHIND || entry->direct))
		end = entry->ending = true;
	pthread_mutex_unlock(&ahead->lock);
	if (!source)
		return 0;
	if (!(cqe->flags & IORING_CQE_F_MORE)) {
		/* Relaxed, both: the event that follows carries them to who waits. */
		__atomic_fetch_and(&source->armed, (uint8_t)~WEFT_URING_ON, __ATOMIC_RELAXED);
		__atomic_fetch_or(&source->lazy, 1u << WEFT_DIR_READ, __ATOMIC_RELAXED);
	}
	if (end)
		end_request(uring, handle, tag);
	io = weft_source_event(handle, cqe->res == 0 && tag == WEFT_URING_RECEIVE
					       ? POLLIN | POLLRDHUP
					       : POLLIN);
	weft_source_exit(source);
	return io;
}

/* Under the lock: the next of what is queued, into a part; how much. */
static size_t take_out(struct weft_uring_ahead *ahead, struct entry *entry, char *to, size_t room)
{
	size_t got = 0;

	while (entry->first && got < room) {
		unsigned id = entry->first - 1u;
		size_t n = (size_t)ahead->length[id] - entry->offset;

		if (n > room - got)
			n = room - got;
		memcpy(to + got, buffer(ahead, id) + entry->offset, n);
		got += n;
		entry->offset = (uint16_t)(entry->offset + n);
		if (entry->offset < ahead->length[id])
			break;
		entry->offset = 0;
		entry->first = ahead->next[id];
		if (!entry->first)
			entry->last = 0;
		entry->n--;
		ahead->out--;
		give(ahead, id);
	}
	return got;
}

/* Under the lock: nothing is queued. */
static ssize_t nothing(struct entry *entry)
{
	if (!entry || (!entry->on && !entry->error))
		return WEFT_DRIVER_DIRECT;
	errno = entry->error ? -entry->error : EAGAIN;
	entry->error = 0;
	return -1;
}

ssize_t weft_uring_receive(struct weft_driver *driver, struct weft_source *source,
			   const struct iovec *to, unsigned parts)
{
	struct weft_uring_ahead *ahead = ((struct weft_uring *)driver->state)->ahead;
	struct entry *entry;
	ssize_t got = 0;
	size_t room = 0;

	for (unsigned i = 0; i < parts; i++)
		room += to[i].iov_len;
	if (room == 0)
		return WEFT_DRIVER_DIRECT;
	pthread_mutex_lock(&ahead->lock);
	entry = entry_of(ahead, source->fd);
	if (!entry || !entry->first)
		got = nothing(entry);
	else
		for (unsigned i = 0; i < parts && entry->first; i++)
			got += (ssize_t)take_out(ahead, entry, to[i].iov_base, to[i].iov_len);
	pthread_mutex_unlock(&ahead->lock);
	return got;
}

ssize_t weft_uring_accept(struct weft_driver *driver, struct weft_source *source)
{
	struct weft_uring_ahead *ahead = ((struct weft_uring *)driver->state)->ahead;
	struct entry *entry;
	ssize_t fd = -1;

	pthread_mutex_lock(&ahead->lock);
	entry = entry_of(ahead, source->fd);
	if (entry)
		fd = next_connection(entry);
	if (fd < 0)
		fd = nothing(entry);
	pthread_mutex_unlock(&ahead->lock);
	return fd;
}

void weft_uring_ahead_forget(struct weft_uring *uring, int fd, bool listener)
{
	struct weft_uring_ahead *ahead = uring->ahead;
	struct entry *entry;

	pthread_mutex_lock(&ahead->lock);
	entry = entry_of(ahead, fd);
	for (int taken = 0; entry && listener && taken >= 0;) {
		taken = next_connection(entry);
		if (taken >= 0)
			close(taken);
	}
	while (entry && entry->first) {
		unsigned id = entry->first - 1u;

		entry->first = ahead->next[id];
		ahead->out--;
		give(ahead, id);
	}
	if (entry) {
		weft_memory_free(entry->backlog);
		*entry = (struct entry){ .on = false };
	}
	pthread_mutex_unlock(&ahead->lock);
}

/* Under no lock. Whether the request is over, and whether it brought something. */
static bool is_settled(struct weft_uring_ahead *ahead, int fd, bool *ret_left)
{
	struct entry *entry;
	bool on;

	pthread_mutex_lock(&ahead->lock);
	entry = entry_of(ahead, fd);
	on = entry && entry->on;
	*ret_left = entry && (entry->n || entry->error);
	pthread_mutex_unlock(&ahead->lock);
	return !on;
}

/*
 * A look at the ring, if this thread may take one: it has the driver, or is a worker and nobody
 * has it. (Others would leave it without an owner who sleeps in it.)
 */
static void turn_once(struct weft_driver *driver, const struct weft_runtime *rt)
{
	bool mine = __atomic_load_n(&driver->holder, __ATOMIC_RELAXED) == &weft_thread;
	bool took = !mine && weft_thread.rt == rt && weft_thread.worker &&
		    weft_driver_take(driver, INT32_MAX - 1);
	int n = mine || took ? driver->ops->wait(driver, 0) : 0;

	if (n > 0)
		driver->ops->dispatch(driver, n);
	if (took)
		weft_driver_give(driver);
	if (n <= 0)
		sched_yield();
}

/*
 * A request that wasn't made yet is over at once. The completion of another one is seen by the
 * owner: that is this thread, or one that will turn soon.
 */
int weft_uring_settle(struct weft_driver *driver, struct weft_source *source, uintptr_t handle)
{
	struct weft_uring *uring = driver->state;
	uint64_t until = weft_clock_ns() + SETTLE_NS;
	struct entry *entry;
	bool armed, left;

	pthread_mutex_lock(&uring->lock);
	armed = __atomic_load_n(&source->armed, __ATOMIC_RELAXED) & WEFT_URING_ON;
	pthread_mutex_lock(&uring->ahead->lock);
	entry = entry_make(uring->ahead, source->fd);
	if (entry) {
		entry->direct = true;
		entry->on = entry->on && armed;
	}
	pthread_mutex_unlock(&uring->ahead->lock);
	if (armed)
		weft_uring_cancel(uring, handle, WEFT_URING_RECEIVE);
	weft_uring_submit(uring);
	pthread_mutex_unlock(&uring->lock);
	while (!is_settled(uring->ahead, source->fd, &left) && weft_clock_ns() < until)
		turn_once(driver, source->rt);
	return is_settled(uring->ahead, source->fd, &left) && !left ? 0 : -EBUSY;
}
