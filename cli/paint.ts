// Colour and tables for people. Colour only when stdout is a terminal and NO_COLOR is unset (https://no-color.org).

import { styleText } from 'node:util'
import CliTable from 'cli-table3'

export type Paint = 'bold' | 'dim' | 'red' | 'green' | 'yellow' | 'cyan'

export function paint(style: Paint, text: string): string {
  return hasColour() ? styleText(style, text, { validateStream: false }) : text
}

/** A table with one head row, drawn with light lines. */
export function drawTable(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const table = new CliTable({
    head: head.map(title => paint('bold', title)),
    style: { head: [], border: hasColour() ? ['grey'] : [], compact: true },
  })
  table.push(...rows.map(row => [...row]))
  return table.toString()
}

function hasColour(): boolean {
  return process.stdout.isTTY === true && (process.env.NO_COLOR ?? '') === ''
}
