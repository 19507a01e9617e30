import assert from 'node:assert/strict';
import { resolve } from 'node:path';
import { type TestContext, test } from 'node:test';
import { settingsPlace } from '../../../src/cli/options.ts';
import { loadSettings } from '../../../src/config/load.ts';

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

test('a file that is not there is told with who named it', t => {
  const said = (config?: string) => {
    let message = '';
    assert.throws(
      () => loadSettings(settingsPlace(config === undefined ? {} : { config })),
      (error: Error) => {
        message = error.message;
        return true;
      },
    );
    return message;
  };
  withVariable(t, '/nowhere/postern.yaml');
  assert.equal(
    said(),
    '/nowhere/postern.yaml:1:1: there is no such file\n  the environment variable POSTERN_CONFIG names it; --config FILE goes before it',
  );
  assert.equal(said('/else/where.yaml'), '/else/where.yaml:1:1: there is no such file\n  --config names it');
  assert.equal(
    said('where.yaml'),
    `${resolve('where.yaml')}:1:1: there is no such file\n  the path was taken from ${process.cwd()}`,
  );
});
