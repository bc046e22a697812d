import { readFileSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'
import t from 'tap'
import { anchors, headings, isThere, pages, prose, top } from './pages.js'

/** Links of a page that stay in this checkout: file, anchor, and a heading that the words after the link name. */
const links = (text: string) =>
  [...prose(text).matchAll(/\]\(([^)\s]+)\)(?:,\s+"([^"]+)")?/g)]
    .map(([, target = '', heading]) => ({ target, heading: heading?.replace(/\s+/g, ' ') }))
    .filter(({ target }) => !/^[a-z]+:/.test(target))

t.test('a link leads to a file, and its anchor to a heading', async (t) => {
  for (const { path, text } of pages) {
    for (const { target, heading } of links(text)) {
      const [file = '', anchor] = target.split('#')
      const linked = file === '' ? path : normalize(join(dirname(path), file))
      t.ok(isThere(linked), `${path}: ${target}`)
      if (!isThere(linked) || !linked.endsWith('.md')) continue
      const page = readFileSync(join(top, linked), 'utf8')
      if (anchor !== undefined) t.ok(anchors(page).has(anchor), `${path}: #${anchor} of ${linked}`)
      if (heading !== undefined) t.ok(headings(page).includes(heading), `${path}: "${heading}" of ${linked}`)
    }
  }
})

t.test('a file of the checkout that a page names is there', async (t) => {
  for (const { path, text } of pages.filter(({ path }) => path !== 'CHANGELOG.md')) {
    for (const [, name = ''] of text.matchAll(
      /(?:^|[\s`(])((?:docs|examples|fixtures|src|test|system)\/[\w./*-]*[\w*])/gm,
    )) {
      // A pattern, a placeholder, or a file of Proxmox VE.
      if (/\*|[A-Z]{4}|^src\/PVE/.test(name)) continue
      t.ok(isThere(name) || isThere(join(dirname(path), name)), `${path}: ${name}`)
    }
  }
})

t.test('anchors are those of GitHub', async (t) => {
  const text = "# A `b`: c's, d_e\n## Two\n## Two\n## [Link](x.md) – 5 %\n```\n# no\n```\n"
  t.strictSame([...anchors(text)], ['a-b-cs-d_e', 'two', 'two-1', 'link--5-'])
})
