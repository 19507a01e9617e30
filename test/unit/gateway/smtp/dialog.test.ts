// Plays every dialogue of test/dialog against the real listener.

import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import type { GatewayRules } from '../../../../src/gateway/gateway.ts';
import { type Steering, startTestGateway, TEST_RULES, type TestGateway } from '../../../support/gateway.ts';
import { parseScript, play, type Script } from '../../../support/smtp-script.ts';

const FOLDER = join(import.meta.dirname, '../../../dialog');

for (const file of readdirSync(FOLDER).filter(name => name.endsWith('.smtp'))) {
  const script = parseScript(readFileSync(join(FOLDER, file), 'utf8'));
  test(`${file.replace('.smtp', '')}: ${script.about}`, async () => {
    const gateway = await startTestGateway(rulesOf(script));
    try {
      steer(gateway.steering, script);
      await play(script, gateway.port);
      checkDelivered(gateway, join(FOLDER, file.replace('.smtp', '.delivered')));
    } finally {
      await gateway.stop();
    }
    assert.equal(gateway.openHops(), 0, 'every next-hop transaction was given back');
    assert.equal(gateway.spooled.size, 0, 'nothing is left in the spool');
  });
}

function checkDelivered({ delivered }: TestGateway, file: string): void {
  if (!existsSync(file)) return;
  assert.equal(delivered.length, 1);
  const bytes = delivered[0]?.bytes.toString('latin1') ?? '';
  const expected = readFileSync(file, 'latin1');
  assert.ok(bytes.endsWith(expected), `delivered:\n${bytes}`);
  const stamp = bytes.slice(0, -expected.length);
  assert.match(stamp, /Received: from .*\r\n$/s, 'nothing stands between our headers and the content');
}

function rulesOf({ settings }: Script): Partial<GatewayRules> {
  const one = (word: string) => settings.get(word)?.[0];
  const guard = {
    ...TEST_RULES.guard,
    ...(one('bareNewlines') === 'refuse' ? { bareNewlines: 'refuse' as const } : {}),
    ...(one('messageBytes') === undefined ? {} : { messageBytes: Number(one('messageBytes')) }),
  };
  return { guard, ...(one('recipients') === undefined ? {} : { recipients: Number(one('recipients')) }) };
}

function steer(steering: Steering, { settings }: Script): void {
  const one = (word: string) => settings.get(word)?.[0];
  steering.score = Number(one('score') ?? 0);
  if (one('notReady') === 'queue away') steering.notReady = 'queue away';
  steering.spoolFull = settings.has('spoolFull');
  steering.holdFails = settings.has('holdFails');
  steering.oneRecipient = settings.has('oneRecipient');
  if (one('mayNot') === 'message') steering.mayNot = 'message';
  const trouble = one('hopTrouble');
  if (trouble === 'down' || trouble === 'silent after the dot') steering.hopTrouble = trouble;
  steering.capabilities = {
    sizeBytes: one('hopSize') === undefined ? null : Number(one('hopSize')),
    eightBitMime: one('hop8bit') !== 'no',
    smtpUtf8: one('hopUtf8') !== 'no',
  };
  for (const line of settings.get('hop') ?? []) {
    const [, command = '', code = '', enhanced = '', text = ''] = /^(RCPT \S+|\S+) (\d+) (\S+) (.*)$/.exec(line) ?? [];
    steering.hopSays.set(command, { code: Number(code), enhanced, text });
  }
}
