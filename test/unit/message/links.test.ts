import assert from 'node:assert/strict';
import { test } from 'node:test';

import { domainOf, makeLink, textLink } from '../../../src/message/links.ts';

const LINKS: readonly {
  url: string;
  base?: string;
  made: [url: string, host: string | null, domain: string | null] | null;
}[] = [
  { url: 'http://www.Example.COM/x', made: ['http://www.Example.COM/x', 'www.example.com', 'example.com'] },
  { url: ' https://a.co.uk ', made: ['https://a.co.uk', 'a.co.uk', 'a.co.uk'] },
  {
    url: 'http://user:pw@a.example.com:8080/',
    made: ['http://user:pw@a.example.com:8080/', 'a.example.com', 'example.com'],
  },
  { url: 'http://bücher.example/', made: ['http://bücher.example/', 'xn--bcher-kva.example', 'xn--bcher-kva.example'] },
  { url: 'http://0x7f.1/', made: ['http://0x7f.1/', '127.0.0.1', null] },
  { url: 'http://[::1]/', made: ['http://[::1]/', '[::1]', null] },
  { url: 'http:\\\\a.example\\x', made: ['http:\\\\a.example\\x', 'a.example', 'a.example'] },
  { url: 'ht\ttp://a.exa\nmple', made: ['http://a.example', 'a.example', 'a.example'] },
  { url: 'http://x.github.io/', made: ['http://x.github.io/', 'x.github.io', 'x.github.io'] },
  { url: '//a.example.com/x', made: ['http://a.example.com/x', 'a.example.com', 'example.com'] },
  { url: 'www.a.example.com', made: ['http://www.a.example.com', 'www.a.example.com', 'example.com'] },
  { url: 'example.com/login', made: ['http://example.com/login', 'example.com', 'example.com'] },
  { url: 'example.com:8080/x', made: ['http://example.com:8080/x', 'example.com', 'example.com'] },
  { url: 'logo.gif', made: null },
  { url: 'images/logo.gif', made: null },
  { url: 'x.html#y', made: null },
  {
    url: 'x.html',
    base: 'http://a.example.com/b/',
    made: ['http://a.example.com/b/x.html', 'a.example.com', 'example.com'],
  },
  { url: 'x.html', base: 'nonsense', made: null },
  { url: '#top', base: 'http://a.example.com/', made: null },
  { url: 'cid:1@x', made: null },
  { url: '', made: null },
  { url: 'mailto:a@b.example', made: ['mailto:a@b.example', null, null] },
  { url: 'javascript:alert(1)', made: ['javascript:alert(1)', null, null] },
  { url: 'http://a_b.example.com/', made: ['http://a_b.example.com/', 'a_b.example.com', 'example.com'] },
  { url: 'http://a b.example.com/', made: ['http://a b.example.com/', 'a', null] },
  { url: 'http://', made: null },
  { url: 'http://a.example.com../', made: ['http://a.example.com../', 'a.example.com', 'example.com'] },
];

for (const { url, base, made } of LINKS) {
  test(`the link ${JSON.stringify(url)}${base === undefined ? '' : ` on a page at ${base}`}`, () => {
    const link = makeLink({ url, shown: 'x', source: 'href' }, base ?? '');
    assert.deepEqual(link === null ? null : [link.url, link.host, link.domain], made);
  });
}

test('long URLs are cut, inline data much shorter', () => {
  const long = (start: string) =>
    makeLink({ url: start + 'x'.repeat(20_000), shown: '', source: 'src' }, '')?.url.length;
  assert.equal(long('http://a.example/'), 8192);
  assert.equal(long('data:image/png;base64,'), 256);
});

test('a host is found behind a long user name and among characters that nobody sees', () => {
  const host = (url: string) => makeLink({ url, shown: '', source: 'href' }, '')?.host;
  assert.equal(host(`http://${'u'.repeat(9000)}@evil.example/`), 'evil.example');
  assert.equal(host(`http://${'ü'.repeat(3000)}@evil.example/`), 'evil.example');
  assert.equal(host(`http://ev${'\u00ad'.repeat(3000)}il.example/`), 'evil.example');
  assert.equal(host(`http://ev${'%C2%AD'.repeat(1000)}il.example/`), 'evil.example');
  assert.equal(host(`http://${'\u65e5'.repeat(60)}.example/`)?.startsWith('xn--'), true);
});

test('a host longer than any is no host, and its link is still one', () => {
  for (const host of ['\u65e5'.repeat(600), '%E6%97%A5'.repeat(600), 'a'.repeat(600)]) {
    const link = makeLink({ url: `http://${host}.example/`, shown: 'x', source: 'href' }, '');
    assert.deepEqual([link?.host, link?.domain, link?.shown], [null, null, 'x']);
  }
});

test('a URL in text shows itself', () => {
  assert.deepEqual(textLink('www.example.com'), {
    url: 'http://www.example.com',
    host: 'www.example.com',
    domain: 'example.com',
    shown: 'www.example.com',
    source: 'text',
  });
});

test('registrable domains follow the public suffix list', () => {
  assert.equal(domainOf('a.b.example.co.uk'), 'example.co.uk');
  assert.equal(domainOf('co.uk'), null);
  assert.equal(domainOf('localhost'), null);
  assert.equal(domainOf('10.0.0.1'), null);
});
