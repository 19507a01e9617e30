// The one table of settings: key, kind of value, default, range, meaning, and whether `reload` may change it. Parsing,
// the type Settings, docs/config.md and the JSON Schema all come from it. A new setting is a row here and nothing else.

import type { z } from 'zod';

import {
  choice,
  count,
  dnsServer,
  duration,
  either,
  entry,
  flag,
  group,
  hostName,
  list,
  map,
  name,
  network,
  nextHop,
  optional,
  path,
  pattern,
  points,
  redisUrl,
  required,
  setting,
  size,
  socketAddress,
  word,
} from './kinds.ts';
import { limits, timeouts } from './table-limits.ts';
import { SCANNERS, scanners } from './table-scanners.ts';

/** Connections to one host of a next hop, where nothing is said. */
export const HOP_CONNECTIONS = 40;

const hop = () =>
  either('a next hop such as "smtp://10.0.0.5:25", a list of them, or hosts with tls and timeouts', [
    nextHop(),
    list(nextHop(), { min: 1, max: 20 }),
    entry({
      hosts: required(list(nextHop(), { min: 1, max: 20 }), {
        about: 'In this order: the next one is tried when one cannot be reached.',
      }),
      tls: optional(choice('none', 'may', 'must', 'verify'), {
        shown: '`may`',
        about:
          'STARTTLS: `may` when the host offers it, `must` always but with any certificate, `verify` with a certificate for its name.',
      }),
      ca: optional(path('file'), {
        shown: 'the public authorities',
        about:
          'PEM file: certificates of the authorities that `verify` trusts, for a private one. In place of the public ones, which come with Node and not from /etc/ssl.',
      }),
      connections: setting(count(1, 1000), {
        default: HOP_CONNECTIONS,
        about:
          'To each of its hosts at a time; Postfix allows a client 50 (`smtpd_client_connection_count_limit`). Those for whom none becomes free hear 451.',
      }),
      timeouts: optional(
        entry({
          connect: optional(duration('1s', '2m'), {
            shown: 'timeouts.hopConnect',
            about: 'To connect, greeting and STARTTLS included.',
          }),
          reply: optional(duration('1s', '1m'), { shown: 'timeouts.hopReply', about: 'For the reply to a command.' }),
          afterDot: optional(duration('10s', '5m'), {
            shown: 'timeouts.hopAfterDot',
            about: 'For the reply to the final dot.',
          }),
        }),
        { shown: '', about: 'For this next hop only.' },
      ),
    }),
  ]);

const listener = entry({
  name: required(name(), { about: 'What logs, headers and the record call it.' }),
  address: required(socketAddress(), {
    about:
      'Where it listens. `0.0.0.0:25` is all addresses by IPv4, `"[::]:25"` all addresses; port 0 is any free one.',
  }),
  accept: setting(choice('inline'), {
    default: 'inline',
    about: '`inline`: the sender waits for the verdict and gets the next hop’s own answer. There is no other way yet.',
  }),
  trusted: setting(flag(), {
    default: false,
    about:
      'Takes mail for everywhere (outgoing) from its networks, and from nobody else. Others take mail for your domains from everybody.',
  }),
  networks: optional(list(network(), { min: 1, max: 1000 }), {
    shown: '`[127.0.0.0/8, "::1/128"]`',
    about: 'Who may use a trusted listener. Every address in them may send mail in your name to everybody.',
  }),
});

const LOCAL_PART = 'what stands before the @ of an address';
const localPart = () => pattern(LOCAL_PART, /^[^@\s<>]{1,128}$/u);
/** Read loosely here: cross-check.ts says what is wrong with it, and resolve.ts brings it into its one form. */
const domainKey = () => pattern('a domain such as "example.org"', /^[^@\s/*:[\]]{1,255}$/u);
const policyRef = () => pattern('the name of a policy', /^[^\x00-\x1f]{1,64}$/);

const domain = entry({
  nextHop: required(hop(), { about: 'The server that keeps the mail of this domain.' }),
  policy: setting(policyRef(), { default: 'default', about: 'The policy for its recipients.' }),
  addresses: setting(map('LOCAL', localPart(), policyRef()), {
    default: {},
    about:
      'Policies for single addresses: the part before the @, and the name of the policy. Capital letters do not matter.',
  }),
});

const CHOICES = ['accept', 'tag', 'quarantine', 'defer'] as const;
const scannerName = () =>
  pattern(`one of ${SCANNERS.join(', ')}, or "*" for all others`, new RegExp(`^(?:${SCANNERS.join('|')}|\\*)$`));

const policy = entry({
  thresholds: optional(
    entry({
      tag: optional(points(), { shown: '5', about: 'Points from which the headers say spam.' }),
      quarantine: optional(points(), { shown: '8', about: 'Points from which the message is held in quarantine.' }),
      reject: optional(points(), { shown: '15', about: 'Points from which the message is refused with 550.' }),
    }),
    { about: 'They rise: tag, quarantine, reject. `never` is a threshold that no score reaches.' },
  ),
  malware: optional(choice('quarantine', 'reject', 'discard'), {
    shown: '`quarantine`',
    about: 'What becomes of a virus. `discard` takes it with 250 and keeps nothing but the record.',
  }),
  unscannable: optional(choice('accept', 'tag', 'quarantine', 'reject'), {
    shown: '`quarantine`',
    about: 'What becomes of mail that can never be read: encrypted, too large for a scanner, broken on purpose.',
  }),
  unavailable: optional(map('SCANNER', scannerName(), choice(...CHOICES)), {
    shown: '`{clamav: defer, "*": accept}`',
    about:
      'What becomes of mail when a scanner gives no answer in time. `defer` is 451: the sender comes back later. `accept` leaves it to the other scanners.',
  }),
});

const tls = optional(
  entry({
    certificate: optional(path('file'), { about: 'PEM file: the certificate and those between it and its root.' }),
    key: optional(path('file'), { about: 'PEM file: the private key of the certificate.' }),
  }),
  {
    live: true,
    shown: 'a self-signed certificate',
    about:
      'The certificate for STARTTLS. Without it a self-signed one is made at the first start: good against listeners, and what most mail servers ask for.',
  },
);

const outgoing = optional(
  entry({
    nextHop: required(hop(), { about: 'The server that takes mail to the rest of the world: a smarthost.' }),
    policy: setting(policyRef(), { default: 'default', about: 'The policy for outgoing mail.' }),
  }),
  {
    live: true,
    about: 'Mail from trusted listeners to domains that are not yours. Without it such mail is refused.',
  },
);

const redis = group(
  'Two databases: the queue must lose nothing, the memory (counters, caches) may lose everything. They cannot be the same.',
  {
    queue: setting(either('embedded, or a Redis such as "redis://10.0.0.7:6379/0"', [word('embedded'), redisUrl()]), {
      default: 'embedded',
      about: '`embedded` starts a redis-server of our own. A Redis of yours needs `maxmemory-policy noeviction`.',
    }),
    memory: setting(either('embedded, or a Redis such as "redis://10.0.0.8:6379/0"', [word('embedded'), redisUrl()]), {
      default: 'embedded',
      about:
        '`embedded` starts a second one. A Redis of yours should have `maxmemory` and `maxmemory-policy allkeys-lru`.',
    }),
  },
);

const dns = group('How names are looked up.', {
  servers: setting(list(dnsServer(), { min: 0, max: 10 }), {
    default: [],
    shown: 'those of /etc/resolv.conf',
    about: 'Name servers. DNS lists want one of your own, on this machine or near it.',
  }),
  timeout: setting(duration('500ms', '30s'), { default: '5s', about: 'For one lookup, all its repetitions included.' }),
  cacheEntries: setting(count(100, 1_000_000), { default: 20_000, about: 'Answers that are remembered.' }),
});

export const DEMO_DOMAIN = 'demo.example';
export const DEMO_HOP = 'maildir:mailbox';

const fields = {
  hostname: optional(hostName(), {
    shown: 'the name of this machine',
    about: 'Our name in greetings, headers and the record: the one that the MX record of your domain points to.',
  }),
  data: setting(path('folder'), {
    default: './data',
    about: 'Folder for the spool, the quarantine, the database and the embedded servers. Keep it on a local disk.',
  }),
  listeners: setting(list(listener, { min: 1, max: 50 }), {
    default: [
      { name: 'public', address: '127.0.0.1:2525' },
      { name: 'trusted', address: '127.0.0.1:2587', trusted: true },
    ],
    shown: '`public` at 127.0.0.1:2525, `trusted` at 127.0.0.1:2587',
    about: 'Where mail comes in.',
  }),
  tls,
  domains: optional(map('DOMAIN', domainKey(), domain), {
    live: true,
    shown: `${DEMO_DOMAIN}, kept in data/mailbox`,
    about:
      'The domains whose mail is taken. Each is named: example.org does not stand for sub.example.org. International names may be written in either form.',
  }),
  outgoing,
  policies: setting(map('POLICY', name(), policy), {
    default: {},
    live: true,
    shown: 'the policy `default`',
    about:
      'Named sets of choices. A policy says only what differs from `default`; `default` itself may be written here too.',
  }),
  scanners,
  limits,
  timeouts,
  redis,
  dns,
  bareNewlines: setting(choice('normalize', 'refuse'), {
    default: 'normalize',
    live: true,
    about:
      'A bare CR or LF in a message: made CRLF before the first scanner, or refused with 550. Neither ever ends a message, so nothing can be smuggled.',
  }),
  nextHopText: setting(choice('hide', 'show'), {
    default: 'hide',
    live: true,
    about:
      'Does a sender hear the words of the next hop, or its codes with words of our own? Its words may tell names of inner servers.',
  }),
  http: setting(either('an address and a port such as "127.0.0.1:9525", or off', [word('off'), socketAddress()]), {
    default: '127.0.0.1:9525',
    about: 'Health and metrics, without a password: let only your monitoring reach it.',
  }),
  log: group('One JSON object a line on standard error.', {
    level: setting(choice('debug', 'info', 'warn', 'error'), {
      default: 'info',
      about: '`info` is one line a message and what changes.',
    }),
  }),
  diskReserve: setting(size('0B', '1TiB'), {
    default: '1GiB',
    about: 'With less than this free on the disk of `data`, MAIL gets 452 until there is room again.',
  }),
};

export const table = entry(fields);

/** What a settings file says, defaults filled in. */
export type Parsed = z.output<typeof table>;
