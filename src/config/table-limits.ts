// The part of the table of settings that bounds things (I7): how much, how many, how long. Each number has its reason
// or its section of RFC 5321 in its meaning.

import { count, duration, group, setting, size } from './kinds.ts';

export const limits = group(
  'How much and how many. What goes beyond is refused for now (4yz), so that an honest sender tries again; only what can never be taken is refused for good.',
  {
    messageSize: setting(size('64KiB', '1GiB'), {
      default: '64MiB',
      live: true,
      about:
        'Largest message, said in SIZE of EHLO; larger ones are refused with 552. The smaller of this and what the next hop takes counts.',
    }),
    recipients: setting(count(100, 10_000), {
      default: 1000,
      live: true,
      about: 'Recipients of one transaction. RFC 5321 4.5.3.1.8 asks for at least 100.',
    }),
    connections: setting(count(1, 100_000), {
      default: 1000,
      live: true,
      about:
        'Open connections from everywhere, all listeners together; a tenth of them is kept for trusted listeners, where there are any. When all are taken, the client that has kept Postern waiting longest (a second at least) makes room for the next one. Each needs an open file: see LimitNOFILE.',
    }),
    connectionsPerAddress: setting(count(1, 100_000), {
      default: 50,
      live: true,
      about: 'Open connections from one address. Raise it when all mail comes through one other server.',
    }),
    connectionsPerMinutePerAddress: setting(count(0, 1_000_000), {
      default: 300,
      live: true,
      about: 'New connections from one address within a minute, on listeners that are not trusted. 0 is no limit.',
    }),
    messagesPerConnection: setting(count(1, 1_000_000), {
      default: 1000,
      live: true,
      about: 'Messages in one connection; then it is closed with 421 and may come back.',
    }),
    messagesPerHourPerAddress: setting(count(0, 100_000_000), {
      default: 20_000,
      live: true,
      about:
        'Messages from one address within an hour, on listeners that are not trusted. 0 is no limit: right when all mail comes through one other server.',
    }),
    minimumRate: setting(size('0B', '1MiB'), {
      default: '256B',
      live: true,
      about: 'Bytes a second that a sender must bring during DATA; slower ones are cut off with 421. 0B is no limit.',
    }),
    receivedHeaders: setting(count(10, 1000), {
      default: 50,
      live: true,
      about:
        'Received fields of a message; more are a loop (554 5.4.6). RFC 5321 6.3 suggests 100, real routes stay below 30.',
    }),
    scansInFlight: setting(count(1, 10_000), {
      default: 256,
      about: 'Messages that wait for their verdict at the same time; beyond it MAIL gets 451 4.3.2.',
    }),
    bytesInFlight: setting(size('1MiB', '1TiB'), {
      default: '256MiB',
      about:
        'Size of the large messages that are scanned at the same time, all together: those above bytesInFlight / scansInFlight. More of them wait their turn. At least messageSize.',
    }),
    headerSize: setting(size('16KiB', '16MiB'), {
      default: '1MiB',
      about: 'Header section of a message or part that is read; a larger one makes the message unscannable.',
    }),
    parts: setting(count(10, 10_000), {
      default: 1000,
      about: 'MIME parts of a message, all levels together; more make it unscannable. Real mail stays below 100.',
    }),
    depth: setting(count(5, 100), {
      default: 50,
      about: 'MIME levels (multiparts, messages in messages); more make it unscannable. Real mail stays below 10.',
    }),
    nestedSize: setting(size('1MiB', '1GiB'), {
      default: '128MiB',
      about: 'What messages within a message may decode to, all together; more makes it unscannable.',
    }),
  },
);

export const timeouts = group(
  'How long. A sender waits ten minutes after its final dot (RFC 5321 4.5.3.2.6): whatever these say, it has its reply after nine and a half.',
  {
    greeting: setting(duration('0ms', '10s'), {
      default: '100ms',
      live: true,
      about:
        'Before a client is greeted on a listener that is not trusted. Mail servers wait for it (RFC 5321 4.3.1); who talks earlier is sent away with 421. A relay that comes with many connections a second is faster without: 0ms.',
    }),
    command: setting(duration('10s', '1h'), {
      default: '5m',
      live: true,
      about: 'For the next command line of a sender. RFC 5321 4.5.3.2.7 asks for 5 minutes.',
    }),
    data: setting(duration('1m', '2h'), {
      default: '30m',
      live: true,
      about: 'From 354 to the final dot, however steadily it drips: 64 MiB in this time are 37 KB a second.',
    }),
    connection: setting(duration('5m', '24h'), {
      default: '1h',
      live: true,
      about: 'For a whole connection, however busy it is.',
    }),
    scan: setting(duration('1s', '4m'), {
      default: '1m',
      live: true,
      about: 'From the final dot to the verdict. A scanner that is not done then counts as unavailable.',
    }),
    hopConnect: setting(duration('1s', '2m'), {
      default: '30s',
      live: true,
      about: 'To connect to one host of a next hop, its greeting and STARTTLS included.',
    }),
    hopReply: setting(duration('1s', '1m'), {
      default: '1m',
      live: true,
      about:
        'For the reply of the next hop to each command. The sender waits 5 minutes for its own (RFC 5321 4.5.3.2.3).',
    }),
    hopAfterDot: setting(duration('10s', '5m'), {
      default: '5m',
      live: true,
      about:
        'For the reply of the next hop to the final dot, or what is left of the nine and a half minutes. Silence beyond it becomes 451 and the recorded state unknown: nobody can tell whether it took the message.',
    }),
  },
);
