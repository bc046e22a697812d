# Flat 32-bit segments: none, all memory for code, all memory for data. For lgdt: descriptors.
table:	.quad	0
	.quad	0x00cf9a000000ffff
	.quad	0x00cf92000000ffff
descriptors:
	.word	descriptors - table - 1
	.long	table
