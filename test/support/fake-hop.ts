// A next hop that can be told to misbehave at any step. Talks SMTP or LMTP like any server where it is told nothing,
// and keeps every line and every message. For what a well-behaved hop does there are real daemons (postfix, dovecot).

import { execFileSync } from 'node:child_process';
import { createServer, type Server, type Socket } from 'node:net';
import { createSecureContext, TLSSocket } from 'node:tls';

export type Step =
  | 'connect'
  | 'EHLO'
  | 'HELO'
  | 'LHLO'
  | 'STARTTLS'
  | 'MAIL'
  | 'RCPT'
  | 'DATA'
  | 'body'
  | 'dot'
  | 'RSET'
  | 'QUIT';

/**
 * A text: said, CRLF added. silent: nothing is said, the connection stays. close: closed without a word. reset: TCP
 * reset. stall: nothing more is read. garbage: bytes that are no reply. endless: reply lines without end. long: a line without end. drip: a reply,
 * byte by byte, that would take hours. `{ say, close: true }`: says it, then closes. `{ raw }`: exactly these bytes; with
 * `thenTls` the handshake follows.
 */
export type Act =
  | 'silent'
  | 'close'
  | 'reset'
  | 'stall'
  | 'garbage'
  | 'endless'
  | 'long'
  | 'drip'
  | { readonly say: string; readonly close: true }
  | { readonly raw: string; readonly thenTls?: true }
  | `${number}${string}`;

export interface FakeHopOptions {
  readonly steps?: Partial<Record<Step, Act>>;
  /** Overrides `steps` where it returns an act: for what depends on the line or on the connection (from 1). */
  readonly on?: (step: Step, line: string, connection: number) => Act | undefined;
  /** EHLO keywords. */
  readonly offers?: readonly string[];
  readonly tls?: { readonly key: string; readonly cert: string };
  /** A unix socket to listen on, instead of a free port. */
  readonly path?: string;
  /** Instead of a free one. */
  readonly port?: number;
  /** Gets each message, before its dot is answered; then neither messages nor lines are kept. */
  readonly onMessage?: (message: FakeMessage) => void;
}

export interface FakeMessage {
  readonly mail: string;
  readonly rcpt: readonly string[];
  /** Dots unstuffed. */
  readonly bytes: Buffer;
  readonly connection: number;
}

export interface FakeHop {
  readonly port: number;
  /** `smtp://127.0.0.1:PORT` */
  readonly smtp: string;
  readonly lmtp: string;
  /** `1 MAIL FROM:<>`: number of the connection, and the line. */
  readonly lines: readonly string[];
  readonly messages: readonly FakeMessage[];
  /** Connections open now. */
  readonly open: number;
  /** Bytes of messages seen, also of those that never ended. */
  readonly bodyBytes: number;
  readonly connections: number;
  /** May be changed at any time. */
  steps: Partial<Record<Step, Act>>;
  /** Says this on all open connections, unasked. */
  shout(text: string): void;
  /** Closes all open connections. */
  hangUp(): void;
  stop(): Promise<void>;
}

const GOOD: Record<Step, string> = {
  connect: '220 fake.example ESMTP',
  EHLO: '',
  LHLO: '',
  HELO: '250 fake.example',
  STARTTLS: '220 2.0.0 go ahead',
  MAIL: '250 2.1.0 sender ok',
  RCPT: '250 2.1.5 recipient ok',
  DATA: '354 go on',
  body: '',
  dot: '250 2.0.0 queued',
  RSET: '250 2.0.0 forgotten',
  QUIT: '221 2.0.0 bye',
};
const END = Buffer.from('\r\n.\r\n');
const OFFERS = ['PIPELINING', 'SIZE 104857600', '8BITMIME', 'SMTPUTF8', 'ENHANCEDSTATUSCODES'];

export async function startFakeHop(options: FakeHopOptions = {}): Promise<FakeHop> {
  const fake = new Fake(options);
  await fake.listen();
  return fake;
}

/** A certificate made by openssl; for localhost and 127.0.0.1 where no name is given. */
export function selfSigned(name?: string): { key: string; cert: string } {
  const pem = execFileSync(
    'openssl',
    [
      ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2'],
      ...['-subj', `/CN=${name ?? 'localhost'}`],
      ...['-addext', `subjectAltName=${name === undefined ? 'DNS:localhost,IP:127.0.0.1' : `DNS:${name}`}`],
      ...['-keyout', '-', '-out', '-'],
    ],
    { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] },
  );
  const at = pem.indexOf('-----BEGIN CERTIFICATE');
  return { key: pem.slice(0, at), cert: pem.slice(at) };
}

function isRefusal(act: Act | undefined): boolean {
  const words = typeof act === 'object' && 'say' in act ? act.say : act;
  return typeof words === 'string' && /^[45]/.test(words);
}

class Fake implements FakeHop {
  steps: Partial<Record<Step, Act>>;
  readonly options: FakeHopOptions;
  readonly lines: string[] = [];
  readonly messages: FakeMessage[] = [];
  readonly sockets = new Set<Socket>();
  readonly timers = new Set<NodeJS.Timeout>();
  connections = 0;
  bodyBytes = 0;
  port = 0;
  readonly #server: Server;

  constructor(options: FakeHopOptions) {
    this.options = options;
    this.steps = options.steps ?? {};
    this.#server = createServer(socket => new Dialogue(this, socket, ++this.connections));
  }

  get smtp(): string {
    return `smtp://127.0.0.1:${this.port}`;
  }

  get lmtp(): string {
    return this.options.path === undefined ? `lmtp://127.0.0.1:${this.port}` : `lmtp:${this.options.path}`;
  }

  get open(): number {
    return this.sockets.size;
  }

  async listen(): Promise<void> {
    await new Promise<void>(resolve => {
      if (this.options.path === undefined) this.#server.listen(this.options.port ?? 0, '127.0.0.1', resolve);
      else this.#server.listen(this.options.path, resolve);
    });
    const address = this.#server.address();
    this.port = typeof address === 'object' && address !== null ? address.port : 0;
  }

  shout(text: string): void {
    for (const socket of this.sockets) socket.write(`${text}\r\n`);
  }

  hangUp(): void {
    for (const socket of this.sockets) socket.destroy();
  }

  async stop(): Promise<void> {
    for (const timer of this.timers) clearInterval(timer);
    this.hangUp();
    await new Promise(resolve => this.#server.close(resolve));
  }
}

class Dialogue {
  readonly #fake: Fake;
  readonly #number: number;
  #socket: Socket;
  #received = Buffer.alloc(0);
  #mail = '';
  #rcpt: string[] = [];
  #isInBody = false;
  #body: Buffer[] = [];

  constructor(fake: Fake, socket: Socket, number: number) {
    this.#fake = fake;
    this.#number = number;
    this.#socket = socket;
    fake.sockets.add(socket);
    socket.on('close', () => fake.sockets.delete(socket));
    this.#listen(socket);
    this.#act('connect', '');
  }

  #listen(socket: Socket): void {
    socket.on('error', () => undefined);
    socket.on('data', bytes => this.#receive(bytes));
  }

  #receive(bytes: Buffer): void {
    if (this.#isInBody) return this.#receiveBody(bytes);
    this.#received = Buffer.concat([this.#received, bytes]);
    for (let end = this.#received.indexOf('\r\n'); end !== -1; end = this.#received.indexOf('\r\n')) {
      const line = this.#received.subarray(0, end).toString('utf8');
      this.#received = this.#received.subarray(end + 2);
      this.#line(line);
      if (this.#isInBody) {
        const rest = this.#received;
        this.#received = Buffer.alloc(0);
        if (rest.length > 0) this.#receiveBody(rest);
        return;
      }
    }
  }

  #line(line: string): void {
    if (this.#fake.options.onMessage === undefined) this.#fake.lines.push(`${this.#number} ${line}`);
    const step = line.slice(0, 4).toUpperCase().replace('STAR', 'STARTTLS') as Step;
    if (step === 'MAIL') [this.#mail, this.#rcpt] = [line.slice(10), []];
    this.#act(step, line);
  }

  #receiveBody(bytes: Buffer): void {
    this.#fake.bodyBytes += bytes.length;
    if (this.#body.length === 0 && this.#fake.steps.body !== undefined) this.#act('body', '');
    this.#body.push(bytes);
    const tail = Buffer.concat(this.#body.slice(-6));
    const isEmptyBody = this.#body.length < 6 && tail.equals(Buffer.from('.\r\n'));
    if (!isEmptyBody && !tail.subarray(-5).equals(END)) return;
    const whole = Buffer.concat(this.#body);
    this.#body = [];
    this.#isInBody = false;
    const stuffed = isEmptyBody ? '' : whole.subarray(0, -3).toString('latin1');
    const keep = this.#fake.options.onMessage ?? (message => this.#fake.messages.push(message));
    keep({
      mail: this.#mail,
      rcpt: this.#rcpt,
      bytes: Buffer.from(stuffed.replace(/^\.\./, '.').replace(/\r\n\.\./g, '\r\n.'), 'latin1'),
      connection: this.#number,
    });
    this.#act('dot', '');
  }

  #act(step: Step, line: string): void {
    const act = this.#fake.options.on?.(step, line, this.#number) ?? this.#fake.steps[step];
    if (step === 'RCPT' && !isRefusal(act)) this.#rcpt.push(line.slice(8));
    if (act !== undefined) return this.#perform(act, step);
    if (step === 'EHLO' || step === 'LHLO') return this.#say(this.#capabilities());
    if (step === 'STARTTLS') return this.#encrypt();
    const good = GOOD[step];
    if (good === undefined) return this.#say('502 5.5.2 what?');
    if (good !== '') this.#say(good);
    if (step === 'DATA') this.#isInBody = true;
    if (step === 'QUIT') this.#socket.end();
  }

  #perform(act: Act, step: Step): void {
    if (typeof act === 'object') {
      if ('raw' in act) {
        this.#socket.write(act.raw);
        if (act.thenTls === true) this.#shakeHands();
        return;
      }
      this.#socket.end(`${act.say}\r\n`);
      return;
    }
    if (act === 'close') return void this.#socket.destroy();
    if (act === 'reset') return void this.#socket.resetAndDestroy();
    if (act === 'stall') return void this.#socket.pause();
    if (act === 'garbage') return void this.#socket.write('\x00\xff<html>what a day</html>\r\n\r\n');
    if (act === 'endless') return this.#repeatedly(() => this.#socket.write('250-more\r\n'.repeat(50)), 5);
    if (act === 'long') return this.#repeatedly(() => this.#socket.write('250 '.padEnd(1000, 'x')), 5);
    if (act === 'drip') {
      const text = [...`250-${'slow '.repeat(1000)}`];
      return this.#repeatedly(() => this.#socket.write(text.shift() ?? 'x'), 10);
    }
    if (act === 'silent') {
      if (step === 'DATA') this.#isInBody = true;
      return;
    }
    this.#say(act);
    if (step === 'DATA' && act.startsWith('354')) this.#isInBody = true;
  }

  #repeatedly(work: () => void, ms: number): void {
    const timer = setInterval(() => (this.#socket.destroyed ? clearInterval(timer) : work()), ms);
    this.#fake.timers.add(timer);
  }

  #capabilities(): string {
    const { offers = OFFERS, tls } = this.#fake.options;
    const isSecure = this.#socket instanceof TLSSocket;
    const keywords = ['fake.example', ...offers, ...(tls === undefined || isSecure ? [] : ['STARTTLS'])];
    return keywords.map((keyword, i) => `250${i === keywords.length - 1 ? ' ' : '-'}${keyword}`).join('\r\n');
  }

  #encrypt(): void {
    if (this.#fake.options.tls === undefined) return this.#say('502 5.5.1 no TLS here');
    this.#say(GOOD.STARTTLS);
    this.#shakeHands();
  }

  #shakeHands(): void {
    const { tls } = this.#fake.options;
    if (tls === undefined) return;
    const plain = this.#socket;
    plain.removeAllListeners('data');
    const secure = new TLSSocket(plain, { isServer: true, secureContext: createSecureContext(tls) });
    this.#socket = secure;
    this.#received = Buffer.alloc(0);
    this.#listen(secure);
  }

  #say(text: string): void {
    if (!this.#socket.destroyed) this.#socket.write(`${text}\r\n`);
  }
}
