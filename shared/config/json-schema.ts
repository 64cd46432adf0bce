// The JSON Schema of a config file, for editors and other tools. It knows shapes; what values mean only `parse` can say.

import * as z from 'zod'
import { configSchema } from './schema.ts'

/** JSON Schema, draft 2020-12, of what may be written in a YAML or JSON config. A new object each time. */
export function configJsonSchema(): Readonly<Record<string, unknown>> {
  const { $schema, ...schema } = z.toJSONSchema(configSchema, {
    io: 'input',
    target: 'draft-2020-12',
    override: ({ jsonSchema }) => {
      // zod says so of every list that is readonly in TypeScript; to a JSON Schema it means that nobody may write it.
      delete jsonSchema.readOnly
      if (jsonSchema.propertyNames !== undefined) delete jsonSchema.propertyNames
    },
  })
  return {
    $schema,
    title: 'Fourseven config',
    description: 'Listeners, pools and routes: one file for layer 7 at the edge and layer 4 at the relay.',
    ...schema,
  }
}
