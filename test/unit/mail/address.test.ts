import assert from 'node:assert/strict';
import { test } from 'node:test';

import { isAlwaysHeard, isAscii, parseAddress, parseDomain, parsePath } from '../../../src/mail/address.ts';

const GOOD: readonly [text: string, localPart: string, domain: string, written: string][] = [
  ['a@example.com', 'a', 'example.com', 'a@example.com'],
  ['First.Last@Example.COM', 'First.Last', 'example.com', 'First.Last@example.com'],
  ['a@example.com.', 'a', 'example.com', 'a@example.com'],
  ["o'brien+tag/x=1@example.com", "o'brien+tag/x=1", 'example.com', "o'brien+tag/x=1@example.com"],
  ['"quoted"@example.com', 'quoted', 'example.com', 'quoted@example.com'],
  ['"two words"@example.com', 'two words', 'example.com', '"two words"@example.com'],
  ['"a@b"@example.com', 'a@b', 'example.com', '"a@b"@example.com'],
  ['"a\\"b\\\\c"@example.com', 'a"b\\c', 'example.com', '"a\\"b\\\\c"@example.com'],
  ['""@example.com', '', 'example.com', '""@example.com'],
  ['"a..b"@example.com', 'a..b', 'example.com', '"a..b"@example.com'],
  ['müller@example.com', 'müller', 'example.com', 'müller@example.com'],
  ['a@bücher.example', 'a', 'xn--bcher-kva.example', 'a@xn--bcher-kva.example'],
  ['a@BÜCHER.example', 'a', 'xn--bcher-kva.example', 'a@xn--bcher-kva.example'],
  ['a@under_score.example', 'a', 'under_score.example', 'a@under_score.example'],
  ['a@localhost', 'a', 'localhost', 'a@localhost'],
  ['a@[192.0.2.1]', 'a', '[192.0.2.1]', 'a@[192.0.2.1]'],
  ['a@[IPv6:2001:db8::1]', 'a', '[IPv6:2001:db8::1]', 'a@[IPv6:2001:db8::1]'],
  ['a@[IPv6:::ffff:192.0.2.1]', 'a', '[IPv6:::ffff:192.0.2.1]', 'a@[IPv6:::ffff:192.0.2.1]'],
  ['Postmaster', 'Postmaster', '', 'Postmaster'],
];

for (const [text, localPart, domain, written] of GOOD) {
  test(`${text} is an address`, () => {
    const address = parseAddress(text);
    assert.deepEqual(address, { localPart, domain, text: written });
    assert.deepEqual(parseAddress(written), address, 'and what is written is the same address');
  });
}

const BAD: readonly [text: string, why: string][] = [
  ['', 'nothing'],
  ['a', 'no domain'],
  ['@example.com', 'no local part'],
  ['a@', 'no domain'],
  ['a@@example.com', 'two signs'],
  ['a b@example.com', 'a space'],
  ['.a@example.com', 'a dot first'],
  ['a.@example.com', 'a dot last'],
  ['a..b@example.com', 'two dots'],
  ['a@.example.com', 'a dot first'],
  ['a@example..com', 'two dots'],
  ['a@example.com..', 'two dots last'],
  ['a@-x.example', 'a hyphen first'],
  ['a@x-.example', 'a hyphen last'],
  ['a@exa mple.com', 'a space in the domain'],
  ['a@exam%70le.com', 'percent signs are no letters'],
  ['a@example.com\r\nDATA', 'a line break'],
  ['a\r\nb@example.com', 'a line break'],
  ['"a\r\nb"@example.com', 'a quoted line break'],
  ['"a\u0000"@example.com', 'NUL'],
  ['a\u0085b@example.com', 'a C1 control'],
  ['a\u2028b@example.com', 'a line separator'],
  ['a\ud800b@example.com', 'half a surrogate pair'],
  ['"a"b@example.com', 'text after the quote'],
  ['"a@example.com', 'an open quote'],
  ['"a\\"@example.com', 'an open quote'],
  ['a<b>@example.com', 'angle brackets'],
  ['a(comment)@example.com', 'a comment'],
  ['a@[300.0.2.1]', 'no IPv4 address'],
  ['a@[1.2.3]', 'no IPv4 address'],
  ['a@[1.2.3.4.]', 'no IPv4 address'],
  ['a@[1.2.3.4.5]', 'no IPv4 address'],
  ['a@[2001:db8::1]', 'IPv6 without its tag'],
  ['a@[IPv6:2001::db8::1]', 'no IPv6 address'],
  ['a@[IPv6:....]', 'no IPv6 address'],
  ['a@[]', 'an empty literal'],
  ['a@[192.0.2.1', 'an open literal'],
  [`${'a'.repeat(129)}@example.com`, 'a local part of 129'],
  [`a@${'a'.repeat(64)}.example`, 'a label of 64'],
  [`a@${'abcdefg.'.repeat(33)}com`, 'a domain of more than 255'],
  [`a@${'a'.repeat(600)}`, 'a path of more than 512'],
];

for (const [text, why] of BAD) {
  test(`${JSON.stringify(text.slice(0, 40))} is no address: ${why}`, () => assert.equal(parseAddress(text), null));
}

const PATHS: readonly [raw: string, mailbox: string | null, parameters: string][] = [
  ['<a@example.com>', 'a@example.com', ''],
  ['<>', '', ''],
  [' <a@example.com>  ', 'a@example.com', ''],
  ['<a@example.com> SIZE=100 BODY=8BITMIME', 'a@example.com', 'SIZE=100 BODY=8BITMIME'],
  ['<@one.example,@two.example:a@example.com>', 'a@example.com', ''],
  ['<"a>b"@example.com> SIZE=1', '"a>b"@example.com', 'SIZE=1'],
  ['<"a\\">b"@example.com>', '"a\\">b"@example.com', ''],
  ['a@example.com', null, ''],
  ['<a@example.com', null, ''],
  ['a@example.com>', null, ''],
  ['<<a@example.com>>', null, ''],
  ['<a@example.com>SIZE=1', null, ''],
  ['<a@example.com> <b@example.com>', 'a@example.com', '<b@example.com>'],
  ['', null, ''],
];

for (const [raw, mailbox, parameters] of PATHS) {
  test(`the path of ${JSON.stringify(raw)}`, () => {
    assert.deepEqual(parsePath(raw), mailbox === null ? null : { mailbox, parameters });
  });
}

test('a domain is not read as a URL would be', () => {
  for (const text of ['exa%6dple.com', 'a/b', 'a:25', 'a?b', 'a#b', 'user@host', 'ａ／b.example']) {
    assert.equal(parseDomain(text), null, text);
  }
});

test('only text beyond ASCII needs SMTPUTF8; a domain never does', () => {
  const ascii = (text: string) => isAscii(parseAddress(text) ?? assert.fail());
  assert.equal(ascii('a@bücher.example'), true);
  assert.equal(ascii('müller@example.com'), false);
});

test('postmaster and abuse are always heard, in any letters', () => {
  const heard = (text: string) => isAlwaysHeard(parseAddress(text) ?? assert.fail());
  for (const text of ['postmaster', 'PostMaster@example.com', 'ABUSE@example.com', '"abuse"@example.com']) {
    assert.equal(heard(text), true, text);
  }
  for (const text of ['abuser@example.com', 'x.abuse@example.com']) assert.equal(heard(text), false, text);
});

test('long hostile arguments are answered at once', () => {
  const spent = process.cpuUsage();
  for (const text of [
    `<${'"a'.repeat(5000)}`,
    `<${'\\"'.repeat(5000)}>`,
    `<a>${' '.repeat(20_000)}x\u0000`,
    '<@a,'.repeat(5000),
  ]) {
    parsePath(text);
    parseAddress(text);
  }
  // Two seconds of the processor are far beyond what linear work takes, and far below what exponential work does.
  assert.ok(process.cpuUsage(spent).user < 2_000_000);
});

test('marks that turn the reading order are no part of an address', () => {
  for (const mark of ['\u202a', '\u202e', '\u2066', '\u2069', '\u2028']) {
    assert.equal(parseAddress(`a${mark}b@example.org`), null);
    assert.equal(parseAddress(`"a${mark}b"@example.org`), null);
  }
});
