/* SPDX-License-Identifier: MIT */
/* What compilers differ in, for the public headers. */
#ifndef WEFT_COMPILER_H
#define WEFT_COMPILER_H

/* Clang refuses a computed goto in a function that takes no label's address: one without an await. */
#ifdef __clang__
#define WEFT_SOME_LABEL             \
	__label__ weft_some_label_; \
weft_some_label_:                   \
	(void)&&weft_some_label_;
#else
#define WEFT_SOME_LABEL
#endif

/*
 * Behind a member. C++ compilers warn of those that an initializer leaves out, unless they have one
 * of their own, which C++11 doesn't allow where designators are to be used.
 */
#if defined(__cplusplus) && __cplusplus >= 201402L
#define WEFT_ZERO = {}
#else
#define WEFT_ZERO
#endif

#endif
