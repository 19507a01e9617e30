import assert from 'node:assert/strict';
import { test } from 'node:test';
import { adviceFor, withoutNodeHints } from '../../../src/delivery/advice.ts';

const CASES: readonly (readonly [string, RegExp])[] = [
  ['getaddrinfo ENOTFOUND mail.acme.test', /correct the name in nextHop/],
  ['getaddrinfo EAI_AGAIN mail.acme.test', /check the name servers/],
  ['connect ECONNREFUSED 10.0.0.5:25', /start the server/],
  ['connect EHOSTUNREACH 10.0.0.5:25', /check the network/],
  ['connect EACCES /run/lmtp.sock', /let the user that runs Postern/],
  ['unable to verify the first certificate', /nextHop\.ca/],
  ['self-signed certificate', /nextHop\.ca/],
  [
    "Hostname/IP does not match certificate's altnames: Host: a. is not in the cert's altnames: DNS:b",
    /as its certificate/,
  ],
  ['certificate has expired', /renew the certificate/],
  ['write EPROTO 80:error:0A000102:SSL routines::unsupported protocol', /openssl s_client/],
  ['no answer within 4000 ms', /check that the server runs, and that its firewall/],
];

for (const [said, next] of CASES) test(`what to do about: ${said}`, () => assert.match(adviceFor(said), next));

test("Node's words for its own developers are left out", () => {
  const said =
    'unable to verify the first certificate; if the root CA is installed locally, try running Node.js with --use-system-ca';
  assert.equal(withoutNodeHints(said), 'unable to verify the first certificate');
});
