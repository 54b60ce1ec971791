// SPDX-License-Identifier: MIT
/*
 * Programs are written as instructions, not compiled: the probing must work where the shipped BPF
 * objects don't load.
 */
#include "probes/kernel_features.h"

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <errno.h>
#include <linux/perf_event.h>
#include <pthread.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "probes/base/cleanup.h"
#include "probes/symbols/proc_maps.h"

/* Newer than the headers of the kernels we build on. */
#define ATTACH_UPROBE_MULTI 48
struct link_create_uprobe_multi {
	uint32_t prog_fd, target_fd, attach_type, flags;
	uint64_t path, offsets, ref_ctr_offsets, cookies;
	uint32_t count, multi_flags, pid, pad;
};

#define INSN(c, d, s, o, i) \
	((struct bpf_insn){ .code = (c), .dst_reg = (d), .src_reg = (s), .off = (o), .imm = (i) })
#define MOV_IMM(d, i)      INSN(BPF_ALU64 | BPF_MOV | BPF_K, d, 0, 0, i)
#define MOV_REG(d, s)      INSN(BPF_ALU64 | BPF_MOV | BPF_X, d, s, 0, 0)
#define ADD_IMM(d, i)      INSN(BPF_ALU64 | BPF_ADD | BPF_K, d, 0, 0, i)
#define LOAD_64(d, s, o)   INSN(BPF_LDX | BPF_DW | BPF_MEM, d, s, o, 0)
#define STORE_IMM_64(d, o) INSN(BPF_ST | BPF_DW | BPF_MEM, d, 0, o, 0)
#define JUMP_EQ_0(d, o)    INSN(BPF_JMP | BPF_JEQ | BPF_K, d, 0, o, 0)
#define CALL(f)            INSN(BPF_JMP | BPF_CALL, 0, 0, 0, f)
#define EXIT()             INSN(BPF_JMP | BPF_EXIT, 0, 0, 0, 0)
#define COUNT(a)           (sizeof(a) / sizeof(*(a)))

static const struct bpf_insn return_0[] = { MOV_IMM(0, 0), EXIT() };

/* A one-byte nop of our own to put a probe on; the symbol is local to the object, the function never inlined. */
extern const char kernel_features_site[] __attribute__((visibility("hidden")));
__attribute__((noinline, noclone, noipa)) static void hit_site(void)
{
	__asm__ volatile(".globl kernel_features_site\n.hidden kernel_features_site\n"
			 "kernel_features_site: nop" ::
				 : "memory");
}

static int load(enum bpf_prog_type type, const struct bpf_insn *insns, size_t n,
		struct bpf_prog_load_opts *opts)
{
	int fd = bpf_prog_load(type, "weft_probe", "GPL", insns, n, opts);

	return fd < 0 ? -errno : fd;
}

static bool loads(int fd)
{
	if (fd < 0)
		return false;
	close(fd);
	return true;
}

static int probe_bpf(void)
{
	auto_close int fd = load(BPF_PROG_TYPE_KPROBE, return_0, COUNT(return_0), NULL);

	return fd < 0 ? fd : 0;
}

static bool probe_ringbuf(void)
{
	return loads(bpf_map_create(BPF_MAP_TYPE_RINGBUF, "weft_probe", 0, 0, 4096, NULL));
}

/* Counts its runs in element 0 of an array map. */
static int load_counter(int map)
{
	const struct bpf_insn insns[] = {
		STORE_IMM_64(10, -8),
		INSN(BPF_LD | BPF_DW | BPF_IMM, 1, BPF_PSEUDO_MAP_FD, 0, map),
		INSN(0, 0, 0, 0, 0),
		MOV_REG(2, 10),
		ADD_IMM(2, -8),
		CALL(BPF_FUNC_map_lookup_elem),
		JUMP_EQ_0(0, 2),
		MOV_IMM(1, 1),
		INSN(BPF_STX | BPF_DW | BPF_ATOMIC, 0, 1, 0, BPF_ADD),
		MOV_IMM(0, 0),
		EXIT(),
	};
	LIBBPF_OPTS(bpf_prog_load_opts, opts, .expected_attach_type = ATTACH_UPROBE_MULTI);

	return load(BPF_PROG_TYPE_KPROBE, insns, COUNT(insns), &opts);
}

static uint64_t counter(int map)
{
	uint64_t value = 0;
	uint32_t key = 0;

	return bpf_map_lookup_elem(map, &key, &value) < 0 ? 0 : value;
}

/* Where the site lies in its file: this code may be in an executable or in a shared object. */
static int own_site(char *path, size_t size, uint64_t *ret_offset)
{
	auto_proc_maps struct proc_maps *maps = NULL;
	uint64_t address = (uintptr_t)kernel_features_site;
	const struct proc_map *map;
	int rc = proc_maps_read(getpid(), &maps);

	if (rc < 0)
		return rc;
	map = proc_maps_find(maps, address);
	if (!map)
		return -ENOENT;
	*ret_offset = address - map->start + map->offset;
	return proc_maps_path(maps, map, path, size);
}

static int attach(int prog)
{
	struct link_create_uprobe_multi attr = { .prog_fd = (uint32_t)prog };
	char path[4096];
	uint64_t offset;
	long fd;
	int rc = own_site(path, sizeof(path), &offset);

	if (rc < 0)
		return rc;
	attr.attach_type = ATTACH_UPROBE_MULTI;
	attr.path = (uintptr_t)path;
	attr.offsets = (uintptr_t)&offset;
	attr.count = 1;
	attr.pid = (uint32_t)getpid();
	fd = syscall(SYS_bpf, BPF_LINK_CREATE, &attr, sizeof(attr));
	return fd < 0 ? -errno : (int)fd;
}

static void *hit_from_thread(void *arg)
{
	hit_site();
	return arg;
}

/* Before 6.10 the pid filter compared the thread, not the process: only the leader's hits counted. */
static void probe_uprobe_multi(struct kernel_features *ret)
{
	auto_close int map = bpf_map_create(BPF_MAP_TYPE_ARRAY, "weft_probe", 4, 8, 1, NULL);
	auto_close int prog = map < 0 ? -1 : load_counter(map);
	auto_close int link = prog < 0 ? -1 : attach(prog);
	pthread_t thread;
	uint64_t before;

	if (link < 0)
		return;
	hit_site();
	before = counter(map);
	if (before > 0)
		ret->uprobe_multi = true;
	else if (gettid() == getpid())
		return;
	if (pthread_create(&thread, NULL, hit_from_thread, NULL) != 0)
		return;
	pthread_join(thread, NULL);
	ret->uprobe_multi_pid = counter(map) > before;
	ret->uprobe_multi |= ret->uprobe_multi_pid;
}

static bool load_tracing(enum bpf_attach_type attach_type, int btf_id, uint32_t flags,
			 const struct bpf_insn *insns, size_t n)
{
	LIBBPF_OPTS(bpf_prog_load_opts, opts, .expected_attach_type = attach_type,
		    .attach_btf_id = (uint32_t)btf_id, .prog_flags = flags);

	return btf_id > 0 && loads(load(BPF_PROG_TYPE_TRACING, insns, n, &opts));
}

/* ctx->task lies at 8 in struct bpf_iter__task. */
static bool probe_iter(const struct btf *btf)
{
	const struct bpf_insn insns[] = {
		LOAD_64(6, 1, 8), JUMP_EQ_0(6, 7), MOV_REG(1, 10),
		ADD_IMM(1, -8),   MOV_IMM(2, 8),   MOV_IMM(3, 0),
		MOV_REG(4, 6),    MOV_IMM(5, 0),   CALL(BPF_FUNC_copy_from_user_task),
		MOV_IMM(0, 0),    EXIT(),
	};

	return load_tracing(BPF_TRACE_ITER,
			    btf__find_by_name_kind(btf, "bpf_iter_task", BTF_KIND_FUNC),
			    BPF_F_SLEEPABLE, insns, COUNT(insns));
}

static void probe_btf(struct kernel_features *ret)
{
	struct btf *btf = btf__load_vmlinux_btf();

	if (!btf || libbpf_get_error(btf))
		return;
	ret->btf = true;
	ret->tp_btf = load_tracing(BPF_TRACE_RAW_TP,
				   btf__find_by_name_kind(btf, "btf_trace_sched_switch",
							  BTF_KIND_TYPEDEF),
				   0, return_0, COUNT(return_0));
	ret->iter_task = probe_iter(btf);
	btf__free(btf);
}

static void probe_perf_clock(struct kernel_features *ret)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_SOFTWARE,
		.size = sizeof(attr),
		.config = PERF_COUNT_SW_CPU_CLOCK,
		.sample_freq = 99,
		.freq = 1,
		.disabled = 1,
	};
	auto_close int fd =
		(int)syscall(SYS_perf_event_open, &attr, 0, -1, -1, PERF_FLAG_FD_CLOEXEC);

	ret->perf_error = fd < 0 ? -errno : 0;
	ret->perf_clock = fd >= 0 &&
			  loads(load(BPF_PROG_TYPE_PERF_EVENT, return_0, COUNT(return_0), NULL));
}

static bool *field_of(struct kernel_features *f, const char *name, size_t length)
{
#define X(field, what)                                                                     \
	if (length == sizeof(#field) - 1 && memcmp(name, #field, sizeof(#field) - 1) == 0) \
		return &f->field;
	KERNEL_FEATURES(X)
#undef X
	return NULL;
}

static int apply_mask(const char *mask, struct kernel_features *f)
{
	while (mask && *mask) {
		size_t n = strcspn(mask, ",");
		bool *field = field_of(f, mask, n);

		if (n > 0 && !field)
			return -EINVAL;
		if (field)
			*field = false;
		mask += n + (mask[n] == ',');
	}
	return 0;
}

int kernel_features_probe(const char *mask, struct kernel_features *ret)
{
	struct kernel_features f = { 0 };
	int rc = apply_mask(mask, &f);

	if (rc < 0)
		return rc;
	f.bpf_error = probe_bpf();
	f.bpf = f.bpf_error == 0;
	f.uprobe_perf =
		access("/sys/bus/event_source/devices/uprobe/format/ref_ctr_offset", R_OK) == 0;
	if (f.bpf) {
		f.ringbuf = probe_ringbuf();
		probe_uprobe_multi(&f);
		probe_btf(&f);
	}
	probe_perf_clock(&f);
	apply_mask(mask, &f);
	*ret = f;
	return 0;
}

/* The first pid namespace has a fixed inode: PROC_PID_INIT_INO in include/linux/proc_ns.h. */
bool kernel_features_first_pids(void)
{
	char link[64];
	ssize_t n = readlink("/proc/self/ns/pid", link, sizeof(link) - 1);

	link[n > 0 ? n : 0] = '\0';
	return n <= 0 || strcmp(link, "pid:[4026531836]") == 0;
}
