// Keeps what DNS answered: least recently used goes first, bounded by entries and by size, each with its own end.
// Used by dns.ts alone. Senders choose the names in it, so it must never grow with their number.

export interface DnsCacheOptions {
  readonly maxEntries: number;
  readonly maxBytes: number;
  /** Epoch milliseconds. */
  readonly now: () => number;
}

interface Kept<V> {
  readonly value: V;
  readonly endsAt: number;
  readonly bytes: number;
}

/** What an entry costs beside its key and value: the map's slot and our object, estimated. */
const ENTRY_BYTES = 150;
/** Larger answers are not kept: a few of them would push out all others. */
const ANSWER_MAX_SHARE = 16;

export class DnsCache<V> {
  readonly #options: DnsCacheOptions;
  /** In order of use: a Map keeps the order in which keys were put in. */
  readonly #kept = new Map<string, Kept<V>>();
  #bytes = 0;

  constructor(options: DnsCacheOptions) {
    this.#options = options;
  }

  get entries(): number {
    return this.#kept.size;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get(key: string): V | undefined {
    const kept = this.#kept.get(key);
    if (kept === undefined) return undefined;
    this.#remove(key, kept);
    if (kept.endsAt <= this.#options.now()) return undefined;
    this.#put(key, kept);
    return kept.value;
  }

  set(key: string, value: V, { ttlMs, bytes }: { readonly ttlMs: number; readonly bytes: number }): void {
    const before = this.#kept.get(key);
    if (before !== undefined) this.#remove(key, before);
    const cost = ENTRY_BYTES + key.length + bytes;
    if (ttlMs <= 0 || cost > this.#options.maxBytes / ANSWER_MAX_SHARE) return;
    this.#put(key, { value, endsAt: this.#options.now() + ttlMs, bytes: cost });
    for (const [oldest, kept] of this.#kept) {
      if (this.#kept.size <= this.#options.maxEntries && this.#bytes <= this.#options.maxBytes) return;
      this.#remove(oldest, kept);
    }
  }

  #put(key: string, kept: Kept<V>): void {
    this.#kept.set(key, kept);
    this.#bytes += kept.bytes;
  }

  #remove(key: string, kept: Kept<V>): void {
    this.#kept.delete(key);
    this.#bytes -= kept.bytes;
  }
}
