import assert from 'node:assert/strict';
import { test } from 'node:test';

import { readHtml } from '../../../src/message/html.ts';

const TEXTS: readonly (readonly [name: string, html: string, text: string])[] = [
  ['blocks are paragraphs', '<p>one</p><div>two</div>three<h1>four</h1>', 'one\ntwo\nthree\nfour'],
  ['white space is folded', '<p>  one\n\n two\t</p>\n\n<p>three</p>', 'one two\nthree'],
  ['line ends count in pre', '<pre>one\n\ntwo</pre>three\n\nfour', 'one\ntwo\nthree four'],
  ['inline elements do not part words', 'vi<b>ag</b>ra', 'viagra'],
  ['a single br is a soft line end', 'one<br>two<br><br/>three', 'one two\nthree'],
  ['cells are apart', '<table><tr><td>a</td><td>b</td></tr><tr><td>c</td></tr></table>', 'a b\nc'],
  ['list items are paragraphs', '<ul><li>a<li>b</ul>', 'a\nb'],
  ['entities', '&lt;b&gt; &amp;&nbsp;&#65;&#x42; &copy', '<b> & AB ©'],
  ['broken entities stay', '&#xffffffff; &nosuch; &', '\ufffd &nosuch; &'],
  ['script and style are left out', 'a<script>if (1<2) "<p>x"</script><style>p{}</style>b', 'ab'],
  ['comments are left out', 'a<!-- x --><!doctype html><![if !mso]>b<?php x ?>', 'ab'],
  ['the title is text, as SpamAssassin has it', '<head><title>A &amp; B</title></head><body>c', 'A & B\nc'],
  ['an open script hides the rest, as in browsers', 'a<script>b<p>c', 'a'],
  ['a lone less-than sign is text', '1 < 2 <3', '1 < 2 <3'],
  ['an open tag is no text', 'a<a href="x', 'a'],
  ['tags in capitals', '<P>one</P><SCRIPT>x</SCRIPT><P>two', 'one\ntwo'],
  ['nothing', '', ''],
];

for (const [name, html, text] of TEXTS) {
  test(`text of HTML: ${name}`, () => assert.equal(readHtml(html, 100).text, text));
}

const LINKS: readonly (readonly [name: string, html: string, links: readonly string[]])[] = [
  [
    'an anchor with what it shows',
    '<a href="http://a.b/?x=1&amp;y=2">to <b>the</b>\n bank</a>',
    ['href http://a.b/?x=1&y=2 to the bank'],
  ],
  [
    'attributes without quotes, in capitals',
    "<A HREF=http://a.b>x</A><a href='c'>y</a>",
    ['href http://a.b x', 'href c y'],
  ],
  ['an anchor that the next one ends', '<a href=1>x<a href=2>y', ['href 1 x', 'href 2 y']],
  ['the first of two targets', '<a href=1 href=2>x</a>', ['href 1 x']],
  ['pictures and frames', '<img src=1><iframe src=2></iframe><body background=3>', ['src 1 ', 'src 2 ', 'src 3 ']],
  ['the first of a srcset', '<img srcset="1 1x, 2 2x">', ['src 1 ']],
  ['forms', '<form action=1><button formaction=2></form>', ['form 1 ', 'form 2 ']],
  ['map areas', '<area href=1>', ['href 1 ']],
  ['refresh', '<meta http-equiv="Refresh" content="0; URL=\'http://a.b\'">', ['href http://a.b ']],
  ['a description is no refresh', '<meta name=description content="0; url=x">', []],
  ['no link in script', '<script>"<a href=1>"</script>', []],
  ['empty targets', '<a href="">x</a><a>y</a>', []],
];

for (const [name, html, links] of LINKS) {
  test(`links of HTML: ${name}`, () => {
    assert.deepEqual(
      readHtml(html, 100).links.map(link => `${link.source} ${link.url} ${link.shown}`),
      links,
    );
  });
}

test('the base is told, the first of them', () => {
  assert.equal(readHtml('<base href=" http://a.b/ "><base href="http://c.d/">', 1).base, 'http://a.b/');
});

test('one link more than the limit is kept, so that the caller sees there were more', () => {
  assert.equal(readHtml('<img src=x>'.repeat(50), 10).links.length, 11);
});

test('what a link shows is cut', () => {
  assert.equal(readHtml(`<a href=x>${'y '.repeat(5000)}</a>`, 1).links[0]?.shown.length, 200);
});

test('a million open tags cost memory for none of them', () => {
  assert.equal(readHtml(`${'<b>'.repeat(1_000_000)}x${'</i>'.repeat(100_000)}`, 1).text, 'x');
});
