import type { AST } from 'toml-eslint-parser'
import libraries from '../libraries.cjs'

/** A key's path from the top of the file: names of tables and keys, numbers for the entries of a list. */
export type KeyPath = readonly (string | number)[]

/**
 * Makes a finder of lines. The text is parsed a second time, with positions, when the first line is asked for: a VM
 * that starts without a complaint does not pay for it.
 * @param text valid TOML
 * @returns path → number of the line where the key stands, else the nearest table around it; null when there is none
 */
export function lineFinder(text: string): (path: KeyPath) => number | null {
  let lines: Lines | null = null
  return (path) => {
    if (path.length === 0) return null
    lines ??= readLines(text)
    for (let length = path.length; length > 0; length--) {
      const line = lines.get(pathKey(path.slice(0, length)))
      if (line !== undefined) return line
    }
    return null
  }
}

type Lines = Map<string, number>

function pathKey(path: KeyPath): string {
  return path.join('\0')
}

function readLines(text: string): Lines {
  const lines: Lines = new Map()
  for (const node of parseTopLevel(text)) {
    if (node.type === 'TOMLKeyValue') addKeyValue(lines, [], node)
    else addTable(lines, node)
  }
  return lines
}

/** Two parsers may disagree on a corner of TOML; a message without a line is better than one about the parser. */
function parseTopLevel(text: string): (AST.TOMLKeyValue | AST.TOMLTable)[] {
  try {
    return libraries.tomlParser().parseTOML(text, { tomlVersion: '1.1' }).body[0].body
  } catch {
    return []
  }
}

function addTable(lines: Lines, table: AST.TOMLTable): void {
  addKeys(lines, table.resolvedKey, table.loc.start.line)
  lines.set(pathKey(table.resolvedKey), table.loc.start.line)
  for (const entry of table.body) addKeyValue(lines, table.resolvedKey, entry)
}

function addKeyValue(lines: Lines, parent: KeyPath, { key, value }: AST.TOMLKeyValue): void {
  const path = [...parent, ...libraries.tomlParser().getStaticTOMLValue(key)]
  addKeys(lines, path, key.loc.start.line)
  addValue(lines, path, value)
}

function addValue(lines: Lines, path: KeyPath, value: AST.TOMLContentNode): void {
  if (value.type === 'TOMLInlineTable') {
    for (const entry of value.body) addKeyValue(lines, path, entry)
  } else if (value.type === 'TOMLArray') {
    for (const [index, element] of value.elements.entries()) {
      lines.set(pathKey([...path, index]), element.loc.start.line)
      addValue(lines, [...path, index], element)
    }
  }
}

/** Notes a key and the tables that its dots or its header imply, unless they stand further up already. */
function addKeys(lines: Lines, path: KeyPath, line: number): void {
  for (let length = 1; length <= path.length; length++) {
    const key = pathKey(path.slice(0, length))
    if (!lines.has(key)) lines.set(key, line)
  }
}
