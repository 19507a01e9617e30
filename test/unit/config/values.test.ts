// The forms of single values: durations, sizes, addresses, networks, next hops.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import {
  isLoopback,
  isTooWide,
  parseHostName,
  parseSocketAddress,
  socketHint,
  socketText,
} from '../../../src/config/network.ts';
import { isOneKind, parseHop } from '../../../src/config/next-hop.ts';
import { durationHint, durationText, parseDuration, parseSize, sizeHint, sizeText } from '../../../src/config/units.ts';
import { parseNetwork } from '../../../src/platform/network.ts';

describe('durations', () => {
  it('are read', () => {
    const cases: [string, number | null][] = [
      ['500ms', 500],
      ['30s', 30_000],
      ['5 m', 300_000],
      ['2h', 7_200_000],
      ['1d', 86_400_000],
      ['0s', 0],
      ['30', null],
      ['1.5h', null],
      ['1h30m', null],
      ['-5s', null],
      ['5S', null],
      ['s', null],
      ['', null],
      ['9999999999s', null],
    ];
    for (const [text, expected] of cases) assert.equal(parseDuration(text), expected, text);
  });

  it('are written in the largest unit without a fraction', () => {
    for (const text of ['500ms', '30s', '5m', '2h', '1d', '1500ms', '90s', '0s']) {
      assert.equal(durationText(parseDuration(text) ?? Number.NaN), text);
    }
  });

  it('are guessed where the unit is missing or in words', () => {
    const cases: [unknown, string][] = [
      [30, 'write "30s"'],
      ['5 minutes', 'write "5m"'],
      ['10 Sec', 'write "10s"'],
      ['2H', 'write "2h"'],
      ['soon', ''],
      [1.5, ''],
    ];
    for (const [found, expected] of cases) assert.equal(durationHint(found), expected, String(found));
  });
});

describe('sizes', () => {
  it('are read', () => {
    const cases: [string, number | null][] = [
      ['512B', 512],
      ['64KiB', 65_536],
      ['64 MiB', 67_108_864],
      ['1GiB', 1_073_741_824],
      ['8TiB', 8 * 1024 ** 4],
      ['64MB', null],
      ['64', null],
      ['64mib', null],
      ['0.5GiB', null],
      ['999999999999TiB', null],
    ];
    for (const [text, expected] of cases) assert.equal(parseSize(text), expected, text);
  });

  it('are written in the largest unit without a fraction', () => {
    for (const text of ['512B', '64KiB', '1536MiB', '1GiB', '1TiB', '0B'])
      assert.equal(sizeText(parseSize(text) ?? -1), text);
  });

  it('are guessed where the unit is another', () => {
    const cases: [unknown, string][] = [
      ['64MB', 'write "64MiB"'],
      ['64m', 'write "64MiB"'],
      ['10 gib', 'write "10GiB"'],
      [1000, 'write "1000B" for bytes'],
      ['big', ''],
    ];
    for (const [found, expected] of cases) assert.equal(sizeHint(found), expected, String(found));
  });
});

describe('addresses', () => {
  it('with a port are read and written', () => {
    const cases: [string, string | null][] = [
      ['127.0.0.1:25', '127.0.0.1:25'],
      ['[::1]:25', '[::1]:25'],
      ['[0:0::1]:25', '[::1]:25'],
      ['[::ffff:192.0.2.1]:25', '192.0.2.1:25'],
      ['localhost:0', 'localhost:0'],
      ['127.0.0.1:65536', null],
      ['127.0.0.1', null],
      ['::1:25', null],
      ['[127.0.0.1]:25', null],
      ['mx.example.org:25', null],
      ['127.0.0.1:', null],
      ['127.0.0.1:25 ', null],
      ['u@127.0.0.1:25', null],
    ];
    for (const [text, expected] of cases) {
      const address = parseSocketAddress(text);
      assert.equal(address === null ? null : socketText(address), expected, text);
    }
    assert.deepEqual(parseSocketAddress('MX.example.org:25', true), { host: 'mx.example.org', port: 25 });
  });

  it('are guessed where something is missing', () => {
    const cases: [string, RegExp][] = [
      ['25', /127\.0\.0\.1:25.*0\.0\.0\.0:25/],
      ['*:25', /0\.0\.0\.0:25/],
      ['192.0.2.1', /192\.0\.2\.1:2525/],
      ['::1', /\[::1\]:2525/],
      ['::ffff:192.0.2.1', /\[::ffff:192\.0\.2\.1\]:2525/],
      ['192.0.2.1:99999', /65535/],
      ['fe80::1:zz', /^$/],
    ];
    for (const [text, expected] of cases) assert.match(socketHint(text), expected, text);
  });

  it('of this machine are told apart', () => {
    for (const host of ['127.0.0.1', '127.9.9.9', '::1', '::ffff:127.0.0.1', 'localhost'])
      assert.equal(isLoopback(host), true, host);
    for (const host of ['0.0.0.0', '::', '10.0.0.1', 'example.org', '128.0.0.1'])
      assert.equal(isLoopback(host), false, host);
  });

  it('are no host names', () => {
    const cases: [string, string | null][] = [
      ['MX.Example.org', 'mx.example.org'],
      ['mx', 'mx'],
      ['10.0.0.5', null],
      ['10.0', null],
      ['a_b.example', null],
      ['-a.example', null],
      ['a..b', null],
      ['a.example.', null],
      [`${'a'.repeat(64)}.example`, null],
    ];
    for (const [text, expected] of cases) assert.equal(parseHostName(text), expected, text);
  });
});

describe('networks', () => {
  it('that hold much of the Internet are too wide to be trusted', () => {
    // The mapped form of all of IPv4 is 0.0.0.0/0 too.
    const wide = [
      '::ffff:0.0.0.0/96',
      '0.0.0.0/0',
      '128.0.0.0/1',
      '64.0.0.0/7',
      '::/0',
      '2000::/3',
      '2a00::/12',
      'f000::/4',
    ];
    const fine = [
      '10.0.0.0/8',
      '192.168.0.0/16',
      '172.16.0.0/12',
      'fc00::/7',
      'fd00::/8',
      'fe80::/10',
      '2001:db8::/32',
      '8.0.0.0/8',
    ];
    const isWide = (text: string) => {
      const network = parseNetwork(text);
      assert.ok(network !== null, text);
      return isTooWide(network);
    };
    for (const text of wide) assert.equal(isWide(text), true, text);
    for (const text of fine) assert.equal(isWide(text), false, text);
  });
});

describe('next hops', () => {
  it('are read in each of their forms', () => {
    const cases: [string, string][] = [
      ['smtp://10.0.0.5', 'smtp://10.0.0.5:25'],
      ['SMTP://Mail.Example.ORG:2500/', 'smtp://mail.example.org:2500'],
      ['smtp://[2001:db8:0::1]:26', 'smtp://[2001:db8::1]:26'],
      ['lmtp://10.0.0.5', 'lmtp://10.0.0.5:24'],
      ['lmtp:/run/dovecot/lmtp', 'lmtp:/run/dovecot/lmtp'],
      ['lmtp+unix:///run/lmtp', 'lmtp:/run/lmtp'],
      ['lmtp+unix:/run/lmtp', 'lmtp:/run/lmtp'],
      ['maildir:mailbox', 'maildir:mailbox'],
      ['maildir:/var/mail/box', 'maildir:/var/mail/box'],
    ];
    for (const [text, expected] of cases) {
      const hop = parseHop(text);
      assert.ok('kind' in hop, text);
      assert.equal(hop.text, expected);
    }
  });

  it('are refused with what to write instead', () => {
    const cases: [string, RegExp][] = [
      ['10.0.0.5', /did you mean "smtp:\/\/10\.0\.0\.5:25"/],
      ['//mail.example.org', /did you mean "smtp:\/\/mail\.example\.org:25"/],
      ['/run/lmtp', /did you mean "lmtp:\/run\/lmtp"/],
      ['smtps://a.example', /STARTTLS/],
      ['smtp://u:p@a.example', /no name and password/],
      ['smtp://a.example:0', /1 to 65535/],
      ['smtp://a.example:99999', /1 to 65535/],
      ['smtp://a.example/path', /HOST:PORT/],
      ['smtp://', /host is missing/],
      ['smtp://a_b.example', /neither a name nor an address/],
      ['smtp://1.2.3', /neither a name nor an address/],
      ['smtp://[1.2.3.4]', /neither a name nor an address/],
      ['smtp://2001:db8::1', /brackets/],
      ['smtp://a.example b', /blank/],
      ['smtp://a.example\r\nRCPT', /blank/],
      ['lmtp:run', /lmtp:\/PATH/],
      ['maildir:', /folder/],
      ['maildir://x', /folder/],
      ['http://a.example', /did you mean "smtp:\/\/a.example:25"/],
      ['?', /starts with smtp/],
      ['', /starts with smtp/],
    ];
    for (const [text, expected] of cases) {
      const hop = parseHop(text);
      assert.ok('hint' in hop, text);
      assert.match(hop.hint, expected, text);
    }
  });

  it('stand in for each other only where they are of one kind', () => {
    const kinds = (...texts: string[]) => isOneKind(texts.map(parseHop).filter(hop => 'kind' in hop));
    assert.equal(kinds('smtp://a.example', 'smtp://b.example'), true);
    assert.equal(kinds('lmtp://a.example', 'lmtp:/run/lmtp'), true);
    assert.equal(kinds('maildir:a'), true);
    assert.equal(kinds('maildir:a', 'maildir:b'), false);
    assert.equal(kinds('smtp://a.example', 'lmtp://a.example'), false);
  });
});
