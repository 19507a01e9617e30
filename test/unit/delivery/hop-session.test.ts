// What a server's answer to EHLO makes it able to do. The whole of a delivery is in smtp-hop.test.ts.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { fakeHop, hopTo } from './hop-kit.ts';

const NOTHING = { sizeBytes: null, eightBitMime: false, smtpUtf8: false };

for (const { offers, can, what } of [
  { what: 'letters of any case', offers: ['smtpUTF8', 'Size 5', '8bitmime'], can: [5, true, true] },
  { what: 'blanks around', offers: [' SMTPUTF8\t', '\tSIZE \t 5  '], can: [5, false, true] },
  { what: 'an equals sign, as old servers write it', offers: ['SIZE=5'], can: [5, false, false] },
  {
    what: 'a letter that becomes an S in capitals',
    offers: ['\u017fMTPUTF8', '\u017fIZE 5'],
    can: [null, false, false],
  },
  {
    what: 'a letter that becomes an I in capitals',
    offers: ['S\u0131ZE 5', '8B\u0131TM\u0131ME'],
    can: [null, false, false],
  },
  { what: 'blanks beyond ASCII before it', offers: ['\u00a0SMTPUTF8', '\u2028SIZE 5'], can: [null, false, false] },
  { what: 'blanks beyond ASCII behind it', offers: ['SMTPUTF8\u3000', '8BITMIME\ufeff'], can: [null, false, false] },
  { what: 'controls around it', offers: ['\vSMTPUTF8', '8BITMIME\f', '\0SIZE 5'], can: [null, false, false] },
  { what: 'a size with a blank beyond ASCII', offers: ['SIZE 5\u00a0'], can: [null, false, false] },
  { what: 'a size in other digits', offers: ['SIZE \u0665'], can: [null, false, false] },
] as const) {
  const [sizeBytes, eightBitMime, smtpUtf8] = can;
  const isNothing = can.every(each => !each);
  test(`a keyword with ${what} is ${isNothing ? 'none' : 'one'}`, async t => {
    const fake = await fakeHop(t, { offers });
    const hop = hopTo(t, [fake.smtp]);
    assert.equal((await hop.health()).level, 'ok');
    assert.deepEqual(hop.capabilities(), isNothing ? NOTHING : { sizeBytes, eightBitMime, smtpUtf8 });
  });
}
