// SPDX-License-Identifier: MIT
#include "probes/target_map.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "probes/base/cleanup.h"
#include "probes/symbols/proc_maps.h"

#define LINK_TEXT     "/memfd:" WEFT_MAP_NAME
#define MAX_BYTES     (64ull << 20)
#define MAX_STRIDE    65536u
#define ABI_PLAUSIBLE 1000u
#define MAX_TASK_HEAD 4096u
#define COPY_TRIES    64
#define SEALS         (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL)

struct target_map {
	struct target_map_shape shape;
	int fd;
	const uint8_t *memory; /* NULL: pread */
};

/* ---- finding and opening the file ---- */

/* The way without CAP_SYS_ADMIN or CAP_CHECKPOINT_RESTORE, for targets that keep the descriptor. */
static int open_fd_of(pid_t pid)
{
	char path[64 + 256], link[64];
	auto_closedir DIR *dir = NULL;
	struct dirent *e;

	snprintf(path, sizeof(path), "/proc/%d/fd", pid);
	dir = opendir(path);
	while (dir && (e = readdir(dir))) {
		ssize_t n;

		snprintf(path, sizeof(path), "/proc/%d/fd/%s", pid, e->d_name);
		n = readlink(path, link, sizeof(link) - 1);
		if (n < (ssize_t)sizeof(LINK_TEXT) - 1 ||
		    memcmp(link, LINK_TEXT, sizeof(LINK_TEXT) - 1))
			continue;
		n = open(path, O_RDONLY | O_CLOEXEC);
		return n < 0 ? -errno : (int)n;
	}
	return -EPERM;
}

static int open_file(pid_t pid, const struct proc_maps *maps, const struct proc_map *map)
{
	int fd = proc_maps_open(maps, map), kept;

	if (fd >= 0)
		return fd;
	kept = open_fd_of(pid);
	/* Of a process that ends meanwhile the first error says so. */
	return kept >= 0 ? kept : fd;
}

/* ---- checking the header ---- */

static bool table_fits(uint64_t offset, uint64_t stride, uint64_t count, uint64_t bytes)
{
	return offset >= WEFT_PAGE / 4 && offset % 8 == 0 && offset <= bytes &&
	       stride * count <= bytes - offset;
}

/* Kinds that this reader knows must have the size it knows; later kinds any that is possible. */
static bool kinds_sound(const uint8_t *words)
{
#define X(name, code, text, level, size) \
	if (words[code] != (size))       \
		return false;
	WEFT_WIRE_EVENTS(X)
#undef X
	return true;
}

bool target_map_reads_abi(uint32_t abi)
{
	return abi == WEFT_ABI_VERSION || abi == WEFT_ABI_VERSION - 1;
}

static uint32_t batch_bytes(const struct weft_map_header *h)
{
	return h->abi == 1 ? WEFT_BATCH_BYTES_1 : WEFT_BATCH_BYTES;
}

static uint32_t frame_offset(const struct weft_map_header *h)
{
	bool told = h->header_bytes >=
		    offsetof(struct weft_map_header, frame_offset) + sizeof(h->frame_offset);

	return told && h->frame_offset >= h->task_head_bytes && h->frame_offset % 8 == 0 &&
			       h->frame_offset <= MAX_TASK_HEAD
		       ? h->frame_offset
		       : 0;
}

static uint32_t joiner_offset(const struct weft_map_header *h)
{
	bool told = h->header_bytes >=
		    offsetof(struct weft_map_header, joiner_offset) + sizeof(h->joiner_offset);

	return told && h->joiner_offset >= h->task_head_bytes && h->joiner_offset % 8 == 0 &&
			       h->joiner_offset <= MAX_TASK_HEAD
		       ? h->joiner_offset
		       : 0;
}

static struct target_waiter waiter(const struct weft_map_header *h)
{
	struct target_waiter none = { 0 };
	bool told = h->header_bytes >=
		    offsetof(struct weft_map_header, waiter_queued) + sizeof(h->waiter_queued);

	if (!told || h->waiter_task % 8 || h->waiter_queue % 8 || h->waiter_state % 4)
		return none;
	return (struct target_waiter){ .task = h->waiter_task,
				       .queue = h->waiter_queue,
				       .state = h->waiter_state,
				       .queued = h->waiter_queued };
}

static uint64_t fingerprint(const struct weft_map_header *h)
{
	bool told = h->header_bytes >=
		    offsetof(struct weft_map_header, fingerprint) + sizeof(h->fingerprint);

	return told ? h->fingerprint : 0;
}

static int check_header(const struct weft_map_header *h, uint64_t bytes, pid_t ns_pid,
			struct target_map_shape *s)
{
	if (!h->magic)
		return -ENOENT; /* being made: the magic is stored last */
	if (h->magic != WEFT_MAP_MAGIC)
		return -EPROTO;
	if (h->abi > ABI_PLAUSIBLE)
		return -EPROTO;
	if (!target_map_reads_abi(h->abi))
		return -ENOTSUP;
	if ((pid_t)h->pid != ns_pid)
		return -ENOENT;
	if (h->lane_stride < WEFT_PAGE + batch_bytes(h) || h->lane_stride > MAX_STRIDE ||
	    h->lane_stride % 8 || h->max_lanes == 0 || h->max_lanes > WEFT_MAX_LANES ||
	    h->clock > WEFT_CLOCK_TSC || h->site_stride < sizeof(struct weft_site_entry) ||
	    h->site_stride > MAX_STRIDE || h->max_sites > WEFT_MAX_SITES ||
	    h->max_slabs > WEFT_MAX_SLABS || h->task_head_bytes < sizeof(struct weft_task_head) ||
	    h->task_head_bytes > MAX_TASK_HEAD || !kinds_sound(h->kind_words) ||
	    !table_fits(h->lane_offset, h->lane_stride, h->max_lanes, bytes) ||
	    !table_fits(h->site_offset, h->site_stride, h->max_sites, bytes) ||
	    !table_fits(h->slab_offset, sizeof(struct weft_slab), h->max_slabs, bytes))
		return -EPROTO;
	s->abi = h->abi;
	s->clock = h->clock;
	s->lane_offset = h->lane_offset;
	s->lane_stride = h->lane_stride;
	s->batch_bytes = batch_bytes(h);
	s->max_lanes = h->max_lanes;
	s->site_offset = h->site_offset;
	s->site_stride = h->site_stride;
	s->max_sites = h->max_sites;
	s->slab_offset = h->slab_offset;
	s->max_slabs = h->max_slabs;
	s->task_head_bytes = h->task_head_bytes;
	s->frame_offset = frame_offset(h);
	s->joiner_offset = joiner_offset(h);
	s->waiter = waiter(h);
	s->fingerprint = fingerprint(h);
	memcpy(s->kind_words, h->kind_words, sizeof(s->kind_words));
	return 0;
}

/* Sealed means: nobody can make it smaller any more, so a mapping of it is safe to touch. */
static bool is_sealed(int fd)
{
	int seals = fcntl(fd, F_GET_SEALS);

	return seals >= 0 && (seals & SEALS) == SEALS;
}

static int open_checked(int fd, pid_t ns_pid, struct target_map *m)
{
	struct weft_map_header header;
	struct stat st;
	void *memory;

	if (fstat(fd, &st))
		return -errno;
	if (!S_ISREG(st.st_mode) || (uint64_t)st.st_size < WEFT_PAGE ||
	    (uint64_t)st.st_size > MAX_BYTES)
		return -EPROTO;
	m->shape.bytes = (uint64_t)st.st_size;
	m->shape.sealed = is_sealed(fd);
	if (m->shape.sealed) {
		memory = mmap(NULL, m->shape.bytes, PROT_READ, MAP_SHARED, fd, 0);
		if (memory == MAP_FAILED)
			return -errno;
		m->memory = memory;
	}
	if (!target_map_copy(m, 0, &header, sizeof(header)))
		return -EPROTO;
	return check_header(&header, m->shape.bytes, ns_pid, &m->shape);
}

/* Takes over the descriptor. */
static int open_at(int fd, uint64_t address, pid_t ns_pid, struct target_map **ret)
{
	struct target_map *m = calloc(1, sizeof(*m));
	int err;

	if (!m) {
		close(fd);
		return -ENOMEM;
	}
	m->fd = fd;
	m->shape.address = address;
	err = open_checked(fd, ns_pid, m);
	if (err)
		target_map_close(m);
	else
		*ret = m;
	return err;
}

int target_map_open(pid_t pid, pid_t ns_pid, struct target_map **ret)
{
	auto_proc_maps struct proc_maps *maps = NULL;
	int err = proc_maps_read(pid, &maps), best = -ENOENT;

	if (err)
		return err;
	/* A process may carry two: its parent's, inherited, and its own. */
	for (size_t i = 0; i < proc_maps_count(maps) && best; i++) {
		const struct proc_map *map = proc_maps_at(maps, i);

		if (map->offset || strcmp(map->path, LINK_TEXT))
			continue;
		err = open_file(pid, maps, map);
		if (err >= 0)
			err = open_at(err, map->start, ns_pid, ret);
		if (err != -ENOENT)
			best = err;
	}
	return best;
}

struct target_map *target_map_close(struct target_map *m)
{
	if (!m)
		return NULL;
	if (m->memory)
		munmap((void *)(uintptr_t)m->memory, m->shape.bytes);
	close(m->fd);
	free(m);
	return NULL;
}

const struct target_map_shape *target_map_shape(const struct target_map *m)
{
	return &m->shape;
}

/* ---- access ---- */

bool target_map_copy(const struct target_map *m, uint64_t offset, void *to, size_t bytes)
{
	if (offset > m->shape.bytes || bytes > m->shape.bytes - offset)
		return false;
	if (!m->memory)
		return pread(m->fd, to, bytes, (off_t)offset) == (ssize_t)bytes;
	memcpy(to, m->memory + offset, bytes);
	return true;
}

bool target_map_load32(const struct target_map *m, uint64_t offset, uint32_t *ret)
{
	if (!m->memory)
		return target_map_copy(m, offset, ret, sizeof(*ret));
	if (offset % sizeof(*ret) || offset > m->shape.bytes - sizeof(*ret))
		return false;
	*ret = __atomic_load_n((const uint32_t *)(const void *)(m->memory + offset),
			       __ATOMIC_ACQUIRE);
	return true;
}

bool target_map_load64(const struct target_map *m, uint64_t offset, uint64_t *ret)
{
	if (!m->memory)
		return target_map_copy(m, offset, ret, sizeof(*ret));
	if (offset % sizeof(*ret) || offset > m->shape.bytes - sizeof(*ret))
		return false;
	*ret = __atomic_load_n((const uint64_t *)(const void *)(m->memory + offset),
			       __ATOMIC_ACQUIRE);
	return true;
}

bool target_map_whole(const struct target_map *m)
{
	struct stat st;

	return m->shape.sealed || (!fstat(m->fd, &st) && (uint64_t)st.st_size >= m->shape.bytes);
}

static uint32_t published(const struct target_map *m, size_t offset, uint32_t max)
{
	uint32_t n = 0;

	if (!target_map_load32(m, offset, &n))
		return 0;
	return n < max ? n : max;
}

uint32_t target_map_lanes(const struct target_map *m)
{
	return published(m, offsetof(struct weft_map_header, lanes), m->shape.max_lanes);
}

uint32_t target_map_sites(const struct target_map *m)
{
	return published(m, offsetof(struct weft_map_header, sites), m->shape.max_sites);
}

uint32_t target_map_slabs(const struct target_map *m)
{
	return published(m, offsetof(struct weft_map_header, slabs), m->shape.max_slabs);
}

bool target_map_runtime(const struct target_map *m, uint32_t index, struct weft_runtime_entry *ret)
{
	return target_map_copy(m, offsetof(struct weft_map_header, runtime) + index * sizeof(*ret),
			       ret, sizeof(*ret));
}

bool target_map_site(const struct target_map *m, uint32_t index, struct weft_site_entry *ret)
{
	return target_map_copy(m, m->shape.site_offset + (uint64_t)index * m->shape.site_stride,
			       ret, sizeof(*ret));
}

bool target_map_slab(const struct target_map *m, uint32_t index, struct weft_slab *ret)
{
	return target_map_copy(m, m->shape.slab_offset + (uint64_t)index * sizeof(*ret), ret,
			       sizeof(*ret));
}

uint64_t target_map_lane_offset(const struct target_map *m, uint32_t lane)
{
	return m->shape.lane_offset + (uint64_t)lane * m->shape.lane_stride;
}

/* A lane whose writer has not begun has the word 0; a head out of bounds is a damaged lane: nothing committed. */
bool target_map_commit(const struct target_map *m, uint32_t lane, uint32_t *seq, uint32_t *head)
{
	uint64_t word;

	if (!target_map_load64(m,
			       target_map_lane_offset(m, lane) + offsetof(struct weft_lane, commit),
			       &word))
		return false;
	*seq = (uint32_t)(word >> 32);
	*head = (uint32_t)word;
	if (*head < sizeof(struct weft_batch) || *head > m->shape.batch_bytes || *head % 8)
		*head = sizeof(struct weft_batch);
	return true;
}

int target_map_copy_lane(const struct target_map *m, uint32_t lane, struct lane_copy *ret)
{
	uint64_t offset = target_map_lane_offset(m, lane);
	uint32_t seq, head;

	for (int i = 0; i < COPY_TRIES; i++) {
		if (!target_map_commit(m, lane, &ret->seq, &ret->head) ||
		    !target_map_copy(m, offset, &ret->status, sizeof(ret->status)) ||
		    !target_map_copy(m, offset + WEFT_PAGE, ret->batch, ret->head))
			return -EIO;
		/* Copy first, then the word again: see "Commit protocol" in probe_points.h. */
		__atomic_thread_fence(__ATOMIC_ACQUIRE);
		if (!target_map_commit(m, lane, &seq, &head))
			return -EIO;
		if (seq == ret->seq)
			return 0;
	}
	return -EAGAIN;
}

uint32_t target_map_record_bytes(const struct target_map *m, const uint8_t *batch, uint32_t offset,
				 uint32_t head)
{
	uint64_t words[2] = { 0 };
	uint32_t kind, bytes;

	if (offset + 16 > head)
		return 0;
	memcpy(words, batch + offset, sizeof(words));
	kind = (uint32_t)(words[0] >> WEFT_STAMP_BITS);
	if (kind == 0 || kind >= WEFT_MAX_KINDS)
		return 0;
	bytes = m->shape.kind_words[kind] ? m->shape.kind_words[kind] * 8u
					  : (uint32_t)(words[1] & 0xffff);
	return bytes < 16 || bytes % 8 || bytes > head - offset ? 0 : bytes;
}
