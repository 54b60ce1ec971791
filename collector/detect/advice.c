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
	[ADVICE_LOCAL] = {
		[WEFT_RT_WEFT] = ("Only what the thread inside weft_block_on() polls may spawn tasks that are bound to it, and on its own "
				 "runtime: spawn this one from there, or, if it may move between workers, with weft_spawn()."),
		[WEFT_RT_TOKIO] = "Use tokio::task::spawn_local inside one LocalSet, or make the future Send.",
		[WEFT_RT_ASYNC_STD] = "Use async_std::task::spawn_local on the same thread, or make the future Send.",
		[WEFT_RT_SMOL] = "Use one smol::LocalExecutor on its own thread, or make the future Send.",
	},
	[ADVICE_MOVED] = {
		[WEFT_RT_WEFT] = ("A suspended frame must stay where it is: embed it in the caller's frame or allocate it, and copy it only "
				 "before its first poll or after its end."),
		[WEFT_RT_TOKIO] = "Pin it where it is made: std::pin::pin!(future), or Box::pin(future).",
		[WEFT_RT_ASYNC_STD] = "Pin it where it is made: std::pin::pin!(future), or Box::pin(future).",
		[WEFT_RT_SMOL] = "Pin it where it is made: std::pin::pin!(future), or Box::pin(future).",
	},
	[ADVICE_TIME_OFF] = {
		[WEFT_RT_WEFT] = "Leave no_time out of struct weft_config, so that the runtime has timers.",
		[WEFT_RT_TOKIO] = "Call .enable_time() or .enable_all() on the runtime's Builder.",
		[WEFT_RT_ASYNC_STD] = "Build async-std with its default features.",
		[WEFT_RT_SMOL] = "Use smol::Timer; async-io's thread fires it.",
	},
	[ADVICE_IO_OFF] = {
		[WEFT_RT_WEFT] = "Leave no_io out of struct weft_config, so that the runtime has sockets.",
		[WEFT_RT_TOKIO] = "Call .enable_io() or .enable_all() on the runtime's Builder.",
		[WEFT_RT_ASYNC_STD] = "Build async-std with its default features.",
		[WEFT_RT_SMOL] = "Use smol::net or smol::Async; async-io's thread drives them.",
	},
	[ADVICE_DROPPED] = {
		[WEFT_RT_WEFT] = "In this flavour weft_join_drop() cancels: keep the handle and await it, or weft_join_detach() it.",
		[WEFT_RT_TOKIO] = "Keep the handle and await it; a dropped JoinHandle detaches, an AbortOnDrop wrapper or JoinSet cancels.",
		[WEFT_RT_ASYNC_STD] = "Keep the handle and await it.",
		[WEFT_RT_SMOL] = "Dropping a smol::Task cancels it: keep it and await it, or call .detach().",
	},
	[ADVICE_ABORTED] = {
		[WEFT_RT_WEFT] = "Whoever spawns it aborts it at once: await it first, or do not spawn it.",
		[WEFT_RT_TOKIO] = "Whoever spawns it aborts it at once: await the JoinHandle first, or do not spawn it.",
		[WEFT_RT_ASYNC_STD] = "Whoever spawns it cancels it at once: await the JoinHandle first, or do not spawn it.",
		[WEFT_RT_SMOL] = "Whoever spawns it cancels it at once: await the Task first, or do not spawn it.",
	},
	[ADVICE_SHUTDOWN] = {
		[WEFT_RT_WEFT] = "Await the task (weft_join) before weft_runtime_shutdown(): what has not run by then is cancelled.",
		[WEFT_RT_TOKIO] = "Await the JoinHandle before main or block_on returns: the runtime's end cancels what is left.",
		[WEFT_RT_ASYNC_STD] = "Await the JoinHandle before main returns: the process ends and takes the tasks along.",
		[WEFT_RT_SMOL] = "Await the Task before block_on returns, or keep the executor running.",
	},
	[ADVICE_NOT_DRIVEN] = {
		[WEFT_RT_WEFT] = "This flavour runs only while a thread is inside weft_block_on() or weft_runtime_run(): keep one there.",
		[WEFT_RT_TOKIO] = "A current_thread runtime runs only inside block_on: keep a thread there, or use the multi-thread one.",
		[WEFT_RT_ASYNC_STD] = "Keep the program inside async_std::task::block_on.",
		[WEFT_RT_SMOL] = "An Executor runs only inside block_on(executor.run(..)): keep a thread there.",
	},
	[ADVICE_ROOT] = {
		[WEFT_RT_WEFT] = "Only the thread in weft_block_on() drives this flavour: nothing in there may block or compute for long.",
		[WEFT_RT_TOKIO] = "Only the thread in block_on drives a current_thread runtime: await in its future, use spawn_blocking, or the multi-thread one.",
		[WEFT_RT_ASYNC_STD] = "Nothing in the future of block_on may block: use async_std::task::spawn_blocking.",
		[WEFT_RT_SMOL] = "Nothing in the future of block_on may block: use smol::unblock.",
	},
	[ADVICE_ALL_HELD] = {
		[WEFT_RT_WEFT] = "No worker is left for it: move what they do to weft_spawn_blocking(), or cut it up with weft_yield().",
		[WEFT_RT_TOKIO] = "No worker is left for it: move what they do to spawn_blocking, or yield_now().await between pieces.",
		[WEFT_RT_ASYNC_STD] = "No thread is left for it: move what they do to spawn_blocking, or yield_now().await between pieces.",
		[WEFT_RT_SMOL] = "No thread is left for it: move what they do to smol::unblock, or yield_now().await between pieces.",
	},
	[ADVICE_STRANDED] = {
		[WEFT_RT_WEFT] = "It lies in the queue of a worker that stays in one poll: give that poll an end (weft_spawn_blocking(), weft_yield()).",
		[WEFT_RT_TOKIO] = "It lies in the LIFO slot or queue of a worker that stays in one poll: use spawn_blocking there, or disable_lifo_slot.",
		[WEFT_RT_ASYNC_STD] = "It lies in the queue of a thread that stays in one poll: use spawn_blocking there.",
		[WEFT_RT_SMOL] = "It lies in the queue of a thread that stays in one poll: use smol::unblock there.",
	},
	[ADVICE_QUEUE] = {
		[WEFT_RT_WEFT] = "More is made runnable than the workers can poll: add workers, or bound what is spawned with a weft_semaphore.",
		[WEFT_RT_TOKIO] = "More is made runnable than the workers can poll: add worker_threads, or bound it with a Semaphore.",
		[WEFT_RT_ASYNC_STD] = "More is made runnable than the threads can poll: set ASYNC_STD_THREAD_COUNT, or bound it with a channel.",
		[WEFT_RT_SMOL] = "More is made runnable than the threads can poll: set SMOL_THREADS, or bound it with a Semaphore.",
	},
	[ADVICE_STALL] = {
		[WEFT_RT_WEFT] = ("While its poll lasts no worker can fire timers: move the work to weft_spawn_blocking(), cut it up with "
				 "weft_yield(), or add workers."),
		[WEFT_RT_TOKIO] = "While its poll lasts nobody turns the time driver: use spawn_blocking, yield_now().await, or more worker_threads.",
		[WEFT_RT_ASYNC_STD] = "While its poll lasts nobody polls the reactor: use spawn_blocking, or yield_now().await.",
		[WEFT_RT_SMOL] = "While its poll lasts nobody polls the reactor: use smol::unblock, or yield_now().await.",
	},
	[ADVICE_NESTED] = {
		[WEFT_RT_WEFT] = "Await the function instead of weft_block_on(); from code that can't await, run it in weft_spawn_blocking().",
		[WEFT_RT_TOKIO] = "Await it instead of block_on; from code that can't await use spawn_blocking, or block_in_place with Handle::block_on.",
		[WEFT_RT_ASYNC_STD] = "Await it instead of block_on; from code that can't await use spawn_blocking.",
		[WEFT_RT_SMOL] = "Await it instead of block_on; from code that can't await use smol::unblock.",
	},
	[ADVICE_MIXED] = {
		[WEFT_RT_WEFT] = "Move the work of one of them to the other: one runtime per process. Where two are needed, let them talk through threads or sockets only.",
		[WEFT_RT_TOKIO] = ("One runtime per process: spawn these tasks on Tokio, and wrap futures that need another reactor "
				 "(async-compat, or the crate's tokio feature). cargo tree -i smol (async-std, async-executor) says who brings it in."),
		[WEFT_RT_ASYNC_STD] = ("One runtime per process: spawn these tasks with async_std::task, and wrap futures that need Tokio in "
				 "async_compat::Compat; async-std's feature tokio1 starts a Tokio of its own. cargo tree -i tokio says who brings it in."),
		[WEFT_RT_SMOL] = ("One runtime per process: spawn these tasks on smol, and wrap futures that need Tokio in async_compat::Compat. "
				 "cargo tree -i tokio says who brings it in."),
	},
	[ADVICE_LONG] = {
		[WEFT_RT_WEFT] = "Cut the work into pieces with weft_yield() between them, or move it to weft_spawn_blocking().",
		[WEFT_RT_TOKIO] = "Cut the work into pieces with tokio::task::yield_now().await between them, or move it to spawn_blocking.",
		[WEFT_RT_ASYNC_STD] = "Cut the work into pieces with async_std::task::yield_now().await between them, or move it to spawn_blocking.",
		[WEFT_RT_SMOL] = "Cut the work into pieces with smol::future::yield_now().await between them, or move it to smol::unblock.",
	},
	[ADVICE_LOST] = {
		[WEFT_RT_WEFT] = ("Whatever returns WEFT_PENDING has to keep weft_waker_get(cx) where the event can find it: first the waker, "
				 "then the check."),
		[WEFT_RT_TOKIO] = "Whatever returns Pending has to keep cx.waker().clone() where the event can find it: register first, then check.",
		[WEFT_RT_ASYNC_STD] = "Whatever returns Pending has to keep cx.waker().clone() where the event can find it: register first, then check.",
		[WEFT_RT_SMOL] = "Whatever returns Pending has to keep cx.waker().clone() where the event can find it: register first, then check.",
	},
	[ADVICE_IMBALANCE] = {
		[WEFT_RT_WEFT] = ("Spawn the work with weft_spawn() instead of weft_spawn_local(), as more and smaller tasks, so that all "
				 "workers can take of it."),
		[WEFT_RT_TOKIO] = ("Spawn the work with tokio::spawn instead of spawn_local, as more and smaller tasks, so that all workers can "
				 "take of it."),
		[WEFT_RT_ASYNC_STD] = "Spawn the work with async_std::task::spawn instead of spawn_local, as more and smaller tasks.",
		[WEFT_RT_SMOL] = "Run the Executor on several threads, and spawn the work as more and smaller tasks.",
	},
	[ADVICE_STARVED] = {
		[WEFT_RT_WEFT] = "Not the program: other processes have the CPUs. Move them, or give this one a larger cpu.weight or CPUs of its own.",
		[WEFT_RT_TOKIO] = "Not the program: other processes have the CPUs. Move them, or give this one a larger cpu.weight or CPUs of its own.",
		[WEFT_RT_ASYNC_STD] = "Not the program: other processes have the CPUs. Move them, or give this one a larger cpu.weight or CPUs of its own.",
		[WEFT_RT_SMOL] = "Not the program: other processes have the CPUs. Move them, or give this one a larger cpu.weight or CPUs of its own.",
	},
	[ADVICE_QUOTA] = {
		[WEFT_RT_WEFT] = ("Raise cpu.max of its control group (the container's CPU limit), or run as many workers as the quota has CPUs: "
				 "struct weft_config.workers."),
		[WEFT_RT_TOKIO] = "Raise cpu.max of its control group (the container's CPU limit), or set worker_threads to the CPUs of the quota.",
		[WEFT_RT_ASYNC_STD] = ("Raise cpu.max of its control group (the container's CPU limit), or set ASYNC_STD_THREAD_COUNT to the CPUs of "
				 "the quota."),
		[WEFT_RT_SMOL] = "Raise cpu.max of its control group (the container's CPU limit), or set SMOL_THREADS to the CPUs of the quota.",
	},
	[ADVICE_CYCLE] = {
		[WEFT_RT_WEFT] = ("Break the circle: take locks in one order everywhere, let one of them not wait (weft_join_detach), or bound the wait with weft_timeout(). weft "
				 "dump shows all waits."),
		[WEFT_RT_TOKIO] = "Break the circle: let one of them not wait, or bound the wait with tokio::time::timeout.",
		[WEFT_RT_ASYNC_STD] = "Break the circle: let one of them not wait, or bound the wait with async_std::future::timeout.",
		[WEFT_RT_SMOL] = "Break the circle: let one of them not wait, or race the wait with smol::Timer.",
	},
	[ADVICE_LATE_QUEUE] = {
		[WEFT_RT_WEFT] = ("Fewer runnable tasks or shorter polls before it: weft_yield() in long work, more workers, or a runtime of its "
				 "own for what is punctual."),
		[WEFT_RT_TOKIO] = ("Fewer runnable tasks or shorter polls before it: more worker_threads, or a runtime of its own for what must "
				 "be punctual."),
		[WEFT_RT_ASYNC_STD] = "Fewer runnable tasks or shorter polls before it: a larger ASYNC_STD_THREAD_COUNT, spawn_blocking for the work.",
		[WEFT_RT_SMOL] = "Fewer runnable tasks or shorter polls before it: more threads that run the executor, smol::unblock for the work.",
	},
	[ADVICE_LATE_DRIVER] = {
		[WEFT_RT_WEFT] = "Shorter polls, so that a worker gets to the driver: weft_yield() in long work, or more workers.",
		[WEFT_RT_TOKIO] = ("Shorter polls, so that a worker gets to the driver: yield_now().await in long work, or a smaller "
				 "event_interval on the Builder."),
		[WEFT_RT_ASYNC_STD] = "Shorter polls, so that a thread gets to the reactor: yield_now().await in long work.",
		[WEFT_RT_SMOL] = "Shorter polls, so that a thread gets to the reactor: yield_now().await in long work.",
	},
	[ADVICE_UNSEEN] = {
		[WEFT_RT_WEFT] = ("Log the error where the task ends, or keep its handle and look at what weft_join() gives; start again what "
				 "must always run."),
		[WEFT_RT_TOKIO] = "Log the error where the task ends, or keep its JoinHandle and look at the result; start again what must always run.",
		[WEFT_RT_ASYNC_STD] = "Log the error where the task ends, or keep its JoinHandle and await it.",
		[WEFT_RT_SMOL] = "Log the error where the task ends, or keep its Task and await it.",
	},
	[ADVICE_LARGE] = {
		[WEFT_RT_WEFT] = "Keep buffers outside the frame: allocate them when they are needed and free them before long waits.",
		[WEFT_RT_TOKIO] = "Box large and rare callees (Box::pin), keep buffers in a Vec, and end them before long awaits.",
		[WEFT_RT_ASYNC_STD] = "Box large and rare callees (Box::pin), keep buffers in a Vec, and end them before long awaits.",
		[WEFT_RT_SMOL] = "Box large and rare callees (Box::pin), keep buffers in a Vec, and end them before long awaits.",
	},
	[ADVICE_WORKERS] = {
		[WEFT_RT_WEFT] = ("As many workers as CPUs that it may use: struct weft_config.workers = 0 takes the affinity; blocking work "
				 "belongs into weft_spawn_blocking()."),
		[WEFT_RT_TOKIO] = ("As many worker_threads as CPUs that it may use (std::thread::available_parallelism); blocking work belongs "
				 "into spawn_blocking."),
		[WEFT_RT_ASYNC_STD] = "Set ASYNC_STD_THREAD_COUNT to the CPUs that it may use.",
		[WEFT_RT_SMOL] = "Set SMOL_THREADS to the CPUs that it may use.",
	},
};

const char *advice_text(enum advice a, enum weft_runtime_kind kind)
{
	return text[a][kind >= WEFT_RT_WEFT && kind <= WEFT_RT_SMOL ? kind : WEFT_RT_WEFT];
}
