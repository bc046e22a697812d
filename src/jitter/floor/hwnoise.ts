/** What hardware and firmware take from a CPU while it runs one thread with interrupts off: no kernel can do better. */
export interface HardwareNoise {
  readonly worstMicroseconds: number
  /** All that was taken, of `runtimeMicroseconds`. */
  readonly noiseMicroseconds: number
  readonly runtimeMicroseconds: number
  /** Times that something took the CPU of which the kernel saw nothing: SMIs, a hypervisor beneath, a sleeping clock. */
  readonly hardware: number
  /** Non-maskable interrupts. */
  readonly nmi: number
}

/** Columns of Linux tools/tracing/rtla/src/osnoise_top.c, osnoise_top_print, the same from 6.1 to 7.2. */
const ROW =
  /^\s*(?<cpu>\d+) #(?<periods>\d+)\s+(?<runtime>\d+)\s+(?<noise>\d+)\s+\d+\.\d+\s+(?<most>\d+)\s+(?<single>\d+)\s+(?<hardware>\d+)\s+(?<nmi>\d+)\s*$/

/**
 * Reads the summary that `rtla hwnoise -q` prints; the worst is that of one interruption ("Max Single").
 * @returns null when it has no row for the CPU
 */
export function parseHwnoise(text: string, cpu: number): HardwareNoise | null {
  for (const line of text.split('\n')) {
    const row = ROW.exec(line)?.groups
    if (row === undefined || Number(row.cpu) !== cpu) continue
    return {
      worstMicroseconds: Number(row.single),
      noiseMicroseconds: Number(row.noise),
      runtimeMicroseconds: Number(row.runtime),
      hardware: Number(row.hardware),
      nmi: Number(row.nmi),
    }
  }
  return null
}
