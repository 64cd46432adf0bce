// What the control object keeps: the overlay as one row, each change with its author, and the answers to writes that may
// come twice. Everything is written in the transaction of its change.

import type { Command, Report, Touched } from '../../shared/overlay/command.ts'
import type { Overlay } from '../../shared/overlay/overlay.ts'

/** One change of the overlay, as the history tells it. */
export interface Change {
  /** The version that it made. */
  readonly version: number
  /** Milliseconds since 1970. */
  readonly at: number
  readonly author: string
  readonly reason: string
  readonly command: Command | Report | { readonly do: 'undo'; readonly version: number }
  readonly touched: readonly Touched[]
  /** The change that took it back; null while it stands. */
  readonly undoneBy: number | null
  /** Planes did it by themselves: probes, or traffic. */
  readonly isAutomatic: boolean
}

/** How much is kept. */
export const kept = {
  /** Of operators; those of planes are a history of their own, so that a flapping endpoint pushes out no operator. */
  changes: 1_000,
  automaticChanges: 1_000,
  answers: 1_000,
  answersForMs: 24 * 3_600_000,
  countsForMs: 3_600_000,
  /** Of the overlay as text: a row may hold 2 MB. */
  overlayLength: 1_000_000,
} as const

export class Store {
  readonly #sql: SqlStorage
  readonly #storage: DurableObjectStorage

  /** @param birth names this life of the store: versions are compared within one only */
  constructor(storage: DurableObjectStorage, birth: string) {
    this.#storage = storage
    this.#sql = storage.sql
    storage.transactionSync(() => {
      this.#sql.exec(`CREATE TABLE IF NOT EXISTS overlay (
        id INTEGER PRIMARY KEY CHECK (id = 1), birth TEXT NOT NULL, version INTEGER NOT NULL, text TEXT NOT NULL)`)
      this.#sql.exec(`CREATE TABLE IF NOT EXISTS changes (
        version INTEGER PRIMARY KEY, at INTEGER NOT NULL, author TEXT NOT NULL, reason TEXT NOT NULL,
        command TEXT NOT NULL, touched TEXT NOT NULL, undone_by INTEGER, automatic INTEGER NOT NULL)`)
      this.#sql.exec(`CREATE TABLE IF NOT EXISTS answers (
        key TEXT PRIMARY KEY, at INTEGER NOT NULL, asked TEXT NOT NULL, answer TEXT NOT NULL)`)
      this.#sql.exec(`CREATE TABLE IF NOT EXISTS counts (began INTEGER PRIMARY KEY, text TEXT NOT NULL)`)
      this.#sql.exec(`INSERT OR IGNORE INTO overlay VALUES (1, ?, 0, '')`, birth)
    })
  }

  /** `text` is empty before the first change. */
  overlay(): { readonly birth: string; readonly version: number; readonly text: string } {
    return this.#sql
      .exec<{ birth: string; version: number; text: string }>('SELECT birth, version, text FROM overlay')
      .one()
  }

  /** Several writes or none. */
  together<Result>(writes: () => Result): Result {
    return this.#storage.transactionSync(writes)
  }

  write(overlay: Overlay, text: string, change: Omit<Change, 'undoneBy' | 'version'>): void {
    const { at, author, reason, command, touched, isAutomatic } = change
    this.#sql.exec('UPDATE overlay SET version = ?, text = ?', overlay.version, text)
    this.#sql.exec(
      'INSERT INTO changes VALUES (?, ?, ?, ?, ?, ?, NULL, ?)',
      overlay.version,
      at,
      author,
      reason,
      JSON.stringify(command),
      JSON.stringify(touched),
      isAutomatic ? 1 : 0,
    )
    if (command.do === 'undo') this.#undone(command.version, overlay.version)
    this.#sql.exec(
      `DELETE FROM changes WHERE automatic = ?1 AND version <=
        (SELECT version FROM changes WHERE automatic = ?1 ORDER BY version DESC LIMIT 1 OFFSET ?2)`,
      isAutomatic ? 1 : 0,
      isAutomatic ? kept.automaticChanges : kept.changes,
    )
  }

  /** Of an undo that is undone, what it took back stands again; when that was an undo itself, what that took back does not. */
  #undone(version: number, by: number | null): void {
    this.#sql.exec('UPDATE changes SET undone_by = ? WHERE version = ?', by, version)
    const command = this.change(version)?.command
    if (command?.do === 'undo') this.#undone(command.version, by === null ? version : null)
  }

  /** Newest first. */
  changes(before: number, most: number, withAutomatic: boolean): Change[] {
    const rows = this.#sql.exec<ChangeRow>(
      'SELECT * FROM changes WHERE version < ? AND automatic <= ? ORDER BY version DESC LIMIT ?',
      before,
      withAutomatic ? 1 : 0,
      most,
    )
    return [...rows].map(changeOf)
  }

  change(version: number): Change | undefined {
    const [row] = this.#sql.exec<ChangeRow>('SELECT * FROM changes WHERE version = ?', version)
    return row === undefined ? undefined : changeOf(row)
  }

  /** The newest change of an operator that stands and is no undo itself. */
  lastStanding(): Change | undefined {
    const [row] = this.#sql.exec<ChangeRow>(
      `SELECT * FROM changes WHERE automatic = 0 AND undone_by IS NULL AND json_extract(command, '$.do') <> 'undo'
       ORDER BY version DESC LIMIT 1`,
    )
    return row === undefined ? undefined : changeOf(row)
  }

  /** The sums of a window, as `packWindow` writes them; in the place of what was there for that window. */
  keepCounts(began: number, text: string): void {
    this.#sql.exec('INSERT OR REPLACE INTO counts VALUES (?, ?)', began, text)
    this.#sql.exec('DELETE FROM counts WHERE began < ?', began - kept.countsForMs)
  }

  /** Of the windows that began in this time. */
  counts(from: number, to: number): { began: number; text: string }[] {
    return [
      ...this.#sql.exec<{ began: number; text: string }>(
        'SELECT began, text FROM counts WHERE began >= ? AND began < ? ORDER BY began',
        from,
        to,
      ),
    ]
  }

  answerTo(key: string, now: number): { readonly asked: string; readonly answer: string } | undefined {
    const [row] = this.#sql.exec<{ asked: string; answer: string }>(
      'SELECT asked, answer FROM answers WHERE key = ? AND at > ?',
      key,
      now - kept.answersForMs,
    )
    return row
  }

  keepAnswer(key: string, now: number, asked: string, answer: string): void {
    this.#sql.exec('INSERT OR REPLACE INTO answers VALUES (?, ?, ?, ?)', key, now, asked, answer)
    this.#sql.exec('DELETE FROM answers WHERE at <= ?', now - kept.answersForMs)
    this.#sql.exec(
      'DELETE FROM answers WHERE key IN (SELECT key FROM answers ORDER BY at DESC LIMIT -1 OFFSET ?)',
      kept.answers,
    )
  }
}

interface ChangeRow extends Record<string, SqlStorageValue> {
  version: number
  at: number
  author: string
  reason: string
  command: string
  touched: string
  undone_by: number | null
  automatic: number
}

function changeOf(row: ChangeRow): Change {
  const { version, at, author, reason, command, touched } = row
  return {
    version,
    at,
    author,
    reason,
    command: JSON.parse(command),
    touched: JSON.parse(touched),
    undoneBy: row.undone_by,
    isAutomatic: row.automatic === 1,
  }
}
