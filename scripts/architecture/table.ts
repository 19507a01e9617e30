// Who may import whom: the table of the folders, of the packages they own and of the few files that may touch the
// network or start programs. test/architecture.test.ts holds the source to it. A new line here is a decision: say why.

export type Room = keyof typeof ROOMS;

/** The folders of src and the other folders each may import. */
export const ROOMS = {
  mail: [],
  platform: [],
  config: ['mail', 'platform'],
  message: ['mail', 'platform'],
  rules: ['mail', 'message', 'platform'],
  scanners: ['mail', 'message', 'platform'],
  reputation: ['mail', 'platform'],
  pipeline: ['mail', 'message', 'platform'],
  spool: ['mail', 'platform'],
  store: ['mail', 'platform'],
  gateway: ['mail', 'platform'],
  delivery: ['mail', 'platform', 'store', 'spool'],
  quarantine: ['mail', 'platform', 'message', 'store', 'spool'],
  ledger: ['mail', 'platform', 'store', 'spool'],
  console: ['mail', 'platform', 'message'],
} as const satisfies Readonly<Record<string, readonly string[]>>;

/** Where the parts are put together: these import all, and only each other, main.ts and thread.ts import them. */
export const MEETING_ROOMS = ['assembly', 'cli'] as const;

/** bin/postern starts the first, and nobody imports it. The others are for the rooms where the parts meet. */
export const ENTRIES = ['src/cli/main.ts', 'src/main.ts', 'src/thread.ts', 'src/version.ts'] as const;

/** Not part of the running program: scripts/generate-docs.ts makes the documentation from them. */
export const GENERATORS = ['src/cli/manual-docs.ts', 'src/config/docs.ts', 'src/config/json-schema.ts'] as const;

/** The one folder that imports and wraps a package, or a part of Node of which there should be one user. */
export const OWNERS: Readonly<Record<string, Room | (typeof MEETING_ROOMS)[number]>> = {
  pino: 'platform',
  'prom-client': 'platform',
  ioredis: 'platform',
  bullmq: 'platform',
  piscina: 'platform',
  yaml: 'platform',
  fastify: 'platform',
  'ipaddr.js': 'platform',
  zod: 'config',
  mailparser: 'message',
  libmime: 'message',
  htmlparser2: 'message',
  'file-type': 'message',
  tldts: 'message',
  'iconv-lite': 'message',
  clamscan: 'scanners',
  mailauth: 'scanners',
  kysely: 'store',
  'smtp-server': 'gateway',
  nodemailer: 'delivery',
  commander: 'cli',
  'node:sqlite': 'store',
};

/** What reaches the world outside of this process. */
export const GUARDED: readonly string[] = [
  'node:net',
  'node:tls',
  'node:dgram',
  'node:http',
  'node:https',
  'node:http2',
  'node:dns',
  'node:dns/promises',
  'node:child_process',
  'node:cluster',
];

/** Of these, names that only compute: anybody but src/mail may use them. */
export const HARMLESS: Readonly<Record<string, readonly string[]>> = {
  'node:net': ['isIP', 'isIPv4', 'isIPv6', 'BlockList', 'SocketAddress'],
};

/** The files that may import what is guarded, and why. */
export const ALLOWED: Readonly<Record<string, { readonly modules: readonly string[]; readonly why: string }>> = {
  'src/platform/child.ts': { modules: ['node:child_process'], why: 'starts redis-server and clamd, the only programs' },
  'src/platform/certificate.ts': {
    modules: ['node:child_process'],
    why: 'makes the self-signed certificate with the openssl program',
  },
  'src/platform/control-client.ts': { modules: ['node:http'], why: 'the command line talks to the control socket' },
  'src/assembly/listening.ts': {
    modules: ['node:net'],
    why: 'tries whether addresses can be listened on, before anything is started',
  },
  'src/platform/unix-socket.ts': { modules: ['node:net'], why: 'asks a daemon on its unix socket whether it is well' },
  'src/platform/dns.ts': {
    modules: ['node:dns/promises'],
    why: 'the one resolver, with cache and limits',
  },
  'src/scanners/clamav/clamd-link.ts': { modules: ['node:net'], why: 'a connection to clamd that can be cut' },
  'src/delivery/wire.ts': { modules: ['node:net', 'node:tls'], why: 'talks to the next hop' },
};

/** src/mail is pure: of all Node offers, only these, by file. */
export const MAIL_MAY: Readonly<Record<string, readonly string[]>> = {
  // domainToASCII: the address rules of the URL standard, no I/O.
  'src/mail/address.ts': ['node:url'],
};

/** Longer files are two ideas. */
export const FILE_LINES_MAX = 400;
