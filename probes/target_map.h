/* SPDX-License-Identifier: MIT */
/*
 * The "weft-trace" mapping of a target (runtime/probe_points.h), read from outside. All of it is hostile:
 * offsets, strides and counts are checked once at open and kept in private; every access is bounds
 * checked and copied. A mapping that is not sealed against shrinking is read with pread, since a
 * truncated one would raise SIGBUS. The memory stays readable after the target's death.
 */
#ifndef WEFT_TARGET_MAP_H
#define WEFT_TARGET_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "runtime/probe_points.h"

struct target_map;

/* The shape as checked at open. */
struct target_map_shape {
	uint64_t bytes;
	uint64_t address; /* of the mapping in the target */
	uint32_t abi, clock;
	uint32_t lane_offset, lane_stride, batch_bytes, max_lanes;
	uint32_t site_offset, site_stride, max_sites;
	uint32_t slab_offset, max_slabs;
	uint32_t task_head_bytes;
	uint32_t frame_offset;  /* 0 = its writer did not tell: no await chains */
	uint32_t joiner_offset; /* 0 = its writer did not tell: nobody knows who awaits whom */
	struct target_waiter {
		uint8_t task, queue, state,
			queued; /* as in the header; queued 0 = its writer did not tell */
	} waiter;
	uint64_t fingerprint; /* 0 = its writer did not tell */
	uint8_t kind_words[WEFT_MAX_KINDS];
	bool sealed; /* false: read by pread */
};

bool target_map_reads_abi(uint32_t abi); /* WEFT_ABI_VERSION and the one before it */

/*
 * ns_pid: the pid that the mapping must name (a forked child inherits its parent's mapping). -ENOENT: no
 * such mapping (yet). -EPERM: there, but it can't be opened. -EPROTO: damaged. -ENOTSUP: another ABI.
 */
int target_map_open(pid_t pid, pid_t ns_pid, struct target_map **ret);
struct target_map *target_map_close(struct target_map *m); /* takes NULL, returns NULL */
const struct target_map_shape *target_map_shape(const struct target_map *m);

/* False: out of bounds, or the target has cut the file. */
bool target_map_copy(const struct target_map *m, uint64_t offset, void *to, size_t bytes);
bool target_map_load32(const struct target_map *m, uint64_t offset, uint32_t *ret); /* acquire */
bool target_map_load64(const struct target_map *m, uint64_t offset, uint64_t *ret); /* acquire */

/* False: the target has cut the file since it was opened. */
bool target_map_whole(const struct target_map *m);

/* Published counts, capped by the shape; 0 when unreadable. */
uint32_t target_map_lanes(const struct target_map *m);
uint32_t target_map_sites(const struct target_map *m);
uint32_t target_map_slabs(const struct target_map *m);

bool target_map_runtime(const struct target_map *m, uint32_t index, struct weft_runtime_entry *ret);
bool target_map_site(const struct target_map *m, uint32_t index, struct weft_site_entry *ret);
bool target_map_slab(const struct target_map *m, uint32_t index, struct weft_slab *ret);
uint64_t target_map_lane_offset(const struct target_map *m, uint32_t lane); /* of its status page */

/*
 * A lane as it was at one moment: status page and the batch's committed part go together with `seq`,
 * `head`. Other status fields may be newer. -EAGAIN: the writer was too fast; -EIO: unreadable.
 */
struct lane_copy {
	uint32_t seq, head;
	struct weft_lane status;
	_Alignas(8) uint8_t batch[WEFT_BATCH_BYTES];
};
int target_map_copy_lane(const struct target_map *m, uint32_t lane, struct lane_copy *ret);
bool target_map_commit(const struct target_map *m, uint32_t lane, uint32_t *seq, uint32_t *head);

/* Bytes of the record at `offset` of a batch page that is committed up to `head`; 0 = damaged. */
uint32_t target_map_record_bytes(const struct target_map *m, const uint8_t *batch, uint32_t offset,
				 uint32_t head);

#endif
