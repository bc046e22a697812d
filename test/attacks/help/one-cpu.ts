/** A configuration with one CPU for all: who has it keeps every other from starting. */
export const ONE_CPU = `
[host]
housekeeping = "0"
realtime = "1"
[profile.rt]
vcpus = { cpus = "auto", policy = "fifo", priority = 3 }
emulator = { cpus = "housekeeping" }
`
