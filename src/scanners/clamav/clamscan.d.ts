// The part of clamscan 2.4 that clamscan-guard.ts uses; the package has no types of its own.

declare module 'clamscan' {
  import type { Duplex, Readable } from 'node:stream';

  class NodeClam {
    settings: Record<string, unknown>;
    readonly defaults: Readonly<Record<string, unknown>>;
    scanner: string;
    scanStream(stream: Readable): Promise<{ isInfected: boolean | null; viruses: string[]; resultString: string }>;
    getVersion(): Promise<string>;
    _initSocket(label?: string): Promise<Duplex>;
  }

  export = NodeClam;
}
