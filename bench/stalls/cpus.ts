import { cpus } from 'node:os'
import { readCpus } from '../../src/host/cpus.js'
import { openSysroot } from '../../src/host/sysroot.js'

const ISOLATED_AT_BOOT = readCpus(openSysroot('/'), false)?.isolated ?? []

/** How many CPUs can be used. */
export const CPU_COUNT = cpus().length

/** The vCPU gets an isolated CPU where there is one, else the last; the rest of QEMU the first. */
export const REALTIME_CPU = ISOLATED_AT_BOOT.at(-1) ?? CPU_COUNT - 1
export const HOUSEKEEPING_CPU = 0

export const IS_ISOLATED_AT_BOOT = ISOLATED_AT_BOOT.length > 0
