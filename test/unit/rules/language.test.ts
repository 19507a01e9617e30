// The language, case by case: what a condition hits and what it misses.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { judge, type Pieces, ruleSet, symbols } from '../../support/rules.ts';

interface Case {
  readonly when: string;
  readonly hit: readonly Pieces[];
  readonly miss: readonly Pieces[];
}

const CASES: Readonly<Record<string, Case>> = {
  'an expression is found anywhere in a value': {
    when: '{subject: /lot+ery/i}',
    hit: [{ subject: 'The LOTTERY' }],
    miss: [{ subject: 'The lot' }, {}],
  },
  'an expression may stand behind `matches`': {
    when: '{subject: {matches: /^a$/}}',
    hit: [{ subject: 'a' }],
    miss: [{ subject: 'ab' }],
  },
  'words are whole, without case, accents, punctuation and line ends': {
    when: "{text: {words: [act now, Überweisung, don't]}}",
    hit: [{ text: 'ACT,\nNow!' }, { text: 'uberweisung' }, { text: 'dont' }, { text: 'Don’t' }],
    miss: [{ text: 'react now' }, { text: 'act nowhere' }, { text: 'act right now' }],
  },
  'a number of words': {
    when: '{text: {words: [one, two, three], at-least: 2}}',
    hit: [{ text: 'three one' }],
    miss: [{ text: 'one one one' }],
  },
  'text holds the subject too': { when: '{text: /offer/}', hit: [{ subject: 'offer' }], miss: [{ subject: 'other' }] },
  'a plain value is the whole value, in any case': {
    when: '{from.domain: Example.COM}',
    // No length of comment hides an address, and one that no server takes is still shown to people.
    hit: [
      { from: 'A <a@EXAMPLE.com>' },
      { from: `(${'x'.repeat(20_000)}) a@example.com` },
      { from: 'a@b@example.com' },
    ],
    miss: [{ from: 'a@mail.example.com' }, { from: 'a@example.com.test' }, {}],
  },
  'a list is any of its values': {
    when: '{attachment.type: [text/html, image/png]}',
    hit: [{ attachment: { type: 'image/png' } }],
    miss: [{ attachment: { type: 'image/gif' } }],
  },
  'a line is equal only by `equals`': {
    when: '{subject: {equals: hello}}',
    hit: [{ subject: 'Hello' }],
    miss: [{ subject: 'hello you' }],
  },
  'under is a domain and what is below it': {
    when: '{link.host: {under: example.com}}',
    hit: [{ link: 'https://example.com/' }, { link: 'https://a.b.example.com/' }],
    miss: [{ link: 'https://badexample.com/' }, { link: 'https://example.com.test/' }],
  },
  'domains are compared as A-labels': {
    when: '{from.domain: bücher.example}',
    hit: [{ from: 'a@xn--bcher-kva.example' }, { from: 'a@BÜCHER.example' }],
    miss: [{ from: 'a@bucher.example' }],
  },
  'own is one of the configured domains, or below one': {
    when: '{mail-from.domain: own}',
    hit: [{ 'mail-from': 'a@own.example' }, { 'mail-from': 'a@x.own.example' }],
    miss: [{ 'mail-from': 'a@known.example' }, { 'mail-from': '' }],
  },
  'networks of both families': {
    when: "{client.address: {in: [192.0.2.0/24, '2001:db8::/32', 198.51.100.7]}}",
    hit: [
      { client: { address: '192.0.2.255' } },
      { client: { address: '2001:db8:ffff::1' } },
      { client: { address: '198.51.100.7' } },
    ],
    miss: [{ client: { address: '192.0.3.0' } }, { client: { address: '2001:db9::' } }],
  },
  'the same domain in two places': {
    when: '{not: {reply-to.domain: {same-as: from.domain}}, reply-to: exists}',
    hit: [{ from: 'a@b.example', 'reply-to': 'a@c.example' }],
    miss: [{ from: 'a@b.example', 'reply-to': 'a@mail.b.example' }, { from: 'a@b.example' }],
  },
  'the same address is exactly the same': {
    when: '{reply-to.address: {same-as: from.address}}',
    hit: [{ from: 'a@b.example', 'reply-to': 'A@B.example' }],
    miss: [
      { from: 'a@b.example', 'reply-to': 'x.a@b.example' },
      { from: 'a@b.example', 'reply-to': 'a@x.b.example' },
    ],
  },
  'sizes know their units': {
    when: "{size: '> 2 KB'}",
    hit: [{ size: 2049 }],
    miss: [{ size: 2048 }],
  },
  'counts are compared': {
    when: "{count.links: '>= 3', count.recipients: 2}",
    hit: [{ count: { links: 3 }, 'rcpt-to': ['a@own.example', 'b@own.example'] }],
    miss: [{ count: { links: 2, recipients: 2 } }, { count: { links: 3, recipients: 3 } }],
  },
  'headers are found in any case of their name, each of them': {
    when: '{header x-mailer: /second/}',
    hit: [{ 'header X-Mailer': ['first', 'second'] }],
    miss: [{ 'header X-Mailer': ['first'] }, { 'header Mailer': 'second' }],
  },
  'raw headers are as they were sent': {
    when: '{header Subject raw: /utf-8/i}',
    hit: [{ subject: '=?UTF-8?q?x?=' }],
    miss: [{ subject: 'plain' }],
  },
  'all headers as one text': {
    when: "{headers: '/^x-odd: 1$/im'}",
    hit: [{ 'header X-Odd': '1', subject: 'a' }],
    miss: [{ subject: 'X-Odd: 1' }],
  },
  'how many of a header': {
    when: "{header From: {count: '> 1'}}",
    hit: [{ from: ['a@b.example', 'c@d.example'] }],
    miss: [{ from: 'a@b.example' }, {}],
  },
  'missing is none, or only empty ones': {
    when: '{header Date: missing}',
    hit: [{}, { 'header Date': '' }],
    miss: [{ 'header Date': 'Mon' }],
  },
  'a missing field of a thing is missing in all of them': {
    when: '{client.tls: missing, mail-from.address: missing}',
    hit: [{}],
    miss: [{ client: { tls: 'TLSv1.3' } }, { 'mail-from': 'a@b.example' }],
  },
  'two tests of one thing are about the same one': {
    when: '{link: {host: {under: a.example}, shown: /bank/}}',
    hit: [{ link: [{ url: 'https://a.example/', shown: 'bank' }] }],
    miss: [{ link: [{ url: 'https://a.example/' }, { url: 'https://b.example/', shown: 'bank' }] }],
  },
  'two dotted tests may be about two': {
    when: '{link.host: {under: a.example}, link.shown: /bank/}',
    hit: [{ link: [{ url: 'https://a.example/' }, { url: 'https://b.example/', shown: 'bank' }] }],
    miss: [{ link: [{ url: 'https://a.example/' }] }],
  },
  'combinations inside of a thing': {
    when: '{link: {any: [{host: {under: a.example}}, {all: [{source: form}, {not: {host: own}}]}]}}',
    hit: [{ link: 'https://a.example/' }, { link: { url: 'https://b.example/', source: 'form' } }],
    miss: [{ link: 'https://b.example/' }, { link: { url: 'https://own.example/', source: 'form' } }, {}],
  },
  'the reader sees another domain than the link has': {
    when: '{link.shown-differs: yes}',
    hit: [{ link: { url: 'https://evil.test/', shown: 'www.bank.example' } }],
    miss: [
      { link: { url: 'https://www.bank.example/', shown: 'https://bank.example/x' } },
      { link: { url: 'https://evil.test/', shown: 'click here' } },
    ],
  },
  'a name in an address list, quoted commas included': {
    when: '{to.name: /Doe/}',
    hit: [{ to: '"Doe, Jane" <jane@a.example>, x@b.example' }],
    miss: [{ to: 'doe@a.example' }],
  },
  'any, not and the number of conditions': {
    when: '{at-least: 2, of: [{subject: /a/}, {subject: /b/}, {not: {subject: /c/}}]}',
    hit: [{ subject: 'a' }, { subject: 'abc' }],
    miss: [{ subject: 'ac' }, { subject: 'c' }],
  },
  'a finding, with a condition on the message': {
    when: '{found: SPF_FAIL, subject: /a/}',
    hit: [{ found: ['SPF_FAIL'], subject: 'a' }],
    miss: [{ found: ['SPF_FAIL'], subject: 'b' }, { subject: 'a' }],
  },
  'not is about findings too': {
    when: '{all: [{not: SPF_FAIL}, {subject: /a/}]}',
    hit: [{ subject: 'a' }],
    miss: [{ subject: 'a', found: ['SPF_FAIL'] }],
  },
  'results of authentication': {
    when: '{dkim: {result: pass, domain: own}}',
    hit: [{ dkim: { result: 'pass', domain: 'own.example' } }],
    miss: [
      { dkim: { result: 'fail', domain: 'own.example' } },
      {
        dkim: [
          { result: 'pass', domain: 'a.example' },
          { result: 'fail', domain: 'own.example' },
        ],
      },
    ],
  },
};

for (const [name, { when, hit, miss }] of Object.entries(CASES)) {
  test(name, () => {
    const examples = JSON.stringify({ hit, miss });
    const known = 'SPF_FAIL: {about: known, points: 0}';
    // The examples are run when the set is read: a wrong one throws.
    ruleSet(`rules:\n  ${known}\n  CASE:\n    about: x\n    points: 1\n    when: ${when}\n    examples: ${examples}\n`);
    // And turned around they must not be taken, so that this test can fail.
    const turned = JSON.stringify({ hit: miss, miss: hit });
    assert.throws(
      () =>
        ruleSet(
          `rules:\n  ${known}\n  CASE:\n    about: x\n    points: 1\n    when: ${when}\n    examples: ${turned}\n`,
        ),
      /must (?:hit|miss) it/,
    );
  });
}

test('a hit says what was seen', () => {
  const set = ruleSet(
    'rules: {A: {about: x, points: 1, when: {subject: /lot+ery/i, text: {words: [money]}}}}'.replace('A:', 'AA:'),
  );
  const [hit] = judge(set, { subject: 'Your Lottery', text: 'Money!' }).findings;
  assert.equal(hit?.kind === 'hit' && hit.evidence, 'Lottery; money');
});

test('rules build on rules, whatever their order in the file', () => {
  const set = ruleSet(`rules:
  THIRD: {about: x, points: 1, when: {all: [SECOND, FIRST]}}
  SECOND: {about: x, points: 1, when: {not: FIRST}}
  FIRST: {about: x, points: 1, when: {subject: /a/}}
  FOURTH: {about: x, points: 1, when: SECOND}`);
  assert.deepEqual(symbols(judge(set, { subject: 'a' })), ['FIRST']);
  assert.deepEqual(symbols(judge(set, { subject: 'b' })).sort(), ['FOURTH', 'SECOND']);
});
