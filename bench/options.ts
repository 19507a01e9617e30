// The command line of the bench: `npm run bench -- TOPIC --option value`.

import { resolve } from 'node:path';
import { parseArgs } from 'node:util';

export const TOPICS = ['gateway', 'memory', 'large', 'size'] as const;
export const PEERS = ['none', 'rspamd', 'spamd', 'all'] as const;

export interface Options {
  readonly topic: (typeof TOPICS)[number];
  readonly peers: (typeof PEERS)[number];
  readonly connections: number;
  readonly messages: number;
  readonly perConnection: number;
  readonly rounds: number;
  readonly corpus: string;
  /** Another checkout of Postern, to compare two states of it. */
  readonly postern: string | undefined;
  readonly json: boolean;
  readonly profile: boolean;
}

export const USAGE = `npm run bench -- [TOPIC] [OPTIONS]

topics
  gateway            throughput, latency and CPU of mail through Postern, beside its peers (the default)
  memory             memory after 5,000 and after 20,000 messages
  large              20 connections that send 50 MB each at once
  size               CPU of a message from 1 KB to 10 MB

options
  --peers WHICH      none, rspamd, spamd or all (gateway; default none)
  --connections N    senders at once (20)
  --messages N       messages of one run (3000); memory: of its first part (5000)
  --per-connection N messages on one connection (1)
  --rounds N         how often Postern and its peers take turns (3)
  --corpus NAME      spamassassin, business, lists … of ../shared/corpora, or generated (spamassassin, where it is there)
  --postern FOLDER   measures another checkout, with its node_modules, by the bench of this one
  --profile          where Postern's CPU time goes: by thread, by folder of src and by package
  --json             figures as JSON on standard output`;

export class UsageError extends Error {}

export function readOptions(args: readonly string[]): Options | null {
  const { values, positionals } = parse(args);
  if (values.help === true) return null;
  const topic = oneOf(TOPICS, positionals[0] ?? 'gateway', 'topic');
  return {
    topic,
    peers: oneOf(PEERS, values.peers ?? 'none', '--peers'),
    connections: count(values.connections, 20, '--connections'),
    messages: count(values.messages, topic === 'memory' ? 5000 : 3000, '--messages'),
    perConnection: count(values['per-connection'], 1, '--per-connection'),
    rounds: count(values.rounds, 3, '--rounds'),
    corpus: values.corpus ?? 'spamassassin',
    postern: values.postern === undefined ? undefined : resolve(values.postern),
    json: values.json ?? false,
    profile: values.profile ?? false,
  };
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        peers: { type: 'string' },
        connections: { type: 'string' },
        messages: { type: 'string' },
        'per-connection': { type: 'string' },
        rounds: { type: 'string' },
        corpus: { type: 'string' },
        postern: { type: 'string' },
        profile: { type: 'boolean' },
        json: { type: 'boolean' },
        help: { type: 'boolean' },
      },
    });
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error));
  }
}

function oneOf<T extends string>(list: readonly T[], value: string, name: string): T {
  const found = list.find(each => each === value);
  if (found === undefined) throw new UsageError(`${name} is one of ${list.join(', ')}, not ${value}`);
  return found;
}

function count(value: string | undefined, otherwise: number, name: string): number {
  const number = Number(value ?? otherwise);
  if (!Number.isInteger(number) || number < 1) throw new UsageError(`${name} is a whole number from 1, not ${value}`);
  return number;
}
