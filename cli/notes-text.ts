// Notes of an import or export, for people: where, what, and how to mend it.

import type { Note, Severity } from '../shared/gateway-api/notes.ts'
import { type Paint, paint } from './paint.ts'

/** One note in two lines; what is ignored in one, for nothing is to be done about it. */
export function renderNotes(notes: readonly Note[]): string {
  return notes.map(renderNote).join('\n')
}

function renderNote({ severity, file, line, object, field, message, mend }: Note): string {
  const label = paint(colours[severity], severity.padEnd(11))
  const place = [`${file}${line === undefined ? '' : `:${line}`}`, object, field].filter(part => part !== '').join(' ')
  const said = `${label} ${paint('bold', place)}: ${message}`
  return severity === 'ignored' ? said : `${said}\n            ${paint('dim', 'mend:')} ${mend}`
}

const colours: Readonly<Record<Severity, Paint>> = {
  error: 'red',
  'not-carried': 'yellow',
  warning: 'cyan',
  ignored: 'dim',
}
