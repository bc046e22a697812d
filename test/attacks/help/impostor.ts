import { once } from 'node:events'
import type { Test } from 'tap'
import type { Installed } from '../../e2e/libvirtd.js'
import { waitFor } from '../../e2e/wait.js'
import { compile } from './compile.js'

/** A process that looks like a QEMU. */
export interface Impostor {
  readonly pid: string
  /** Policy, priority and CPUs of each of its threads. */
  readonly threads: () => Promise<string[]>
}

export interface Looks {
  readonly args: readonly string[]
  /** `QEMU_RT_PLAN=…` and the like. */
  readonly env?: readonly string[]
  readonly threads?: readonly string[]
}

const THREADS = `
for task in /proc/$1/task/*; do
  echo "$(sed -n 's/^Cpus_allowed_list:\t//p' "$task/status") $(sed 's/.*) //' "$task/stat" | cut -d ' ' -f 38,39)"
done`

let started = 0

/** Starts one, as nobody. */
export async function impostor(t: Test, { run, spawn }: Installed, looks: Looks): Promise<Impostor> {
  const program = compile(t, 'impostor', 'qemu-system-x86_64')
  const mark = `IMPOSTOR=${process.pid}-${started++}`
  const env = [mark, `IMPOSTOR_THREADS=${(looks.threads ?? ['CPU 0/KVM']).join(';')}`, ...(looks.env ?? [])]
  const user = ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups']
  const child = spawn(...user, 'env', ...env, program, ...looks.args)
  await once(child.stdout, 'data')
  const pid = await waitFor('the impostor', 10, async () => {
    const { stdout } = await run('sh', '-c', 'grep -lzs -x "$1" /proc/[0-9]*/environ', 'sh', mark)
    return /^\/proc\/(\d+)\/environ$/m.exec(stdout)?.[1] ?? null
  })
  return {
    pid,
    threads: async () => (await run('sh', '-c', THREADS, 'sh', pid)).stdout.trim().split('\n'),
  }
}
