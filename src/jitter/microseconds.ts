/** Writes a length of time for people: `700 ns`, `8.4 us`, `13 ms`. pretty-ms would write `8µs 400ns`. */
export function formatMicroseconds(microseconds: number): string {
  const [number, unit] =
    microseconds < 0.95
      ? [microseconds * 1000, 'ns']
      : microseconds < 999.5
        ? [microseconds, 'us']
        : [microseconds / 1000, 'ms']
  return `${number < 9.95 && unit !== 'ns' ? Number(number.toFixed(1)) : number.toFixed(0)} ${unit}`
}
