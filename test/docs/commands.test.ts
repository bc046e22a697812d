import type { Command } from 'commander'
import { CommanderError } from 'commander'
import t from 'tap'
import { program } from '../../src/commands/cli.js'
import { qemuRt } from '../launcher/run.js'
import { codeLines, pages, top } from './pages.js'

/** Words of a command as sh reads them, up to where another command, a redirection or a comment begins. */
function words(command: string): string[] {
  const found: string[] = []
  for (const [word] of command.matchAll(/(?:'[^']*'|"[^"]*"|[^\s'"])+/g)) {
    if (/^(?:[|&;#>]|\d?>|<)/.test(word)) break
    found.push(word.replace(/'([^']*)'|"([^"]*)"/g, '$1$2').replace(/[;),.:]+$|(?<=\w)'$/g, ''))
  }
  return found.filter((word) => word !== '' && word !== '…')
}

/** Commands in a text: `qemu-rt`, one blank, a word. A table of figures has more blanks before a figure. */
const commandsIn = (line: string) =>
  / {2,}\d/.test(line)
    ? []
    : [...line.matchAll(/(?<![\w.-])qemu-rt ([a-z].*?)(?=&& |$)/g)].map(([, args = '']) => args)

const shown = pages
  .filter(({ path }) => path !== 'CHANGELOG.md')
  .flatMap(({ path, text }) => [
    ...codeLines(text)
      .flatMap(commandsIn)
      .map((args) => ({ path, args })),
    ...[...text.replace(/^ {4}.*$/gm, '').matchAll(/`(?:sudo )?(?:\/\S*\/|bin\/)?qemu-rt ([^`]+)`/g)].map(
      ([, args = '']) => ({ path, args: args.replace(/\s+/g, ' ') }),
    ),
  ])

/** What is wrong with the arguments of a command, or null. Brackets, bars and capitals are a synopsis: names alone count there. */
function fault(args: string): string | null {
  const isSynopsis = args.includes('[')
  const given = words(isSynopsis ? args.replace(/[[\]]/g, '').replace(/\|\S+/g, '') : args)
  let command: Command = program()
  while (true) {
    const next = command.commands.find((one) => one.name() === given[0])
    if (next === undefined) break
    command = next
    given.shift()
  }
  if (/^--(?:help|version)$/.test(given[0] ?? '')) return null
  if (command.parent === null) return `no command '${given[0]}'`
  const options = given.includes('--') ? given.slice(0, given.indexOf('--')) : given
  const known = command.options.flatMap(({ long, short }) => [long, short])
  const unknown = options.find(
    (word) => /^-./.test(word) && word !== '--help' && !known.includes(word.split('=')[0] ?? ''),
  )
  if (unknown !== undefined) return `'${command.name()}' has no ${unknown}`
  if (isSynopsis || options.includes('--help')) return null
  try {
    const { operands } = command.configureOutput({ writeErr: () => {} }).parseOptions(options)
    const most = command.registeredArguments.at(-1)?.variadic ? Infinity : command.registeredArguments.length
    return operands.length > most ? `'${operands.at(-1)}' is one word too many` : null
  } catch (error) {
    if (error instanceof CommanderError) return error.message
    throw error
  }
}

t.test('each command that is shown exists, with its options', async (t) => {
  t.ok(shown.length > 50, `${shown.length} commands`)
  for (const { path, args } of shown) t.equal(fault(args), null, `${path}: qemu-rt ${args}`)
})

t.test('a command that does not exist is found', async (t) => {
  t.match(fault('stats'), /no command/)
  t.match(fault('host chekc'), /too many/)
  t.match(fault('status --domains plc-1'), /has no --domains/)
  t.match(fault('status [--domains NAME]'), /has no --domains/)
  t.match(fault('status --format yaml'), /yaml/)
  t.match(fault('capture a b'), /too many/)
  t.equal(fault("jitter --load 'stress-ng --cpu 8' >x.json --nothing"), null)
  t.equal(fault('run --dry-run -- -name plc-1'), null)
})

/** Commands that are harmless to run as they are written, in the checkout: where they are shown, and how they may end. */
const HARMLESS: { page: string; command: RegExp; statuses: readonly number[] }[] = [
  { page: 'README.md', command: /^run --dry-run --sysroot fixtures\/hosts\/four-nics /, statuses: [0] },
  { page: 'README.md', command: /^run --dry-run --sysroot fixtures\/hosts\/real-time /, statuses: [0] },
  { page: 'docs/status.md', command: /^status --format json/, statuses: [0] },
]

t.test('commands that are harmless end as they should', async (t) => {
  for (const { page, command, statuses } of HARMLESS) {
    const found = shown.find(({ path, args }) => path === page && command.test(args))
    if (found === undefined) {
      t.fail(`${page} does not show ${command}`)
      continue
    }
    const run = qemuRt(words(found.args), { cwd: top })
    t.ok(run.status !== null && statuses.includes(run.status), `${found.args}: ${run.status} ${run.stderr}`)
  }
})

t.test("README's first plan is what is printed", async (t) => {
  const readme = pages.find(({ path }) => path === 'README.md')?.text ?? ''
  const args = shown.find(({ path, args }) => path === 'README.md' && args.includes('four-nics'))?.args ?? ''
  const { stdout } = qemuRt(words(args), { cwd: top })
  const indented = stdout.trimEnd().replace(/^(?=.)/gm, '    ')
  t.ok(readme.includes(indented), stdout)
})
