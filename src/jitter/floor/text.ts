import { formatMicroseconds } from '../microseconds.js'
import type { Floor } from './floor.js'

/** The headline: the guest's worst by the host's. @returns null where there is none */
export function floorHeadline({ ratio, host }: Floor): string | null {
  return ratio === null || host === null
    ? null
    : `${formatTimes(ratio)} times the host's ${formatMicroseconds(host.worstMicroseconds)}`
}

/** What the host does without a VM, a line for each that was measured, and for each that was not. */
export function formatFloor({
  seconds,
  cpu,
  policy,
  priority,
  host,
  hardware,
  notMeasured,
}: Floor): string[] {
  const thread = priority > 0 ? `${policy} ${priority}` : policy
  return [
    ...(host === null
      ? []
      : [
          `host without a VM (${host.tool} on CPU ${cpu}, ${thread}, ${seconds} s): worst ${formatMicroseconds(host.worstMicroseconds)}`,
        ]),
    ...(hardware === null
      ? []
      : [
          `hardware alone (rtla hwnoise on CPU ${cpu}, ${seconds} s): worst ${formatMicroseconds(hardware.worstMicroseconds)}, ` +
            `${hardware.hardware} from hardware or firmware, ${hardware.nmi} NMIs`,
        ]),
    ...notMeasured.map(({ tool, why }) => `not measured: ${tool}: ${why}`),
  ]
}

/** `12`, `1.4`: so many times. */
export function formatTimes(number: number): string {
  return number >= 10 ? number.toFixed(0) : number.toFixed(1)
}
