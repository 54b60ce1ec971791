// SPDX-License-Identifier: MIT
#include "probes/symbols/resolver.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "probes/base/cleanup.h"
#include "probes/symbols/cfi_rules.h"
#include "probes/symbols/demangle.h"
#include "probes/symbols/frame_cache.h"
#include "probes/symbols/kallsyms.h"
#include "probes/symbols/resolver_internal.h"

#define MAX_MODULES 8192
#define MAX_LOCATED 512
#define MAX_INLINES 32
#define MAX_VDSO    (64u << 10)
#define LOCATED_IDS 0x40000000u /* module numbers of resolver_locate in the frame cache */

struct located {
	struct located *next;
	struct elf_module *elf; /* NULL = tried in vain */
	char *path, *debug_dir;
	uint32_t id;
};

/* ---- modules ---- */

static int copy_memory(pid_t pid, const struct proc_map *map, char **ret, size_t *ret_bytes)
{
	size_t n = map->end - map->start;
	char *image = n <= MAX_VDSO ? malloc(n) : NULL;
	struct iovec to = { image, n }, from = { (void *)(uintptr_t)map->start, n };

	if (!image)
		return -ENOMEM;
	if (process_vm_readv(pid, &to, 1, &from, 1, 0) != (ssize_t)n) {
		free(image);
		return -EPERM;
	}
	*ret = image;
	*ret_bytes = n;
	return 0;
}

/* The vdso is the kernel's and exists in memory only. */
static struct elf_module *open_module(const struct resolver *r, const struct proc_map *map)
{
	struct elf_module *elf = NULL;
	char *image;
	size_t n;
	int fd;

	if (strcmp(map->path, "[vdso]") == 0) {
		if (copy_memory(r->pid, map, &image, &n) == 0)
			elf_module_new_memory(image, n, map->path, &elf);
		return elf;
	}
	fd = proc_maps_open(r->maps, map);
	if (fd >= 0)
		elf_module_new(fd, map->path, NULL, &elf);
	return elf;
}

static bool is_same(const struct resolver_entry *e, const struct proc_map *map)
{
	return e->inode == map->inode && e->dev_major == map->dev_major &&
	       e->dev_minor == map->dev_minor && strcmp(e->path, map->path) == 0;
}

/* Index of the mapping's module, opened when it is new. Modules are never dropped, so ids and texts stay good. */
static int module_of(struct resolver *r, const struct proc_map *map)
{
	struct resolver_entry *grown, *e;

	for (size_t i = r->n_modules; i > 0; i--)
		if (is_same(&r->module[i - 1], map))
			return (int)i - 1;
	if (r->n_modules == MAX_MODULES)
		return -ENOSPC;
	grown = reallocarray(r->module, r->n_modules + 1, sizeof(*grown));
	if (!grown)
		return -ENOMEM;
	r->module = grown;
	e = &r->module[r->n_modules];
	*e = (struct resolver_entry){ .low = map->start,
				      .high = map->end,
				      .inode = map->inode,
				      .dev_major = map->dev_major,
				      .dev_minor = map->dev_minor };
	e->path = strdup(map->path);
	if (!e->path)
		return -ENOMEM;
	e->elf = open_module(r, map);
	return (int)r->n_modules++;
}

static bool is_code(const struct proc_map *map)
{
	return (map->flags & PROC_MAP_EXEC) && map->path[0] &&
	       (map->inode != 0 || strcmp(map->path, "[vdso]") == 0);
}

static int add_code(struct resolver *r, const struct proc_map *map, struct resolver_code *code)
{
	int module = module_of(r, map);
	const struct resolver_entry *e;

	if (module < 0)
		return module == -ENOSPC ? 0 : module;
	e = &r->module[module];
	*code = (struct resolver_code){ map->start, map->end, map->start - map->offset,
					(uint32_t)module + 1 };
	if (e->elf)
		elf_module_bias(e->elf, map->start, map->offset, &code->bias);
	r->n_code++;
	return 0;
}

/* A module's range: all mappings of its file, as one run from the first to the last. */
static void set_ranges(struct resolver *r)
{
	for (size_t i = 0; i < r->n_code; i++) {
		struct resolver_entry *e = &r->module[r->code[i].module - 1];

		e->low = r->code[i].start;
		e->high = r->code[i].end;
	}
	for (size_t i = 0, hint = 0; i < proc_maps_count(r->maps); i++) {
		const struct proc_map *map = proc_maps_at(r->maps, i);

		if (map->inode == 0)
			continue;
		for (size_t k = 0; k < r->n_code; k++) {
			/* mappings of one file follow each other, so the last hit is tried first */
			struct resolver_entry *e =
				&r->module[r->code[(hint + k) % r->n_code].module - 1];

			if (!is_same(e, map))
				continue;
			e->low = map->start < e->low ? map->start : e->low;
			e->high = map->end > e->high ? map->end : e->high;
			hint = (hint + k) % r->n_code;
			break;
		}
	}
}

static int build_code(struct resolver *r)
{
	size_t n = proc_maps_count(r->maps), room = 0;
	struct resolver_code *code;
	int rc = 0;

	for (size_t i = 0; i < n; i++)
		room += is_code(proc_maps_at(r->maps, i));
	code = reallocarray(r->code, room ? room : 1, sizeof(*code));
	if (!code)
		return -ENOMEM;
	r->code = code;
	r->n_code = 0;
	for (size_t i = 0; i < n && rc == 0; i++)
		if (is_code(proc_maps_at(r->maps, i)))
			rc = add_code(r, proc_maps_at(r->maps, i), &r->code[r->n_code]);
	set_ranges(r);
	return rc;
}

/* A dead process shows no mappings: what was known stays in force. */
int resolver_refresh(struct resolver *r)
{
	auto_proc_maps struct proc_maps *maps = NULL;
	struct proc_maps *old = r->maps;
	int rc;

	if (r->pid == 0)
		return 0;
	rc = proc_maps_read(r->pid, &maps);
	if (rc < 0)
		return rc;
	if (proc_maps_count(maps) == 0)
		return -ESRCH;
	r->maps = maps;
	maps = old;
	cfi_rules_clear(r->rules);
	return build_code(r);
}

int resolver_new(pid_t pid, struct resolver **ret)
{
	struct resolver *r = calloc(1, sizeof(*r));
	int rc = -ENOMEM;

	if (!r)
		return rc;
	r->pid = pid;
	r->cache = frame_cache_new();
	r->rules = cfi_rules_new();
	if (r->cache && r->rules)
		rc = resolver_refresh(r);
	if (rc < 0) {
		resolver_free(r);
		return rc;
	}
	*ret = r;
	return 0;
}

struct resolver *resolver_free(struct resolver *r)
{
	if (!r)
		return NULL;
	for (size_t i = 0; i < r->n_modules; i++) {
		elf_module_free(r->module[i].elf);
		free(r->module[i].path);
	}
	for (struct located *l = r->located, *next; l; l = next) {
		next = l->next;
		elf_module_free(l->elf);
		free(l->path);
		free(l->debug_dir);
		free(l);
	}
	free(r->module);
	free(r->code);
	proc_maps_free(r->maps);
	frame_cache_free(r->cache);
	cfi_rules_free(r->rules);
	kallsyms_free(r->kernel);
	free(r);
	return NULL;
}

const struct resolver_code *resolver_code_at(const struct resolver *r, uint64_t address)
{
	size_t low = 0, high = r->n_code;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (address < r->code[mid].start)
			high = mid;
		else if (address >= r->code[mid].end)
			low = mid + 1;
		else
			return &r->code[mid];
	}
	return NULL;
}

static uint32_t module_at(const struct resolver *r, uint64_t address)
{
	const struct resolver_code *code = resolver_code_at(r, address);

	if (code)
		return code->module;
	for (size_t i = 0; i < r->n_modules; i++)
		if (address >= r->module[i].low && address < r->module[i].high)
			return (uint32_t)i + 1;
	return 0;
}

int resolver_module_at(struct resolver *r, uint64_t address, struct resolver_module *ret)
{
	uint32_t id = module_at(r, address);
	const struct resolver_entry *e;

	if (!id)
		return -ENOENT;
	e = &r->module[id - 1];
	*ret = (struct resolver_module){ id, e->low, e->high, e->path,
					 e->elf ? elf_module_build_id(e->elf) : "" };
	return 0;
}

/* ---- frames ---- */

/* Paths inside the compilation directory are shown relative to it; of a long path the tail says more. */
static void put_file(const struct debug_frame *from, char *ret, size_t size)
{
	const char *file = from->file ? from->file : "";
	size_t dir = from->dir ? strlen(from->dir) : 0, n;

	if (dir > 1 && strncmp(file, from->dir, dir) == 0 && file[dir] == '/')
		file += dir + 1;
	while (strncmp(file, "./", 2) == 0)
		file += 2;
	if (strcmp(file, "???") == 0) /* libdw's word for "no name" */
		file = "";
	n = strlen(file);
	if (n >= size)
		snprintf(ret, size, "...%s", file + n - (size - 4));
	else
		memcpy(ret, file, n + 1);
}

/* DWARF gives inlined calls and lines, the symbol table a name where DWARF has none. */
static size_t find_frames(struct elf_module *elf, uint64_t address, struct resolver_frame *ret)
{
	struct debug_frame found[MAX_INLINES];
	size_t n = elf_module_frames(elf, address, found, MAX_INLINES);
	uint64_t start;
	const char *name;

	for (size_t i = 0; i < n; i++) {
		memset(&ret[i], 0, sizeof(ret[i]));
		demangle(found[i].name ? found[i].name : "", ret[i].func, sizeof(ret[i].func));
		put_file(&found[i], ret[i].file, sizeof(ret[i].file));
		ret[i].line = found[i].line > 0 && ret[i].file[0] ? (uint32_t)found[i].line : 0;
		ret[i].inlined = found[i].inlined;
	}
	if (n > 0 && ret[n - 1].func[0])
		return n;
	name = elf_module_symbol(elf, address, &start);
	if (!name)
		return 0;
	if (n == 0)
		memset(&ret[n++], 0, sizeof(*ret));
	demangle(name, ret[n - 1].func, sizeof(ret[n - 1].func));
	return n;
}

/* A place without a name is still a place: module and offset, to be named later from a debug file. */
static int no_name(uint32_t id, uint64_t address, struct resolver_frame *ret, size_t max)
{
	if (max > 0)
		*ret = (struct resolver_frame){ .offset = address, .module = id };
	return 0;
}

static int cached_frames(struct resolver *r, struct elf_module *elf, uint32_t id, uint64_t address,
			 struct resolver_frame *ret, size_t max)
{
	struct resolver_frame found[MAX_INLINES];
	int n = frame_cache_get(r->cache, id, address, ret, max);
	size_t count;

	if (n == 0)
		return no_name(id, address, ret, max);
	if (n > 0)
		return (size_t)n < max ? n : (int)max;
	count = elf ? find_frames(elf, address, found) : 0;
	for (size_t i = 0; i < count; i++) {
		found[i].offset = address;
		found[i].module = id;
	}
	frame_cache_put(r->cache, id, address, found, count);
	if (count == 0)
		return no_name(id, address, ret, max);
	if (count > max)
		count = max;
	memcpy(ret, found, count * sizeof(*ret));
	return (int)count;
}

int resolver_frames(struct resolver *r, uint64_t address, bool call_site,
		    struct resolver_frame *ret, size_t max)
{
	const struct resolver_code *code;

	address -= call_site && address > 0;
	code = resolver_code_at(r, address);
	if (!code)
		return module_at(r, address) ? 0 : -ENOENT;
	return cached_frames(r, r->module[code->module - 1].elf, code->module, address - code->bias,
			     ret, max);
}

static bool same_text(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

/* Remembers failures too, so that a missing file is not opened once per frame. */
static struct located *located(struct resolver *r, const char *path, const char *debug_dir)
{
	struct located *l;
	uint32_t n = 0;
	int fd;

	for (l = r->located; l; l = l->next, n++)
		if (strcmp(l->path, path) == 0 && same_text(l->debug_dir, debug_dir))
			return l;
	l = n < MAX_LOCATED ? calloc(1, sizeof(*l)) : NULL;
	if (!l)
		return NULL;
	l->path = strdup(path);
	l->debug_dir = debug_dir ? strdup(debug_dir) : NULL;
	if (!l->path || (debug_dir && !l->debug_dir)) {
		free(l->path);
		free(l->debug_dir);
		free(l);
		return NULL;
	}
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd >= 0)
		elf_module_new(fd, path, debug_dir, &l->elf);
	l->id = LOCATED_IDS + n;
	l->next = r->located;
	r->located = l;
	return l;
}

int resolver_locate(struct resolver *r, const char *path, const char *debug_dir, uint64_t offset,
		    struct resolver_frame *ret, size_t max)
{
	struct located *l = located(r, path, debug_dir);
	int n;

	if (!l || !l->elf)
		return -ENOENT;
	n = cached_frames(r, l->elf, l->id, offset, ret, max);
	for (size_t i = 0; i < max && (int)i < (n ? n : 1); i++)
		ret[i].module = 0;
	return n;
}

int resolver_kernel(struct resolver *r, uint64_t address, struct resolver_frame *ret)
{
	const char *name;
	uint64_t start;

	if (!r->kernel && !r->kernel_error)
		r->kernel_error = kallsyms_read(&r->kernel);
	if (!r->kernel)
		return -ENOENT;
	name = kallsyms_find(r->kernel, address, &start);
	if (!name)
		return -ENOENT;
	memset(ret, 0, sizeof(*ret));
	snprintf(ret->func, sizeof(ret->func), "%s", name);
	ret->offset = address - start;
	return 0;
}
