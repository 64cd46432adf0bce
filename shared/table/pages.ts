// Error pages as the machine reads them: by status, with the places where a value goes found already.

import type { ErrorPageConfig } from '../config/parsed.ts'

export type PagePart = string | { readonly value: 'requestId' | 'route' }

export interface ErrorPage {
  /** A status, or 4 and 5 for a whole class. */
  readonly of: number
  readonly contentType: string
  readonly body: readonly PagePart[]
  /** Values are written so that they cannot be markup. */
  readonly isMarkup: boolean
  /** For the endpoint's answers of that status too. */
  readonly replaces: boolean
}

/** Single statuses first, so that the first page that fits is the one. Undefined when there are none. */
export function compilePages(configs: readonly ErrorPageConfig[]): readonly ErrorPage[] | undefined {
  if (configs.length === 0) return undefined
  const pages = configs.map(
    ({ of, body, contentType, replaces }): ErrorPage => ({
      of,
      contentType,
      body: partsOf(body),
      isMarkup: /html|xml/i.test(contentType),
      replaces,
    }),
  )
  return pages.sort((a, b) => b.of - a.of)
}

function partsOf(body: string): readonly PagePart[] {
  return body
    .split(/(\{(?:request\.id|route)\})/)
    .filter(text => text !== '')
    .map(text => (text === '{request.id}' ? { value: 'requestId' } : text === '{route}' ? { value: 'route' } : text))
}
