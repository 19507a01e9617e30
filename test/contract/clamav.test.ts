import { createClamav } from '../../src/scanners/clamav/clamav.ts';
import { startClamd } from '../support/clamd.ts';
import { type ClamdMode, startFakeClamd } from '../support/fake-clamd.ts';
import { needs } from '../support/require.ts';
import { type Bench, scannerContract } from './scanner.ts';

const OPTIONS = {
  maxBytes: 10_000_000,
  maxConcurrent: 4,
  maxBytesInFlight: 100_000_000,
  hasOnlyOwnSignatures: () => false,
  maxSignatureAgeMs: 7 * 86_400_000,
};

async function fake(mode: ClamdMode): Promise<Bench> {
  const clamd = await startFakeClamd(mode);
  const scanner = createClamav({ ...OPTIONS, address: clamd.address });
  return { scanner, connections: () => clamd.connections, stop: () => clamd.stop() };
}

scannerContract({
  name: 'clamav',
  healthy: async t => {
    if (!needs(t, 'clamd')) return null;
    const clamd = await startClamd();
    const scanner = createClamav({ ...OPTIONS, address: { path: clamd.path } });
    return { scanner, connections: () => null, stop: () => clamd.stop() };
  },
  stalled: () => fake('stall'),
  faults: {
    'is not there': async () => {
      const clamd = await startFakeClamd('ok');
      await clamd.stop();
      const scanner = createClamav({ ...OPTIONS, address: clamd.address });
      return { scanner, connections: () => null, stop: async () => undefined };
    },
    'closes without an answer': () => fake('dead'),
    'closes in the middle': () => fake('early'),
    'cuts the connection': () => fake('reset'),
    'takes all and says nothing': () => fake('stall'),
    'does not even read': () => fake('deaf'),
    'answers garbage that ends in OK': () => fake('garbage'),
    'answers by half': () => fake('half'),
    'answers without end': () => fake('enormous'),
  },
  // Larger than what the sockets between them take.
  message: { message: `Subject: large\r\n\r\n${'0123456789abcdef\r\n'.repeat(200_000)}` },
});
