import { printable } from '../../units/printable.js'
import { type Cause, type CauseReport, causeName, type Verdict } from '../cause/causes.js'
import { formatMicroseconds } from '../microseconds.js'
import { drawHistograms, drawOverTime } from './charts.js'
import type { Fact, ReportModel } from './model.js'

/** Pictures are drawn twice: letters that are made smaller with their picture cannot be read on a phone. */
const WIDTHS = { narrow: 340, wide: 860 }

const STYLE = `
:root { color-scheme: light }
body { margin: 0 auto; padding: 16px; max-width: 860px; background: #fff; color: #222;
  font: 16px/1.5 system-ui, Helvetica, Arial, sans-serif; overflow-wrap: anywhere }
h1 { font-size: 1.5em; margin: 0 } h2 { font-size: 1.15em; margin: 2em 0 .5em }
p, ul { margin: .5em 0 } ul { padding-left: 1.2em }
.figures { display: flex; flex-wrap: wrap; gap: 8px 40px; margin: 20px 0 }
.figures div { display: flex; flex-direction: column-reverse }
.figures dd { margin: 0; font-size: 1.9em; font-weight: 600; line-height: 1.2 } .figures dt { font-size: .9em }
svg { display: block; max-width: 100%; height: auto } .narrow { display: none }
table { border-collapse: collapse; width: 100% }
td, th { padding: 6px 12px 6px 0; text-align: left; vertical-align: top; border-bottom: 1px solid #ccc; font-weight: normal }
thead th { font-weight: 600 } th[scope=row] { white-space: nowrap }
td.verdict { font-weight: 600; white-space: nowrap }
@media (max-width: 600px) {
  .wide { display: none } .narrow { display: block }
  tr, td, th[scope=row] { display: block; border: 0; padding: 0; white-space: normal } thead { display: none }
  tr { border-bottom: 1px solid #ccc; padding: 8px 0 } th[scope=row] { font-weight: 600 }
}
`

const VERDICTS: Readonly<Record<Verdict, string>> = {
  can: 'can be it',
  may: 'may be it',
  cannot: 'cannot be it',
}

/** Writes a page that needs nothing from elsewhere, and whose content security policy says so. */
export function formatPage(model: ReportModel): string {
  const { title, subtitle, figures, curves, overTime, causes, osnoise, explanations, floor, host } = model
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>${safe(title)}</title>
<style>${STYLE}</style>
</head>
<body>
<h1>${safe(title)}</h1>
<p>${safe(subtitle)}</p>
<dl class="figures">${figures.map(({ name, value }) => `<div><dt>${safe(name)}</dt><dd>${safe(value)}</dd></div>`).join('')}</dl>
${section('How long, how often', picture('Histograms', (width) => drawHistograms(curves, width)) + list(floor))}
${
  overTime.length === 0
    ? ''
    : section(
        'The worst over time',
        picture('The worst over time', (width) => drawOverTime(overTime, width)),
      )
}
${causes.map(causeSection).join('\n')}
${osnoise.length === 0 ? '' : section('What took the CPU', list(osnoise))}
${explanations.length === 0 ? '' : section('What to do', list(explanations))}
${section('Host', factTable(host))}
</body>
</html>
`
}

function section(title: string, content: string): string {
  return `<section><h2>${safe(title)}</h2>${content}</section>`
}

function picture(label: string, draw: (width: number) => string): string {
  return Object.entries(WIDTHS)
    .map(
      ([name, width]) => `<div class="${name}" role="img" aria-label="${safe(label)}">${draw(width)}</div>`,
    )
    .join('')
}

function list(lines: readonly string[]): string {
  return lines.length === 0 ? '' : `<ul>${lines.map((line) => `<li>${safe(line)}</li>`).join('')}</ul>`
}

function causeSection({ vcpu, cpus, seconds, worstMicroseconds, causes, notRead }: CauseReport): string {
  const head =
    `The worst of vCPU ${vcpu} was ${formatMicroseconds(worstMicroseconds)}. ` +
    `This is what was counted in ${seconds.toFixed(0)} s on CPU ${cpus}; what took less in all cannot be it.`
  const rows = [...causes.map(causeRow), ...notRead.map(({ id, why }) => row(causeName(id), 'not read', why))]
  const columns = '<thead><tr><th>Cause</th><th>The worst?</th><th>Counted</th></tr></thead>'
  return section(
    'What kept the vCPU from running',
    `<p>${safe(head)}</p><table>${columns}<tbody>${rows.join('')}</tbody></table>`,
  )
}

function causeRow({ id, verdict, text, count, microseconds }: Cause): string {
  return row(causeName(id), VERDICTS[verdict], count || microseconds || verdict !== 'cannot' ? text : 'none')
}

function row(name: string, verdict: string, text: string): string {
  return `<tr><th scope="row">${safe(name)}</th><td class="verdict">${safe(verdict)}</td><td>${safe(text)}</td></tr>`
}

function factTable(facts: readonly Fact[]): string {
  const rows = facts.map(
    ({ name, value }) => `<tr><th scope="row">${safe(name)}</th><td>${safe(value)}</td></tr>`,
  )
  return `<table><tbody>${rows.join('')}</tbody></table>`
}

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
}

/** Names of threads and interrupts are not ours. */
function safe(text: string): string {
  return printable(text).replace(/[&<>"']/g, (char) => ENTITIES[char] ?? char)
}
