/* SPDX-License-Identifier: MIT */
/*
 * Addresses of a process (or of a recording's modules) to functions, files and lines, and stacks
 * from registers and a copy of the stack. Based on elfutils; never stops or writes to the process.
 * Works for PIE and not, other mount namespaces (through /proc/PID/root), deleted executables
 * (through /proc/PID/exe and map_files) and processes that are already dead (mappings are kept from
 * the last resolver_refresh). Everything in an ELF or DWARF file is hostile: a damaged file gives
 * no names, never a crash. Not thread-safe; one thread per resolver. Errors: negative errno.
 */
#ifndef WEFT_RESOLVER_H
#define WEFT_RESOLVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct resolver;

/* pid 0 = no process: only resolver_locate. The mappings are read at once. */
int resolver_new(pid_t pid, struct resolver **ret);
struct resolver *resolver_free(struct resolver *r); /* takes NULL, returns NULL */
int resolver_refresh(struct resolver *r);           /* reads the mappings again (dlopen, exec) */

/* Module of an address. build_id is hex, "" where there is none. Pointers live as long as the resolver. */
struct resolver_module {
	uint32_t id;
	uint64_t low, high;
	const char *path, *build_id;
};
int resolver_module_at(struct resolver *r, uint64_t address, struct resolver_module *ret);

/*
 * One source frame. func is demangled; file "" and line 0 where the build has no lines. offset: link-time address in the
 * module (the load bias taken off; of a call site the call itself), so it means the same in the file and in its split
 * debug file. Of kernel frames it is the distance from the symbol. module: as in resolver_module, 0 = kernel or located.
 */
struct resolver_frame {
	char func[160];
	char file[192];
	uint32_t line;
	bool inlined;
	uint64_t offset;
	uint32_t module;
};

/*
 * Frames at `address`, innermost first (inlined callers follow). call_site: address is a return address,
 * so the instruction before it is meant. Returns how many, at most max; 0 = in a module but no name:
 * then ret[0] has offset and module all the same. -ENOENT = in no module.
 */
int resolver_frames(struct resolver *r, uint64_t address, bool call_site,
		    struct resolver_frame *ret, size_t max);

/* The same from a build: file at `path` (split debug files are looked for by build id under debug_dir, may be NULL). */
int resolver_locate(struct resolver *r, const char *path, const char *debug_dir, uint64_t offset,
		    struct resolver_frame *ret, size_t max);

/* Kernel address to name by /proc/kallsyms (read once). 0, or -ENOENT when hidden. */
int resolver_kernel(struct resolver *r, uint64_t address, struct resolver_frame *ret);

/* x86-64 user registers, in DWARF order 0..16: rax rdx rcx rbx rsi rdi rbp rsp r8..r15 rip. */
struct unwind_regs {
	uint64_t r[17];
};

/*
 * Unwind by .eh_frame from registers and `bytes` of stack copied from address `sp` up. Writes pcs,
 * leaf first: the first is the pc itself, the others are return addresses. Returns how many; ret_complete: reached
 * the thread's outermost frame. Reads the mappings again, at most once a second, when a pc is in none.
 */
int unwind_stack(struct resolver *r, const struct unwind_regs *regs, const void *stack,
		 size_t bytes, uint64_t *ret_pcs, size_t max, bool *ret_complete);

/* System call number to name (x86-64), "syscall-N" where not known. Static text. */
const char *resolver_syscall_name(int nr);

#endif
