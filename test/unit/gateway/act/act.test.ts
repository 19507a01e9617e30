// The one place that acts: every outcome, every answer of a next hop, and the client that goes away.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Acted, type Action, act } from '../../../../src/gateway/act/act.ts';
import { HopLost, MailError } from '../../../../src/mail/error.ts';
import type { Outcome } from '../../../../src/mail/policy.ts';
import type { HopReply, HopTransaction } from '../../../../src/mail/ports.ts';

interface Far {
  /** Bytes that reached the next hop, and whether the dot did. */
  got: string;
  hasDot: boolean;
}

/** A next hop that reads the body and then does as told. */
function hopThat(answer: () => HopReply | Error, far: Far): HopTransaction {
  return {
    host: 'smtp://inside.example:25',
    capabilities: { sizeBytes: null, eightBitMime: true, smtpUtf8: true },
    mail: () => Promise.reject(new Error('not here')),
    rcpt: () => Promise.reject(new Error('not here')),
    data: async body => {
      for await (const chunk of body) far.got += Buffer.from(chunk).toString('latin1');
      far.hasDot = true;
      const said = answer();
      if (said instanceof Error) throw said;
      return said;
    },
    release: () => undefined,
  };
}

const OK: HopReply = { code: 250, enhanced: '2.0.0', text: 'queued as inside' };

async function acted(
  change: Partial<Action>,
  answer: () => HopReply | Error = () => OK,
  far = { got: '', hasDot: false },
) {
  const action: Action = {
    outcome: 'accept',
    hop: hopThat(answer, far),
    body: async function* () {
      yield Buffer.from('one');
      yield Buffer.from('two');
    },
    gone: new AbortController().signal,
    ending: new AbortController().signal,
    passBy: Date.now() + 60_000,
    replyBy: Date.now() + 60_000,
    hold: async () => undefined,
    passHopText: false,
    ...change,
  };
  const result: Acted = await act(action);
  return { ...result, far };
}

const OUTCOMES: readonly [outcome: Outcome, code: number, state: string, passed: string][] = [
  ['accept', 250, 'relayed', 'onetwo'],
  ['tag', 250, 'relayed', 'onetwo'],
  ['quarantine', 250, 'held', ''],
  ['discard', 250, 'discarded', ''],
  ['defer', 451, 'deferred', ''],
  ['reject', 550, 'refused', ''],
];

for (const [outcome, code, state, passed] of OUTCOMES) {
  test(`I3: ${outcome} is ${code} and ${state}`, async () => {
    const { reply, disposition, far } = await acted({ outcome });
    assert.deepEqual([reply.code, disposition.state, far.got], [code, state, passed]);
  });

  test(`I1: ${outcome} after the client has gone is nothing: neither passed on nor held`, async () => {
    let isHeld = false;
    const hold = async () => {
      isHeld = true;
    };
    const { reply, disposition, far } = await acted({ outcome, hold, gone: AbortSignal.abort() });
    assert.deepEqual([reply.code, disposition.state, far.got, isHeld], [451, 'abandoned', '', false]);
  });
}

const ANSWERS: readonly [said: HopReply, code: number, enhanced: string, state: string][] = [
  [OK, 250, '2.6.0', 'relayed'],
  [{ code: 251, enhanced: null, text: '' }, 250, '2.6.0', 'relayed'],
  [{ code: 354, enhanced: null, text: 'go on' }, 451, '4.3.0', 'deferred'],
  [{ code: 421, enhanced: '4.3.2', text: 'closing' }, 451, '4.3.0', 'deferred'],
  [{ code: 452, enhanced: '4.2.2', text: 'full' }, 452, '4.2.2', 'deferred'],
  [{ code: 450, enhanced: null, text: 'greylisted inside' }, 450, '4.0.0', 'deferred'],
  [{ code: 550, enhanced: '5.7.1', text: 'no' }, 550, '5.7.1', 'refused'],
  [{ code: 554, enhanced: '2.0.0', text: 'a status of another kind' }, 554, '5.0.0', 'refused'],
  [{ code: 554, enhanced: '5.1', text: 'half a status' }, 554, '5.0.0', 'refused'],
  // They speak of our session with the hop: an administrator can mend it, so no sender may give up for it.
  [{ code: 500, enhanced: '5.5.2', text: 'what?' }, 451, '4.3.0', 'deferred'],
  [{ code: 503, enhanced: '5.5.1', text: 'sequence' }, 451, '4.3.0', 'deferred'],
  [{ code: 530, enhanced: '5.7.0', text: 'STARTTLS first' }, 451, '4.3.0', 'deferred'],
  [{ code: 600, enhanced: null, text: 'no such kind' }, 451, '4.3.0', 'deferred'],
  [{ code: 199, enhanced: null, text: 'nor such' }, 451, '4.3.0', 'deferred'],
];

for (const [said, code, enhanced, state] of ANSWERS) {
  test(`I5: a next hop that says ${said.code} ${said.enhanced} to the dot is ${code} ${enhanced}, ${state}`, async () => {
    for (const passHopText of [false, true]) {
      const { reply, disposition } = await acted({ passHopText }, () => said);
      assert.deepEqual([reply.code, reply.enhanced, disposition.state], [code, enhanced, state]);
      if (!passHopText && said.text !== '') assert.ok(!reply.text.includes(said.text), 'its words stay inside');
      assert.match(disposition.words, new RegExp(`^${said.code}`), 'the books keep its own words');
      assert.equal(disposition.host, 'smtp://inside.example:25');
    }
  });
}

test('a next hop that is silent after the dot is 451, and the books say unknown', async () => {
  const { reply, disposition } = await acted({}, () => new HopLost(true, 'inside.example: silent'));
  assert.deepEqual([reply.code, disposition.state], [451, 'unknown']);
  assert.doesNotMatch(reply.text, /inside/);
});

test('a next hop that is lost before the dot is 451 and deferred', async () => {
  const { reply, disposition } = await acted({}, () => new HopLost(false, 'inside.example: reset'));
  assert.deepEqual([reply.code, disposition.state], [451, 'deferred']);
});

test('the books say what the sender was told, also where a hop that was reached anew can do less', async () => {
  const { reply, disposition } = await acted({}, () => new MailError('needsSmtpUtf8', 'other host'));
  assert.deepEqual([reply.code, disposition.state], [553, 'refused']);
});

test('I5: an error that nobody has named is 451', async () => {
  const { reply, disposition } = await acted({}, () => new TypeError('x is undefined'));
  assert.deepEqual([reply.code, reply.enhanced, disposition.state], [451, '4.3.0', 'deferred']);
});

for (const after of [1, 2]) {
  test(`I1: a client that goes after ${after} of 2 pieces: the next hop never sees the dot`, async () => {
    const gone = new AbortController();
    const body = async function* () {
      for (let n = 1; n <= 2; n++) {
        yield Buffer.from(`piece ${n}`);
        if (n === after) gone.abort(new Error('gone'));
      }
    };
    const { disposition, far } = await acted({ body, gone: gone.signal });
    assert.equal(far.hasDot, false);
    assert.equal(disposition.state, 'abandoned');
  });
}

test('I1: a message that is not with the next hop in time: 451, and the next hop never sees the dot', async () => {
  const slow = Promise.withResolvers<void>();
  const body = async function* () {
    yield Buffer.from('one');
    await slow.promise;
    yield Buffer.from('two');
  };
  const far = { got: '', hasDot: false };
  const data: HopTransaction['data'] = (source, signal) => {
    signal.addEventListener('abort', () => slow.resolve());
    return hopThat(() => OK, far).data(source, signal);
  };
  const hop = { ...hopThat(() => OK, far), data };
  const { reply, disposition } = await acted({ hop, body, passBy: Date.now() + 50 });
  assert.deepEqual([reply.code, disposition.state, far.hasDot], [451, 'deferred', false]);
  const late = await acted({ passBy: Date.now() - 1 });
  assert.deepEqual([late.reply.code, late.disposition.state, late.far.got], [451, 'deferred', '']);
});

test('after the dot the time to pass it on counts no more', async () => {
  const data: HopTransaction['data'] = (_, signal) =>
    new Promise(resolve => signal.addEventListener('abort', () => resolve(OK)));
  const hop = { ...hopThat(() => OK, { got: '', hasDot: false }), data };
  const { disposition } = await acted({ hop, passBy: Date.now() + 20 });
  assert.equal(disposition.state, 'relayed');
});

test('I1: a client that goes after the dot changes nothing: the books say what the hop said', async () => {
  const gone = new AbortController();
  const { disposition } = await acted({ gone: gone.signal }, () => {
    gone.abort(new Error('gone'));
    return OK;
  });
  assert.equal(disposition.state, 'relayed');
});

test('I1: a hold that fails is no acceptance', async () => {
  const hold = () => Promise.reject(new MailError('noSpace', 'disk full'));
  await assert.rejects(acted({ outcome: 'quarantine', hold }), MailError);
});

test('a stop that waits no longer for the next hop: 451, and the books say unknown', async () => {
  const ending = new AbortController();
  const isAsked = Promise.withResolvers<void>();
  const data = () => {
    isAsked.resolve();
    return new Promise<never>(() => undefined);
  };
  const hop = { ...hopThat(() => OK, { got: '', hasDot: false }), data };
  const waiting = acted({ hop, ending: ending.signal });
  await isAsked.promise;
  ending.abort(new HopLost(true, 'stopped'));
  const { reply, disposition } = await waiting;
  assert.deepEqual([reply.code, disposition.state], [451, 'unknown']);
});
