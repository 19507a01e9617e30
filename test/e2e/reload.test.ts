// Settings and rules change as a whole or not at all (I9), while mail flows.

import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { type FakeHop, startFakeHop } from '../support/fake-hop.ts';
import { RULES_ALONE, type RunningPostern, startPostern, testFolder } from '../support/postern.ts';
import { needs } from '../support/require.ts';
import { message, sendMail } from '../support/send.ts';
import { waitFor } from '../support/wait-for.ts';

const SENDERS = 5;
/** One message of each sender in this time: 20 messages a second. */
const PAUSE_MS = 1000 * (SENDERS / 20);

test('I9: rules that change while mail flows judge the next message, as a whole, and none is lost', async t => {
  if (!needs(t, 'redis-server')) return;
  const { postern, hop, rules } = await started(t);
  const flow = new Flow(postern.port);
  t.after(() => flow.stop());
  for (let version = 1; version <= 4; version++) {
    const before = flow.replies.length;
    await waitFor('mail to flow', () => flow.replies.length >= before + 20, 60_000);
    rules.write(version);
    const reloaded = await postern.cli('reload');
    flow.mark(version);
    assert.equal(reloaded.code, 0, reloaded.stderr);
    const words = String.raw`Rules: \d+, set [0-9a-f]{12} \(\+2 FLOW.*; -2 FLOW.*\)\.(\n {2}/.*, \d+ rules)+\nNo setting has changed\.\n`;
    assert.match(reloaded.stdout, new RegExp(`^${words}$`));
  }
  const before = flow.replies.length;
  await waitFor('mail after the last reload', () => flow.replies.length >= before + 20, 60_000);
  await flow.stop();

  for (const { reply, number } of flow.replies) assert.match(reply, /^250 /, `message ${number}`);
  const delivered = new Map(hop.messages.map(({ bytes }) => [numberOf(bytes), symbolsOf(bytes)]));
  assert.equal(hop.messages.length, flow.replies.length, 'each arrived once');
  const seen = new Set<number>();
  for (const { number, least, most } of flow.replies) {
    const symbols = delivered.get(number) ?? [];
    const [version, ...others] = new Set(symbols.map(symbol => Number(symbol.at(-1))));
    assert.ok(version !== undefined && others.length === 0, `message ${number} by one set: ${symbols}`);
    assert.deepEqual(symbols, [`FLOW_FIRST_${version}`, `FLOW_SECOND_${version}`], `message ${number} by a whole set`);
    assert.ok(version >= least, `message ${number} began after reload ${least} and was judged by set ${version}`);
    assert.ok(version <= most, `message ${number} ended before reload ${most} and was judged by set ${version}`);
    seen.add(version);
  }
  assert.deepEqual([...seen].sort(), [0, 1, 2, 3, 4], 'every set has judged mail');
});

test('I9: bad rules or settings change nothing, and say why; a good threshold holds for the next message', async t => {
  if (!needs(t, 'redis-server')) return;
  const { postern, hop, rules } = await started(t);
  const judged = async (subject: string) => {
    assert.match(await sendMail(postern.port, { content: message(subject, 'body') }), /^250 /);
    return String(hop.messages.at(-1)?.bytes).split('\r\n\r\n')[0] ?? '';
  };
  const isOld = async (subject: string) => {
    const head = await judged(subject);
    assert.deepEqual(symbolsOf(Buffer.from(head)), ['FLOW_FIRST_0', 'FLOW_SECOND_0']);
    assert.doesNotMatch(head, /^X-Spam-Flag/m);
  };
  await isOld('flow 1');

  await t.test('a bad rule file, with a good one beside it', async () => {
    rules.write(1);
    writeFileSync(join(rules.folder, 'second.yaml'), rule('SECOND_1').replace('points: 0.1', 'points: many'));
    const said = await postern.cli('reload');
    assert.equal(said.code, 2);
    assert.equal(said.stdout, '');
    assert.match(said.stderr, /^\S+\/rules\/local\/second\.yaml:5:13: "many" where a number of points was expected\n/);
    await isOld('flow 2');
    rules.write(0);
  });

  const file = join(postern.folder, 'postern.yaml');
  const good = readFileSync(file, 'utf8');
  await t.test('a bad setting, with a good one beside it', async () => {
    writeFileSync(file, `${good}policies: {default: {thresholds: {tag: 0.1}}}\nlimits: {recipients: few}\n`);
    const said = await postern.cli('reload');
    assert.equal(said.code, 2);
    assert.match(said.stderr, /postern\.yaml:\d+:22: limits\.recipients: found "few", expected a whole number/);
    await isOld('flow 3');
  });

  await t.test('SIGHUP with the same file: the log says why, the gateway stays', async () => {
    postern.child.kill('SIGHUP');
    await waitFor('the log to say so', () => postern.log().includes('not reloaded, the old version stays'));
    await isOld('flow 4');
  });

  await t.test('a threshold holds at once; what needs a restart is named and changes nothing', async () => {
    const more = 'policies: {default: {thresholds: {tag: 0.1}}}\ndiskReserve: 64MiB\n';
    writeFileSync(file, `${good}${more}`);
    const said = await postern.cli('reload');
    assert.equal(said.code, 0, said.stderr);
    assert.match(said.stdout, /^Changed: policies\.default\.$/m);
    assert.match(said.stdout, /^Waiting for a restart of the gateway: diskReserve\.$/m);
    const head = await judged('flow 5');
    assert.match(head, /^X-Spam-Flag: YES\r$/m);
    const again = JSON.parse((await postern.cli('reload', '--json')).stdout) as Record<string, unknown>;
    assert.deepEqual([again['live'], again['restart'], again['silentHops']], [[], ['diskReserve'], []]);
  });
});

interface Rules {
  readonly folder: string;
  /** Two files that belong together. */
  write(version: number): void;
}

async function started(t: TestContext): Promise<{ postern: RunningPostern; hop: FakeHop; rules: Rules }> {
  const hop = await startFakeHop();
  t.after(() => hop.stop());
  const folder = testFolder(t, 'reload');
  const rules = rulesIn(join(folder, 'rules/local'));
  rules.write(0);
  const settings = `domains: {example.org: {nextHop: "${hop.smtp}"}}\n${RULES_ALONE}`;
  return { postern: await startPostern(t, { folder, settings }), hop, rules };
}

function rulesIn(folder: string): Rules {
  mkdirSync(folder, { recursive: true });
  const write = (version: number) => {
    writeFileSync(join(folder, 'first.yaml'), rule(`FIRST_${version}`));
    writeFileSync(join(folder, 'second.yaml'), rule(`SECOND_${version}`));
  };
  return { folder, write };
}

function rule(name: string): string {
  return `rules:\n  FLOW_${name}:\n    about: Mail of this test\n    when: {subject: /^flow/}\n    points: 0.1\n    examples: {hit: [{subject: flow 1}], miss: [{subject: other}]}\n`;
}

function numberOf(bytes: Buffer): number {
  return Number(/^Subject: flow (\d+)\r$/m.exec(bytes.toString('latin1'))?.[1]);
}

function symbolsOf(bytes: Buffer): string[] {
  const [, status = ''] = /^X-Spam-Status: (.*(?:\r\n\s.*)*)/m.exec(bytes.toString('latin1')) ?? [];
  return (status.match(/FLOW_(?:FIRST|SECOND)_\d/g) ?? []).sort();
}

interface Sent {
  readonly number: number;
  readonly reply: string;
  /** The newest set that was in force for sure when it began, and the oldest that was not yet when it ended. */
  readonly least: number;
  readonly most: number;
}

/** Several clients, each with one message after the other. */
class Flow {
  readonly replies: Sent[] = [];
  readonly #port: number;
  readonly #senders: Promise<void>[];
  #number = 0;
  #reloaded = 0;
  #isStopping = false;

  constructor(port: number) {
    this.#port = port;
    this.#senders = Array.from({ length: SENDERS }, () => this.#send());
  }

  /** This set's reload has been answered. */
  mark(version: number): void {
    this.#reloaded = version;
  }

  async stop(): Promise<void> {
    this.#isStopping = true;
    await Promise.all(this.#senders);
  }

  async #send(): Promise<void> {
    while (!this.#isStopping) {
      const number = ++this.#number;
      const least = this.#reloaded;
      const content = message(`flow ${number}`, 'body');
      const reply = await sendMail(this.#port, { content }).catch(error => String(error));
      this.replies.push({ number, reply, least, most: this.#reloaded + 1 });
      await new Promise(resolve => setTimeout(resolve, PAUSE_MS));
    }
  }
}
