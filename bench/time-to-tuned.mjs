// How long a vCPU thread waits for its CPU and its policy: from when it appears to when both are set, over 30 starts of
// a real QEMU through the launcher. Beside it, how long QEMU takes from the launch to that thread. As root, on a machine
// with two CPUs or more: node bench/time-to-tuned.mjs [STARTS]
import { spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'

const STARTS = Number(process.argv[2] ?? 30)
const LAUNCHER = fileURLToPath(new URL('../bin/qemu-rt', import.meta.url))
const CONFIG = `
[host]
housekeeping = "0"
realtime = "1"
[profile.rt]
vcpus = { cpus = "auto", policy = "fifo", priority = 1 }
`

/** The forms in which the tuner was built. */
const FORMS = {
  executable: {},
  node: { QEMU_RT_PLANNER_RUNTIME: 'node' },
}

const directory = mkdtempSync(join(tmpdir(), 'qemu-rt-bench-'))
try {
  const config = join(directory, 'qemu-rt.toml')
  writeFileSync(config, CONFIG)
  mkdirSync(join(directory, 'sys/devices/system/cpu'), { recursive: true })
  writeFileSync(join(directory, 'sys/devices/system/cpu/present'), '0-1\n')
  const results = Object.fromEntries(Object.keys(FORMS).map((form) => [form, []]))
  // Side by side: what disturbs the machine disturbs both.
  for (let start = 0; start < STARTS; start++) {
    for (const [form, env] of Object.entries(FORMS)) results[form].push(await measure(config, env))
  }
  report(results)
} finally {
  rmSync(directory, { recursive: true, force: true })
}

/** One start, in milliseconds. */
async function measure(config, env) {
  const began = performance.now()
  const qemu = spawn(
    LAUNCHER,
    [
      ...['run', '--config', config, '--sysroot', directory, '--profile', 'rt', '--'],
      ...[
        '-name',
        'bench',
        '-machine',
        'q35',
        '-m',
        '64',
        '-accel',
        'tcg',
        '-nodefaults',
        '-display',
        'none',
      ],
    ],
    { stdio: 'ignore', env: { ...process.env, ...env } },
  )
  try {
    let appeared = null
    for (;;) {
      const vcpu = vcpuThread(qemu.pid)
      const now = performance.now()
      if (vcpu !== null) appeared ??= now
      if (vcpu?.isTuned) return { appeared: appeared - began, tuned: now - appeared }
      if (now - began > 30_000)
        throw new Error('no vCPU thread was set within 30 s; see: qemu-rt run … by hand')
      // Seldom enough to take nothing from the tuner, whose CPU this may be.
      await sleep(1)
    }
  } finally {
    const ended = new Promise((resolve) => qemu.once('exit', resolve))
    qemu.kill('SIGKILL')
    await ended
  }
}

function vcpuThread(pid) {
  try {
    for (const tid of readdirSync(`/proc/${pid}/task`)) {
      const stat = readFileSync(`/proc/${pid}/task/${tid}/stat`, 'latin1')
      if (!stat.includes('(CPU 0/')) continue
      const status = readFileSync(`/proc/${pid}/task/${tid}/status`, 'latin1')
      const policy = stat.slice(stat.lastIndexOf(')')).split(' ')[39]
      return { isTuned: /^Cpus_allowed_list:\t1$/m.test(status) && policy === '1' }
    }
  } catch {
    // Not there yet, or no more.
  }
  return null
}

function report(results) {
  const rows = Object.entries(results).map(([form, starts]) => {
    const appeared = starts.map((start) => start.appeared)
    const tuned = starts.map((start) => start.tuned)
    return {
      form,
      starts: starts.length,
      appeared: median(appeared),
      tuned: median(tuned),
      worst: Math.max(...tuned),
    }
  })
  console.log(
    `${STARTS} starts each, ${cpus().length} CPUs, ${cpus()[0]?.model ?? 'CPU unknown'}; milliseconds`,
  )
  console.log('tuner       launch to vCPU thread (median)   thread to tuned: median   worst')
  for (const { form, appeared, tuned, worst } of rows) {
    const cells = [
      form.padEnd(10),
      appeared.toFixed(1).padStart(32),
      tuned.toFixed(1).padStart(25),
      worst.toFixed(1).padStart(7),
    ]
    console.log(cells.join(' '))
  }
  if (process.env.BENCH_JSON) writeFileSync(process.env.BENCH_JSON, `${JSON.stringify(rows, null, 2)}\n`)
}

function median(numbers) {
  const sorted = [...numbers].sort((a, b) => a - b)
  return sorted[Math.floor(sorted.length / 2)] ?? 0
}
