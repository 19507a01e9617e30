// The table as JSON Schema, for editors: names and meanings while one types, red lines under what is wrong. Postern
// itself does not read it.

import { z } from 'zod';

import { aboutOf, expectedOf } from './kinds.ts';
import { table } from './table.ts';

/** docs/postern.schema.json. */
export function configJsonSchema(): string {
  const schema = z.toJSONSchema(table, {
    io: 'input',
    override: ({ zodSchema, jsonSchema }) => {
      const about = aboutOf(zodSchema)?.about;
      const expected = expectedOf(zodSchema);
      const isText = jsonSchema.type === 'string' && expected !== UNKNOWN;
      const words = [about, isText ? `Expected: ${expected}.` : undefined].filter(word => word !== undefined);
      if (words.length > 0) jsonSchema.description = words.join('\n');
      // A group's default is that of its keys.
      if (jsonSchema.type === 'object') delete jsonSchema.default;
    },
  });
  const head = { $schema: schema.$schema, title: 'Settings of Postern (postern.yaml)' };
  return `${JSON.stringify({ ...head, ...schema }, null, 2)}\n`;
}

const UNKNOWN = 'something else';
