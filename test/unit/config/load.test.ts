import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';

import { loadSettings } from '../../../src/config/load.ts';
import { BadFile } from '../../../src/platform/problem.ts';

const ONE_DOMAIN = 'domains: {example.org: {nextHop: smtp://10.0.0.5}}\n';

/** Root may read everything. */
function withoutRights(work: () => void): void {
  const isRoot = process.geteuid?.() === 0;
  if (isRoot) process.seteuid?.(65_534);
  try {
    work();
  } finally {
    if (isRoot) process.seteuid?.(0);
  }
}

describe('loadSettings', () => {
  const root = mkdtempSync(join(tmpdir(), 'postern-load-'));
  after(() => rmSync(root, { recursive: true }));
  let count = 0;
  const folder = (files: Record<string, string | Uint8Array> = {}): string => {
    const path = join(root, String(count++));
    mkdirSync(path);
    for (const [name, content] of Object.entries(files)) {
      mkdirSync(join(path, name, '..'), { recursive: true });
      writeFileSync(join(path, name), content);
    }
    return path;
  };
  const failure = (work: () => unknown): string => {
    let message = '';
    assert.throws(work, error => {
      assert.ok(error instanceof BadFile, String(error));
      message = error.message;
      return true;
    });
    return message;
  };

  it('takes the built-in demo where there is no file, with paths from the current folder', () => {
    const cwd = folder();
    const { settings, file } = loadSettings({ cwd });
    assert.equal(file, null);
    assert.equal(settings.isDemo, true);
    assert.equal(settings.data, join(cwd, 'data'));
    assert.deepEqual(settings.domains.get('demo.example')?.nextHop.hosts, [
      { kind: 'maildir', path: join(cwd, 'data/mailbox'), text: `maildir:${join(cwd, 'data/mailbox')}` },
    ]);
  });

  it('takes ./postern.yaml where there is one', () => {
    const cwd = folder({ 'postern.yaml': ONE_DOMAIN });
    const { settings, file } = loadSettings({ cwd });
    assert.equal(file, join(cwd, 'postern.yaml'));
    assert.deepEqual([...settings.domains.keys()], ['example.org']);
    assert.equal(settings.isDemo, false);
  });

  it('takes the named file before ./postern.yaml, and paths in it start at its own folder', () => {
    const cwd = folder({
      'postern.yaml': ONE_DOMAIN,
      'etc/other.yaml': `data: ../var\ntls: {certificate: mx.pem, key: mx.key}\n${ONE_DOMAIN}`,
      'etc/mx.pem': '',
      'etc/mx.key': '',
    });
    const { settings, file } = loadSettings({ cwd, file: 'etc/other.yaml' });
    assert.equal(file, join(cwd, 'etc/other.yaml'));
    assert.equal(settings.data, join(cwd, 'var'));
    assert.deepEqual(settings.tls, { certificate: join(cwd, 'etc/mx.pem'), key: join(cwd, 'etc/mx.key') });
  });

  it('takes the settings of a service where none are named and none lie here', () => {
    const cwd = folder({ 'etc/postern.yaml': `data: ../var\n${ONE_DOMAIN}` });
    const systemFile = join(cwd, 'etc/postern.yaml');
    const { settings, file } = loadSettings({ cwd, systemFile });
    assert.equal(file, systemFile);
    assert.equal(settings.file, systemFile);
    assert.equal(settings.data, join(cwd, 'var'));
    writeFileSync(join(cwd, 'postern.yaml'), ONE_DOMAIN);
    assert.equal(loadSettings({ cwd, systemFile }).file, join(cwd, 'postern.yaml'), 'what lies here comes first');
    assert.equal(loadSettings({ cwd: folder(), systemFile: join(cwd, 'none') }).settings.isDemo, true);
  });

  it('goes on without the settings of a service that are not ours to read, where nobody needs them', () => {
    const cwd = folder({ 'etc/postern.yaml': ONE_DOMAIN });
    for (const path of [root, cwd]) chmodSync(path, 0o755);
    const systemFile = join(cwd, 'etc/postern.yaml');
    for (const path of [systemFile, join(cwd, 'etc')]) {
      chmodSync(path, 0);
      withoutRights(() => {
        const { settings, file, passedOver } = loadSettings({ cwd, systemFile, mayGoWithout: true });
        assert.deepEqual([settings.isDemo, file, passedOver], [true, null, systemFile]);
        assert.match(
          failure(() => loadSettings({ cwd, systemFile })),
          /the file cannot be read \(EACCES\)\n {2}let the user that runs Postern read it/,
        );
      });
    }
    chmodSync(join(cwd, 'etc'), 0o755);
    assert.equal(
      loadSettings({ cwd: folder(), systemFile: join(cwd, 'none'), mayGoWithout: true }).passedOver,
      undefined,
    );
    writeFileSync(join(cwd, 'postern.yaml'), ONE_DOMAIN);
    withoutRights(() => {
      const { file, passedOver } = loadSettings({ cwd, systemFile, mayGoWithout: true });
      assert.deepEqual([file, passedOver], [join(cwd, 'postern.yaml'), undefined], 'what lies here is not affected');
    });
  });

  it('does not go on without a file that lies here or was named', () => {
    const cwd = folder({ 'postern.yaml': ONE_DOMAIN });
    for (const path of [root, cwd]) chmodSync(path, 0o755);
    chmodSync(join(cwd, 'postern.yaml'), 0);
    withoutRights(() => {
      for (const file of [{}, { file: 'postern.yaml' }])
        assert.match(
          failure(() => loadSettings({ cwd, ...file, mayGoWithout: true })),
          /EACCES/,
        );
    });
  });

  it('does not start the demo from a file that was chosen and names no domain', () => {
    const cwd = folder({
      'etc/postern.yaml': 'hostname: mx.example.org\n',
      'postern.yaml': '# the demo on other ports\n',
    });
    const [named, systemFile] = ['etc/postern.yaml', join(cwd, 'etc/postern.yaml')];
    assert.equal(
      failure(() => loadSettings({ cwd, file: named, mustTakeMail: true })),
      [
        'etc/postern.yaml:1:1: found neither domains nor outgoing, expected whose mail is to be taken',
        '  add your own, such as domains: {example.org: {nextHop: "smtp://10.0.0.5:25"}}; the demo needs no file',
      ].join('\n'),
    );
    assert.match(
      failure(() => loadSettings({ cwd: folder(), systemFile, mustTakeMail: true })),
      /neither domains nor outgoing/,
    );
    assert.equal(loadSettings({ cwd, mustTakeMail: true }).settings.isDemo, true, 'postern.yaml of this folder');
    assert.equal(loadSettings({ cwd, file: named }).settings.isDemo, true, 'who takes no mail needs no domain');
  });

  it('does not fall back to the demo where the named file is missing', () => {
    const cwd = folder({ 'postern.yaml': ONE_DOMAIN });
    assert.equal(
      failure(() => loadSettings({ cwd, file: 'postren.yaml' })),
      `postren.yaml:1:1: there is no such file\n  the path was taken from ${cwd}`,
    );
  });

  it('suggests no file that is not there', () => {
    const cwd = folder({ 'etc/other.yaml': ONE_DOMAIN });
    assert.throws(
      () => loadSettings({ cwd, file: join(cwd, 'etc') }),
      /this is a folder\n {2}name the settings file itself; there is no postern\.yaml in this folder$/,
    );
  });

  it('says so where a folder was named', () => {
    const cwd = folder({ 'etc/postern.yaml': ONE_DOMAIN });
    assert.match(
      failure(() => loadSettings({ cwd, file: 'etc' })),
      /^etc:1:1: this is a folder\n {2}did you mean "etc\/postern.yaml"\?$/,
    );
  });

  it('names the file as it was given in its messages', () => {
    const cwd = folder({ 'etc/a.yaml': 'hostnam: x' });
    assert.match(
      failure(() => loadSettings({ cwd, file: './etc/a.yaml' })),
      /^\.\/etc\/a\.yaml:1:1: unknown key "hostnam"/,
    );
  });

  it('refuses what is no UTF-8 text', () => {
    const cwd = folder({ 'postern.yaml': Buffer.from('hostname: b\xfccher.example', 'latin1') });
    assert.match(
      failure(() => loadSettings({ cwd })),
      /^postern.yaml:1:1: the file is not UTF-8 text\n {2}save it as UTF-8$/,
    );
  });

  it('takes an empty file, and one of comments, as the defaults', () => {
    for (const text of ['', '# nothing yet\n', '---\n', '\ufeff# mark of a Windows editor\n']) {
      assert.equal(loadSettings({ cwd: folder({ 'postern.yaml': text }) }).settings.isDemo, true, JSON.stringify(text));
    }
  });

  it('I9: gives nothing at all of a file with one mistake, so that a reload keeps what holds', () => {
    const cwd = folder({ 'postern.yaml': ONE_DOMAIN });
    const held = loadSettings({ cwd }).settings;
    const before = structuredClone(held);
    writeFileSync(
      join(cwd, 'postern.yaml'),
      'domains: {example.net: {nextHop: smtp://10.0.0.6}}\nlimits: {recipients: 1}\n',
    );
    assert.match(
      failure(() => loadSettings({ cwd })),
      /^postern\.yaml:2:22: limits\.recipients: found 1/,
    );
    assert.deepEqual(held, before);
  });

  it('looks whether named rule folders are there, but not for rules/local', () => {
    const rules = (list: string) => `${ONE_DOMAIN}scanners: {rules: {folders: ${list}}}\n`;
    const cwd = folder({ 'postern.yaml': rules('[shipped, mine, rules/local]'), 'mine/a.yaml': '' });
    const { folders } = loadSettings({ cwd }).settings.scanners.rules;
    assert.deepEqual(
      folders.map(({ kind, mayBeMissing }) => [kind, mayBeMissing]),
      [
        ['shipped', false],
        ['site', false],
        ['site', true],
      ],
    );
    assert.match(folders[0]?.path ?? '', /\/rules$/);
    assert.equal(folders[1]?.path, join(cwd, 'mine'));
    writeFileSync(join(cwd, 'postern.yaml'), rules('[yours]'));
    assert.match(
      failure(() => loadSettings({ cwd })),
      /there is no folder .*yours\n.*\n.*\n {2}make it, or take it from the list/,
    );
  });
});
