/*
 * What the programs write, by version of Debian's packages: 12, 13 and unstable. Made with them and shortened; what differs
 * between versions is as it was.
 */

interface Thread {
  readonly cpu: number
  readonly [key: string]: unknown
}

function file(program: string, version: string, thread: Thread): string {
  return JSON.stringify({
    file_version: 1,
    'cmdline:': program,
    'rt_test_version:': version,
    start_time: 'Sat, 28 Nov 2026 15:30:25 +0000',
    return_code: 0,
    sysinfo: { sysname: 'Linux', release: '6.12.0', machine: 'x86_64', realtime: 0 },
    num_threads: 1,
    thread: { '0': thread },
  })
}

const OSLAT = { cpu: 1, freq: 2597, avg: 1.000224, duration: 1.999 }

/** 1024 is for 1023 us and more. The minimum is rounded up in 2.4, down later; so is the maximum. */
export const OSLAT_FILES = {
  '2.40': file('oslat', '2.40', { ...OSLAT, min: 1, max: 354, histogram: { '1': 1000, '2': 3, '32': 7 } }),
  '2.60': file('oslat', '2.60', { ...OSLAT, min: 1, max: 353, histogram: { '2': 1000, '3': 3, '32': 7 } }),
  '2.10': file('oslat', '2.10', { ...OSLAT, min: 0, max: 50_352, histogram: { '1': 1000, '1024': 7 } }),
}

const CYCLICTEST = { cpu: 1, node: 0, min: 9, avg: 15.14 }

/** With a histogram of 10,000 us; what was later is in none of its keys. */
export const CYCLICTEST_FILES = {
  '2.40': file('cyclictest', '2.40', {
    histogram: { '9': 2, '12': 900, '277': 1 },
    ...{ ...CYCLICTEST, cycles: 903, max: 277 },
  }),
  '2.60': file('cyclictest', '2.60', {
    histogram: { '9': 2, '12': 900 },
    ...{ ...CYCLICTEST, cycles: 903, max: 50_000 },
  }),
  '2.40 without a histogram': file('cyclictest', '2.40', {
    histogram: {},
    ...{ ...CYCLICTEST, cycles: 1993, max: 7912 },
  }),
  '2.10 without a histogram': file('cyclictest', '2.10', { ...CYCLICTEST, cycles: 998, max: 1283 }),
}

/** Printed by Linux tools/tracing/rtla/src/osnoise_top.c, in 6.12 and 7.2 alike. */
export const HWNOISE_SUMMARY = `                                          Hardware-related Noise                                   
duration:   0 00:00:10 | time is in us
CPU Period       Runtime        Noise  % CPU Aval   Max Noise   Max Single          HW          NMI
  1 #10          7500000          138    99.99816           9            3           4           74 
 11 #10          7500000       140000    98.13333       70000        61000          12            0 
`

/** rtla osnoise has three more columns. */
export const OSNOISE_SUMMARY = `                                          Operating System Noise
duration:   0 00:01:00 | time is in us
CPU Period       Runtime        Noise  % CPU Aval   Max Noise   Max Single          HW          NMI          IRQ      Softirq       Thread
  1 #59         53100000       338339    99.36282        8092           24         399            0        53130         1448           31
`
