// A resolver that answers from a table, for tests that are about something else than DNS. Keeps what it was asked.

import { DnsError, type DnsRecords, type DnsType, type Resolver } from '../../src/platform/dns.ts';

/** `example.org` → records by type, or an error code for all types. Names in lower case. */
export type Zone = Readonly<Record<string, string | { readonly [T in DnsType]?: DnsRecords[T] | string }>>;

export interface ZoneResolver extends Resolver {
  /** `TXT example.org`, in order. */
  readonly asked: string[];
}

/** Unknown names are ENOTFOUND, or `otherwise`. A string instead of records is an error code; HANG never answers. */
export function zoneResolver(zone: Zone, otherwise = 'ENOTFOUND'): ZoneResolver {
  const asked: string[] = [];
  return {
    asked,
    resolve: async <T extends DnsType>(name: string, type: T, signal?: AbortSignal): Promise<DnsRecords[T]> => {
      signal?.throwIfAborted();
      const key = name.replace(/\.$/, '').toLowerCase();
      asked.push(`${type} ${key}`);
      const entry = Object.hasOwn(zone, key) ? zone[key] : otherwise;
      const found = typeof entry === 'string' ? entry : (entry?.[type] ?? 'ENODATA');
      if (found === 'HANG') await never(signal);
      if (typeof found === 'string') throw new DnsError(found, `${type} ${key}`);
      return structuredClone(found) as DnsRecords[T];
    },
  };
}

function never(signal?: AbortSignal): Promise<never> {
  return new Promise((_, reject) => signal?.addEventListener('abort', () => reject(signal.reason), { once: true }));
}
