# A guest of one sector that measures how long it does not run.
#
# It reads the time-stamp counter again and again. Two readings are a few dozen ticks apart as long as the guest runs
# undisturbed; a larger gap is time in which its CPU did something else. Gaps are counted by powers of two. Every 2^31
# ticks, which is about a second, it reports through the debug console (port 0xe9) and begins anew; what reporting takes
# is not counted.
#
# The vCPU that measures is the one whose APIC ID is in the byte MEASURER, which whoever starts the guest may change: a
# profile may leave vCPU 0 to the guest's own housekeeping, and then another is the one to look at. vCPU 0 starts it and
# halts.
#
# A record, little endian: "QRTJ", number of the record, ticks that it covers, largest gap in it, 32 counts: the n-th is
# of gaps of 2^n ticks up to 2^(n+1) - 1. Assembled by guest/assemble.mjs into src/jitter/guest-image.ts.

	.code16
	.globl	_start

	.set	DEBUG_CONSOLE, 0xe9
	.set	RECORD, 0x8000
	.set	NUMBER, RECORD + 4
	.set	TICKS, RECORD + 8
	.set	LARGEST, RECORD + 12
	.set	COUNTS, RECORD + 16
	.set	BUCKETS, 32
	.set	RECORD_BYTES, 16 + BUCKETS * 4
	.set	LAST_LOW, RECORD + RECORD_BYTES
	.set	LAST_HIGH, LAST_LOW + 4
	.set	START_LOW, LAST_LOW + 8
	# The local APIC (Intel SDM, volume 3, "Advanced Programmable Interrupt Controller"): the interrupt command register.
	.set	COMMAND, 0xfee00300
	.set	DESTINATION, 0xfee00310
	.set	INIT, 0x4500
	.set	STARTUP, 0x4600
	# A CPU that is started begins at the page that the startup message names.
	.set	STARTUP_PAGE, 0x9
	.set	JUMP, 0xea

_start:
	# No interrupt is of any use here, and each would be a gap of the guest's own making.
	cli
	cld
	xorw	%ax, %ax
	movw	%ax, %ds
	movw	%ax, %es
	ljmp	$0, $begin

begin:
	cmpb	$0, MEASURER
	je	first

	# Not this one. What the other begins with: a jump to here.
	movb	$JUMP, STARTUP_PAGE << 12
	movl	$other, (STARTUP_PAGE << 12) + 1

	# The APIC is beyond what real mode reaches, unless a segment's limit is from protected mode.
	lgdtl	descriptors
	movl	%cr0, %eax
	incw	%ax
	movl	%eax, %cr0
	movw	$8, %bx
	movw	%bx, %fs
	decw	%ax
	movl	%eax, %cr0

	movl	$DESTINATION, %edi
	movl	$COMMAND, %esi
	movb	MEASURER, %al
	shll	$24, %eax
	movl	%eax, %fs:(%edi)
	movl	$INIT, %fs:(%esi)
	# It takes a moment: the manual has 10 ms; a write to this port takes about a microsecond.
	movw	$10000, %cx
4:	outb	%al, $0x80
	loop	4b
	movl	%eax, %fs:(%edi)
	movl	$STARTUP | STARTUP_PAGE, %fs:(%esi)
5:	hlt
	jmp	5b

other:
	cli
	cld
	xorw	%ax, %ax
	movw	%ax, %ds
	movw	%ax, %es

first:
	movl	$0x4a545251, RECORD
	movl	$0, NUMBER

period:
	movw	$LARGEST, %di
	movw	$(1 + BUCKETS) * 2, %cx
	xorw	%ax, %ax
	rep stosw
	rdtsc
	movl	%eax, LAST_LOW
	movl	%edx, LAST_HIGH
	movl	%eax, START_LOW

measure:
	rdtsc
	movl	%eax, %ecx
	movl	%edx, %esi
	subl	LAST_LOW, %eax
	sbbl	LAST_HIGH, %edx
	movl	%ecx, LAST_LOW
	movl	%esi, LAST_HIGH
	# A gap of 2^32 ticks and more is counted as the largest that there is.
	testl	%edx, %edx
	jz	1f
	movl	$0xffffffff, %eax
1:	cmpl	LARGEST, %eax
	jbe	2f
	movl	%eax, LARGEST
2:	bsrl	%eax, %ebx
	# No tick between two readings: no bit is set.
	jz	3f
	incl	COUNTS(, %ebx, 4)
3:	subl	START_LOW, %ecx
	jns	measure

	movl	%ecx, TICKS
	incl	NUMBER
	movw	$RECORD, %si
	movw	$RECORD_BYTES, %cx
	movw	$DEBUG_CONSOLE, %dx
	rep outsb
	jmp	period

	# None, and all memory for data.
	.balign	8, 0
table:	.quad	0
	.quad	0x00cf92000000ffff
descriptors:
	.word	descriptors - table - 1
	.long	table

	.org	509
MEASURER:
	.byte	0
	# What makes a sector one that can be booted.
	.word	0xaa55
