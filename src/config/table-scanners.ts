// The part of the table of settings that is about scanners: one group for each.

import {
  choice,
  count,
  duration,
  either,
  entry,
  flag,
  group,
  list,
  map,
  optional,
  path,
  pattern,
  remoteAddress,
  required,
  setting,
  size,
  socketPath,
  word,
} from './kinds.ts';

/** As scanners are called in findings, logs, headers and `policies.NAME.unavailable`. */
export const SCANNERS = ['rules', 'clamav', 'sender-auth', 'dns-lists'] as const;

/** The entry of `folders` that stands for the rules that come with Postern. */
export const SHIPPED = 'shipped';

const rules = group('The rules of rules/ and your own: see docs/rules.md.', {
  folders: setting(list(path('folder'), { min: 1, max: 20 }), {
    default: [SHIPPED, 'rules/local'],
    live: true,
    about:
      'Folders with rule files, later ones override earlier ones by symbol. `shipped` is the folder that comes with Postern. rules/local may be missing, others may not.',
  }),
  deadline: setting(duration('100ms', '2m'), {
    default: '10s',
    about: 'For reading one message and matching all expressions; then its thread is killed.',
  }),
});

const clamav = group('The virus scanner ClamAV.', {
  enabled: setting(flag(), { default: true, about: 'Without it no message is searched for viruses.' }),
  address: setting(
    either('embedded, a host and port such as "10.0.0.6:3310", or the path of a unix socket', [
      word('embedded'),
      socketPath(),
      remoteAddress(),
    ]),
    {
      default: 'embedded',
      about:
        'The clamd to ask. `embedded` starts one of our own on the signatures that freshclam has put on this machine.',
    },
  ),
  maxBytes: setting(size('1MiB', '4GiB'), {
    default: '64MiB',
    about:
      'Largest message that clamd is given; larger ones are unscannable. For a clamd of your own its StreamMaxLength must not be less.',
  }),
  deadline: setting(duration('1s', '4m'), {
    default: '45s',
    about: 'For its answer, waiting included. Never longer than timeouts.scan.',
  }),
});

const senderAuth = group('SPF, DKIM and DMARC.', {
  enabled: setting(flag(), { default: true, about: 'Without it no Authentication-Results are written.' }),
  deadline: setting(duration('1s', '2m'), {
    default: '20s',
    about: 'For all three together. Never longer than timeouts.scan.',
  }),
  maxSignatures: setting(count(1, 50), {
    default: 10,
    about: 'DKIM signatures of one message that are verified; each costs a DNS query and a hash of the message.',
  }),
  minRsaBits: setting(count(512, 4096), {
    default: 1024,
    about: 'Shorter RSA keys of DKIM signatures do not count (RFC 8301 3.2).',
  }),
});

const SYMBOL = 'a symbol of capital letters, digits and _ such as "DNSBL_EXAMPLE"';
const CODE = 'an answer such as "127.0.0.2", a range such as "127.0.0.4-7", or "bit 8" for that bit of the last number';

const symbol = () => pattern(SYMBOL, /^[A-Z][A-Z0-9_]{1,63}$/);
const code = () =>
  pattern(
    CODE,
    /^(?:127(?:\.(?:25[0-5]|2[0-4]\d|1?\d?\d)){3}(?:-(?:25[0-5]|2[0-4]\d|1?\d?\d))?|bit (?:1|2|4|8|16|32|64|128))$/,
  );
const zone = () =>
  pattern(
    'a DNS zone such as "zen.spamhaus.org"',
    /^(?=.{3,200}$)[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?(?:\.[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?)+$/,
  );
const point = () => pattern('a name or an IPv4 address', /^[a-z0-9.-]{1,200}$/);

const oneList = entry({
  zone: required(zone(), {
    about: 'Where the list is asked. A key of yours goes in front of it, as its provider says.',
  }),
  kind: required(choice('ip', 'domain'), {
    about: 'What is looked up: the address of the client, or the domains in the message (links, sender, HELO).',
  }),
  codes: required(map('CODE', code(), symbol()), {
    about:
      'Which answer gives which symbol; the points of symbols are in rules/scores.yaml. Answers not named here count as none.',
  }),
  testListed: optional(point(), {
    shown: '`127.0.0.2` or `test`',
    about: 'What is always on the list (RFC 5782 5): a list that does not say so is switched off until it does.',
  }),
  testNotListed: optional(point(), {
    shown: '`127.0.0.1` or `invalid`',
    about: 'What is never on it: a list that says so answers yes to everything and is switched off.',
  }),
});

const dnsLists = group('Lists of addresses and domains that are asked by DNS.', {
  enabled: setting(flag(), {
    default: true,
    about:
      'The lists of the default are free only for small sites and refuse queries of public resolvers (8.8.8.8, 1.1.1.1 …): use a resolver of your own. A list that fails its test is off, and health says so.',
  }),
  deadline: setting(duration('500ms', '1m'), {
    default: '10s',
    about: 'For all lists together. Never longer than timeouts.scan.',
  }),
  lists: setting(list(oneList, { min: 0, max: 50 }), {
    // Their symbols have points in rules/scores.yaml. The answers 127.0.1.102 to .106 of the DBL are not named: they
    // are honest domains that were abused, of which one link alone says little.
    default: [
      {
        zone: 'zen.spamhaus.org',
        kind: 'ip',
        codes: {
          '127.0.0.2': 'DNSBL_SPAMHAUS_SBL',
          '127.0.0.3': 'DNSBL_SPAMHAUS_CSS',
          '127.0.0.4-7': 'DNSBL_SPAMHAUS_XBL',
          '127.0.0.9': 'DNSBL_SPAMHAUS_SBL',
          '127.0.0.10-11': 'DNSBL_SPAMHAUS_PBL',
        },
      },
      {
        zone: 'dbl.spamhaus.org',
        kind: 'domain',
        codes: {
          '127.0.1.2': 'URIBL_DBL_SPAM',
          '127.0.1.4': 'URIBL_DBL_PHISH',
          '127.0.1.5': 'URIBL_DBL_MALWARE',
          '127.0.1.6': 'URIBL_DBL_BOTNET',
        },
        testListed: 'dbltest.com',
        testNotListed: 'example.com',
      },
      {
        zone: 'multi.surbl.org',
        kind: 'domain',
        codes: {
          'bit 8': 'URIBL_SURBL',
          'bit 16': 'URIBL_SURBL',
          'bit 64': 'URIBL_SURBL',
          'bit 128': 'URIBL_SURBL',
        },
        testListed: 'test.surbl.org',
        testNotListed: 'example.com',
      },
    ],
    live: true,
    shown: 'Spamhaus ZEN and DBL, SURBL multi',
    about: 'The lists that are asked. Your list takes the place of the default.',
  }),
});

export const scanners = group('What looks at each message.', { rules, clamav, senderAuth, dnsLists });
