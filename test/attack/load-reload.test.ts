// A reload of many rules while mail flows: reading and trying them takes seconds, and nobody's mail waits for that.

import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';

import { assertNoLongTurn, longestTurnMs } from '../support/delay.ts';
import { startFakeHop } from '../support/fake-hop.ts';
import { startPostern, testFolder } from '../support/postern.ts';
import { needs } from '../support/require.ts';
import { message, sendMail } from '../support/send.ts';
import { count, IS_LONG } from './report.ts';

const RULES = IS_LONG ? 3000 : 200;

test('mail flows while a large set of rules is read again, and bad rules are still told by their place', async t => {
  if (!needs(t, 'redis-server')) return;
  const hop = await startFakeHop();
  t.after(() => hop.stop());
  const folder = testFolder(t, 'rules');
  const own = join(folder, 'own');
  mkdirSync(own, { recursive: true });
  writeFileSync(join(own, 'many.yaml'), manyRules(1));
  const shipped = join(import.meta.dirname, '../../rules');
  const postern = await startPostern(t, {
    folder,
    settings: [
      `domains: {example.org: {nextHop: "${hop.smtp}"}}`,
      `scanners: {clamav: {enabled: false}, senderAuth: {enabled: false}, dnsLists: {enabled: false}, rules: {folders: ["${shipped}", "${own}"]}}`,
    ].join('\n'),
  });
  await longestTurnMs(postern);

  let isReloading = true;
  let sent = 0;
  const flow = (async () => {
    while (isReloading)
      assert.match(await sendMail(postern.port, { content: message(`Mail ${++sent}`, 'x') }), /^250 /);
  })();
  for (const version of IS_LONG ? [2, 3, 4] : [2]) {
    writeFileSync(join(own, 'many.yaml'), manyRules(version));
    const said = await postern.cli('reload');
    assert.equal(said.code, 0, said.stderr);
  }
  writeFileSync(join(own, 'many.yaml'), 'rules:\n  MANY_1: {about: x, points: 1, whenn: 2}\n');
  const bad = await postern.cli('reload');
  assert.equal(bad.code, 2);
  assert.match(bad.stderr, /many\.yaml:2:\d+: unknown key "whenn"/);
  isReloading = false;
  await flow;
  assert.ok(sent > 0);
  t.diagnostic(`${sent} messages during the reloads, longest turn ${await assertNoLongTurn(postern, 'reload')} ms`);
  count('reload of a large set under load', 3);
});

/** Another set for each version. */
function manyRules(version: number): string {
  const rule = (number: number) =>
    [
      `  MANY_${number}:`,
      '    about: one of many',
      `    points: 0.00${version}`,
      `    when: {subject: '/number ${number} (?:of|from) ${version}/i'}`,
      `    examples: {hit: [{subject: number ${number} of ${version}}], miss: [{subject: another}]}`,
    ].join('\n');
  return `rules:\n${Array.from({ length: RULES }, (_, number) => rule(number)).join('\n')}\n`;
}
