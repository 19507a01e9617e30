import assert from 'node:assert/strict';
import { test } from 'node:test';

import { parseHost } from '../../../src/delivery/host.ts';

const GOOD: readonly [string, unknown][] = [
  ['smtp://10.0.0.5:2525', { kind: 'smtp', name: 'smtp://10.0.0.5:2525', at: { host: '10.0.0.5', port: 2525 } }],
  ['smtp://mail.example', { kind: 'smtp', name: 'smtp://mail.example:25', at: { host: 'mail.example', port: 25 } }],
  ['SMTP://mail.example/', { kind: 'smtp', name: 'smtp://mail.example:25', at: { host: 'mail.example', port: 25 } }],
  ['smtp://[2001:db8::1]:25', { kind: 'smtp', name: 'smtp://[2001:db8::1]:25', at: { host: '2001:db8::1', port: 25 } }],
  ['lmtp://h', { kind: 'lmtp', name: 'lmtp://h:24', at: { host: 'h', port: 24 } }],
  ['lmtp:/run/dovecot/lmtp', { kind: 'lmtp', name: 'lmtp:/run/dovecot/lmtp', at: { path: '/run/dovecot/lmtp' } }],
  ['maildir:/var/mail/demo', { kind: 'maildir', name: 'maildir:/var/mail/demo', folder: '/var/mail/demo' }],
  [' mail.example:26 ', { kind: 'smtp', name: 'smtp://mail.example:26', at: { host: 'mail.example', port: 26 } }],
];

for (const [text, expected] of GOOD) test(`reads ${text}`, () => assert.deepEqual(parseHost(text), expected));

const BAD: readonly [string, RegExp][] = [
  ['', /no host found/],
  ['http://mail.example', /unknown scheme "http"/],
  ['smtp:/var/run/socket', /SMTP needs a host/],
  ['smtp://mail.example:0', /a port is 1 to 65535/],
  ['smtp://mail.example:99999', /a port is 1 to 65535/],
  ['smtp://mail.example:smtp', /a port is 1 to 65535/],
  ['smtp://a b', /no host found/],
  ['smtp://user:secret@mail.example', /a port is/],
  ['smtp://[10.0.0.5]', /is no IPv6 address/],
  ['smtp://-x.example', /is no host name/],
  ['maildir:/', /no path found/],
  [`lmtp:/${'x'.repeat(120)}`, /a socket path has at most 107 bytes/],
];

for (const [text, message] of BAD) {
  test(`refuses "${text.slice(0, 40)}" and says what is expected`, () => {
    assert.throws(() => parseHost(text), message);
    assert.throws(() => parseHost(text), /expected smtp:\/\/HOST:PORT/);
  });
}
