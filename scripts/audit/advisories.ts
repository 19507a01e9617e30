// Holes that were published in packages we have, and since when they are closed: audit.ts compares the lock file with it.
// Looked up by hand, see docs/security.md for when, where and how sure; a new one is a line here.

export interface Advisory {
  readonly package: string;
  readonly id: string;
  /** The first version without it, of each line of versions; a version above all of them is without it. */
  readonly fixedIn: readonly string[];
  readonly what: string;
}

/** The day of the last look. */
export const REVIEWED = '2026-11-23';

export const ADVISORIES: readonly Advisory[] = [
  { package: 'nodemailer', id: 'CVE-2021-23400', fixedIn: ['6.6.1'], what: 'header injection' },
  { package: 'nodemailer', id: 'GHSA-9h6g-pr28-7cqp', fixedIn: ['6.9.9'], what: 'slow expression' },
  { package: 'nodemailer', id: 'GHSA-mm7p-fcc7-pg87', fixedIn: ['7.0.7'], what: 'mail to an unintended domain' },
  { package: 'nodemailer', id: 'CVE-2025-14874', fixedIn: ['7.0.11'], what: 'recursion in the address parser' },
  { package: 'nodemailer', id: 'GHSA-c7w3-x93f-qmm8', fixedIn: ['8.0.5'], what: 'SMTP command injection' },
  { package: 'nodemailer', id: 'GHSA-vvjj-xcjg-gr5g', fixedIn: ['8.0.5'], what: 'line ends in the EHLO name' },
  { package: 'nodemailer', id: 'GHSA-wqvq-jvpq-h66f', fixedIn: ['8.0.9'], what: 'file access' },
  { package: 'nodemailer', id: 'GHSA-p6gq-j5cr-w38f', fixedIn: ['9.0.1'], what: 'file access and requests by raw' },
  { package: 'nodemailer', id: 'GHSA-4ffr-jq9g-5ffx', fixedIn: ['10.0.0'], what: 'quadratic reading of EHLO' },
  { package: 'smtp-server', id: 'changelog 3.18.3', fixedIn: ['3.18.3'], what: 'commands without a limit' },
  { package: 'smtp-server', id: 'changelog 3.19.0', fixedIn: ['3.19.0'], what: 'PROXY, controls in envelopes' },
  {
    package: 'smtp-server',
    id: 'changelog 3.19.23',
    fixedIn: ['3.19.23'],
    what: 'STARTTLS injection, reading of DATA',
  },
  { package: 'mailparser', id: 'snyk, many parts', fixedIn: ['2.3.0'], what: 'millions of parts' },
  {
    package: 'fastify',
    id: 'CVE-2025-32442',
    fixedIn: ['4.29.1', '5.3.2'],
    what: 'Content-Type goes round validation',
  },
  { package: 'fastify', id: 'CVE-2026-25223', fixedIn: ['5.7.2'], what: 'Content-Type goes round validation' },
  { package: 'fastify', id: 'CVE-2026-25224', fixedIn: ['5.7.3'], what: 'memory without a limit in sendWebStream' },
  { package: 'fastify', id: 'GHSA-247c-9743-5963', fixedIn: ['5.8.1'], what: 'Content-Type goes round validation' },
  { package: 'fastify', id: 'CVE-2026-3635', fixedIn: ['5.8.3'], what: 'host and protocol by forwarded headers' },
  { package: 'fast-uri', id: 'CVE-2026-6321', fixedIn: ['3.1.1'], what: 'path traversal' },
  { package: 'fast-uri', id: 'CVE-2026-6322', fixedIn: ['2.4.1', '3.1.2'], what: 'host confusion' },
  { package: 'fast-uri', id: 'CVE-2026-13676', fixedIn: ['3.1.3', '4.0.1'], what: 'host confusion' },
  { package: 'fast-uri', id: 'GHSA-v2hh-gcrm-f6hx', fixedIn: ['3.1.6', '4.1.3'], what: 'host confusion' },
  { package: 'fast-uri', id: 'CVE-2026-84394', fixedIn: ['2.4.6', '3.1.7', '4.1.4'], what: 'host confusion' },
  { package: 'fast-xml-parser', id: 'CVE-2026-25896', fixedIn: ['4.5.4', '5.3.5'], what: 'entities in DOCTYPE' },
  { package: 'fast-xml-parser', id: 'CVE-2026-26278', fixedIn: ['5.3.6'], what: 'entities without a limit' },
  { package: 'fast-xml-parser', id: 'CVE-2026-33036', fixedIn: ['4.5.5', '5.5.6'], what: 'entities without a limit' },
  { package: 'fast-xml-parser', id: 'CVE-2026-33349', fixedIn: ['5.5.7'], what: 'limits of 0 are none' },
  { package: 'msgpackr', id: 'CVE-2023-52079', fixedIn: ['1.10.1'], what: 'endless recursion' },
  // The version is a guess: no text names it.
  { package: 'clamscan', id: 'CVE-2020-7613', fixedIn: ['1.3.0'], what: 'command injection by a path' },
  { package: 'yaml', id: 'CVE-2023-2251', fixedIn: ['2.2.2'], what: 'uncaught exception' },
  { package: 'yaml', id: 'CVE-2026-33532', fixedIn: ['1.10.3', '2.8.3'], what: 'nesting without a limit' },
  { package: 'undici', id: 'CVE-2026-12151', fixedIn: ['6.27.0', '7.28.0', '8.5.0'], what: 'WebSocket memory' },
  { package: 'undici', id: 'GHSA-4cwx-7wf7-3272', fixedIn: ['7.29.0', '8.9.0'], what: 'one of five, high' },
  { package: 'undici', id: 'GHSA-vp8m-p9jh-q5pm', fixedIn: ['8.10.2'], what: 'one of nine' },
];
