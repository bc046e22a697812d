# A guest that measures how long its vCPUs are kept from running: by spinning, or by how late their timers wake them.
#
# spin: a vCPU reads the time-stamp counter again and again. Two readings are a few dozen ticks apart as long as it runs
# undisturbed; a larger gap is time in which its CPU did something else.
# timer: a vCPU halts until its timer's interrupt, and counts how many ticks after the deadline the handler runs.
#
# Lengths are counted by powers of two. About twice a second each vCPU that measures reports through the debug console
# (port 0xe9) and begins anew; what reporting takes is not counted. One reports at a time: a vCPU that finds another one
# reporting measures on and tries again, so that nobody waits for a vCPU that is kept from running.
#
# QEMU loads it by the Multiboot specification 0.6.96 (-kernel), with the addresses in the header. Behind the header is
# what whoever starts it sets: see PARAMETERS, and src/jitter/guest.ts. All RAM is written to before anything is measured:
# the host gives a page when it is first touched, which is a gap of the guest's own making.
#
# A record, little endian; 64-bit words where two offsets are 8 apart:
# at 0 "QRT2", 4 number, from 1, 8 vCPU (APIC ID), 12 flags: 1 timer mode, 2 TSC deadline
# at 16 ticks that it covers, 24 largest, in ticks, 32 the counter at its end
# at 40 intervals that were missed, 44 ticks of an interval, 48 counts: the n-th is of 2^n up to 2^(n+1) - 1 ticks
# at 240 sum of the words before
# Assembled by guest/assemble.mjs into src/jitter/guest-image.ts.

	.code32
	.globl	_start

	.set	LOAD, 0x100000
	.set	DEBUG_CONSOLE, 0xe9

	# Each vCPU has a page: its record, what it remembers, and its stack from the end.
	.set	PAGES, 0x200000
	.set	VCPUS, 64
	.set	NUMBER, 4
	.set	VCPU, 8
	.set	FLAGS, 12
	.set	TICKS, 16
	.set	LARGEST, 24
	.set	END, 32
	.set	MISSED, 40
	.set	INTERVAL_TICKS, 44
	.set	COUNTS, 48
	.set	BUCKETS, 48
	.set	SUM, COUNTS + BUCKETS * 4
	.set	RECORD_BYTES, SUM + 4
	.set	LAST, 256
	.set	START, 264
	.set	DEADLINE, 272
	.set	PERIOD, 280
	.set	RATIO, 284
	.set	SAMPLE, 288
	.set	SAMPLE_COUNT, 296

	# The local APIC (Intel SDM, volume 3, "Advanced Programmable Interrupt Controller").
	.set	APIC_ID, 0xfee00020
	.set	END_OF_INTERRUPT, 0xfee000b0
	.set	SPURIOUS, 0xfee000f0
	.set	COMMAND, 0xfee00300
	.set	TIMER, 0xfee00320
	.set	INITIAL_COUNT, 0xfee00380
	.set	CURRENT_COUNT, 0xfee00390
	.set	DIVIDE, 0xfee003e0
	.set	ALL_OTHERS_INIT, 0xc4500
	.set	ALL_OTHERS_START, 0xc4600
	.set	TIMER_MASKED, 0x10000
	.set	TIMER_TSC_DEADLINE, 0x40000
	.set	DIVIDE_BY_ONE, 0xb
	.set	TSC_DEADLINE, 0x6e0
	.set	TIMER_VECTOR, 0x40
	.set	SPURIOUS_VECTOR, 0xff
	# A CPU that is started begins at the page that the startup message names.
	.set	STARTUP_PAGE, 0x9

	# The APIC's timer of KVM (arch/x86/kvm/lapic.h, APIC_BUS_CYCLE_NS) and of QEMU (hw/intc/apic.c) counts nanoseconds.
	# RATIO is how many of them a tick of the time-stamp counter is, in 2^-20.
	.set	RATIO_BITS, 20
	.set	CALIBRATION, 200000000
	.set	PERIOD_BITS, 29

	# The Multiboot header: the addresses are its own (bit 16).
	.balign	4, 0
header:	.long	0x1badb002
	.long	0x10000
	.long	-(0x1badb002 + 0x10000)
	.long	header
	.long	LOAD
	.long	0
	.long	0
	.long	_start

# PARAMETERS
measures:
	# A bit for each vCPU.
	.quad	1
mode:	.long	0
interval:
	# Nanoseconds.
	.long	1000000
memory:	# Bytes, below the hole for devices.
	.long	0x2000000

_start:
	cli
	cld
	movl	$PAGES, %esp
	lgdtl	descriptors
	ljmp	$8, $1f
1:	call	load_segments

	# No interrupts but the timer's: the old controllers are masked, and the interval timer, which the firmware lets run
	# and which would keep the host busy, gets a last count.
	movb	$0xff, %al
	outb	%al, $0x21
	outb	%al, $0xa1
	movb	$0x30, %al
	outb	%al, $0x43
	movb	$1, %al
	outb	%al, $0x40
	movb	$0, %al
	outb	%al, $0x40

	xorl	%edi, %edi
2:	movl	(%edi), %eax
	movl	%eax, (%edi)
	addl	$0x1000, %edi
	cmpl	$0xa0000, %edi
	jne	3f
	# The display's memory and ROMs are none.
	movl	$0x100000, %edi
3:	cmpl	memory, %edi
	jb	2b

	movl	$tick, %eax
	movl	$interrupts + TIMER_VECTOR * 8, %edi
	call	set_gate
	movl	$spurious, %eax
	movl	$interrupts + SPURIOUS_VECTOR * 8, %edi
	call	set_gate

	movl	$trampoline, %esi
	movl	$STARTUP_PAGE << 12, %edi
	movl	$trampoline_end - trampoline, %ecx
	rep movsb
	movl	$ALL_OTHERS_INIT, COMMAND
	# It takes a moment: the manual has 10 ms; a write to this port takes about a microsecond.
	movl	$10000, %ecx
4:	outb	%al, $0x80
	loop	4b
	movl	$ALL_OTHERS_START | STARTUP_PAGE, COMMAND
	jmp	vcpu

other:
	# Without a stack, which it has when it knows its number.
	movw	$16, %ax
	movw	%ax, %ds
	movw	%ax, %es
	movw	%ax, %ss

vcpu:
	movl	APIC_ID, %ebx
	shrl	$24, %ebx
	cmpl	$VCPUS, %ebx
	jae	idle
	btl	%ebx, measures
	jnc	idle
	movl	%ebx, %ebp
	shll	$12, %ebp
	addl	$PAGES, %ebp
	leal	4096(%ebp), %esp
	lidtl	gates
	movl	$0x32545251, (%ebp)
	movl	$0, NUMBER(%ebp)
	movl	%ebx, VCPU(%ebp)
	movl	$0x100 | SPURIOUS_VECTOR, SPURIOUS
	call	calibrate
	cmpl	$0, mode
	jne	timer
	jmp	spin

idle:	hlt
	jmp	idle

load_segments:
	movw	$16, %ax
	movw	%ax, %ds
	movw	%ax, %es
	movw	%ax, %ss
	ret

# eax: the handler; edi: its gate.
set_gate:
	movw	%ax, (%edi)
	movw	$8, 2(%edi)
	movw	$0x8e00, 4(%edi)
	shrl	$16, %eax
	movw	%ax, 6(%edi)
	ret

# How fast the counter runs against the APIC's timer: RATIO, PERIOD and INTERVAL_TICKS.
calibrate:
	movl	$DIVIDE_BY_ONE, DIVIDE
	movl	$TIMER_MASKED | TIMER_VECTOR, TIMER
	movl	$0xffffffff, INITIAL_COUNT
	call	sample
	movl	SAMPLE(%ebp), %esi
	movl	SAMPLE + 4(%ebp), %edi
	movl	SAMPLE_COUNT(%ebp), %ebx
1:	movl	%ebx, %eax
	subl	CURRENT_COUNT, %eax
	cmpl	$CALIBRATION, %eax
	jb	1b
	call	sample
	subl	SAMPLE_COUNT(%ebp), %ebx
	movl	SAMPLE(%ebp), %ecx
	movl	SAMPLE + 4(%ebp), %edx
	subl	%esi, %ecx
	sbbl	%edi, %edx
	# It was kept from running for so long that one of the two has gone around.
	jnz	calibrate
	cmpl	$CALIBRATION * 4, %ebx
	ja	calibrate
	movl	%ebx, %edx
	movl	%ebx, %eax
	shrl	$32 - RATIO_BITS, %edx
	shll	$RATIO_BITS, %eax
	divl	%ecx
	movl	%eax, RATIO(%ebp)
	movl	$1 << (PERIOD_BITS + RATIO_BITS - 32), %edx
	xorl	%eax, %eax
	divl	RATIO(%ebp)
	movl	%eax, PERIOD(%ebp)
	movl	interval, %edx
	movl	interval, %eax
	shrl	$32 - RATIO_BITS, %edx
	shll	$RATIO_BITS, %eax
	divl	RATIO(%ebp)
	movl	%eax, INTERVAL_TICKS(%ebp)
	ret

# Both counters at one moment: of many tries the one in which least time passed between reading the two.
sample:
	pushl	%esi
	pushl	%edi
	pushl	%ebx
	movl	$0xffffffff, %ebx
	movl	$64, %ecx
1:	rdtsc
	movl	%eax, %esi
	pushl	%edx
	movl	CURRENT_COUNT, %edi
	rdtsc
	popl	%edx
	subl	%esi, %eax
	cmpl	%ebx, %eax
	jae	2f
	movl	%eax, %ebx
	movl	%esi, SAMPLE(%ebp)
	movl	%edx, SAMPLE + 4(%ebp)
	movl	%edi, SAMPLE_COUNT(%ebp)
2:	loop	1b
	popl	%ebx
	popl	%edi
	popl	%esi
	ret

# A record begins, now.
begin:
	leal	COUNTS(%ebp), %edi
	movl	$BUCKETS, %ecx
	xorl	%eax, %eax
	rep stosl
	movl	%eax, LARGEST(%ebp)
	movl	%eax, LARGEST + 4(%ebp)
	movl	%eax, MISSED(%ebp)
	rdtsc
	movl	%eax, LAST(%ebp)
	movl	%edx, LAST + 4(%ebp)
	movl	%eax, START(%ebp)
	movl	%edx, START + 4(%ebp)
	ret

# Counts edx:eax ticks. Uses ebx.
	.macro	count
	testl	%edx, %edx
	jnz	11f
	bsrl	%eax, %ebx
	# No tick between two readings: no bit is set.
	jz	14f
	cmpl	LARGEST(%ebp), %eax
	jbe	13f
	cmpl	$0, LARGEST + 4(%ebp)
	jne	13f
	movl	%eax, LARGEST(%ebp)
	jmp	13f
11:	bsrl	%edx, %ebx
	addl	$32, %ebx
	cmpl	$BUCKETS - 1, %ebx
	jbe	12f
	movl	$BUCKETS - 1, %ebx
12:	cmpl	LARGEST + 4(%ebp), %edx
	jb	13f
	ja	15f
	cmpl	LARGEST(%ebp), %eax
	jbe	13f
15:	movl	%eax, LARGEST(%ebp)
	movl	%edx, LARGEST + 4(%ebp)
13:	incl	COUNTS(%ebp, %ebx, 4)
14:
	.endm

# Goes to \more unless a record is over and nobody else reports. Uses eax, edx.
	.macro	unless_over more
	movl	LAST(%ebp), %eax
	movl	LAST + 4(%ebp), %edx
	subl	START(%ebp), %eax
	sbbl	START + 4(%ebp), %edx
	jnz	21f
	cmpl	PERIOD(%ebp), %eax
	jb	\more
21:	lock btsl $0, reporting
	jc	\more
	movl	%eax, TICKS(%ebp)
	movl	%edx, TICKS + 4(%ebp)
	.endm

# The record is given out, and another vCPU may give out its own.
report:
	movl	LAST(%ebp), %eax
	movl	%eax, END(%ebp)
	movl	LAST + 4(%ebp), %eax
	movl	%eax, END + 4(%ebp)
	incl	NUMBER(%ebp)
	movl	%ebp, %esi
	movl	$SUM / 4, %ecx
	xorl	%edx, %edx
1:	lodsl
	addl	%eax, %edx
	loop	1b
	movl	%edx, SUM(%ebp)
	movl	%ebp, %esi
	movl	$RECORD_BYTES, %ecx
	movl	$DEBUG_CONSOLE, %edx
	rep outsb
	movl	$0, reporting
	ret

spin:
	movl	$0, FLAGS(%ebp)
	call	begin
1:	rdtsc
	movl	%eax, %ecx
	movl	%edx, %esi
	subl	LAST(%ebp), %eax
	sbbl	LAST + 4(%ebp), %edx
	movl	%ecx, LAST(%ebp)
	movl	%esi, LAST + 4(%ebp)
	count
	unless_over 1b
	call	report
	call	begin
	jmp	1b

timer:
	movl	$1, FLAGS(%ebp)
	movl	$1, %eax
	cpuid
	btl	$24, %ecx
	movl	$TIMER_VECTOR, %ecx
	jnc	1f
	movl	$3, FLAGS(%ebp)
	orl	$TIMER_TSC_DEADLINE, %ecx
1:	movl	%ecx, TIMER
	# The manual wants the mode to be written before the deadline; cpuid puts them in order.
	xorl	%eax, %eax
	cpuid

2:	call	begin
	movl	LAST(%ebp), %eax
	movl	LAST + 4(%ebp), %edx
	addl	INTERVAL_TICKS(%ebp), %eax
	adcl	$0, %edx
	movl	%eax, DEADLINE(%ebp)
	movl	%edx, DEADLINE + 4(%ebp)

3:	call	arm
wait:	sti
4:	hlt
	jmp	4b

	# The interrupt comes here. There is nothing to return to, and interrupts are off: its frame is dropped. An iret is
	# what KVM cannot emulate in protected mode, which it has to on some hosts.
tick:	rdtsc
	movl	$0, END_OF_INTERRUPT
	addl	$12, %esp
	movl	%eax, LAST(%ebp)
	movl	%edx, LAST + 4(%ebp)
	subl	DEADLINE(%ebp), %eax
	sbbl	DEADLINE + 4(%ebp), %edx
	jns	5f
	# The ratio of the counters is not exact, so that the APIC's timer may be early by some nanoseconds.
	xorl	%eax, %eax
	xorl	%edx, %edx
5:	# Each time counts, that without delay as well.
	testl	%edx, %edx
	jnz	6f
	testl	%eax, %eax
	jnz	6f
	incl	%eax
6:	count
	call	advance
	unless_over 3b
	call	report
	jmp	2b

# Sets DEADLINE to the next one that is yet to come.
advance:
	xorl	%ecx, %ecx
1:	movl	INTERVAL_TICKS(%ebp), %eax
	addl	%eax, DEADLINE(%ebp)
	adcl	$0, DEADLINE + 4(%ebp)
	rdtsc
	subl	DEADLINE(%ebp), %eax
	sbbl	DEADLINE + 4(%ebp), %edx
	js	2f
	incl	MISSED(%ebp)
	# After seconds there is no use in catching up one by one.
	testl	%edx, %edx
	jz	1b
	addl	%eax, DEADLINE(%ebp)
	adcl	%edx, DEADLINE + 4(%ebp)
	jmp	1b
2:	ret

arm:
	testl	$2, FLAGS(%ebp)
	jz	1f
	movl	DEADLINE(%ebp), %eax
	movl	DEADLINE + 4(%ebp), %edx
	movl	$TSC_DEADLINE, %ecx
	wrmsr
	ret
1:	rdtsc
	movl	DEADLINE(%ebp), %ecx
	movl	DEADLINE + 4(%ebp), %ebx
	subl	%eax, %ecx
	sbbl	%edx, %ebx
	jns	2f
	xorl	%ecx, %ecx
2:	movl	%ecx, %eax
	mull	RATIO(%ebp)
	shrdl	$RATIO_BITS, %edx, %eax
	testl	%eax, %eax
	jnz	3f
	# Nought stops it.
	incl	%eax
3:	movl	%eax, INITIAL_COUNT
	ret

spurious:
	addl	$12, %esp
	jmp	wait

	# Where another vCPU begins, copied to STARTUP_PAGE.
	.code16
trampoline:
	cli
	xorw	%ax, %ax
	movw	%ax, %ds
	lgdtl	(STARTUP_PAGE << 12) + descriptors_copy - trampoline
	movl	%cr0, %eax
	orb	$1, %al
	movl	%eax, %cr0
	ljmpl	$8, $other
descriptors_copy:
	.word	descriptors - table - 1
	.long	table
trampoline_end:

	.balign	8, 0
	.include "segments.S"
gates:	.word	256 * 8 - 1
	.long	interrupts
	.balign	4, 0
reporting:
	.long	0
	# Behind the image, where no firmware has written anything.
	.set	interrupts, 0x180000
