/* SPDX-License-Identifier: MIT */
/*
 * Sources: the crates' own change logs and documentation: tokio 0.1 to 1.54, hyper 0.14 and 1.x, async-std 1.13,
 * smol 0.1 to 2. Each row is used only where the path was not found, so it can't contradict a version that has it.
 */
#include "collector/cargo/paths.h"

#include <stddef.h>
#include <string.h>

static const struct cargo_moved moved[] = {
	{ "smol::TcpListener", "moved to smol::net::TcpListener",
	  "Write use smol::net::TcpListener;" },
	{ "smol::TcpStream", "moved to smol::net::TcpStream", "Write use smol::net::TcpStream;" },
	{ "smol::UdpSocket", "moved to smol::net::UdpSocket", "Write use smol::net::UdpSocket;" },
	{ "smol::UnixListener", "moved to smol::net::unix",
	  "Write use smol::net::unix::UnixListener;" },
	{ "smol::UnixStream", "moved to smol::net::unix",
	  "Write use smol::net::unix::UnixStream;" },
	{ "smol::run", "is smol::block_on since smol 1.0",
	  "Call smol::block_on(..); several threads: smol::Executor, or SMOL_THREADS for the global one." },
	{ "smol::blocking", "is smol::unblock since smol 1.0",
	  "Write smol::unblock(|| ..).await instead of the macro." },
	{ "smol::Task::spawn", "is smol::spawn since smol 1.0",
	  "Write smol::spawn(..), and .detach() or await what it gives." },
	{ "smol::Task::local", "is smol::LocalExecutor since smol 1.0",
	  "Spawn on a smol::LocalExecutor." },
	{ "smol::Task::blocking", "is smol::unblock since smol 1.0",
	  "Write smol::unblock(|| ..).await." },
	{ "smol::reader", "is smol::Unblock since smol 1.0", "Write smol::Unblock::new(..)." },
	{ "smol::writer", "is smol::Unblock since smol 1.0", "Write smol::Unblock::new(..)." },
	{ "smol::iter", "is smol::Unblock since smol 1.0", "Write smol::Unblock::new(..)." },
	{ "smol::main", "smol has no entry macro",
	  "Write fn main() { smol::block_on(async { .. }) }, or cargo add smol-macros macro_rules_attribute." },
	{ "smol::test", "smol has no test macro",
	  "Write smol::block_on(async { .. }) inside #[test], or cargo add smol-macros." },
	{ "hyper::Server", "hyper 1 has no Server",
	  "cargo add hyper-util --features tokio,server-auto and serve each accepted connection with "
	  "hyper_util::server::conn::auto::Builder (or hyper::server::conn::http1); or use axum." },
	{ "hyper::Client", "hyper 1 has no Client",
	  "cargo add hyper-util --features client-legacy,http1,tokio and use hyper_util::client::legacy::Client; or reqwest." },
	{ "hyper::client::Client", "hyper 1 has no Client",
	  "cargo add hyper-util --features client-legacy,http1,tokio and use hyper_util::client::legacy::Client; or reqwest." },
	{ "hyper::client::HttpConnector", "moved to hyper-util",
	  "cargo add hyper-util --features client-legacy,http1,tokio and use "
	  "hyper_util::client::legacy::connect::HttpConnector." },
	{ "hyper::Body", "hyper 1 has no Body",
	  "Take hyper::body::Incoming in requests, give http_body_util::Full<Bytes> (or BoxBody) in responses: "
	  "cargo add http-body-util." },
	{ "hyper::body::Body::from", "hyper 1 has no body type of its own",
	  "Use http_body_util::Full: cargo add http-body-util." },
	{ "hyper::body::to_bytes", "moved to http-body-util",
	  "Write use http_body_util::BodyExt; and body.collect().await?.to_bytes(): cargo add http-body-util." },
	{ "hyper::body::aggregate", "moved to http-body-util",
	  "Write use http_body_util::BodyExt; and body.collect().await?.aggregate(): cargo add http-body-util." },
	{ "hyper::body::HttpBody", "is hyper::body::Body since hyper 1",
	  "Write use hyper::body::Body; (the trait)." },
	{ "hyper::service::make_service_fn", "hyper 1 has no make_service_fn",
	  "Give service_fn(..) to serve_connection of each accepted connection; there is no service that makes services." },
	{ "hyper::server::conn::Http", "is conn::http1::Builder since hyper 1",
	  "Use hyper::server::conn::http1::Builder." },
	{ "hyper::server::accept", "hyper 1 has no accept trait",
	  "Accept with tokio::net::TcpListener and serve each connection." },
	{ "hyper::server::Server", "hyper 1 has no Server",
	  "cargo add hyper-util --features tokio,server-auto and use hyper_util::server::conn::auto::Builder." },
	{ "hyper::rt::Executor", "needs an executor from hyper-util",
	  "Use hyper_util::rt::TokioExecutor: cargo add hyper-util --features tokio." },
	{ "tokio::stream", "moved to the crate tokio-stream",
	  "cargo add tokio-stream, and write use tokio_stream::StreamExt;" },
	{ "tokio::prelude", "tokio 1 has no prelude",
	  "Write use tokio::io::{AsyncReadExt, AsyncWriteExt};" },
	{ "tokio::codec", "moved to the crate tokio-util",
	  "cargo add tokio-util --features codec, and write use tokio_util::codec::..;" },
	{ "tokio::compat", "moved to the crate tokio-util",
	  "cargo add tokio-util --features compat, and write use tokio_util::compat::..;" },
	{ "tokio::timer", "is tokio::time since tokio 0.2",
	  "Write tokio::time::{sleep, interval, timeout}." },
	{ "tokio::time::delay_for", "is tokio::time::sleep since tokio 0.3",
	  "Write tokio::time::sleep(duration)." },
	{ "tokio::time::delay_until", "is tokio::time::sleep_until since tokio 0.3",
	  "Write tokio::time::sleep_until(instant)." },
	{ "tokio::time::Delay", "is tokio::time::Sleep since tokio 0.3",
	  "Write tokio::time::Sleep; it has to be pinned." },
	{ "tokio::time::DelayQueue", "moved to the crate tokio-util",
	  "cargo add tokio-util --features time; tokio_util::time::DelayQueue." },
	{ "tokio::time::throttle", "moved to the crate tokio-stream",
	  "cargo add tokio-stream --features time; StreamExt::throttle." },
	{ "tokio::runtime::Builder::new",
	  "is new_multi_thread or new_current_thread since tokio 1.0",
	  "Write tokio::runtime::Builder::new_multi_thread().enable_all().build()?." },
	{ "tokio::run", "is a runtime of your own since tokio 0.2",
	  "Write #[tokio::main] or tokio::runtime::Runtime::new()?.block_on(..)." },
	{ "tokio::executor", "is tokio::task and tokio::runtime since tokio 0.2",
	  "Write tokio::spawn or tokio::runtime::Builder." },
	{ "tokio::reactor", "is private since tokio 0.2",
	  "Use tokio::io::unix::AsyncFd for descriptors of your own." },
	{ "tokio::io::PollEvented", "is tokio::io::unix::AsyncFd since tokio 0.3",
	  "Use tokio::io::unix::AsyncFd." },
	{ "tokio::io::split", "needs the feature io-util", "cargo add tokio --features io-util" },
	{ "tokio::net::TcpSocketExt", "is no part of tokio",
	  "Use tokio::net::TcpSocket, or socket2 for further options." },
	{ "tokio::sync::mpsc::unbounded", "is unbounded_channel since tokio 0.2",
	  "Write tokio::sync::mpsc::unbounded_channel()." },
	{ "tokio::sync::Lock", "is tokio::sync::Mutex since tokio 0.2",
	  "Write tokio::sync::Mutex." },
	{ "tokio::task::block_on", "is a method of the runtime",
	  "Write Handle::current().block_on(..) outside tasks, or await it inside." },
	{ "tokio::block_on", "is a method of the runtime",
	  "Write tokio::runtime::Runtime::new()?.block_on(..)." },
	{ "async_std::sync::channel", "moved to the crate async-channel",
	  "cargo add async-channel, and write async_channel::bounded(n)." },
	{ "async_std::sync::Sender", "moved to the crate async-channel",
	  "cargo add async-channel, and write use async_channel::Sender;" },
	{ "async_std::sync::Receiver", "moved to the crate async-channel",
	  "cargo add async-channel, and write use async_channel::Receiver;" },
	{ "async_std::future::join", "is async_std::prelude::FutureExt::join",
	  "Write a.join(b).await with use async_std::prelude::*; or futures::join!(a, b)." },
	{ "async_std::future::select", "is async_std::prelude::FutureExt::race",
	  "Write a.race(b).await with use async_std::prelude::*;" },
	{ "async_std::select", "async-std has no select!",
	  "Write a.race(b).await, or futures::select! (cargo add futures)." },
	{ "async_std::time", "is async_std::task::sleep and async_std::future::timeout",
	  "Write async_std::task::sleep(duration).await." },
	{ "async_std::spawn", "is async_std::task::spawn", "Write async_std::task::spawn(..)." },
	{ "async_std::block_on", "is async_std::task::block_on",
	  "Write async_std::task::block_on(..)." },
	{ "futures::executor::spawn", "is futures::executor::block_on",
	  "Write futures::executor::block_on(..)." },
};

/* `path`: "type::method" as in methods[] below. */
static const struct cargo_moved moved_methods[] = {
	{ "runtime::Builder::threaded_scheduler", "is Builder::new_multi_thread since tokio 1.0",
	  "Start with tokio::runtime::Builder::new_multi_thread()." },
	{ "runtime::Builder::basic_scheduler", "is Builder::new_current_thread since tokio 1.0",
	  "Start with tokio::runtime::Builder::new_current_thread()." },
	{ "runtime::Builder::core_threads", "is worker_threads since tokio 1.0",
	  "Write .worker_threads(n)." },
	{ "runtime::Builder::max_threads", "is max_blocking_threads since tokio 1.0",
	  "Write .max_blocking_threads(n)." },
	{ "tokio::net::TcpListener::incoming", "tokio's listeners are no streams since 1.0",
	  "Loop over listener.accept().await, or cargo add tokio-stream --features net and wrap it in "
	  "tokio_stream::wrappers::TcpListenerStream." },
	{ "tokio::net::UnixListener::incoming", "tokio's listeners are no streams since 1.0",
	  "Loop over listener.accept().await, or cargo add tokio-stream --features net and wrap it in "
	  "tokio_stream::wrappers::UnixListenerStream." },
	{ "tokio::sync::mpsc::Receiver::next", "tokio's receivers are no streams since 1.0",
	  "Write receiver.recv().await." },
	{ "tokio::time::Interval::next", "tokio's intervals are no streams since 1.0",
	  "Write interval.tick().await." },
	{ "hyper::body::Incoming::data", "is BodyExt::frame since hyper 1",
	  "cargo add http-body-util, write use http_body_util::BodyExt; and body.frame().await." },
};

/* Gates that rustc names are read from its note; these are the ones that it has no note for. */
static const struct cargo_feature features[] = {
	{ "tokio::main", "tokio", "macros,rt-multi-thread" },
	{ "tokio::test", "tokio", "macros,rt" },
	{ "tokio::select", "tokio", "macros" },
	{ "tokio::join", "tokio", "macros" },
	{ "tokio::try_join", "tokio", "macros" },
	{ "tokio::spawn", "tokio", "rt" },
	{ "tokio::task", "tokio", "rt" },
	{ "tokio::runtime", "tokio", "rt" },
	{ "tokio::net", "tokio", "net" },
	{ "tokio::time", "tokio", "time" },
	{ "tokio::fs", "tokio", "fs" },
	{ "tokio::signal", "tokio", "signal" },
	{ "tokio::process", "tokio", "process" },
	{ "tokio::sync", "tokio", "sync" },
	{ "async_std::main", "async-std", "attributes" },
	{ "async_std::test", "async-std", "attributes" },
	{ "async_std::process", "async-std", "unstable" },
	{ "async_std::task::spawn_local", "async-std", "unstable" },
	{ "hyper::server", "hyper", "server,http1" },
	{ "hyper::client", "hyper", "client,http1" },
	{ "reqwest::blocking", "reqwest", "blocking" },
};

static const struct cargo_feature methods[] = {
	{ "runtime::Builder::new_multi_thread", "tokio", "rt-multi-thread" },
	{ "runtime::Builder::enable_time", "tokio", "time" },
	{ "runtime::Builder::enable_io", "tokio", "net" },
	{ "runtime::Builder::worker_threads", "tokio", "rt-multi-thread" },
	{ "tokio::read", "tokio", "io-util" },
	{ "tokio::read_exact", "tokio", "io-util" },
	{ "tokio::read_to_end", "tokio", "io-util" },
	{ "tokio::read_to_string", "tokio", "io-util" },
	{ "tokio::read_line", "tokio", "io-util" },
	{ "tokio::lines", "tokio", "io-util" },
	{ "tokio::write", "tokio", "io-util" },
	{ "tokio::write_all", "tokio", "io-util" },
	{ "tokio::flush", "tokio", "io-util" },
	{ "tokio::shutdown", "tokio", "io-util" },
	{ "reqwest::RequestBuilder::json", "reqwest", "json" },
	{ "reqwest::Response::json", "reqwest", "json" },
	{ "reqwest::RequestBuilder::multipart", "reqwest", "multipart" },
	{ "reqwest::Response::bytes_stream", "reqwest", "stream" },
	{ "reqwest::ClientBuilder::cookie_store", "reqwest", "cookies" },
	{ "reqwest::ClientBuilder::gzip", "reqwest", "gzip" },
};

static const struct {
	const char *name, *add;
} crates[] = {
	{ "tokio", "tokio --features full" },
	{ "tokio_util", "tokio-util --features full" },
	{ "tokio_stream", "tokio-stream" },
	{ "async_std",
	  "async-std --features attributes (it is discontinued: smol is its successor)" },
	{ "smol", "smol" },
	{ "futures", "futures" },
	{ "futures_util", "futures-util" },
	{ "futures_lite", "futures-lite" },
	{ "hyper", "hyper --features full" },
	{ "hyper_util", "hyper-util --features full" },
	{ "http_body_util", "http-body-util" },
	{ "reqwest", "reqwest" },
	{ "axum", "axum" },
	{ "warp", "warp --features server" },
	{ "tonic", "tonic" },
	{ "tower", "tower --features full" },
	{ "async_channel", "async-channel" },
	{ "async_io", "async-io" },
	{ "async_net", "async-net" },
	{ "async_fs", "async-fs" },
	{ "async_process", "async-process" },
	{ "async_executor", "async-executor" },
	{ "async_trait", "async-trait" },
	{ "async_compat", "async-compat" },
	{ "sqlx", "sqlx --features runtime-tokio" },
	{ "pin_project", "pin-project" },
	{ "pin_project_lite", "pin-project-lite" },
};

/* `path` is `prefix`, or lies below it. */
static bool below(const char *path, const char *prefix)
{
	size_t n = strlen(prefix);

	return !strncmp(path, prefix, n) && (!path[n] || !strncmp(path + n, "::", 2));
}

const struct cargo_moved *cargo_moved_find(const char *path)
{
	for (size_t i = 0; i < sizeof(moved) / sizeof(*moved); i++)
		if (below(path, moved[i].path))
			return &moved[i];
	return NULL;
}

const struct cargo_feature *cargo_feature_of_path(const char *path)
{
	for (size_t i = 0; i < sizeof(features) / sizeof(*features); i++)
		if (below(path, features[i].name))
			return &features[i];
	return NULL;
}

/* "tokio::read" is `read` of any type of the crate; "runtime::Builder::x" is x of that type. */
static bool is_method(const char *name, const char *type, const char *method)
{
	const char *last = strrchr(name, ':') + 1;
	size_t n = (size_t)(last - 2 - name);
	char owner[64];

	if (n >= sizeof(owner) || strcmp(last, method) != 0)
		return false;
	memcpy(owner, name, n);
	owner[n] = 0;
	return strstr(type, owner) != NULL;
}

const struct cargo_feature *cargo_feature_of_method(const char *type, const char *method)
{
	for (size_t i = 0; i < sizeof(methods) / sizeof(*methods); i++)
		if (is_method(methods[i].name, type, method))
			return &methods[i];
	return NULL;
}

const struct cargo_moved *cargo_moved_method(const char *type, const char *method)
{
	for (size_t i = 0; i < sizeof(moved_methods) / sizeof(*moved_methods); i++)
		if (is_method(moved_methods[i].path, type, method))
			return &moved_methods[i];
	return NULL;
}

const char *cargo_crate_add(const char *name)
{
	for (size_t i = 0; i < sizeof(crates) / sizeof(*crates); i++)
		if (!strcmp(crates[i].name, name))
			return crates[i].add;
	return NULL;
}
