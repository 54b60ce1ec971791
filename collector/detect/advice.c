/* SPDX-License-Identifier: MIT */
#include "collector/detect/advice.h"

static const char *const text[ADVICES][WEFT_RT_SMOL + 1] = {
	[ADVICE_SLEEP] = {
		[WEFT_RT_WEFT] = "Await weft_sleep() instead of nanosleep/usleep/sleep: the worker then runs other tasks meanwhile.",
		[WEFT_RT_TOKIO] = "Use tokio::time::sleep(..).await instead of std::thread::sleep.",
		[WEFT_RT_ASYNC_STD] = "Use async_std::task::sleep(..).await instead of std::thread::sleep.",
		[WEFT_RT_SMOL] = "Use smol::Timer::after(..).await instead of std::thread::sleep.",
	},
	[ADVICE_LOCK] = {
		[WEFT_RT_WEFT] = "Keep the lock for less, guard the data with a weft_semaphore of 1, or take the lock inside weft_spawn_blocking().",
		[WEFT_RT_TOKIO] = "Use tokio::sync::Mutex, or hold the std lock only for short code without .await; else take it inside "
				  "tokio::task::spawn_blocking.",
		[WEFT_RT_ASYNC_STD] = "Use async_std::sync::Mutex, or hold the std lock only for short code; else take it inside "
				      "async_std::task::spawn_blocking.",
		[WEFT_RT_SMOL] = "Use smol::lock::Mutex, or hold the std lock only for short code; else take it inside smol::unblock.",
	},
	[ADVICE_JOIN] = {
		[WEFT_RT_WEFT] = "Do not wait for a thread inside a task: run it as weft_spawn_blocking() and await that.",
		[WEFT_RT_TOKIO] = "Do not join a thread inside a task: use tokio::task::spawn_blocking(..).await.",
		[WEFT_RT_ASYNC_STD] = "Do not join a thread inside a task: use async_std::task::spawn_blocking(..).await.",
		[WEFT_RT_SMOL] = "Do not join a thread inside a task: use smol::unblock(..).await.",
	},
	[ADVICE_FILE] = {
		[WEFT_RT_WEFT] = "Run the call inside weft_spawn_blocking(); a pipe, FIFO or device: O_NONBLOCK and weft_fd_wait().",
		[WEFT_RT_TOKIO] = "Use tokio::fs, or run the call inside tokio::task::spawn_blocking; for pipes tokio::net::unix::pipe.",
		[WEFT_RT_ASYNC_STD] = "Use async_std::fs, or run the call inside async_std::task::spawn_blocking.",
		[WEFT_RT_SMOL] = "Use smol::fs, or wrap the call: smol::unblock(|| ..).await.",
	},
	[ADVICE_NET] = {
		[WEFT_RT_WEFT] = "Use the runtime's sockets (weft_tcp_*), or set O_NONBLOCK and await weft_fd_wait() before the call.",
		[WEFT_RT_TOKIO] = "Use tokio::net types; for a blocking client library use its async one or tokio::task::spawn_blocking.",
		[WEFT_RT_ASYNC_STD] = "Use async_std::net types; for a blocking client library async_std::task::spawn_blocking.",
		[WEFT_RT_SMOL] = "Use smol::net types or smol::Async; for a blocking client library smol::unblock.",
	},
	[ADVICE_DNS] = {
		[WEFT_RT_WEFT] = "getaddrinfo blocks: call it inside weft_spawn_blocking() and keep the answer.",
		[WEFT_RT_TOKIO] = "Use tokio::net::lookup_host(..).await (it runs on the blocking pool).",
		[WEFT_RT_ASYNC_STD] = "Use async_std::net::ToSocketAddrs (it runs on the blocking pool).",
		[WEFT_RT_SMOL] = "Use smol::net::resolve(..).await (it runs on the blocking pool).",
	},
	[ADVICE_CHILD] = {
		[WEFT_RT_WEFT] = "Wait for the child inside weft_spawn_blocking(), or await weft_fd_wait() on its pidfd.",
		[WEFT_RT_TOKIO] = "Use tokio::process::Command and .wait().await.",
		[WEFT_RT_ASYNC_STD] = "Use async_process::Command and .status().await.",
		[WEFT_RT_SMOL] = "Use smol::process::Command and .status().await.",
	},
	[ADVICE_FAULT] = {
		[WEFT_RT_WEFT] = "Memory had to be read from disk (mapped file or swap): touch it inside weft_spawn_blocking().",
		[WEFT_RT_TOKIO] = "Memory had to be read from disk (mapped file or swap): touch it inside tokio::task::spawn_blocking.",
		[WEFT_RT_ASYNC_STD] = "Memory had to be read from disk (mapped file or swap): touch it inside spawn_blocking.",
		[WEFT_RT_SMOL] = "Memory had to be read from disk (mapped file or swap): touch it inside smol::unblock.",
	},
	[ADVICE_BLOCK] = {
		[WEFT_RT_WEFT] = "Run the call inside weft_spawn_blocking() and await it.",
		[WEFT_RT_TOKIO] = "Run the call inside tokio::task::spawn_blocking(..).await.",
		[WEFT_RT_ASYNC_STD] = "Run the call inside async_std::task::spawn_blocking(..).await.",
		[WEFT_RT_SMOL] = "Run the call inside smol::unblock(..).await.",
	},
	[ADVICE_SPIN] = {
		[WEFT_RT_WEFT] = "The poll does not come back: if it waits for something, await it (weft_sleep(), weft_semaphore_acquire()); if it "
				 "computes, move it to weft_spawn_blocking() or weft_yield() every 100 us.",
		[WEFT_RT_TOKIO] = "The poll does not come back: await an event or tokio::time::sleep; computing belongs in "
				  "tokio::task::spawn_blocking, or yield_now().await every 100 us.",
		[WEFT_RT_ASYNC_STD] = "The poll does not come back: await an event or task::sleep; computing belongs in task::spawn_blocking, or "
				      "task::yield_now().await every 100 us.",
		[WEFT_RT_SMOL] = "The poll does not come back: await an event or smol::Timer; computing belongs in smol::unblock, or "
				 "smol::future::yield_now().await every 100 us.",
	},
	[ADVICE_CRUNCH] = {
		[WEFT_RT_WEFT] = "Long computing polls: move the work to weft_spawn_blocking(), or cut it up with weft_yield().",
		[WEFT_RT_TOKIO] = "Long computing polls: tokio::task::spawn_blocking, a rayon pool, or yield_now().await between pieces.",
		[WEFT_RT_ASYNC_STD] = "Long computing polls: async_std::task::spawn_blocking, or task::yield_now().await between pieces.",
		[WEFT_RT_SMOL] = "Long computing polls: smol::unblock, or smol::future::yield_now().await between pieces.",
	},
	[ADVICE_STORM] = {
		[WEFT_RT_WEFT] = "The task wakes itself only to look again: wait for the event (weft_fd_wait(), weft_semaphore_acquire()) or "
				 "weft_sleep() between two looks.",
		[WEFT_RT_TOKIO] = "The future calls wake_by_ref() and returns Pending: register the waker with what it waits for, or "
				  "tokio::time::sleep between two looks.",
		[WEFT_RT_ASYNC_STD] = "The future wakes itself and returns Pending: register the waker with what it waits for, or task::sleep "
				      "between two looks.",
		[WEFT_RT_SMOL] = "The future wakes itself and returns Pending: register the waker with what it waits for, or smol::Timer "
				 "between two looks.",
	},
	[ADVICE_PINGPONG] = {
		[WEFT_RT_WEFT] = "Two tasks only wake each other: make one of them wait for a real event, or weft_sleep() in the circle.",
		[WEFT_RT_TOKIO] = "Two tasks only wake each other: make one of them wait for a real event, or sleep in the circle.",
		[WEFT_RT_ASYNC_STD] = "Two tasks only wake each other: make one of them wait for a real event, or sleep in the circle.",
		[WEFT_RT_SMOL] = "Two tasks only wake each other: make one of them wait for a real event, or sleep in the circle.",
	},
	[ADVICE_LEAK] = {
		[WEFT_RT_WEFT] = "Give the task an end: weft_timeout() around what it waits for, cancel it when its client is gone "
				 "(weft_join_abort), and bound how many are spawned with a weft_semaphore.",
		[WEFT_RT_TOKIO] = "Give the task an end: tokio::time::timeout, a CancellationToken on disconnect, and a Semaphore or JoinSet that "
				  "bounds how many are spawned.",
		[WEFT_RT_ASYNC_STD] = "Give the task an end: async_std::future::timeout, .cancel() on disconnect, and a bounded channel in front.",
		[WEFT_RT_SMOL] = "Give the task an end: race it with smol::Timer, keep and drop its Task on disconnect, and bound how many are "
				 "spawned.",
	},
	[ADVICE_HELD] = {
		[WEFT_RT_WEFT] = "The tasks are complete, but their join handles are kept: await, or detach them.",
		[WEFT_RT_TOKIO] = "The tasks are complete, but their JoinHandles are kept: await or drop them, or use a JoinSet and drain it.",
		[WEFT_RT_ASYNC_STD] = "The tasks are complete, but their JoinHandles are kept: await or drop them.",
		[WEFT_RT_SMOL] = "The tasks are complete, but their Task handles are kept: await or .detach() them.",
	},
};

const char *advice_text(enum advice a, enum weft_runtime_kind kind)
{
	return text[a][kind >= WEFT_RT_WEFT && kind <= WEFT_RT_SMOL ? kind : WEFT_RT_WEFT];
}
