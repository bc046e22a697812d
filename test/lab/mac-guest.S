# A guest that says the MAC address of the NIC it was given, as the card itself has it.
#
# It finds every 82574L (8086:10d3, QEMU's e1000e) on bus 0, gives its first BAR an address, reads the receive address
# registers (Intel 82574 datasheet, "Receive Address Low" and "High") and says them, a line each. Nothing of it is told what
# it should find.
#
# As a BIOS image it says them on the debug console (port 0xe9), and ends QEMU by isa-debug-exit at port 0xf4. With DISK
# defined it is a disk that a BIOS boots, as a cloud has it: it says them on the first serial port, then a line "end", and
# sleeps.

	.code16
	.globl	_start

	.set	DEBUG_CONSOLE, 0xe9
	.set	SERIAL, 0x3f8
	# Line status register: the transmitter takes another character.
	.set	EMPTY, 0x20
	.set	EXIT, 0xf4
	.set	CONFIG_ADDRESS, 0xcf8
	.set	CONFIG_DATA, 0xcfc
	.set	NIC, 0x10d38086
	.set	BAR, 0xe0000000
	.set	RECEIVE_ADDRESS, BAR + 0x5400

	.macro	say
	.ifdef	DISK
	call	send
	.else
	outb	%al, $DEBUG_CONSOLE
	.endif
	.endm

_start:
	cli
	xorw	%ax, %ax
	movw	%ax, %ss
	movw	$0x7000, %sp
	# The card's registers are beyond what real mode reaches, unless a segment's limit is from protected mode.
	lgdtl	%cs:descriptors
	movl	%cr0, %eax
	orb	$1, %al
	movl	%eax, %cr0
	movw	$8, %bx
	movw	%bx, %fs
	andb	$0xfe, %al
	movl	%eax, %cr0

	# Device numbers are bits 11 to 15 of a configuration address, from the last one down.
	movl	$0x80000000 + (31 << 11), %ebp
next:
	movl	%ebp, %eax
	call	read
	cmpl	$NIC, %eax
	jne	other
	leal	0x10(%ebp), %eax
	movl	$BAR, %ebx
	call	write
	leal	0x04(%ebp), %eax
	# Memory decoding and bus mastering.
	movl	$0x6, %ebx
	call	write
	movl	$RECEIVE_ADDRESS, %esi
	movl	%fs:(%esi), %ebx
	movb	$4, %cl
	call	print
	movl	%fs:4(%esi), %ebx
	movb	$2, %cl
	call	print
	movb	$'\n', %al
	say
	# Off again, so that the next one may have the address.
	leal	0x04(%ebp), %eax
	xorl	%ebx, %ebx
	call	write
other:
	subl	$1 << 11, %ebp
	cmpl	$0x80000000, %ebp
	jae	next
	.ifdef	DISK
	.irp	letter, 'e', 'n', 'd', '\n'
	movb	$\letter, %al
	say
	.endr
	sti
sleeping:
	hlt
	jmp	sleeping
	.endif
	xorb	%al, %al
	outb	%al, $EXIT
	# Without that device it goes on running, as a real-time guest does.
running:
	pause
	jmp	running

# eax: configuration address → eax: what is there
read:
	movw	$CONFIG_ADDRESS, %dx
	outl	%eax, %dx
	movw	$CONFIG_DATA, %dx
	inl	%dx, %eax
	ret

# eax: configuration address, ebx: what to write there
write:
	movw	$CONFIG_ADDRESS, %dx
	outl	%eax, %dx
	movw	$CONFIG_DATA, %dx
	movl	%ebx, %eax
	outl	%eax, %dx
	ret

# The lowest cl bytes of ebx, the lowest first, as hexadecimal digits.
print:
	movb	%bl, %al
	shrb	$4, %al
	call	digit
	movb	%bl, %al
	andb	$0xf, %al
	call	digit
	shrl	$8, %ebx
	decb	%cl
	jnz	print
	ret

digit:
	addb	$'0', %al
	cmpb	$'9', %al
	jbe	1f
	addb	$'a' - '0' - 10, %al
1:	say
	ret

	.ifdef	DISK
# al: the character
send:
	movb	%al, %ah
	movw	$SERIAL + 5, %dx
1:	inb	%dx, %al
	testb	$EMPTY, %al
	jz	1b
	movb	%ah, %al
	movw	$SERIAL, %dx
	outb	%al, %dx
	ret
	.endif

	.balign	8
table:
	.quad	0
	# Data, from 0, of 4 GiB.
	.quad	0x00cf92000000ffff
descriptors:
	.word	15
	.ifdef	DISK
	.long	table
	# What a BIOS knows a disk by that it can boot; the rest is a disk of 1 MiB.
	.org	510
	.word	0xaa55
	.org	0x100000
	.else
	.long	0xf0000 + table

	# A CPU starts here, with its code segment at the top of the address space.
	.org	0xfff0
	ljmp	$0xf000, $_start
	.org	0x10000
	.endif
