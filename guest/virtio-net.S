# Drives one modern virtio network device by polling: no interrupts, no negotiated extras. The firmware has given the
# device its addresses. Sources: "Virtual I/O Device (VIRTIO) Version 1.1", 2.6 (split virtqueues), 4.1 (PCI), 5.1
# (network device); PCI Local Bus Specification 3.0, 3.2.2.3.2 (configuration mechanism 1) and 6.7 (capabilities).
#
# Each buffer has one descriptor of its own, with the same number, for ever: BUFFER_BYTES at RX_BUFFERS or TX_BUFFERS, of
# which the first HEADER_BYTES are virtio's header and the frame follows. What is at these addresses must be zero.

	.set	QUEUE_BITS, 8
	.set	QUEUE, 1 << QUEUE_BITS
	.set	BUFFER_SHIFT, 11
	.set	BUFFER_BYTES, 1 << BUFFER_SHIFT
	.set	HEADER_BYTES, 12

	# Each queue: its descriptors, what the driver has made available, what the device has used.
	.set	RX_RING, 0x200000
	.set	TX_RING, RX_RING + 0x4000
	.set	AVAILABLE, 0x1000
	.set	USED, 0x2000
	.set	RX_BUFFERS, 0x210000
	.set	TX_BUFFERS, RX_BUFFERS + QUEUE * BUFFER_BYTES
	.set	BUFFERS_END, TX_BUFFERS + QUEUE * BUFFER_BYTES

	# Virtio's vendor with the device of a network card; ports of the configuration mechanism.
	.set	VIRTIO_NET, 0x10411af4
	.set	CONFIG_ADDRESS, 0xcf8
	.set	CONFIG_DATA, 0xcfc
	.set	FUNCTIONS, 0x80000000
	.set	FUNCTIONS_END, 0x80010000
	.set	NEXT_DEVICE, 0x800
	.set	COMMAND_REGISTER, 4
	.set	MEMORY_AND_MASTER, 6
	.set	BARS, 0x10
	.set	CAPABILITIES, 0x34
	.set	VENDOR_CAPABILITY, 9
	.set	COMMON_CAPABILITY, 1
	.set	NOTIFY_CAPABILITY, 2

	# struct virtio_pci_common_cfg
	.set	FEATURE_SELECT, 0
	.set	FEATURES, 4
	.set	GUEST_FEATURE_SELECT, 8
	.set	GUEST_FEATURES, 12
	.set	STATUS, 20
	.set	QUEUE_SELECT, 22
	.set	QUEUE_SIZE, 24
	.set	QUEUE_ENABLE, 28
	.set	QUEUE_NOTIFY, 30
	.set	QUEUE_DESCRIPTORS, 32
	.set	QUEUE_AVAILABLE, 40
	.set	QUEUE_USED, 48
	# VIRTIO_F_VERSION_1, of the second 32 features.
	.set	VERSION_1, 1
	.set	ACKNOWLEDGE_AND_DRIVER, 3
	.set	FEATURES_OK, 8
	.set	DRIVER_OK, 4

	# What a device or driver that polls says in the flags of its ring.
	.set	DO_NOT_NOTIFY, 1
	.set	FOR_DEVICE_TO_WRITE, 2

# Finds the device and starts it.
# Out: %eax 0, or what is wrong: NO_DEVICE, NO_ADDRESS, NOT_MODERN.
	.set	NO_DEVICE, 1
	.set	NO_ADDRESS, 2
	.set	NOT_MODERN, 3
start_device:
	movl	$FUNCTIONS, %ebx
1:	xorl	%ecx, %ecx
	call	read_config
	cmpl	$VIRTIO_NET, %eax
	je	2f
	addl	$NEXT_DEVICE, %ebx
	cmpl	$FUNCTIONS_END, %ebx
	jb	1b
	movl	$NO_DEVICE, %eax
	ret

	# Reads and writes of its memory, and its own of the guest's.
2:	movl	$COMMAND_REGISTER, %ecx
	call	read_config
	orl	$MEMORY_AND_MASTER, %eax
	# The address is still that of the register, whose upper half is better left alone.
	movw	$CONFIG_DATA, %dx
	outw	%ax, %dx

	movl	$CAPABILITIES, %ecx
	call	read_config
capability:
	movzbl	%al, %ecx
	andl	$0xfc, %ecx
	jz	3f
	call	read_config
	pushl	%eax
	pushl	%ecx
	cmpb	$VENDOR_CAPABILITY, %al
	jne	5f
	shrl	$24, %eax
	movl	$COMMON, %edi
	cmpb	$COMMON_CAPABILITY, %al
	je	4f
	movl	$NOTIFY, %edi
	cmpb	$NOTIFY_CAPABILITY, %al
	jne	5f
4:	call	capability_address
	movl	%eax, (%edi)
	cmpl	$NOTIFY, %edi
	jne	5f
	# What a queue's number is multiplied by comes after what all such capabilities have.
	movl	(%esp), %ecx
	addl	$16, %ecx
	call	read_config
	movl	%eax, NOTIFY_MULTIPLIER
5:	popl	%ecx
	popl	%eax
	# Of the next one.
	movb	%ah, %al
	jmp	capability
3:	cmpl	$0, COMMON
	je	6f
	cmpl	$0, NOTIFY
	jne	7f
6:	movl	$NO_ADDRESS, %eax
	ret

7:	movl	COMMON, %esi
	movb	$0, STATUS(%esi)
8:	cmpb	$0, STATUS(%esi)
	jne	8b
	movb	$ACKNOWLEDGE_AND_DRIVER, STATUS(%esi)
	movl	$1, FEATURE_SELECT(%esi)
	testl	$VERSION_1, FEATURES(%esi)
	jz	9f
	movl	$1, GUEST_FEATURE_SELECT(%esi)
	movl	$VERSION_1, GUEST_FEATURES(%esi)
	movl	$0, GUEST_FEATURE_SELECT(%esi)
	movl	$0, GUEST_FEATURES(%esi)
	orb	$FEATURES_OK, STATUS(%esi)
	testb	$FEATURES_OK, STATUS(%esi)
	jnz	10f
9:	movl	$NOT_MODERN, %eax
	ret

10:	xorl	%ebx, %ebx
	movl	$RX_RING, %edi
	movl	$RX_BUFFERS, %edx
	movw	$FOR_DEVICE_TO_WRITE, %bp
	call	set_queue_up
	movl	%eax, RX_NOTIFY
	incl	%ebx
	movl	$TX_RING, %edi
	movl	$TX_BUFFERS, %edx
	movw	$0, %bp
	call	set_queue_up
	movl	%eax, TX_NOTIFY

	# All receive buffers are the device's, all others are free.
	xorl	%eax, %eax
11:	movw	%ax, RX_RING + AVAILABLE + 4(, %eax, 2)
	movb	%al, TX_FREE(%eax)
	incl	%eax
	cmpl	$QUEUE, %eax
	jb	11b
	movw	%ax, RX_RING + AVAILABLE + 2
	movl	%eax, TX_FREE_COUNT
	orb	$DRIVER_OK, STATUS(%esi)
	movl	RX_NOTIFY, %edi
	movw	$0, (%edi)
	xorl	%eax, %eax
	ret

# In: %ebx the function, %ecx the register. Out: %eax. Changes %edx.
read_config:
	movl	%ebx, %eax
	orl	%ecx, %eax
	movw	$CONFIG_ADDRESS, %dx
	outl	%eax, %dx
	movw	$CONFIG_DATA, %dx
	inl	%dx, %eax
	ret

# In: %ebx the function, %ecx the capability. Out: %eax the address that it stands for, 0 when it cannot be reached.
# Changes %ecx, %edx, %ebp.
capability_address:
	addl	$4, %ecx
	call	read_config
	pushl	%eax
	addl	$4, %ecx
	call	read_config
	movl	%eax, %ebp
	popl	%ecx
	andl	$7, %ecx
	leal	BARS(, %ecx, 4), %ecx
	call	read_config
	# Of ports.
	testb	$1, %al
	jnz	2f
	# Of 64 bits, the upper half of which must be 0.
	testb	$4, %al
	jz	1f
	pushl	%eax
	addl	$4, %ecx
	call	read_config
	testl	%eax, %eax
	popl	%eax
	jnz	2f
1:	andl	$~0xf, %eax
	jz	2f
	addl	%ebp, %eax
	ret
2:	xorl	%eax, %eax
	ret

# In: %ebx its number, %edi its ring, %edx its buffers, %bp flags of each descriptor, %esi the common configuration.
# Out: %eax where to write to notify the device. Changes %ecx, %edx.
set_queue_up:
	movw	%bx, QUEUE_SELECT(%esi)
	movw	$QUEUE, QUEUE_SIZE(%esi)
	movl	%edi, QUEUE_DESCRIPTORS(%esi)
	movl	$0, QUEUE_DESCRIPTORS + 4(%esi)
	leal	AVAILABLE(%edi), %eax
	movl	%eax, QUEUE_AVAILABLE(%esi)
	movl	$0, QUEUE_AVAILABLE + 4(%esi)
	# The guest polls.
	movw	$DO_NOT_NOTIFY, (%eax)
	leal	USED(%edi), %eax
	movl	%eax, QUEUE_USED(%esi)
	movl	$0, QUEUE_USED + 4(%esi)
	xorl	%ecx, %ecx
1:	movl	%ecx, %eax
	shll	$4, %eax
	movl	%edx, (%edi, %eax)
	movl	$BUFFER_BYTES, 8(%edi, %eax)
	movw	%bp, 12(%edi, %eax)
	addl	$BUFFER_BYTES, %edx
	incl	%ecx
	cmpl	$QUEUE, %ecx
	jb	1b
	movzwl	QUEUE_NOTIFY(%esi), %eax
	mull	NOTIFY_MULTIPLIER
	addl	NOTIFY, %eax
	movw	$1, QUEUE_ENABLE(%esi)
	ret

# Looks for a frame. Out: %eax its buffer, 0 for none; %ecx length with virtio's header; %ebx number of the buffer, which
# give_back takes.
receive:
	xorl	%eax, %eax
	movzwl	RX_SEEN, %ecx
	cmpw	RX_RING + USED + 2, %cx
	je	1f
	incw	RX_SEEN
	movzbl	%cl, %ecx
	movzbl	RX_RING + USED + 4(, %ecx, 8), %ebx
	movl	RX_RING + USED + 8(, %ecx, 8), %ecx
	movl	%ebx, %eax
	shll	$BUFFER_SHIFT, %eax
	addl	$RX_BUFFERS, %eax
1:	ret

# Gives buffer %ebx of a queue to the device, and tells it unless it looks by itself. Changes %eax.
	.macro	give queue, number
	movzwl	\queue\()_RING + AVAILABLE + 2, %eax
	movzbl	%al, %eax
	movw	%bx, \queue\()_RING + AVAILABLE + 4(, %eax, 2)
	incw	\queue\()_RING + AVAILABLE + 2
	# Written before the flags are read.
	lock addl $0, (%esp)
	testb	$DO_NOT_NOTIFY, \queue\()_RING + USED
	jnz	1f
	movl	\queue\()_NOTIFY, %eax
	movw	$\number, (%eax)
1:
	.endm

# Gives a received buffer to the device again. In: %ebx its number. Changes %eax.
give_back:
	give	RX, 0
	ret

# Takes a buffer to send. Out: %eax its address, 0 when the device has all; %ebx its number. Changes %ecx.
take_buffer:
1:	movzwl	TX_SEEN, %ecx
	cmpw	TX_RING + USED + 2, %cx
	je	2f
	incw	TX_SEEN
	movzbl	%cl, %ecx
	movb	TX_RING + USED + 4(, %ecx, 8), %al
	movl	TX_FREE_COUNT, %ecx
	movb	%al, TX_FREE(%ecx)
	incl	TX_FREE_COUNT
	jmp	1b
2:	xorl	%eax, %eax
	movl	TX_FREE_COUNT, %ecx
	testl	%ecx, %ecx
	jz	3f
	decl	%ecx
	movl	%ecx, TX_FREE_COUNT
	movzbl	TX_FREE(%ecx), %ebx
	movl	%ebx, %eax
	shll	$BUFFER_SHIFT, %eax
	addl	$TX_BUFFERS, %eax
3:	ret

# Sends a buffer. In: %ebx its number, %ecx length with virtio's header. Changes %eax.
send:
	movl	%ebx, %eax
	shll	$4, %eax
	movl	%ecx, TX_RING + 8(%eax)
	give	TX, 1
	ret

	.balign	4, 0
COMMON:	.long	0
NOTIFY:	.long	0
NOTIFY_MULTIPLIER:
	.long	0
RX_NOTIFY:
	.long	0
TX_NOTIFY:
	.long	0
	# Entries of the used rings that were looked at.
RX_SEEN:
	.word	0
TX_SEEN:
	.word	0
TX_FREE_COUNT:
	.long	0
TX_FREE:
	.fill	QUEUE + 1
