// The 164 addresses of isemail as the arguments of MAIL and RCPT. What RFC 5321 has as a Mailbox is taken, everything
// else is refused; where we differ from the suite's category the table says why, case by case.

import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { startTestGateway } from '../support/gateway.ts';
import { passOver } from '../support/require.ts';
import { LineClient } from '../support/smtp-script.ts';
import { count } from './report.ts';

const SUITE = join(import.meta.dirname, '../../../shared/suites/address/isemail/tests.xml');

/** Categories of the suite that are a Mailbox of RFC 5321 4.1.2; whether its domain exists is another question. */
const IS_MAILBOX: Readonly<Record<string, boolean>> = {
  ISEMAIL_VALID_CATEGORY: true,
  ISEMAIL_DNSWARN: true,
  ISEMAIL_RFC5321: true,
  ISEMAIL_CFWS: false,
  ISEMAIL_DEPREC: false,
  ISEMAIL_RFC5322: false,
  ISEMAIL_ERR: false,
};

/** By the number in the suite: where we do otherwise, and why. */
const OTHERWISE: Readonly<Record<number, string>> = {
  26: 'a local part of 65: senders that write the recipient into it (VERP) have longer ones, and we take 128',
  59: 'as 26, quoted',
  60: 'as 26, quoted',
  35: 'the dot at the end makes the domain absolute: DNS has the same one, and we take the dot away',
  39: 'RFC 5321 4.5.3.1 asks for 256 octets at least; both parts are within their own limits',
  40: 'as 39',
  71: '`::` for one group only: RFC 4291 section 2.2 has it, and it is the same address',
};

/** Of those that fall apart into lines that are no commands, a connection may have ten. */
const CASES_A_CONNECTION = 4;

interface Case {
  readonly id: number;
  readonly address: string;
  readonly isMailbox: boolean;
  readonly diagnosis: string;
}

for (const [verb, before, accepted] of [
  ['MAIL FROM', [], /^250 2\.1\.0 /],
  // Of a trusted listener: there the domain is no reason for a refusal.
  ['RCPT TO', ['MAIL FROM:<a@client.example>'], /^250 2\.1\.5 /],
] as const) {
  test(`${verb} takes the addresses of isemail that RFC 5321 has`, async t => {
    if (!existsSync(SUITE)) {
      passOver(t, 'the address suite is not here');
      return;
    }
    const cases = read();
    assert.equal(cases.length, 164);
    const gateway = await startTestGateway(
      {},
      { trusted: true, networks: ['127.0.0.0/8'], perClient: 100, total: 100 },
    );
    const wrong: string[] = [];
    const inOneConnection = async (few: readonly Case[]) => {
      const client = await LineClient.open(gateway.port);
      await client.reply();
      await client.command('EHLO c.example');
      for (const one of few) {
        for (const line of before) assert.match(await client.command(line), /^250 /);
        client.write(Buffer.from(`${verb}:<${one.address}>\r\nVRFY marker\r\n`, 'utf8'));
        const replies = [await client.reply()];
        while (!/^252 /.test(replies.at(-1) ?? '')) {
          assert.notEqual(replies.at(-1), '', `${one.id}: the connection was closed`);
          replies.push(await client.reply());
        }
        const isTaken = accepted.test(replies[0] ?? '');
        // A line that the address has broken is a command of its own, and none.
        for (const reply of replies.slice(isTaken ? 1 : 0, -1)) assert.match(reply, /^5\d\d 5\.\d\.\d /, `${one.id}`);
        // `<>` is no mailbox, but a reverse-path.
        const isNull = verb === 'MAIL FROM' && one.address === '';
        const isExpected = isNull || one.isMailbox !== one.id in OTHERWISE;
        if (isTaken !== isExpected) wrong.push(`${one.id} ${one.diagnosis} ${one.address}: ${replies[0]}`);
        await client.command('RSET');
      }
      client.destroy();
    };
    try {
      const groups = Array.from({ length: Math.ceil(cases.length / CASES_A_CONNECTION) }, (_, n) =>
        cases.slice(n * CASES_A_CONNECTION, (n + 1) * CASES_A_CONNECTION),
      );
      await Promise.all(groups.map(inOneConnection));
    } finally {
      await gateway.stop();
    }
    assert.deepEqual(wrong, []);
    count(`addresses of isemail as ${verb}`, cases.length);
  });
}

function read(): Case[] {
  const xml = readFileSync(SUITE, 'utf8');
  return [...xml.matchAll(/<test id="(\d+)">(.*?)<\/test>/gs)].map(([, id, body = '']) => {
    const field = (name: string) => new RegExp(`<${name}>(.*?)</${name}>`, 's').exec(body)?.[1] ?? '';
    return {
      id: Number(id),
      address: unescaped(field('address')),
      isMailbox: IS_MAILBOX[field('category')] ?? false,
      diagnosis: field('diagnosis').replace('ISEMAIL_', ''),
    };
  });
}

/** XML's own, and the suite's way of writing control characters (its note 1). */
function unescaped(text: string): string {
  const named: Record<string, string> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" };
  return text
    .replace(/&#x([0-9a-f]+);/gi, (_, hex: string) => String.fromCodePoint(Number.parseInt(hex, 16)))
    .replace(/&#(\d+);/g, (_, decimal: string) => String.fromCodePoint(Number(decimal)))
    .replace(/&(\w+);/g, (whole, name: string) => named[name] ?? whole)
    .replace(/[\u2400-\u241f]/g, picture => String.fromCharCode(picture.charCodeAt(0) - 0x2400));
}
