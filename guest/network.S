# The two guests of `qemu-rt jitter --mode network`: one sends frames and measures how long each takes to come back, the
# other sends each frame back that it gets. QEMU starts it as a multiboot kernel (Multiboot Specification 0.6.96), in
# protected mode without paging. Assembled by guest/assemble.mjs into src/jitter/network/guest-image.ts.
#
# A frame: addresses of an experiment of this guest's own, EtherType 0x88b5 (IEEE 802: for local experiments), "QRTF",
# number of the frame (32 bits), the sender's time-stamp counter when it was sent (64 bits), zeros.
#
# The sender sends a frame each INTERVAL, whether or not those before have come back. In a period of 2^31 ticks, which is
# about a second, it sends; then it waits until each frame is back or lost, reports through the debug console (port 0xe9)
# and begins anew. So the counts of a record agree, and what reporting takes is not counted. A frame is lost when it is
# not back within about a second.
#
# A record, little endian: "QRTN", number of the record, the time-stamp counter (64 bits), longest round trip in ticks, 32
# counts (the n-th is of round trips of 2^n ticks up to 2^(n+1) - 1), then 9 counts, see SENT. The echo reports once, when
# it is ready. A guest that cannot drive its device reports "QRTE" and one byte, see start_device.

	.code32
	.globl	_start

	.set	IMAGE, 0x100000
	.set	STACK, 0x1ff000
	.set	DEBUG_CONSOLE, 0xe9
	# A CPU that is started begins at the page that the startup message names.
	.set	STARTUP_PAGE, 0x9
	.set	CODE, 8
	.set	DATA, 16

	# The local APIC (Intel SDM, volume 3, "Advanced Programmable Interrupt Controller"): the interrupt command register.
	.set	APIC_COMMAND, 0xfee00300
	.set	APIC_DESTINATION, 0xfee00310
	.set	INIT, 0x4500
	.set	STARTUP, 0x4600

	# The interval timer's third counter (Intel 8254), which counts down while bit 0 of port 0x61 is set, and sets bit 5
	# of it at zero.
	.set	TIMER_COMMAND, 0x43
	.set	TIMER_COUNTER, 0x42
	.set	TIMER_GATE, 0x61
	.set	ONCE, 0xb0
	.set	TIMER_COUNTS, 59659
	.set	TIMER_MICROSECONDS, 50000
	# A frame is lost after ten times as many microseconds: what fits into 32 bits of ticks, often enough.
	.set	TENTH_OF_PATIENCE, 100000
	.set	PERIOD, 1 << 31

	.set	FRAME_MAGIC, 0x46545251
	.set	ETHER_TYPE, 0xb588
	# Where things are in a buffer.
	.set	DESTINATION, HEADER_BYTES
	.set	SOURCE, DESTINATION + 6
	.set	TYPE, SOURCE + 6
	.set	MAGIC, TYPE + 2
	.set	FRAME_NUMBER, MAGIC + 4
	.set	STAMP, FRAME_NUMBER + 4
	.set	STAMP_END, STAMP + 8

	# What is known of the latest frames, by the low bits of their numbers: when each was sent, and what became of it.
	.set	REMEMBERED, 1 << 16
	.set	STAMPS, BUFFERS_END
	.set	STATES, STAMPS + REMEMBERED * 8
	.set	STATES_END, STATES + REMEMBERED
	.set	AWAY, 1
	.set	BACK, 2
	.set	LOST_STATE, 3

_start:
	# What the host writes before it starts the guest: whether it is the echo, APIC ID of the vCPU that works, bytes of
	# a frame with the Ethernet header, microseconds from one frame to the next.
IS_ECHO:
	.byte	0
WORKER:	.byte	0
FRAME:	.word	64
INTERVAL:
	.long	1000

multiboot:
	.long	0x1badb002, 0x10000, -(0x1badb002 + 0x10000)
	.long	multiboot, IMAGE, 0, 0, begin

begin:
	# No interrupt is of any use here, and each would delay a frame.
	cli
	cld
	lgdt	descriptors
	ljmp	$CODE, $protected
protected:
	movw	$DATA, %ax
	movw	%ax, %ds
	movw	%ax, %es
	movw	%ax, %ss
	movl	$STACK, %esp
	cmpb	$0, WORKER
	je	work

	# Not this vCPU: it starts the one that works, and halts.
	movl	$other, %esi
	movl	$STARTUP_PAGE << 12, %edi
	movl	$other_end - other, %ecx
	rep movsb
	movb	WORKER, %al
	movb	$0, WORKER
	shll	$24, %eax
	movl	%eax, APIC_DESTINATION
	movl	$INIT, APIC_COMMAND
	# It takes a moment: the manual has 10 ms; a write to this port takes about a microsecond.
	movl	$10000, %ecx
2:	outb	%al, $0x80
	loop	2b
	movl	%eax, APIC_DESTINATION
	movl	$STARTUP | STARTUP_PAGE, APIC_COMMAND
3:	hlt
	jmp	3b

	# How the other begins, in real mode.
	.code16
other:
	cli
	movw	%cs, %ax
	movw	%ax, %ds
	lgdtl	descriptors_of_other - other
	movl	%cr0, %eax
	orb	$1, %al
	movl	%eax, %cr0
	ljmpl	$CODE, $protected
descriptors_of_other:
	.word	descriptors - table - 1
	.long	table
other_end:
	.code32

work:
	# All memory that will be used, so that none is missing later.
	movl	$RX_RING, %edi
	movl	$(STATES_END - RX_RING) / 4, %ecx
	xorl	%eax, %eax
	rep stosl
	call	start_device
	testl	%eax, %eax
	jz	1f
	movb	%al, FAILURE_REASON
	movl	$FAILURE, %esi
	movl	$FAILURE_END - FAILURE, %ecx
	call	print
	jmp	3b
1:	cmpb	$0, IS_ECHO
	je	sender

	call	report
echo:
	call	receive
	testl	%eax, %eax
	jz	echo
	call	is_ours
	jne	2f
	movl	%eax, %esi
	movl	%ecx, %edx
	pushl	%ebx
	call	take_buffer
	testl	%eax, %eax
	jz	1f
	leal	TYPE(%eax), %edi
	leal	-TYPE(%edx), %ecx
	pushl	%esi
	addl	$TYPE, %esi
	rep movsb
	popl	%esi
	# The answer goes to where the frame came from.
	movl	SOURCE(%esi), %ecx
	movl	%ecx, DESTINATION(%eax)
	movw	SOURCE + 4(%esi), %cx
	movw	%cx, DESTINATION + 4(%eax)
	movl	DESTINATION(%esi), %ecx
	movl	%ecx, SOURCE(%eax)
	movw	DESTINATION + 4(%esi), %cx
	movw	%cx, SOURCE + 4(%eax)
	movl	%edx, %ecx
	call	send
1:	popl	%ebx
2:	call	give_back
	jmp	echo

sender:
	call	measure_ticks
	movl	INTERVAL, %ecx
	call	ticks_of
	movl	%eax, INTERVAL_TICKS
	movl	$TENTH_OF_PATIENCE, %ecx
	call	ticks_of
	movl	$10, %edx
	mull	%edx
	movl	%eax, PATIENCE
	movl	%edx, PATIENCE + 4

	# What all frames have.
	movl	$TX_BUFFERS, %edi
	movl	$QUEUE, %ecx
1:	movl	$0x54525102, DESTINATION(%edi)
	movw	$0x0200, DESTINATION + 4(%edi)
	movl	$0x54525102, SOURCE(%edi)
	movw	$0x0100, SOURCE + 4(%edi)
	movw	$ETHER_TYPE, TYPE(%edi)
	movl	$FRAME_MAGIC, MAGIC(%edi)
	addl	$BUFFER_BYTES, %edi
	loop	1b

period:
	movl	$LONGEST, %edi
	movl	$(RECORD_END - LONGEST) / 4, %ecx
	xorl	%eax, %eax
	rep stosl
	rdtsc
	movl	%eax, PERIOD_END
	movl	%edx, PERIOD_END + 4
	addl	$PERIOD, PERIOD_END
	adcl	$0, PERIOD_END + 4
	addl	INTERVAL_TICKS, %eax
	adcl	$0, %edx
	movl	%eax, DUE
	movl	%edx, DUE + 4

turn:
	call	receive
	testl	%eax, %eax
	jz	1f
	call	count_frame
	call	give_back
	jmp	turn
1:	call	count_lost
	rdtsc
	subl	PERIOD_END, %eax
	sbbl	PERIOD_END + 4, %edx
	js	2f
	# No frame more; those that are away are waited for.
	movl	NEXT, %eax
	cmpl	OLDEST, %eax
	jne	turn
	incl	RECORD_NUMBER
	rdtsc
	movl	%eax, NOW
	movl	%edx, NOW + 4
	call	report
	jmp	period

2:	rdtsc
	subl	DUE, %eax
	sbbl	DUE + 4, %edx
	js	turn
	call	send_frame
	# A turn that was too long for a frame has left it out.
	call	next_due
3:	rdtsc
	subl	DUE, %eax
	sbbl	DUE + 4, %edx
	js	turn
	incl	SKIPPED
	call	next_due
	jmp	3b

next_due:
	movl	INTERVAL_TICKS, %eax
	addl	%eax, DUE
	adcl	$0, DUE + 4
	ret

send_frame:
	call	take_buffer
	testl	%eax, %eax
	jnz	1f
	incl	UNSENT
	ret
1:	movl	NEXT, %esi
	movl	%eax, %edi
	movl	%esi, FRAME_NUMBER(%edi)
	incl	NEXT
	incl	SENT
	andl	$REMEMBERED - 1, %esi
	movb	$AWAY, STATES(%esi)
	rdtsc
	movl	%eax, STAMP(%edi)
	movl	%edx, STAMP + 4(%edi)
	movl	%eax, STAMPS(, %esi, 8)
	movl	%edx, STAMPS + 4(, %esi, 8)
	movzwl	FRAME, %ecx
	addl	$HEADER_BYTES, %ecx
	jmp	send

# In: %eax a received buffer, %ecx its length. Out: whether it is equal, as for je. Changes nothing.
is_ours:
	cmpw	$ETHER_TYPE, TYPE(%eax)
	jne	1f
	cmpl	$FRAME_MAGIC, MAGIC(%eax)
	jne	1f
	cmpl	$STAMP_END, %ecx
	jb	1f
	cmpl	$BUFFER_BYTES, %ecx
	ja	1f
	cmpl	%eax, %eax
1:	ret

# Counts a frame that has come. In: %eax its buffer, %ecx its length. Keeps %ebx.
count_frame:
	movl	%eax, %edi
	rdtsc
	pushl	%edx
	pushl	%eax
	movl	%edi, %eax
	call	is_ours
	jne	foreign
	movl	FRAME_NUMBER(%edi), %esi
	movl	%esi, %ebp
	andl	$REMEMBERED - 1, %esi
	# What says another time than it was sent at is of another run, or forged.
	movl	STAMP(%edi), %eax
	cmpl	STAMPS(, %esi, 8), %eax
	jne	foreign
	movl	STAMP + 4(%edi), %edx
	cmpl	STAMPS + 4(, %esi, 8), %edx
	jne	foreign
	movb	STATES(%esi), %cl
	movb	$BACK, STATES(%esi)
	cmpb	$AWAY, %cl
	je	1f
	cmpb	$LOST_STATE, %cl
	je	late
	incl	DUPLICATES
	jmp	counted
late:	incl	LATE
	jmp	counted
foreign:
	incl	FOREIGN
counted:
	addl	$8, %esp
	ret

1:	incl	RECEIVED
	# Reordered is what comes after one that was sent later (RFC 4737, 3.3).
	movl	%ebp, %ecx
	subl	EXPECTED, %ecx
	js	2f
	leal	1(%ebp), %ecx
	movl	%ecx, EXPECTED
	jmp	3f
2:	incl	REORDERED
3:	popl	%eax
	popl	%edx
	subl	STAMP(%edi), %eax
	sbbl	STAMP + 4(%edi), %edx
	# 2^32 ticks and more are counted as the most that there is.
	testl	%edx, %edx
	jz	4f
	movl	$0xffffffff, %eax
4:	cmpl	LONGEST, %eax
	jbe	5f
	movl	%eax, LONGEST
5:	bsrl	%eax, %ecx
	jz	6f
	incl	COUNTS(, %ecx, 4)
6:	ret

# Passes over what is no longer away, from the oldest frame on, and counts what has been away for too long.
count_lost:
	movl	OLDEST, %esi
	movl	%esi, %edi
	cmpl	NEXT, %esi
	je	3f
	andl	$REMEMBERED - 1, %esi
	cmpb	$AWAY, STATES(%esi)
	jne	2f
	# Without room for one more it is given up, too.
	movl	NEXT, %eax
	subl	%edi, %eax
	cmpl	$REMEMBERED - 1, %eax
	jae	1f
	rdtsc
	subl	STAMPS(, %esi, 8), %eax
	sbbl	STAMPS + 4(, %esi, 8), %edx
	subl	PATIENCE, %eax
	sbbl	PATIENCE + 4, %edx
	js	3f
1:	movb	$LOST_STATE, STATES(%esi)
	incl	LOST
2:	incl	OLDEST
	jmp	count_lost
3:	ret

# Sees how many ticks the timer takes.
measure_ticks:
	inb	$TIMER_GATE, %al
	# Not to be heard.
	andb	$0xfc, %al
	outb	%al, $TIMER_GATE
	movb	$ONCE, %al
	outb	%al, $TIMER_COMMAND
	movb	$TIMER_COUNTS & 0xff, %al
	outb	%al, $TIMER_COUNTER
	movb	$TIMER_COUNTS >> 8, %al
	outb	%al, $TIMER_COUNTER
	inb	$TIMER_GATE, %al
	orb	$1, %al
	outb	%al, $TIMER_GATE
	rdtsc
	movl	%eax, %ecx
1:	inb	$TIMER_GATE, %al
	testb	$0x20, %al
	jz	1b
	rdtsc
	subl	%ecx, %eax
	movl	%eax, TIMER_TICKS
	ret

# In: %ecx microseconds, up to TENTH_OF_PATIENCE. Out: %eax ticks. Changes %ecx, %edx.
ticks_of:
	movl	TIMER_TICKS, %eax
	mull	%ecx
	movl	$TIMER_MICROSECONDS, %ecx
	divl	%ecx
	ret

report:
	movl	$RECORD, %esi
	movl	$RECORD_END - RECORD, %ecx
# In: %esi what, %ecx bytes of it. Changes %edx.
print:
	movw	$DEBUG_CONSOLE, %dx
	rep outsb
	ret

	.include "virtio-net.S"

	.balign	8, 0
	.include "segments.S"

	.balign	8, 0
	# Since when the next frame is to be sent.
DUE:	.quad	0
	# After how many ticks a frame is lost.
PATIENCE:
	.quad	0
	# When no frame more is sent, but those that are away are waited for.
PERIOD_END:
	.quad	0
INTERVAL_TICKS:
	.long	0
TIMER_TICKS:
	.long	0
	# Number of the next frame, of the oldest that may be away, and of the least that would not be reordered.
NEXT:	.long	0
OLDEST:	.long	0
EXPECTED:
	.long	0

FAILURE:
	.ascii	"QRTE"
FAILURE_REASON:
	.byte	0
FAILURE_END:

	.balign	4, 0
RECORD:	.ascii	"QRTN"
RECORD_NUMBER:
	.long	0
NOW:	.quad	0
LONGEST:
	.long	0
COUNTS:	.fill	32, 4
	# Frames that were sent, came back, and did not within PATIENCE; of those, that came later. Frames that came twice,
	# after one sent later, and that are not the sender's. Frames that were due while the device had no room for one, and
	# while the vCPU did something else.
SENT:	.long	0
RECEIVED:
	.long	0
LOST:	.long	0
LATE:	.long	0
DUPLICATES:
	.long	0
REORDERED:
	.long	0
FOREIGN:
	.long	0
UNSENT:	.long	0
SKIPPED:
	.long	0
RECORD_END:
