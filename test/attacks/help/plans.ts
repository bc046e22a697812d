/** What a forged plan asks for: more than any profile of these tests gives. */
const URGENT = { policy: 'fifo', priority: 97 }

/**
 * `QEMU_RT_PLAN=…` as somebody else than the wrapper writes it.
 * @param threads of the plan, such as `{ vcpus: [] }`
 */
export function forgedPlan(guest: string, threads: object = EVERYTHING): string {
  const plan = {
    version: 1,
    id: 'forged-forged',
    guest: { name: guest, uuid: null },
    profile: 'rt',
    strict: false,
    nics: [],
    lease: null,
    threads,
    vcpusAtStart: 1,
    startsPaused: false,
    daemonizes: false,
  }
  return `QEMU_RT_PLAN=${JSON.stringify(plan)}`
}

/** All of it urgent, with the main thread where its vCPU is not. */
const EVERYTHING = {
  vcpus: [{ vcpu: 0, cpus: '1', ...URGENT }],
  emulator: { cpus: '0', ...URGENT },
  iothreads: [],
  workers: { cpus: '0-1', ...URGENT },
  vhost: { cpus: '0-1', ...URGENT },
}
