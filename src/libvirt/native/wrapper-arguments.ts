import { MalformedArgument, parseProperties } from '../../argv/properties.js'
import type { Domain } from '../domain.js'
import { QEMU_NAMESPACE } from '../domain.js'
import { childOf, childrenOf, type XmlElement } from '../xml.js'

/** What a `<qemu:commandline>` says to the wrapper, and where. */
export interface WrapperArgument {
  readonly elements: readonly XmlElement[]
  /** Names of NICs that it asks for, without anything said of their devices. */
  readonly nics: readonly string[]
  /** Whether it asks for a NIC of whose device it says more than libvirt could be told. */
  readonly isSpecial: boolean
}

/** Options of the wrapper that stand without a value. */
const SWITCH = /^--?(rt-)?dry-run$/
const FLAG = /^--?rt-([a-z-]+)(?:=(.*))?$/s

/** Every word of the domain's that is for the wrapper: `--rt-…` with its value, `host=nic:…` devices, `QEMU_RT_…`. */
export function wrapperArguments({ root }: Domain): WrapperArgument[] {
  const commandline = childOf(root, 'commandline', QEMU_NAMESPACE)
  const args = childrenOf(commandline, 'arg', QEMU_NAMESPACE)
  const found: WrapperArgument[] = []
  for (let at = 0; at < args.length; at++) {
    const pair = args.slice(at, at + 2)
    const [word = '', next = ''] = pair.map(({ attributes }) => attributes.value ?? '')
    const flag = FLAG.exec(word)
    if (SWITCH.test(word)) found.push({ elements: pair.slice(0, 1), nics: [], isSpecial: false })
    else if (flag !== null) {
      const elements = flag[2] === undefined ? pair : pair.slice(0, 1)
      found.push({ elements, ...(flag[1] === 'nic' ? nicOf(flag[2] ?? next) : NO_NIC) })
      at += elements.length - 1
    } else if (/^--?device$/.test(word) && next.includes('nic:')) {
      const named = nicOfDevice(next)
      if (named !== null) found.push({ elements: pair, ...named })
      at++
    }
  }
  const env = childrenOf(commandline, 'env', QEMU_NAMESPACE)
  const ours = env.filter(({ attributes }) => attributes.name?.startsWith('QEMU_RT_'))
  return [...found, ...ours.map(environment)]
}

const NO_NIC = { nics: [], isSpecial: false }

function environment(element: XmlElement): WrapperArgument {
  const { name, value = '' } = element.attributes
  const names = name === 'QEMU_RT_NIC' ? value.split(/\s+/).filter(Boolean) : []
  const all = names.map(nicOf)
  return {
    elements: [element],
    nics: all.flatMap(({ nics }) => nics),
    isSpecial: all.some(({ isSpecial }) => isSpecial),
  }
}

/** `NAME[,key=value…]`. */
function nicOf(text: string): Pick<WrapperArgument, 'nics' | 'isSpecial'> {
  return text.includes(',') ? { nics: [], isSpecial: true } : { nics: [text], isSpecial: false }
}

/** Keys of a device that libvirt says itself. */
const LIBVIRTS_KEYS = ['driver', 'host', 'id']

function nicOfDevice(text: string): Pick<WrapperArgument, 'nics' | 'isSpecial'> | null {
  try {
    const properties = parseProperties(text, { impliedKey: 'driver', json: true })
    const name = /^nic:(.+)$/.exec(properties.get('host') ?? '')?.[1]
    if (name === undefined) return null
    const isPlain = properties.keys.every((key) => LIBVIRTS_KEYS.includes(key))
    return isPlain ? { nics: [name], isSpecial: false } : { nics: [], isSpecial: true }
  } catch (error) {
    if (error instanceof MalformedArgument) return null
    throw error
  }
}
