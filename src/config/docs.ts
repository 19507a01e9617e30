// docs/config.md, made from the table. The introduction is here, the tables are rows of the table: whoever changes a
// setting runs `npm run generate`, and `npm run check` fails until the page is current.

import { z } from 'zod';

import { aboutOf, bare, expectedOf, nameOf } from './kinds.ts';
import { table } from './table.ts';

interface Row {
  readonly key: string;
  readonly value: string;
  readonly usual: string;
  readonly isLive: boolean;
  readonly about: string;
}

/** A place of the table while rows are made of it. */
interface Place {
  readonly key: string;
  /** Of the key or of one above it. */
  readonly isLive: boolean;
}

type Schema = z.core.$ZodType;

/** docs/config.md. */
export function configMarkdown(): string {
  const top = Object.entries(table.shape);
  const isPlain = (schema: Schema) => partsOf(schema).length < 2;
  const general = top
    .filter(([, schema]) => isPlain(schema))
    .flatMap(([key, schema]) => rowsAt(schema, { key, isLive: false }));
  const sections = top.filter(([, schema]) => !isPlain(schema)).map(([key, schema]) => section(key, schema, 2));
  return `${[INTRODUCTION, `## General\n\n${tableOf(general)}`, ...sections, POSTSCRIPT].join('\n\n')}\n`;
}

/** One key of the top level, or a group of scanners, under a heading of its own. */
function section(key: string, schema: Schema, level: number): string {
  const about = aboutOf(schema);
  const parts = partsOf(schema);
  const isLive = about?.live === true;
  const head = `${'#'.repeat(level)} ${key}\n\n${about?.about ?? ''}${about?.shown === undefined ? '' : ` Default: ${about.shown}.`}`;
  const inner = parts.filter(([, child]) => bare(child) instanceof z.ZodObject && aboutOf(child)?.live === undefined);
  if (inner.length === parts.length)
    return [head, ...inner.map(([name, child]) => section(`${key}.${name}`, child, level + 1))].join('\n\n');
  const form = bare(schema);
  const shape =
    form instanceof z.ZodRecord
      ? `\`${key}: {${nameOf(schema)}: {…}}\`, with these keys for each ${nameOf(schema)}:\n\n`
      : form instanceof z.ZodArray
        ? 'A list; these keys for each entry:\n\n'
        : '';
  const rows = parts.flatMap(([name, child]) => rowsAt(child, { key: name, isLive }));
  return `${head}\n\n${shape}${tableOf(rows)}`;
}

/** The keys under a key: of a group, of each entry of a map or list, or of the form with keys of a value that has several. */
function partsOf(schema: Schema): readonly (readonly [string, Schema])[] {
  const form = bare(schema);
  if (form instanceof z.ZodObject) return Object.entries(form.shape);
  if (form instanceof z.ZodRecord) return partsOf(form.valueType);
  if (form instanceof z.ZodArray) return partsOf(form.element);
  return form instanceof z.ZodUnion
    ? form.options.flatMap(option => (bare(option) instanceof z.ZodObject ? partsOf(option) : []))
    : [];
}

function rowsAt(schema: Schema, { key, isLive }: Place): Row[] {
  const about = aboutOf(schema);
  const form = bare(schema);
  const live = isLive || about?.live === true;
  const inList = form instanceof z.ZodArray ? '[]' : form instanceof z.ZodRecord ? `.${nameOf(schema)}` : '';
  const below = partsOf(schema).flatMap(([name, child]) =>
    rowsAt(child, { key: `${key}${inList}.${name}`, isLive: live }),
  );
  const isGroup = form instanceof z.ZodObject && about?.shown === undefined;
  if (isGroup && below.length === 1) return below;
  const value = isGroup ? '' : form instanceof z.ZodRecord ? mapText(schema, form) : expectedOf(schema);
  const usual = isGroup ? '' : usualText(schema);
  return [{ key, value: shorter(value), usual, isLive: live, about: about?.about ?? '' }, ...below];
}

function mapText(schema: Schema, { keyType, valueType }: z.ZodRecord): string {
  const name = nameOf(schema);
  return `${name}: value; ${name} is ${expectedOf(keyType)}, the value ${expectedOf(valueType)}`;
}

/** The page says once what durations and sizes look like. */
function shorter(expected: string): string {
  return expected
    .replace(/^a (duration|size) such as "[^"]*" or "[^"]*", /, 'a $1 ')
    .replace(/, each with the keys.*$/, '');
}

function usualText(schema: Schema): string {
  const shown = aboutOf(schema)?.shown;
  if (shown !== undefined) return shown;
  if (schema instanceof z.ZodOptional) return '(none)';
  if (!(schema instanceof z.ZodPrefault)) return '(required)';
  const value: unknown = schema.def.defaultValue;
  return `\`${typeof value === 'string' ? value : JSON.stringify(value)}\``;
}

function tableOf(rows: readonly Row[]): string {
  const cell = (text: string) => text.replaceAll('|', '\\|').replaceAll('\n', ' ');
  const lines = rows.map(
    ({ key, value, usual, isLive, about }) =>
      `| \`${cell(key)}\` | ${cell(value)} | ${cell(usual)} | ${isLive ? 'yes' : ''} | ${cell(about)} |`,
  );
  return ['| key | value | default | reload | meaning |', '|---|---|---|---|---|', ...lines].join('\n');
}

const INTRODUCTION = `# Settings

<!-- Made from src/config/table.ts by \`npm run generate\`: change it there. -->

Postern needs no settings to be tried out: without a file it keeps mail for \`demo.example\` in a mailbox of its own. To
stand in front of your mail server it needs to know your domain and your server. This is a whole \`postern.yaml\`:

\`\`\`yaml
# yaml-language-server: $schema=docs/postern.schema.json
hostname: mx.example.org
listeners:
  - {name: public, address: "0.0.0.0:25"}
domains:
  example.org:
    nextHop: smtp://10.0.0.5:25
\`\`\`

Postern reads the file named with \`--config\`, else \`postern.yaml\` in the current folder, else it runs the demo. The file
is YAML. All of it is checked before anything starts: an unknown key, a wrong value or two settings that contradict each
other are named with file, line and column, and with what to do, and nothing starts. \`bin/postern doctor\` does the same
without starting anything. The first line of the example lets an editor check while you type (the schema is
[postern.schema.json](postern.schema.json)).

- **Times** are written \`500ms\`, \`30s\`, \`5m\`, \`2h\`, \`1d\`; **sizes** \`512B\`, \`64KiB\`, \`64MiB\`, \`1GiB\`.
- **Paths** that do not start with \`/\` start at the folder of the settings file (without a file: at the current folder).
  A \`maildir:\` starts at \`data\`.
- **IPv6 addresses** with a port stand in quotes, for a bracket means a list in YAML: \`"[::1]:2525"\`.
- **reload: yes** in the tables: \`bin/postern reload\` applies a change to the mail that comes after it. Everything is
  applied or nothing: when the file has a mistake, what held before still holds. The other settings wait for a restart,
  and \`reload\` names those that changed.

## Which policy judges a message

A policy says how many points make spam, and what becomes of viruses, of what cannot be read, and of mail that a scanner
could not look at. It is chosen for each recipient, the first that applies:

1. Mail from a trusted listener, to whomever: the policy of \`outgoing\`, or \`default\` where \`outgoing\` is not set.
2. The recipient's own policy, from \`addresses\` of the domain.
3. The domain's \`policy\`.
4. \`default\`.

A policy says only what differs from \`default\`, and \`default\` what differs from the values below. One message has one
verdict: a sender who names recipients with different policies, or with different next hops, is asked to send them one
after the other (452 4.5.3, which every mail server understands). Mail for postmaster@ and abuse@ is tagged by its
points, but never held or refused for them. Mail from a trusted listener to one of your own domains goes straight to
that domain's server.

\`\`\`yaml
domains:
  example.org:
    nextHop: {hosts: ["smtp://10.0.0.5", "smtp://10.0.0.6"], tls: verify}
    policy: strict
    addresses:
      sales: lenient
      boss: default
  example.net:
    nextHop: lmtp://10.0.0.7:24
outgoing:
  nextHop: smtp://smarthost.example.net
  policy: own-mail
policies:
  default: {thresholds: {tag: 4}}
  strict: {thresholds: {quarantine: 6, reject: 10}, unavailable: {dns-lists: defer}}
  lenient: {thresholds: {quarantine: 12, reject: never}}
  own-mail: {malware: reject, unscannable: accept}
\`\`\``;

const POSTSCRIPT = `## More examples

The certificate of your host, a ClamAV and two Redis servers of your own, and a trusted listener for two networks:

\`\`\`yaml
hostname: mx.example.org
data: /var/lib/postern
listeners:
  - {name: public, address: "0.0.0.0:25"}
  - {name: public6, address: "[2001:db8::25]:25"}
  - {name: inside, address: "10.0.0.2:587", trusted: true, networks: [10.0.0.0/24, "2001:db8:1::/64"]}
domains:
  example.org: {nextHop: smtp://10.0.0.5}
  bücher.example: {nextHop: smtp://10.0.0.5}
outgoing: {nextHop: smtp://10.0.0.9}
scanners:
  clamav: {address: "10.0.0.6:3310", maxBytes: 25MiB}
  dnsLists:
    lists:
      - {zone: zen.spamhaus.org, kind: ip, codes: {127.0.0.2-3: DNSBL_SPAMHAUS_SBL, 127.0.0.4-7: DNSBL_SPAMHAUS_XBL}}
      - {zone: multi.surbl.org, kind: domain, codes: {bit 64: URIBL_SURBL}, testListed: test.surbl.org}
redis:
  queue: redis://10.0.0.7:6379
  memory: redis://10.0.0.8:6379
dns: {servers: [127.0.0.1]}
limits: {messageSize: 25MiB}
timeouts: {scan: 90s}
\`\`\``;
