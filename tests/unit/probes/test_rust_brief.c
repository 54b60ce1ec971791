// SPDX-License-Identifier: MIT
/* Names of futures as Rust's symbols and DWARF spell them, and what a table's column shows of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "probes/rust/brief.h"

static void is(const char *name, bool blocking, const char *expected)
{
	char text[96];

	rust_brief(name, blocking, text, sizeof(text));
	assert_string_equal(text, expected);
}

static void test_closures(void **state)
{
	(void)state;
	is("svc::session::{{closure}}", false, "svc::session::{async fn}");
	is("svc::session::{closure#0}", false, "svc::session::{async fn}");
	is("svc::session::{async_fn_env#0}", false, "svc::session::{async fn}");
	is("svc::session::{async_block_env#2}", false, "svc::session::{async block}");
	is("svc::main::{closure#0}::{closure#1}", false, "svc::main::{async block}");
	is("svc::session::<svc::Tls<alloc::vec::Vec<u8>>>::{closure#0}", false,
	   "svc::session::{async fn}");
	is("<svc::Pool>::refill::{closure#0}", false, "svc::Pool::refill::{async fn}");
	is("<svc::Pool as svc::Refill<u8>>::refill::{closure#0}", false,
	   "svc::Pool::refill::{async fn}");
	is("svc::pool::<impl svc::Refill for svc::pool::Pool<T>>::refill::{{closure}}", false,
	   "svc::pool::Pool::refill::{async fn}");
}

static void test_types(void **state)
{
	(void)state;
	is("svc::Countdown", false, "svc::Countdown");
	is("hyper::server::Connection<tokio::net::TcpStream, svc::Service<fn(u8) -> u8>>", false,
	   "hyper::server::Connection");
	is("core::pin::Pin<alloc::boxed::Box<dyn core::future::Future<Output = ()> + Send>>", false,
	   "dyn core::future::Future");
	is("tracing::instrument::Instrumented<svc::session::{closure#0}>", false,
	   "svc::session::{async fn}");
	is("tracing::instrument::Instrumented<core::pin::Pin<alloc::boxed::Box<svc::run::{{closure}}>>>",
	   false, "svc::run::{async fn}");
	is("tokio::runtime::blocking::task::BlockingTask<svc::load::{closure#0}::{closure#0}>",
	   true, "svc::load::{closure}");
	is("<str as tokio::net::ToSocketAddrs>::resolve::{closure#0}", true,
	   "str::resolve::{closure}");
	is("svc::Counted<svc::session::{{closure}}>", false, "svc::session::{async fn}");
	is("svc::Counted<svc::Timed<svc::session::{closure#0}>, u8>", false,
	   "svc::session::{async fn}");
	is("svc::Map<svc::Countdown, svc::main::{closure#0}>", false, "svc::Map");
	is("blocking::unblock<(), svc::load::{{closure}}::{{closure}}>::{{closure}}", true,
	   "svc::load::{closure}");
	is("blocking::unblock::<alloc::vec::Vec<u8>, <str as net::Addr>::resolve::{closure#0}>::{closure#0}",
	   true, "str::resolve::{closure}");
	is("blocking::unblock<()>::{{closure}}", true, "blocking::unblock::{closure}");
	is("(svc::A, [svc::B; 4])", false, "(svc::A, [svc::B; 4])");
}

/* async-executor before 1.6: each task is a closure of its own, around what the program spawns. */
static void test_executor(void **state)
{
	(void)state;
	is("async_executor::Executor::spawn<(), svc::session::{{closure}}>::{{closure}}", false,
	   "svc::session::{async fn}");
	is("<async_executor::Executor>::spawn<(u8, u8), svc::main::{closure#0}::{closure#1}>::{closure#0}",
	   false, "svc::main::{async block}");
	is("<async_executor::LocalExecutor>::spawn::<(), svc::Counted<svc::session::{closure#0}>>::{closure#0}",
	   false, "svc::session::{async fn}");
	is("async_executor::Executor::spawn<(),async_std::task::builder::SupportTaskLocals<svc::session::{{closure}}>>::{{closure}}",
	   false, "svc::session::{async fn}");
	is("async_executor::Executor::spawn<(),svc::Countdown>::{{closure}}", false,
	   "svc::Countdown");
	is("core::pin::Pin<alloc::boxed::Box<async_executor::Executor::spawn<(),svc::large::{{closure}}>::{{closure}}>>",
	   false, "svc::large::{async fn}");
	is("async_executor::Executor::spawn_many<(),svc::large::{{closure}}>::{{closure}}", false,
	   "async_executor::Executor::spawn_many::{async fn}");
	is("async_executor::Executor::spawn<()>::{{closure}}", false,
	   "async_executor::Executor::spawn::{async fn}");
	is("async_executor::Executor::spawn", false, "async_executor::Executor::spawn");
}

/* No text of a target may lead out of the buffer or into a loop. */
static void test_hostile(void **state)
{
	static const char letters[] = "<<<>>()[]{}:::,-> &*aas impl for dyn {{closure}}";
	uint64_t x = 88172645463325252ull;
	char *deep = malloc(200001), name[400], text[40];

	(void)state;
	assert_non_null(deep);
	for (size_t i = 0; i < 200000; i++)
		deep[i] = "Pin<"[i % 4];
	deep[200000] = '\0';
	rust_brief(deep, false, text, sizeof(text));
	assert_true(strlen(text) < sizeof(text));
	memset(deep, '<', 200000);
	rust_brief(deep, false, text, sizeof(text));
	free(deep);
	for (int round = 0; round < 20000; round++) {
		size_t n = (size_t)round % 399;

		for (size_t i = 0; i < n; i++) {
			x ^= x << 13, x ^= x >> 7, x ^= x << 17;
			name[i] = letters[x % (sizeof(letters) - 1)];
		}
		name[n] = '\0';
		rust_brief(name, round % 2, text, 1 + (size_t)round % 39);
		assert_true(strlen(text) <= (size_t)round % 39);
	}
	rust_brief("", false, text, sizeof(text));
	assert_string_equal(text, "");
}

static void test_argument(void **state)
{
	static const char cell[] = "Cell<svc::run<fn(u8) -> (u8, u8)>::{{closure}}, Arc<Handle>>";
	const char *at;
	size_t n;

	(void)state;
	assert_true(rust_brief_argument(strchr(cell, '<'), &at, &n));
	assert_int_equal(n, strlen("svc::run<fn(u8) -> (u8, u8)>::{{closure}}"));
	assert_true(rust_brief_argument("<u8>", &at, &n));
	assert_int_equal(n, 2);
	assert_false(rust_brief_argument("<", &at, &n));
	assert_false(rust_brief_argument("<cut", &at, &n));
	assert_false(rust_brief_argument("<>", &at, &n));
	assert_false(rust_brief_argument("", &at, &n));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_closures), cmocka_unit_test(test_types),
		cmocka_unit_test(test_executor), cmocka_unit_test(test_hostile),
		cmocka_unit_test(test_argument),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
