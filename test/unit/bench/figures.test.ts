import assert from 'node:assert/strict';
import { test } from 'node:test';

import { difference, latencyOf, marginal, median, percentile } from '../../../bench/figures.ts';

const hundred = Array.from({ length: 100 }, (_, n) => 100 - n);

test('a percentile is a value that was seen, by nearest rank', () => {
  assert.deepEqual(latencyOf(hundred), { p50: 50, p95: 95, p99: 99, max: 100 });
  assert.equal(percentile([7], 0.99), 7);
  assert.equal(percentile([1, 2], 0.5), 1);
  assert.ok(Number.isNaN(percentile([], 0.5)));
});

test('the median of an even number is the mean of the middle two', () => {
  assert.equal(median([3, 1, 2]), 2);
  assert.equal(median([4, 1, 2, 3]), 2.5);
  assert.ok(Number.isNaN(median([])));
});

test('what was not there before counts from nothing, what has gone is left out', () => {
  assert.deepEqual(difference({ a: 1, gone: 5 }, { a: 3, b: 2 }), { a: 2, b: 2 });
});

test('each further megabyte costs the same where CPU is linear, whatever a message costs besides', () => {
  const points = (cost: (size: number) => number) => [1e5, 1e6, 1e7].map(size => ({ size, cost: 5 + cost(size) }));
  const rounded = (values: readonly number[]) => values.map(value => Math.round(value));
  assert.deepEqual(rounded(marginal(points(size => size / 1e5))), [10, 10]);
  assert.deepEqual(rounded(marginal(points(size => (size / 1e6) ** 2))), [1, 11]);
});
