// The pages that are made from the table: they are current, their examples work, and editors are told the same.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';

import { z } from 'zod';

import { configMarkdown } from '../../../src/config/docs.ts';
import { configJsonSchema } from '../../../src/config/json-schema.ts';
import { parseYaml } from '../../../src/platform/yaml.ts';
import { settingsOf } from './world.ts';

const DOCS = join(import.meta.dirname, '../../../docs');
const EXAMPLES = [...configMarkdown().matchAll(/```yaml\n(.*?)```/gs)].map(match => match[1] ?? '');

describe('docs/config.md', () => {
  it('is what `npm run generate` makes, as is the schema', () => {
    assert.ok(readFileSync(join(DOCS, 'config.md'), 'utf8') === configMarkdown(), 'run `npm run generate`');
    assert.ok(readFileSync(join(DOCS, 'postern.schema.json'), 'utf8') === configJsonSchema(), 'run `npm run generate`');
  });

  it('has examples that are accepted as they stand', () => {
    assert.ok(EXAMPLES.length >= 3, 'at least three examples');
    for (const example of EXAMPLES) assert.ok(settingsOf(example).domains.size > 0, example);
  });

  it('begins with an example of at most ten lines', () => {
    assert.ok((EXAMPLES[0] ?? '').trimEnd().split('\n').length <= 10);
  });

  it('has a row with a meaning, and a default or (required), for every key', () => {
    const rows = configMarkdown()
      .split('\n')
      .filter(line => line.startsWith('| `'))
      .map(line => line.split(/(?<!\\)\|/).map(cell => cell.trim()));
    assert.ok(rows.length > 80, `${rows.length} rows`);
    for (const [, key = '', value = '', usual = '', , about = ''] of rows) {
      assert.notEqual(about, '', `${key} has no meaning`);
      const isGroup = value === '' || value.startsWith('keys under it');
      assert.ok(isGroup || usual !== '', `${key} has no default`);
      assert.doesNotMatch(value + usual, /undefined|something else|\[object/, key);
    }
  });

  it('tells ranges and what a reload applies', () => {
    assert.match(configMarkdown(), /\| `recipients` \| a whole number from 100 to 10000 \| `1000` \| yes \|/);
    assert.match(configMarkdown(), /\| `scansInFlight` \| a whole number from 1 to 10000 \| `\d+` \| {2}\|/);
  });
});

describe('the DNS lists of the default', () => {
  it('give symbols that have points in rules/scores.yaml', () => {
    const scores = readFileSync(join(DOCS, '../rules/scores.yaml'), 'utf8');
    const symbols = settingsOf('').scanners.dnsLists.lists.flatMap(({ codes }) => codes.map(({ symbol }) => symbol));
    assert.ok(symbols.length > 10);
    for (const symbol of symbols) assert.match(scores, new RegExp(`^ +${symbol}:.*points: [0-9]`, 'm'));
  });
});

describe('the JSON Schema', () => {
  const schema = z.fromJSONSchema(JSON.parse(configJsonSchema()));
  const accepts = (text: string) => schema.safeParse(parseYaml('example', text).value).success;

  it('accepts the examples', () => {
    for (const example of EXAMPLES) assert.equal(accepts(example), true, example);
  });

  it('refuses what Postern refuses', () => {
    for (const text of [
      'hostnam: a.example',
      'limits: {recipients: 5}',
      'timeouts: {scan: 30}',
      'limits: {messageSize: 64MB}',
      'domains: {a.example: {}}',
      'policies: {default: {malware: delete}}',
    ]) {
      assert.equal(accepts(text), false, text);
    }
  });

  it('tells the meaning of a key while it is typed', () => {
    const { properties } = JSON.parse(configJsonSchema());
    assert.match(properties.limits.properties.recipients.description, /RFC 5321 4\.5\.3\.1\.8/);
    assert.match(properties.timeouts.properties.scan.description, /Expected: a duration/);
  });
});
