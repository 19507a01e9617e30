// Nothing is taken that cannot be recorded; what was relayed all the same is recorded later (I4).

import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { startTestGateway, type TestGateway } from '../../support/gateway.ts';
import { sendMail } from '../../support/send.ts';

async function gatewayOf(t: TestContext): Promise<TestGateway> {
  const gateway = await startTestGateway();
  t.after(() => gateway.stop());
  return gateway;
}

const CONTENT = 'Subject: x\r\n\r\nx\r\n';

for (const [why, reply] of [
  ['noSpace', /^452 4\.3\.1 /],
  ['notReady', /^451 4\.3\.0 /],
] as const) {
  test(`while the database says ${why} DATA hears ${reply.source}`, async t => {
    const gateway = await gatewayOf(t);
    gateway.steering.ledgerNotReady = why;
    assert.match(await sendMail(gateway.port, { content: CONTENT }), reply);
    assert.equal(gateway.delivered.length, 0);
    gateway.steering.ledgerNotReady = null;
    assert.match(await sendMail(gateway.port, { content: CONTENT }), /^250 /);
  });
}

test('what the next hop has taken is 250 and handed over to be recorded later', async t => {
  const gateway = await gatewayOf(t);
  gateway.steering.recordFails = true;
  assert.match(await sendMail(gateway.port, { content: CONTENT }), /^250 /);
  assert.equal(gateway.delivered.length, 1);
  assert.deepEqual(
    gateway.recordedLater.flatMap(({ copies }) => copies.map(copy => copy.disposition.state)),
    ['relayed'],
  );
});
