// Header values that hold `{client.address}`, `{route}` and the like: read once into plain data, filled in per request.

export interface TemplateValues {
  readonly clientAddress: string | undefined
  readonly route: string
  readonly rule: string
  readonly variant: string | undefined
  readonly requestId: string
  readonly country: string | undefined
}

/** A literal as it is, or literals and places in turn. */
export type Template = string | readonly (string | { readonly value: keyof TemplateValues })[]

/** Braces round anything that is not one of `templateNames` stay as they are: `Report-To` holds JSON. */
export function compileTemplate(text: string): Template {
  const parts: (string | { readonly value: keyof TemplateValues })[] = []
  let literal = ''
  let at = 0
  for (const found of text.matchAll(/\{([a-z.]+)\}/g)) {
    const value = templateNames.get(found[1]!)
    if (value === undefined) continue
    literal += text.slice(at, found.index)
    at = found.index + found[0].length
    if (literal !== '') parts.push(fieldText(literal))
    literal = ''
    parts.push({ value })
  }
  const rest = fieldText(text.slice(at))
  if (parts.length === 0) return rest
  if (rest !== '') parts.push(rest)
  return parts
}

/** Never holds CR, LF or anything else a field value may not hold, whatever the values are. */
export function render(template: Template, values: TemplateValues): string {
  if (typeof template === 'string') return template
  let text = ''
  for (const part of template) {
    if (typeof part === 'string') text += part
    else {
      const value = values[part.value]
      if (value !== undefined) text += fieldText(value)
    }
  }
  return text
}

/** Control characters but tab go (RFC 9110 section 5.5); what has no place in a byte becomes `?`, else `Headers` throws. */
function fieldText(text: string): string {
  return isPlain.test(text) ? text : text.replace(controls, '').replace(/[^\t\x20-\xff]/g, '?')
}

/** Whether a value holds what stands for a value of the request, or looks so like it that `parse` would ask. */
export function isTemplate(text: string): boolean {
  return placeOfTemplate.test(text)
}

/** Only what looks like one of ours is judged: `Report-To` and `NEL` hold JSON in braces. */
export const placeOfTemplate = /\{([A-Za-z][A-Za-z_.-]*)\}/

/** As written between braces. */
export const templateNames: ReadonlyMap<string, keyof TemplateValues> = new Map([
  ['client.address', 'clientAddress'],
  ['route', 'route'],
  ['rule', 'rule'],
  ['variant', 'variant'],
  ['request.id', 'requestId'],
  ['country', 'country'],
])
const isPlain = /^[\t\x20-\x7e]*$/
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is to be removed
const controls = /[\x00-\x08\x0a-\x1f\x7f]/g
