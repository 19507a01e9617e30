import { silentLog } from '../../src/platform/log.ts';
import { createDnsLists } from '../../src/scanners/dns-lists/dns-lists.ts';
import { dnsScannerContract } from './dns-scanner.ts';

dnsScannerContract({
  name: 'dns-lists',
  create: resolver =>
    createDnsLists({
      lists: [
        {
          zone: 'zen.example',
          kind: 'ip',
          codes: [{ kind: 'range', first: '127.0.0.2', last: '127.0.0.9', symbol: 'DNSBL_ZEN' }],
          test: { listed: '127.0.0.2', notListed: '127.0.0.1' },
        },
      ],
      resolver,
      log: silentLog(),
      maxQueries: 60,
      ownDomains: [],
      testDeadlineMs: 60_000,
    }),
  zone: ['2.0.0.127.zen.example. 60 IN A 127.0.0.2', '7.100.51.198.zen.example. 60 IN A 127.0.0.4'],
  faultyMs: 300,
});
