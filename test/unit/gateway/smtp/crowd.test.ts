import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Crowd } from '../../../../src/gateway/smtp/crowd.ts';

const one = (name: string, waited: number) => ({
  name,
  waited,
  asked: 0,
  waitedMs() {
    this.asked++;
    return this.waited;
  },
});

test('the client that has kept us waiting longest goes, and never one below the least', () => {
  const crowd = new Crowd<ReturnType<typeof one>>();
  const all = new Set([one('a', 3000), one('b', 9000), one('c', 100), one('d', 5000)]);
  const names = [1, 2, 3, 4].map(() => crowd.slowest(all, 2000, 0)?.name);
  assert.deepEqual(names, ['b', 'd', 'a', undefined]);
});

test('who has spoken since the last look stays', () => {
  const crowd = new Crowd<ReturnType<typeof one>>();
  const [quiet, brisk] = [one('quiet', 3000), one('brisk', 9000)];
  const other = one('other', 10_000);
  assert.equal(crowd.slowest(new Set([quiet, brisk, other]), 2000, 0)?.name, 'other');
  brisk.waited = 0;
  assert.equal(crowd.slowest(new Set([quiet, brisk]), 2000, 10)?.name, 'quiet');
});

test('who has gone since the last look is passed over', () => {
  const crowd = new Crowd<ReturnType<typeof one>>();
  const [here, gone, first] = [one('here', 3000), one('gone', 9000), one('first', 10_000)];
  assert.equal(crowd.slowest(new Set([here, gone, first]), 2000, 0)?.name, 'first');
  assert.equal(crowd.slowest(new Set([here]), 2000, 10)?.name, 'here');
});

test('a look of long ago counts no more: others may have waited longer since', () => {
  const crowd = new Crowd<ReturnType<typeof one>>();
  const [brisk, quiet, first] = [one('brisk', 3000), one('quiet', 0), one('first', 10_000)];
  const all = new Set([brisk, quiet, first]);
  assert.equal(crowd.slowest(all, 2000, 0)?.name, 'first');
  all.delete(first);
  quiet.waited = 60_000;
  assert.equal(crowd.slowest(all, 2000, 60_000)?.name, 'quiet');
});

test('a flood of newcomers does not look through all connections each', () => {
  const crowd = new Crowd<ReturnType<typeof one>>();
  const known = Array.from({ length: 1000 }, (_, i) => one(`${i}`, 100));
  const all = new Set(known);
  for (let newcomer = 0; newcomer < 500; newcomer++) assert.equal(crowd.slowest(all, 2000, 1), null);
  assert.equal(known[0]?.asked, 1);
  assert.equal(crowd.slowest(all, 50, 200)?.waited, 100, 'looked again after a while');
});
