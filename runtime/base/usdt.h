/* SPDX-License-Identifier: MIT */
/*
 * Static probe points: one function per entry of WEFT_USDT_POINTS, each a 1-byte nop with a
 * .note.stapsdt v3 note. Arguments are pinned to rdi, rsi, rdx, rcx, r8, so that a probe program
 * reads them from pt_regs without parsing the note.
 *
 * Never a 5- or 10-byte nop: Linux 6.18 turns those into a call that overwrites the red zone and
 * is not mapped in a forked child.
 *
 * The note's layout is that of <sys/sdt.h> (systemtap), written by hand because that header
 * neither pins registers nor lets the caller place semaphores.
 */
#ifndef WEFT_RUNTIME_BASE_USDT_H
#define WEFT_RUNTIME_BASE_USDT_H

#include <stdint.h>

#include "runtime/probe_points.h"

#if !defined(WEFT_NO_PROBES) && defined(__x86_64__)

/*
 * Semaphores live in .probes (base/usdt.c), in the order of the list. The kernel adds to them
 * while a probe is attached; nothing else ever writes them but a forked child, which zeroes its
 * own.
 */
#pragma GCC visibility push(hidden)
#define X(c_name, name, arguments) extern uint16_t weft_sema_##c_name;
WEFT_USDT_POINTS(X)
#undef X
extern uint64_t weft_sema_word; /* the three flush semaphores and, on top, one that is masked out */
#pragma GCC visibility pop

#define WEFT_USDT_NOTE(c_name, name, arguments)                                 \
	"990: nop\n"                                                            \
	".pushsection .note.stapsdt,\"\",\"note\"\n"                            \
	".balign 4\n"                                                           \
	".4byte 992f-991f, 994f-993f, 3\n"                                      \
	"991: .asciz \"stapsdt\"\n"                                             \
	"992: .balign 4\n"                                                      \
	"993: .8byte 990b\n"                                                    \
	".8byte _.stapsdt.base\n"                                               \
	".8byte weft_sema_" c_name "\n"                                         \
	".asciz \"weft\"\n"                                                     \
	".asciz \"" name "\"\n"                                                 \
	".asciz \"" arguments "\"\n"                                            \
	"994: .balign 4\n"                                                      \
	".popsection\n"                                                         \
	".ifndef _.stapsdt.base\n"                                              \
	".pushsection .stapsdt.base,\"aG\",\"progbits\",.stapsdt.base,comdat\n" \
	".weak _.stapsdt.base\n"                                                \
	".hidden _.stapsdt.base\n"                                              \
	"_.stapsdt.base: .space 1\n"                                            \
	".size _.stapsdt.base, 1\n"                                             \
	".popsection\n"                                                         \
	".endif\n"

#define WEFT_USDT_PARAMS_2 uint64_t a0, uint64_t a1
#define WEFT_USDT_PARAMS_3 WEFT_USDT_PARAMS_2, uint64_t a2
#define WEFT_USDT_PARAMS_4 WEFT_USDT_PARAMS_3, uint64_t a3
#define WEFT_USDT_PARAMS_5 WEFT_USDT_PARAMS_4, uint64_t a4

#define WEFT_USDT_ARGS_2 "8@%%rdi 8@%%rsi"
#define WEFT_USDT_ARGS_3 WEFT_USDT_ARGS_2 " 8@%%rdx"
#define WEFT_USDT_ARGS_4 WEFT_USDT_ARGS_3 " 8@%%rcx"
#define WEFT_USDT_ARGS_5 WEFT_USDT_ARGS_4 " 8@%%r8"

#define WEFT_USDT_REGS_2                          \
	register uint64_t r0 __asm__("rdi") = a0; \
	register uint64_t r1 __asm__("rsi") = a1;
#define WEFT_USDT_REGS_3 WEFT_USDT_REGS_2 register uint64_t r2 __asm__("rdx") = a2;
#define WEFT_USDT_REGS_4 WEFT_USDT_REGS_3 register uint64_t r3 __asm__("rcx") = a3;
#define WEFT_USDT_REGS_5 WEFT_USDT_REGS_4 register uint64_t r4 __asm__("r8") = a4;

#define WEFT_USDT_IN_2 "r"(r0), "r"(r1)
#define WEFT_USDT_IN_3 WEFT_USDT_IN_2, "r"(r2)
#define WEFT_USDT_IN_4 WEFT_USDT_IN_3, "r"(r3)
#define WEFT_USDT_IN_5 WEFT_USDT_IN_4, "r"(r4)

/* Text behind a pointer argument must be in memory when the probe fires: hence the clobber. */
#define X(c_name, name, n)                                                                         \
	static inline __attribute__((always_inline)) void weft_usdt_##c_name(WEFT_USDT_PARAMS_##n) \
	{                                                                                          \
		WEFT_USDT_REGS_##n __asm__ volatile(                                               \
			WEFT_USDT_NOTE(#c_name, name, WEFT_USDT_ARGS_##n)                          \
			:                                                                          \
			: WEFT_USDT_IN_##n                                                         \
			: "memory");                                                               \
	}
WEFT_USDT_POINTS(X)
#undef X

#define WEFT_USDT_UP(c_name) \
	(__builtin_expect(__atomic_load_n(&weft_sema_##c_name, __ATOMIC_RELAXED) != 0, 0))
#define WEFT_USDT(c_name, ...)                           \
	do {                                             \
		if (WEFT_USDT_UP(c_name))                \
			weft_usdt_##c_name(__VA_ARGS__); \
	} while (0)

#else
#define WEFT_USDT_UP(c_name) 0
#define WEFT_USDT(c_name, ...) \
	do {                   \
	} while (0)
#endif

#endif
