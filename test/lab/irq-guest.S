# A guest of one BIOS image whose NICs make interrupts, as a driver has them: by MSI-X, two vectors each.
#
# It finds every 82574L (8086:10d3, QEMU's e1000e) on bus 0, gives its registers and its MSI-X table addresses, enables
# MSI-X, and has the card raise a cause of each vector again and again (Intel 82574 datasheet, "Interrupt Cause Set",
# "Interrupt Vector Allocation"). A byte on the first serial port has it disable MSI-X and enable it again, as a driver
# that is loaded anew does. It takes none of the interrupts.

	.code16
	.globl	_start

	.set	CONFIG_ADDRESS, 0xcf8
	.set	CONFIG_DATA, 0xcfc
	.set	SERIAL, 0x3f8
	.set	NIC, 0x10d38086
	.set	BAR, 0xe0000000
	# Where the MSI-X table of a card is, behind its registers.
	.set	TABLE, 0x80000
	.set	MSIX, 0xa0
	.set	ENABLE, 0x80000000
	.set	ICR, 0xc0
	.set	ICS, 0xc8
	.set	IMS, 0xd0
	.set	IMC, 0xd8
	.set	IVAR, 0xe4
	# The first receive queue, and other causes.
	.set	CAUSES, 0x01100000
	# These are vectors 0 and 1.
	.set	VECTORS, 0x80090008
	.set	FOUND, 0x8000

_start:
	cli
	xorw	%ax, %ax
	movw	%ax, %ss
	movw	%ax, %ds
	movw	$0x7000, %sp
	# The cards' registers are beyond what real mode reaches, unless a segment's limit is from protected mode.
	lgdtl	%cs:descriptors
	movl	%cr0, %eax
	orb	$1, %al
	movl	%eax, %cr0
	movw	$8, %bx
	movw	%bx, %fs
	andb	$0xfe, %al
	movl	%eax, %cr0

	# edi: how many were found; their configuration addresses are at FOUND.
	xorl	%edi, %edi
	# Device numbers are bits 11 to 15 of a configuration address, from the last one down.
	movl	$0x80000000 + (31 << 11), %ebp
next:
	movl	%ebp, %eax
	call	read
	cmpl	$NIC, %eax
	jne	other
	movl	%ebp, FOUND(,%edi,4)
	call	base
	leal	0x10(%ebp), %eax
	movl	%esi, %ebx
	call	write
	leal	0x1c(%ebp), %eax
	leal	TABLE(%esi), %ebx
	call	write
	leal	0x04(%ebp), %eax
	# Memory decoding and bus mastering.
	movl	$0x6, %ebx
	call	write
	call	enable
	incl	%edi
other:
	subl	$1 << 11, %ebp
	cmpl	$0x80000000, %ebp
	jae	next
	movl	%edi, FOUND - 4

again:
	movl	FOUND - 4, %edi
raise:
	subl	$1, %edi
	js	raised
	call	base
	movl	$0xffffffff, %fs:ICR(%esi)
	movl	$CAUSES, %fs:ICS(%esi)
	jmp	raise
raised:
	call	wait
	movw	$SERIAL + 5, %dx
	inb	%dx, %al
	# Without a serial port all bits are set.
	cmpb	$0xff, %al
	je	again
	testb	$1, %al
	jz	again
	movw	$SERIAL, %dx
	inb	%dx, %al
	movl	FOUND - 4, %edi
anew:
	subl	$1, %edi
	js	again
	movl	FOUND(,%edi,4), %ebp
	call	base
	# As a driver does: without MSI-X a cause would be an interrupt of the line.
	movl	$0xffffffff, %fs:IMC(%esi)
	movl	$0xffffffff, %fs:ICR(%esi)
	leal	MSIX(%ebp), %eax
	call	read
	movl	%eax, %ebx
	andl	$~ENABLE, %ebx
	leal	MSIX(%ebp), %eax
	call	write
	call	wait
	call	enable
	jmp	anew

wait:
	movl	$100000, %ecx
1:	pause
	subl	$1, %ecx
	jnz	1b
	ret

# edi: number of a card → esi: where its registers are
base:
	movl	%edi, %esi
	shll	$20, %esi
	addl	$BAR, %esi
	ret

# ebp: configuration address of a card, esi: its registers
enable:
	movl	$VECTORS, %fs:IVAR(%esi)
	leal	TABLE(%esi), %ecx
	call	vector
	addl	$16, %ecx
	call	vector
	leal	MSIX(%ebp), %eax
	call	read
	movl	%eax, %ebx
	orl	$ENABLE, %ebx
	leal	MSIX(%ebp), %eax
	call	write
	movl	$CAUSES, %fs:IMS(%esi)
	ret

# ecx: an entry of an MSI-X table: a vector of the first CPU, which is not masked
vector:
	movl	$0xfee00000, %fs:(%ecx)
	movl	$0, %fs:4(%ecx)
	movl	$0x41, %fs:8(%ecx)
	movl	$0, %fs:12(%ecx)
	ret

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

	.balign	8
table:
	.quad	0
	# Data, from 0, of 4 GiB.
	.quad	0x00cf92000000ffff
descriptors:
	.word	15
	.long	0xf0000 + table

	# A CPU starts here, with its code segment at the top of the address space.
	.org	0xfff0
	ljmp	$0xf000, $_start
	.org	0x10000
