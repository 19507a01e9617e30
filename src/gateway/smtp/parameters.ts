// Reads the arguments of MAIL and RCPT into an envelope's parts. Only what EHLO offered is understood; the rest is
// 555 (RFC 5321 section 4.1.1.11).

import { type Address, isAscii, parseAddress, parsePath } from '../../mail/address.ts';
import type { Recipient, ReversePath } from '../../mail/envelope.ts';
import { MailError } from '../../mail/error.ts';

export interface MailArguments {
  readonly mailFrom: ReversePath;
  readonly smtpUtf8: boolean;
  readonly body: '7BIT' | '8BITMIME';
  readonly declaredSize: number | null;
}

/** `argument` is what follows `MAIL FROM:`. Throws MailError badSender, badSyntax, unknownParameter, utf8NotSaid. */
export function parseMailArguments(argument: string): MailArguments {
  const path = parsePath(argument);
  if (path === null) throw new MailError('badSyntax', `no path in MAIL FROM:${argument}`);
  const parameters = parseParameters(path.parameters, ['SIZE', 'BODY', 'SMTPUTF8']);
  const smtpUtf8 = parameters.has('SMTPUTF8');
  if (smtpUtf8 && parameters.get('SMTPUTF8') !== '') throw new MailError('badSyntax', 'SMTPUTF8 takes no value');
  const address = path.mailbox === '' ? null : addressOf(path.mailbox, 'badSender');
  if (address !== null && address.domain === '') throw new MailError('badSender', `no domain in ${path.mailbox}`);
  if (address !== null && !smtpUtf8 && isBeyondAscii({ raw: argument, address }))
    throw new MailError('utf8NotSaid', `address beyond ASCII without SMTPUTF8: ${path.mailbox}`);
  return {
    mailFrom: { raw: argument, address },
    smtpUtf8,
    body: bodyOf(parameters.get('BODY')),
    declaredSize: sizeOf(parameters.get('SIZE')),
  };
}

/** `argument` is what follows `RCPT TO:`. Throws MailError badRecipient, badSyntax, unknownParameter. */
export function parseRcptArguments(argument: string): Recipient {
  const path = parsePath(argument);
  if (path === null) throw new MailError('badSyntax', `no path in RCPT TO:${argument}`);
  parseParameters(path.parameters, []);
  return { raw: argument, address: addressOf(path.mailbox, 'badRecipient') };
}

/** The text after `MAIL FROM:` or `RCPT TO:`; null where the command is written otherwise. */
export function commandArgument(line: string, command: 'MAIL FROM' | 'RCPT TO'): string | null {
  const [verb, word] = command.split(' ');
  const found = new RegExp(`^${verb} ${word}:[ \t]*(.*)$`, 'is').exec(line);
  return found?.[1] ?? null;
}

/**
 * RFC 6531 section 3.3: without SMTPUTF8 in MAIL such an address is a syntax error. Also one whose domain we would write
 * in ASCII; parameters are ASCII in any case.
 */
export function isBeyondAscii({ raw, address }: Recipient): boolean {
  return !isAscii(address) || !/^[\x20-\x7e\t]*$/.test(raw);
}

function addressOf(mailbox: string, reply: 'badSender' | 'badRecipient'): Address {
  const address = parseAddress(mailbox);
  if (address === null) throw new MailError(reply, `no valid address: ${mailbox}`);
  return address;
}

/** RFC 5321 4.1.2, esmtp-param. In ASCII only, for toUpperCase would make an S of U+017F, and a keyword of it. */
const PARAMETER = /^([A-Za-z0-9][A-Za-z0-9-]*)(?:=([\x21-\x3c\x3e-\x7e]+))?$/;

/** Keyword to value, '' where it has none; each keyword once. */
function parseParameters(text: string, known: readonly string[]): Map<string, string> {
  const found = new Map<string, string>();
  for (const word of text.split(/[ \t]+/).filter(part => part !== '')) {
    const [, name, value = ''] = PARAMETER.exec(word) ?? [];
    if (name === undefined) throw new MailError('badSyntax', `no parameter: ${word}`);
    const keyword = name.toUpperCase();
    if (!known.includes(keyword)) throw new MailError('unknownParameter', `unknown parameter ${word}`);
    if (found.has(keyword)) throw new MailError('badSyntax', `parameter ${keyword} twice`);
    found.set(keyword, value);
  }
  return found;
}

function bodyOf(value: string | undefined): '7BIT' | '8BITMIME' {
  if (value === undefined || value.toUpperCase() === '7BIT') return '7BIT';
  if (value.toUpperCase() === '8BITMIME') return '8BITMIME';
  throw new MailError('badSyntax', `BODY=${value}`);
}

/** RFC 1870: 1 to 20 digits. */
function sizeOf(value: string | undefined): number | null {
  if (value === undefined) return null;
  if (!/^[0-9]{1,20}$/.test(value)) throw new MailError('badSyntax', `SIZE=${value}`);
  return Number(value);
}
