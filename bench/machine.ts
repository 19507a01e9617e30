// What the figures depend on beside the programs: the machine and the versions. Printed with every run.

import { cpus, loadavg, release, totalmem } from 'node:os';
import { resolve } from 'node:path';

import type { Options } from './options.ts';
import { rspamdVersions } from './peers/rspamd.ts';
import { spamdVersions } from './peers/spamd.ts';
import { clamdPlace, versionOf } from './world.ts';

const HERE = resolve(import.meta.dirname, '..');

export function machine(): Record<string, string> {
  const [first] = cpus();
  return {
    cpu: `${cpus().length} x ${first?.model ?? '?'}`,
    memory: `${(totalmem() / 2 ** 30).toFixed(1)} GiB`,
    kernel: release(),
    'load before': loadavg()
      .map(load => load.toFixed(2))
      .join(' '),
  };
}

export function versions(peers: Options['peers'], root = HERE): Record<string, string> {
  const changed =
    versionOf('git', '-C', root, 'status', '--porcelain', '--', 'src', 'rules') === '' ? '' : ' + changes';
  return {
    postern: `${versionOf('git', '-C', root, 'log', '-1', '--format=%h %cs')}${changed}`,
    node: process.version,
    clamd: `${versionOf('clamd', '--version')}, files in ${clamdPlace()}`,
    redis: versionOf('redis-server', '--version').split(' ').slice(0, 3).join(' '),
    unbound: versionOf('unbound', '-V'),
    ...(['rspamd', 'all'].includes(peers) ? rspamdVersions() : {}),
    ...(['spamd', 'all'].includes(peers) ? spamdVersions() : {}),
  };
}
