/* SPDX-License-Identifier: MIT */
/*
 * Assembler source of a file with the shapes that probes/rust looks for in Rust services, and beside each one that is
 * nearly it. Its labels say what is true. For the unit test and the seeds of the fuzz target.
 */
#ifndef WEFT_RUST_SHAPES_H
#define WEFT_RUST_SHAPES_H

/* Functions that a vtable names; each has call frame information. The first starts with push, the second does not. */
static const char rust_shapes[] =
	".macro fn name\n.globl \\name\n.type \\name,@function\n\\name:\n.cfi_startproc\n.endm\n"
	".macro end name\n.cfi_endproc\n.size \\name,.-\\name\n.balign 16\n.endm\n"
	".text\n"
	"fn poll_push\n push %rbp\n lea wakers(%rip),%rax\n call complete\n pop %rbp\n ret\nend poll_push\n"
	"fn poll_slid\n sub $8,%rsp\n mov %rdi,%rbx\n xor %edi,%edi\n slid: jmp 1f\n 1: add $8,%rsp\n ret\nend poll_slid\n"
	"fn poll_none\n xor %edi,%edi\n mov %rax,%rbx\n jmp 1f\n1: ret\nend poll_none\n"
	"fn other\n push %rbx\n lea where(%rip),%rdi\n pop %rbx\n ret\nend other\n"
	/* a poll; what follows: nop of 5 bytes and a LOCK, then the place */
	"fn run_task\n push %r14\n mov %rdi,%r14\n mov 0x10(%r14),%rax\n mov %r14,%rdi\n call *(%rax)\n"
	" .byte 0x0f,0x1f,0x44,0,0\n lock incl (%r14)\n test %eax,%eax\n end_1: je 2f\n nop\n2: pop %r14\n ret\nend run_task\n"
	/* the block ends at once: no place that is emulated before another way comes in */
	"fn run_short\n push %rbx\n mov 0x10(%rdi),%rax\n call *(%rax)\n end_2: xor %ecx,%ecx\n3: inc %ecx\n cmp $9,%ecx\n"
	" jne 3b\n pop %rbx\n ret\nend run_short\n"
	/* nearly: the argument is another object; another slot; another field; the vtable comes from another block */
	"fn near_1\n mov 0x10(%rbx),%rax\n mov %r14,%rdi\n call *(%rax)\n jmp 4f\n4: ret\nend near_1\n"
	"fn near_2\n mov 0x10(%rdi),%rax\n call *8(%rax)\n jmp 4f\n4: ret\nend near_2\n"
	"fn near_3\n mov 0x18(%rdi),%rax\n call *(%rax)\n jmp 4f\n4: ret\nend near_3\n"
	"fn near_4\n mov 0x10(%rdi),%rax\n add $0x30,%rax\n call *(%rax)\n jmp 4f\n4: ret\nend near_4\n"
	"fn near_5\n mov 0x10(%rdi),%rax\n test %esi,%esi\n je 4f\n lea 8(%rdx),%rax\n4: call *(%rax)\n jmp 4f\n4: ret\nend near_5\n"
	/* the function that older releases have for it, and its caller */
	"fn raw_poll\n mov 0x10(%rdi),%rax\n jmp *(%rax)\nend raw_poll\n"
	"fn caller\n push %rbx\n call raw_poll\n mov %rax,%rbx\n end_3: push %rbx\n pop %rbx\n pop %rbx\n ret\nend caller\n"
	/* polls on in a loop: the first goes on where the others do, and ends there */
	"fn run_again\n push %rbx\n mov %rdi,%rbx\n mov 0x10(%rbx),%rax\n call *(%rax)\n mov $1,%ecx\n again_1: jmp 3f\n"
	"2: mov 0x10(%rbx),%rax\n mov %rbx,%rdi\n call *(%rax)\n3: cmpq $0,8(%rbx)\n again_2: jne 2b\n pop %rbx\n ret\nend run_again\n"
	/* Tokio's timers: the tick in rsi, or, where there are several wheels, in rdx */
	"fn _ZN5tokio7runtime4time6Handle15process_at_time17h0123456789abcdefE\n push %rbx\n xor %edx,%edx\n mov %rsi,%rbx\n"
	" mov %rdx,%rax\n pop %rbx\n ret\nend _ZN5tokio7runtime4time6Handle15process_at_time17h0123456789abcdefE\n"
	"fn _ZN8async_io7reactor7Reactor12insert_timer17h0123456789abcdefE\n push %rbx\n mov %edx,%ebx\n mov %rsi,%rax\n mov %rdi,%r14\n lea 0x220(%r14),%rax\n pop %rbx\n ret\nend _ZN8async_io7reactor7Reactor12insert_timer17h0123456789abcdefE\n"
	"fn _ZN8async_io7reactor7Reactor12remove_timer17h0123456789abcdefE\n push %rbx\n mov %esi,%ebx\n mov %rdi,%r14\n jmp 5f\n 5:\n mov %r14,-8(%rsp)\n mov %rsp,%rdi\n pop %rbx\n ret\nend _ZN8async_io7reactor7Reactor12remove_timer17h0123456789abcdefE\n"
	"fn _ZN8async_io7reactor7Reactor14process_timers17h0123456789abcdefE\n push %rbx\n mov %rsi,%rbx\n lock incl 0x220(%rdi)\n pop %rbx\n ret\nend _ZN8async_io7reactor7Reactor14process_timers17h0123456789abcdefE\n"
	"fn _ZN5tokio7runtime4time6Handle23process_at_sharded_time17h0123456789abcdefE\n push %rbx\n mov %rdx,%rbx\n"
	" xor %edx,%edx\n pop %rbx\n ret\nend _ZN5tokio7runtime4time6Handle23process_at_sharded_time17h0123456789abcdefE\n"
	/* armed by a deadline of two registers; by a tick; by a deadline again, where no probe can be at the entry */
	"fn _ZN5tokio7runtime4time5entry10TimerEntry5reset17h0000000000000001E\n push %rbx\n mov %rdi,%rbx\n mov %rsi,%rax\n cmp $999000001,%edx\n pop %rbx\n ret\nend _ZN5tokio7runtime4time5entry10TimerEntry5reset17h0000000000000001E\n"
	"fn _ZN5tokio7runtime4time5entry10TimerEntry5reset17h0000000000000002E\n push %rbx\n mov %rdi,%rbx\n mov 0x100(%rdi),%rdx\n cmp %rdx,%rsi\n pop %rbx\n ret\nend _ZN5tokio7runtime4time5entry10TimerEntry5reset17h0000000000000002E\n"
	"fn _ZN5tokio7runtime4time5entry10TimerEntry5reset17h0000000000000003E\n mov %rdi,%rax\n cmp $999000001,%edx\n jb 9f\n9: ret\nend _ZN5tokio7runtime4time5entry10TimerEntry5reset17h0000000000000003E\n"
	/* spawns: forwards in the block; before it, past a check that ends in a trap; one of two ways: stays; in a loop: its end */
	"fn new_1\n mov %rdi,%rcx\n lea type_1(%rip),%rax\n mov %rax,(%rsp)\n spawn_1: jmp 5f\n5: ret\nend new_1\n"
	"fn new_2\n spawn_2: push %rbx\n test %rdi,%rdi\n je 6f\n lea type_2(%rip),%rax\n pop %rbx\n ret\n6: ud2\nend new_2\n"
	"fn new_3\n push %rbx\n test %rdi,%rdi\n je 7f\n spawn_3: lea type_3(%rip),%rax\n mov %rax,(%rdi)\n7: pop %rbx\n ret\nend new_3\n"
	"fn new_4\n push %rbx\n8: dec %rdi\n lea type_3(%rip),%rax\n mov %rax,(%rdi)\n test %rdi,%rdi\n spawn_4: jne 8b\n pop %rbx\n ret\nend new_4\n"
	/* as Tokio's wakers: a state change that may be tried again, in a loop; rdi lives through it */
	"fn wake_ref\n sub $8,%rsp\n mov (%rdi),%rax\n1: mov %rax,%rcx\n or $4,%rcx\n lock cmpxchg %rcx,(%rdi)\n jne 1b\n"
	" test $2,%al\n wake_1: jne 2f\n mov 0x10(%rdi),%rax\n call *8(%rax)\n2: add $8,%rsp\n ret\nend wake_ref\n"
	"fn wake_val\n push %rbx\n call wake_ref\n pop %rbx\n ret\nend wake_val\n"
	"fn drop_waker\n mov 0x10(%rdi),%rax\n jmp *0x10(%rax)\nend drop_waker\n"
	/* the end: it is called by a poll; another function flips the same bits and is not */
	"fn complete\n push %rbx\n mov (%rdi),%rax\n1: mov %rax,%rcx\n xor $3,%rcx\n lock cmpxchg %rcx,(%rdi)\n jne 1b\n pop %rbx\n ret\nend complete\n"
	"fn flips_too\n push %rbx\n mov (%rdi),%rax\n1: mov %rax,%rcx\n xor $3,%rcx\n lock cmpxchg %rcx,(%rdi)\n jne 1b\n pop %rbx\n ret\nend flips_too\n"
	/* async-task: the vtable at the header's beginning, the state behind it; run by an executor and by something alike */
	"fn run_1\n push %rbx\n pop %rbx\n ret\nend run_1\n"
	"fn clone_waker\n push %rbx\n pop %rbx\n ret\nend clone_waker\n"
	"fn lonely_clone\n push %rbx\n pop %rbx\n ret\nend lonely_clone\n"
	"fn async_wake\n push %rbx\n call other\n pop %rbx\n ret\nend async_wake\n"
	"fn async_ref\n push %rbx\n mov 8(%rdi),%rax\n test $1,%al\n pop %rbx\n ret\nend async_ref\n"
	"fn executor\n push %r15\n mov (%r15),%rax\n mov %r15,%rdi\n call *0x28(%rax)\n test %al,%al\n ran_1: je 1f\n nop\n1: pop %r15\n ret\nend executor\n"
	"fn executor_2\n push %r15\n mov (%r15),%rax\n mov %r15,%rdi\n call *0x28(%rax)\n ran_2: push %rax\n pop %rax\n pop %r15\n ret\nend executor_2\n"
	"fn near_6\n push %r15\n mov 8(%r15),%rax\n mov %r15,%rdi\n call *0x28(%rax)\n push %rax\n pop %rax\n pop %r15\n ret\nend near_6\n"
	"fn main\n xor %eax,%eax\n ret\nend main\n"
	".macro vtable name poll\n.globl \\name\n\\name: .quad \\poll\n.rept 6\n .quad other\n.endr\n.endm\n"
	".section .data.rel.ro,\"aw\"\n.balign 8\n"
	"vtable type_1 poll_push\n .quad 240, 32, 40\n"
	"vtable type_2 poll_slid\n .quad 96, 32, 32\n"
	" .quad 0\n"
	"vtable type_3 poll_none\n .quad 0x1000, 128, 136\n"
	/* nearly: six functions; offsets out of order; a function that is none; data behind the functions */
	" .quad 0, other, other, other, other, other, other, 240, 32, 40\n"
	"vtable near_order poll_push\n .quad 32, 240, 40\n"
	"vtable near_inside slid\n .quad 240, 32, 40\n"
	"vtable near_data poll_push\n .quad where, 32, 40\n"
	/* wakers; nearly: nothing refers to it; it leads nowhere */
	".quad 0\nwakers: .quad other, wake_val, wake_ref, drop_waker\n .quad 0\n .quad other, wake_val, wake_ref, drop_waker\n"
	" .quad 0, other, other, other, other\n"
	".macro job name clone layout\n.globl \\name\n\\name: .rept 5\n .quad other\n.endr\n .quad run_1, \\clone, \\layout\n.endm\n"
	" .quad 0\njob job_1 clone_waker layout_1\njob near_waker lonely_clone layout_1\njob near_layout clone_waker layout_2\n"
	" .quad 0, clone_waker, async_wake, async_ref, other, 0\n"
	"layout_1: .quad 8, 96, 24, 32, 32\nlayout_2: .quad 8, 96, 24, 32, 4096\n"
	"where: .quad path, 81, 0x900000007\n"
	".section .rodata\n"
	"path: .ascii \"/home/x/.cargo/registry/src/index-0/tokio-1.47.2/src/runtime/blocking/schedule.rs\"\n"
	" .ascii \"/registry/src/index-0/mio-1.0.4-rc.1/src/poll.rs\"\n"
	" .ascii \"/registry/src/index-0/tokio-util-0.7.1/src/codec.rs\"\n"
	" .ascii \"/registry/src/index-0/async-task-4.3/src/raw.rs\"\n"
	".section .note.GNU-stack,\"\",@progbits\n";

#endif
