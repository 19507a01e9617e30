// The client disappears, or the gateway is told to stop, at each place where the gateway waits for another room.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type LogLine, PLACES, type Place, startTestGateway, type TestGateway } from '../../support/gateway.ts';
import { LineClient } from '../../support/smtp-script.ts';
import { waitFor } from '../../support/wait-for.ts';

/** What each place leaves in the books when the client goes there. */
const STATES: Readonly<Record<Place, string>> = {
  open: 'abandoned',
  mail: 'abandoned',
  rcpt: 'abandoned',
  create: 'abandoned',
  write: 'abandoned',
  seal: 'abandoned',
  scan: 'abandoned',
  unknownBefore: 'abandoned',
  // It is ours by the time that anybody can know: the client tries again, and there are two.
  hold: 'held',
  record: 'relayed',
  DATA: 'abandoned',
};

/** Plays a transaction until the gateway waits at the place; there it stays until `goOn`. */
async function waitingAt(place: Place): Promise<{ gateway: TestGateway; client: LineClient; goOn: () => void }> {
  const gateway = await startTestGateway();
  if (place === 'hold') gateway.steering.score = 9;
  const reached = Promise.withResolvers<void>();
  const held = Promise.withResolvers<void>();
  gateway.steering.at = async at => {
    if (at !== place) return;
    reached.resolve();
    await held.promise;
  };
  const client = await LineClient.open(gateway.port);
  await client.reply();
  // All at once, and something behind it: the client must be seen going all the same.
  client.write('HELO c.example\r\nMAIL FROM:<a@client.example>\r\nRCPT TO:<user@example.org>\r\nDATA\r\n');
  client.write(`Subject: x\r\n\r\n${'x\r\n'.repeat(20_000)}.\r\nNOOP\r\n`);
  await reached.promise;
  return { gateway, client, goOn: held.resolve };
}

function nothingLeft(gateway: TestGateway): boolean {
  return gateway.openHops() === 0 && gateway.spooled.size === 0;
}

for (const place of PLACES) {
  test(`a client that goes away at "${place}" leaves nothing behind`, async () => {
    const { gateway, client, goOn } = await waitingAt(place);
    client.destroy();
    await waitFor('the listener sees it', () => gateway.listener.connections.size === 0);
    goOn();
    await waitFor('all is given back', () => nothingLeft(gateway));
    await gateway.stop();
    check(gateway, STATES[place]);
  });

  test(`a stop while the gateway waits at "${place}" ends, and leaves nothing behind`, async () => {
    const { gateway, client, goOn } = await waitingAt(place);
    const stopped = gateway.stop();
    await client.closed();
    goOn();
    await stopped;
    await waitFor('all is given back', () => nothingLeft(gateway));
    check(gateway, STATES[place]);
    client.destroy();
  });
}

test('a client that goes in the middle of its message: metrics and record both say abandoned', async () => {
  const gateway = await startTestGateway();
  const client = await LineClient.open(gateway.port);
  await client.reply();
  for (const line of ['HELO c.example', 'MAIL FROM:<a@client.example>', 'RCPT TO:<user@example.org>', 'DATA']) {
    assert.match(await client.command(line), /^[23]/);
  }
  client.write('Subject: x\r\n\r\nhalf of it\r\n');
  client.destroy();
  await waitFor('it is counted', () => gateway.counted.length === 1);
  await gateway.stop();
  assert.equal(gateway.counted[0]?.state, 'abandoned');
  check(gateway, 'abandoned');
});

test('a client that goes while its recipient is with the next hop: one line of the log, one count, one record', async () => {
  const gateway = await startTestGateway();
  const lines: LogLine[] = [];
  gateway.steering.logged = line => void lines.push(line);
  const held = Promise.withResolvers<void>();
  gateway.steering.at = place => (place === 'rcpt' ? held.promise : Promise.resolve());
  const client = await LineClient.open(gateway.port);
  await client.reply();
  client.write('HELO c.example\r\nMAIL FROM:<a@client.example>\r\nRCPT TO:<user@example.org>\r\n');
  await waitFor('the next hop is asked', () => gateway.openHops() === 1);
  client.destroy();
  await waitFor('the listener sees it', () => gateway.listener.connections.size === 0);
  held.resolve();
  await gateway.stop();
  check(gateway, 'abandoned');
  assert.deepEqual(
    lines.map(({ message }) => message),
    ['no message'],
  );
  const { to, refused } = lines[0]?.fields as { to?: unknown; refused?: unknown };
  const said = 'the client had gone before the next hop answered';
  assert.deepEqual([to, refused], [[], [{ rcpt: 'user@example.org', reply: '', said }]]);
});

test('a stop does not wait for a next hop that stays silent', async () => {
  const { gateway, client } = await waitingAt('DATA');
  await gateway.stop();
  await client.closed();
  assert.equal(gateway.delivered.length, 0);
});

function check(gateway: TestGateway, state: string): void {
  assert.deepEqual(gateway.misused, [], 'nothing is asked of a transaction that was given back');
  assert.equal(gateway.delivered.length, state === 'relayed' ? 1 : 0, 'messages passed on');
  const copies = [...gateway.records, ...gateway.held].flatMap(record => record.copies);
  const states = copies.map(copy => copy.disposition.state);
  assert.deepEqual(states, [state]);
  assert.deepEqual(gateway.recipients, [state]);
  // Before DATA there is no message to count.
  for (const { state: counted } of gateway.counted) assert.equal(counted, state);
}
