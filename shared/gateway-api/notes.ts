// What an import or export has to tell beside the config it makes: faults of the manifests, what is not carried over and
// what is carried over differently, each with file, line, reason and mend. Nothing is dropped without a note.

import { formatPlace, type Locate, type Place } from '../config/findings.ts'

/**
 * `error`: the manifest is faulty, an API server would refuse it. `not-carried`: right, and not to be had here; `--strict`
 * makes it an error. `warning`: carried over, or left out as the standard itself leaves it out, and worth knowing. `ignored`: no routing is lost by it.
 */
export type Severity = 'error' | 'not-carried' | 'warning' | 'ignored'

export interface Note {
  readonly severity: Severity
  /** A stable kebab-case name, for scripts. */
  readonly code: string
  readonly file: string
  /** From 1; undefined where nothing in the file stands for it. */
  readonly line: number | undefined
  readonly column: number | undefined
  /** `HTTPRoute default/app`; empty for the file as a whole. */
  readonly object: string
  /** `spec.rules[0].filters[1]`. */
  readonly field: string
  readonly message: string
  readonly mend: string
}

/** A place in an object of a file. */
export interface Spot {
  readonly file: string
  readonly object: string
  /** From the root of the document to the object: `items`, 3 in a List. */
  readonly root: Place
  /** In the object. */
  readonly place: Place
  readonly locate: Locate
}

export interface Notes {
  readonly all: readonly Note[]
  add(severity: Severity, code: string, spot: Spot, message: string, mend: string): void
}

/** Keeps the first 2,000 notes and says that there are more. A note that stands already is not said twice. */
export function collectNotes(): Notes {
  const all: Note[] = []
  const said = new Set<string>()
  return {
    all,
    add(severity, code, spot, message, mend) {
      if (all.length > MOST) return
      const field = formatPlace(spot.place)
      const key = `${code}\0${spot.file}\0${spot.object}\0${field}\0${message}`
      if (said.has(key)) return
      said.add(key)
      const where = spot.locate([...spot.root, ...spot.place])
      const note = { file: spot.file, line: where?.line, column: where?.column, object: spot.object, field }
      all.push(
        all.length === MOST
          ? {
              severity: 'error',
              code: 'too-many-notes',
              ...note,
              message: 'there are more notes',
              mend: 'Split it up.',
            }
          : { severity, code, ...note, message, mend },
      )
    },
  }
}

/** A place further in. */
export function within(spot: Spot, ...steps: Place): Spot {
  return { ...spot, place: [...spot.place, ...steps] }
}

/** `file.yaml:12 HTTPRoute default/app spec.rules[0]: message`, and the mend on a second line. */
export function formatNote(note: Note): string {
  const line = note.line === undefined ? '' : `:${note.line}`
  const subject = [note.object, note.field].filter(text => text !== '').join(' ')
  return `${note.severity} ${note.file}${line}${subject === '' ? '' : ` ${subject}`}: ${note.message}\n  mend: ${note.mend}`
}

const MOST = 2_000
