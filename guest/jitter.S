# A guest of one sector that measures how long it does not run.
#
# It reads the time-stamp counter again and again. Two readings are a few dozen ticks apart as long as the guest runs
# undisturbed; a larger gap is time in which its CPU did something else. Gaps are counted by powers of two. Every 2^31
# ticks, which is about a second, it reports through the debug console (port 0xe9) and begins anew; what reporting takes
# is not counted.
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

_start:
	# No interrupt is of any use here, and each would be a gap of the guest's own making.
	cli
	cld
	xorw	%ax, %ax
	movw	%ax, %ds
	movw	%ax, %es
	ljmp	$0, $begin

begin:
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

	# What makes a sector one that can be booted.
	.org	510
	.word	0xaa55
