import assert from 'node:assert/strict';
import { resolve } from 'node:path';
import { type TestContext, test } from 'node:test';
import { settingsPlace } from '../../../src/cli/options.ts';

function withVariable(t: TestContext, value: string | undefined): void {
  const before = process.env['POSTERN_CONFIG'];
  const put = (text: string | undefined) => {
    if (text === undefined) delete process.env['POSTERN_CONFIG'];
    else process.env['POSTERN_CONFIG'] = text;
  };
  put(value);
  t.after(() => put(before));
}

test('settings are those of --config, else of POSTERN_CONFIG, else found by their place', t => {
  withVariable(t, 'etc/other.yaml');
  assert.equal(settingsPlace({ config: 'mine.yaml' }).file, resolve('mine.yaml'));
  assert.equal(settingsPlace({}).file, resolve('etc/other.yaml'));
});

test('an empty POSTERN_CONFIG is none', t => {
  withVariable(t, '');
  assert.equal(settingsPlace({}).file, undefined);
});
