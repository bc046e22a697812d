import { parseCpuMask } from '../../units/cpu-mask.js'
import { type CpuSet, formatCpuSet, parseCpuSet } from '../../units/cpu-set.js'

/** How the kernel writes a value: by it two texts are compared. */
export type Form = 'number' | 'mask' | 'list' | 'choice' | 'word'

/** Whether two texts are one value: numbers and sets are compared as such, of `a [b] c` the one in brackets counts. */
export function isSame(form: Form, a: string, b: string): boolean {
  return canonical(form, a) === canonical(form, b)
}

/** What a file takes for the value that it shows: of `always [madvise] never` it is `madvise`. */
export function writable(form: Form, text: string): string {
  return form === 'choice' ? (/\[([^\]]+)\]/.exec(text)?.[1] ?? text.trim()) : text.trim()
}

function canonical(form: Form, text: string): string {
  const plain = writable(form, text)
  if (form === 'mask') return cpusText(parseCpuMask(plain), plain)
  if (form === 'list') return cpusText(parseCpuSet(plain), plain)
  return form === 'number' && /^-?\d{1,18}$/.test(plain) ? String(Number(plain)) : plain
}

function cpusText(cpus: CpuSet | null, plain: string): string {
  return cpus === null ? plain : formatCpuSet([...cpus].sort((a, b) => a - b))
}
