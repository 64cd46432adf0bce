// Which error page an answer gets, and its text.

import type { ErrorPage } from '../table/pages.ts'
import type { HeaderFields } from './header-fields.ts'

/** The page for a status: a rule's own before its listener's, a status before its class. */
export function pageFor(
  status: number,
  ofRule: readonly ErrorPage[] | undefined,
  ofListener: readonly ErrorPage[] | undefined,
): ErrorPage | undefined {
  if (status < 400) return undefined
  return firstFor(ofRule, status) ?? firstFor(ofListener, status)
}

/** The page with `{request.id}` and `{route}` filled in; escaped where the page is HTML or XML. */
export function renderPage(page: ErrorPage, requestId: string, route: string): string {
  let text = ''
  for (const part of page.body) {
    if (typeof part === 'string') text += part
    else {
      const value = part.value === 'route' ? route : requestId
      text += page.isMarkup ? value.replace(/[&<>"']/g, character => escapes[character]!) : value
    }
  }
  return text
}

/** What spoke of a body that is no longer there (RFC 9110 section 8, RFC 9530). */
export function dropContentFields(fields: HeaderFields): void {
  for (const name of contentFields) fields.delete(name)
}

function firstFor(pages: readonly ErrorPage[] | undefined, status: number): ErrorPage | undefined {
  if (pages === undefined) return undefined
  const ofClass = Math.floor(status / 100)
  for (const page of pages) if (page.of === status || page.of === ofClass) return page
  return undefined
}

const escapes: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
}
const contentFields: readonly string[] = [
  'content-type',
  'content-length',
  'content-encoding',
  'content-language',
  'content-location',
  'content-disposition',
  'content-range',
  'accept-ranges',
  'etag',
  'last-modified',
  'content-digest',
  'repr-digest',
  'digest',
  'content-md5',
  'trailer',
]
