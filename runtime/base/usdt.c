/* SPDX-License-Identifier: MIT */
#include "runtime/base/usdt.h"

#if !defined(WEFT_NO_PROBES) && defined(__x86_64__)

/*
 * One block of semaphores in list order, 8-byte aligned: the list begins with the three flush
 * points, so one 64-bit load at weft_sema_word tests them together.
 */
#define X(c_name, name, arguments)              \
	".globl weft_sema_" #c_name "\n"        \
	".hidden weft_sema_" #c_name "\n"       \
	".type weft_sema_" #c_name ", object\n" \
	".size weft_sema_" #c_name ", 2\n"      \
	"weft_sema_" #c_name ": .short 0\n"

__asm__(".pushsection .probes,\"aw\",@progbits\n"
	".balign 8\n"
	".globl weft_sema_word\n"
	".hidden weft_sema_word\n"
	".type weft_sema_word, object\n"
	".size weft_sema_word, 8\n"
	"weft_sema_word:\n" WEFT_USDT_POINTS(X) ".balign 8\n"
						".popsection\n");
#undef X

/*
 * Level points: nobody calls this. A watcher's breakpoint here raises the semaphore that the note
 * names; the flush points themselves stay without one (probe_points.h says why).
 */
#define X(c_name, name, flush) WEFT_USDT_NOTE(#flush, name, "")
__asm__(".pushsection .text\n"
	".type weft_usdt_levels, @function\n"
	"weft_usdt_levels:\n" WEFT_LEVEL_POINTS(X) "ret\n"
						   ".size weft_usdt_levels, . - weft_usdt_levels\n"
						   ".popsection\n");
#undef X

#else
typedef int weft_usdt_empty;
#endif
