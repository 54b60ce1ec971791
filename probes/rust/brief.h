/* SPDX-License-Identifier: MIT */
/* The name of a future's type for a table: "svc::session::{async fn}" instead of a page of generics. */
#ifndef WEFT_RUST_BRIEF_H
#define WEFT_RUST_BRIEF_H

#include <stdbool.h>
#include <stddef.h>

/* `name`: as demangled (legacy or v0) or as in DWARF. `blocking`: of a job, not of a future. Cut to size. */
void rust_brief(const char *name, bool blocking, char *ret, size_t size);

/* The first generic argument of the type or function whose name ends at or before `open`, the place of its '<'. */
bool rust_brief_argument(const char *open, const char **ret, size_t *ret_bytes);

#endif
