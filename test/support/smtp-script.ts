// Plays an SMTP dialogue that is written down as data:
//   C: a line, sent with CRLF        C> raw bytes with \r \n \0 \xHH, sent as they are
//   S: an expected reply line, * stands for anything        S! the server closes
//   @ word value: handed to the test       # comment
// Unexpected, missing and late replies fail with the line's number.

import { connect, type Socket } from 'node:net';

export interface ScriptLine {
  readonly line: number;
  readonly kind: 'send' | 'raw' | 'expect' | 'close';
  readonly text: string;
}

export interface Script {
  readonly about: string;
  readonly settings: ReadonlyMap<string, readonly string[]>;
  readonly lines: readonly ScriptLine[];
}

const KINDS = { 'C:': 'send', 'C>': 'raw', 'S:': 'expect', 'S!': 'close' } as const;
const PATIENCE_MS = 30_000;

export function parseScript(text: string): Script {
  const settings = new Map<string, string[]>();
  const lines: ScriptLine[] = [];
  const about: string[] = [];
  text.split('\n').forEach((line, index) => {
    const mark = line.slice(0, 2);
    const rest = line.slice(2).replace(/^ /, '');
    if (mark === 'C:' || mark === 'C>' || mark === 'S:' || mark === 'S!') {
      lines.push({ line: index + 1, kind: KINDS[mark], text: rest });
    } else if (mark === '@ ') {
      const [word = '', ...value] = rest.split(' ');
      settings.set(word, [...(settings.get(word) ?? []), value.join(' ')]);
    } else if (line.startsWith('#')) about.push(line.slice(1).trim());
    else if (line.trim() !== '') throw new Error(`line ${index + 1} is no part of a dialogue: ${line}`);
  });
  return { about: about.join(' '), settings, lines };
}

/** A connection read line by line. */
export class LineClient {
  readonly #socket: Socket;
  #received = '';
  #isClosed = false;
  #wake: () => void = () => undefined;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('data', chunk => {
      this.#received += chunk.toString('utf8');
      this.#wake();
    });
    const end = () => {
      this.#isClosed = true;
      this.#wake();
    };
    socket.on('close', end).on('error', end);
  }

  static async open(port: number, localAddress = '127.0.0.1'): Promise<LineClient> {
    // No delay: what a test writes in two pieces must leave in two.
    const socket = connect({ port, host: '127.0.0.1', localAddress, noDelay: true });
    await new Promise<void>((resolve, reject) => socket.once('connect', resolve).once('error', reject));
    return new LineClient(socket);
  }

  /** On a connection that is there already: behind a handshake. */
  static over(socket: Socket): LineClient {
    return new LineClient(socket);
  }

  write(bytes: string | Uint8Array): void {
    this.#socket.write(bytes);
  }

  /** Writes, and waits until the kernel has it: for what is too much to be kept here. */
  async drained(bytes: Uint8Array): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.#socket.write(bytes, error => (error ? reject(error) : resolve()));
    });
  }

  /** The next line without its CRLF; null when the server has closed. */
  async line(): Promise<string | null> {
    await this.#until(() => this.#received.includes('\n') || this.#isClosed);
    const end = this.#received.indexOf('\n');
    if (end === -1) return null;
    const line = this.#received.slice(0, end).replace(/\r$/, '');
    this.#received = this.#received.slice(end + 1);
    return line;
  }

  /** A whole reply, its lines joined by \n. */
  async reply(): Promise<string> {
    const lines: string[] = [];
    for (;;) {
      const line = await this.line();
      if (line === null) return lines.join('\n');
      lines.push(line);
      if (!/^\d{3}-/.test(line)) return lines.join('\n');
    }
  }

  async command(line: string): Promise<string> {
    this.write(`${line}\r\n`);
    return this.reply();
  }

  async closed(): Promise<void> {
    await this.#until(() => this.#isClosed);
  }

  destroy(): void {
    this.#socket.destroy();
  }

  async #until(isTrue: () => boolean): Promise<void> {
    let isLate = false;
    const timer = setTimeout(() => {
      isLate = true;
      this.#wake();
    }, PATIENCE_MS);
    try {
      while (!isTrue()) {
        if (isLate) throw new Error(`nothing came within ${PATIENCE_MS} ms`);
        await new Promise<void>(resolve => {
          this.#wake = resolve;
        });
      }
    } finally {
      clearTimeout(timer);
    }
  }
}

/** Throws with file line and what came instead when the dialogue goes otherwise. */
export async function play(script: Script, port: number): Promise<void> {
  const client = await LineClient.open(port);
  try {
    for (const { line, kind, text } of script.lines) {
      if (kind === 'send') client.write(`${text}\r\n`);
      else if (kind === 'raw') client.write(bytesOf(text));
      else if (kind === 'close') await client.closed();
      else {
        const came = await client.line();
        if (came === null || !matches(text, came))
          throw new Error(`line ${line}: expected "${text}", came "${came ?? '(closed)'}"`);
      }
    }
  } finally {
    client.destroy();
  }
}

function matches(pattern: string, line: string): boolean {
  const source = pattern.split('*').map(part => part.replace(/[.+?^${}()|[\]\\]/g, '\\$&'));
  return new RegExp(`^${source.join('.*')}$`, 's').test(line);
}

function bytesOf(text: string): Buffer {
  const named: Record<string, string> = { r: '\r', n: '\n', '0': '\0', '\\': '\\' };
  const plain = Buffer.from(text, 'utf8').toString('latin1');
  const bytes = plain.replace(/\\(x[0-9a-fA-F]{2}|[rn0\\])/g, (_, code: string) =>
    code.startsWith('x') ? String.fromCharCode(Number.parseInt(code.slice(1), 16)) : (named[code] ?? ''),
  );
  return Buffer.from(bytes, 'latin1');
}
