// An item as a person reads it on a terminal. Pure; every word of the mail goes through safeLine or safeText.

import { safeLine, safeText } from '../platform/terminal-text.ts';
import type { ShownItem } from './quarantine.ts';

const TEXT_MAX = 8000;

/** `text` is the message's readable text, null where none could be made. */
export function itemPage({ item, headers, findings, reasons, events }: ShownItem, text: string | null): string {
  const lines = [
    `Copy ${item.copyId} for <${safeLine(item.rcptTo, 300)}>: ${item.state}, ${item.class}, ${item.sizeBytes} bytes`,
    `held since ${moment(item.heldAt)}; from <${safeLine(item.mailFrom, 300)}>, client ${item.clientAddress}`,
    ...(item.damage === '' ? [] : [`DAMAGED: ${item.damage}`]),
    '',
    'Why:',
    ...texts(reasons).map(reason => `  ${safeLine(String(reason['text'] ?? ''), 300)}`),
    '',
    'Findings:',
    ...texts(findings).map(finding => `  ${findingLine(finding)}`),
    '',
    'History:',
    ...events.map(
      event =>
        `  ${moment(event.at)}  ${safeLine(event.what, 100)} (${safeLine(event.who, 100)}): ${safeLine(event.words)}`,
    ),
    '',
    'Headers:',
    indented(safeText(headers, TEXT_MAX)),
    '',
    'Text:',
    indented(text === null ? '(no readable text)' : safeText(text, TEXT_MAX)),
  ];
  return `${lines.join('\n')}\n`;
}

function findingLine(finding: Readonly<Record<string, unknown>>): string {
  const { kind, scanner, points, ...rest } = finding;
  const said = Object.values(rest).filter(value => typeof value === 'string' && value !== '');
  const head = kind === 'hit' ? `${Number(points) < 0 ? '' : '+'}${Number(points).toFixed(1)}` : String(kind);
  return safeLine(`${head.padStart(6)}  ${said.join('  ')}  (${String(scanner ?? '')})`, 500);
}

/** A column of mail text cannot be taken for a line of ours. */
function indented(text: string): string {
  return text.trimEnd().replace(/^/gm, '  | ');
}

function texts(json: string): readonly Readonly<Record<string, unknown>>[] {
  const parsed: unknown = JSON.parse(json);
  return Array.isArray(parsed) ? parsed.filter(item => typeof item === 'object' && item !== null) : [];
}

function moment(epochMs: number): string {
  return new Date(epochMs).toISOString().slice(0, 19).replace('T', ' ');
}
