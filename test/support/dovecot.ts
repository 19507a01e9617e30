// A real Dovecot of our own for tests: LMTP in, IMAP and POP3 out, on free ports of 127.0.0.1, everything in a
// temporary folder. Every address is a mailbox, and every password is PASSWORD. Needs root, as Dovecot does.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface Dovecot {
  readonly lmtpPort: number;
  readonly imapPort: number;
  readonly pop3Port: number;
  /** Path of its LMTP socket. */
  readonly lmtpSocket: string;
  log(): Promise<string>;
  stop(): Promise<void>;
}

const PASSWORD = 'secret';
const START_MS = 20_000;
const FETCH_MS = 20_000;

/** `users`: the only addresses that exist; others are refused at RCPT. All exist where absent. */
export async function startDovecot({ users }: { users?: readonly string[] } = {}): Promise<Dovecot> {
  const folder = await mkdtemp(join(tmpdir(), 'postern-dovecot-'));
  const [lmtpPort, imapPort, pop3Port] = await freePorts(3);
  // Mail is written by nobody, and mkdtemp makes folders for their owner alone.
  await chmod(folder, 0o755);
  await mkdir(join(folder, 'run'));
  await mkdir(join(folder, 'mail'));
  await chmod(join(folder, 'mail'), 0o777);
  const logFile = join(folder, 'log');
  await writeFile(
    join(folder, 'dovecot.conf'),
    configuration(folder, { lmtpPort: lmtpPort ?? 0, imapPort: imapPort ?? 0, pop3Port: pop3Port ?? 0 }) +
      (users === undefined ? allUsers(folder) : listedUsers(folder)),
  );
  await writeFile(join(folder, 'users'), (users ?? []).map(user => `${user}:{PLAIN}${PASSWORD}::::::\n`).join(''));
  const child = spawn('dovecot', ['-F', '-c', join(folder, 'dovecot.conf')], { stdio: 'ignore' });
  const log = () => readFile(logFile, 'utf8').catch(() => '');
  const stop = async () => {
    await ended(child);
    await rm(folder, { recursive: true, force: true, maxRetries: 5 });
  };
  try {
    for (const port of [lmtpPort, imapPort, pop3Port]) await listening(port ?? 0, child);
  } catch (error) {
    const said = await log();
    await stop();
    throw new Error(`dovecot did not start: ${said}`, { cause: error });
  }
  return {
    lmtpPort: lmtpPort ?? 0,
    imapPort: imapPort ?? 0,
    pop3Port: pop3Port ?? 0,
    lmtpSocket: join(folder, 'run', 'lmtp'),
    log,
    stop,
  };
}

/** All messages in the mailbox of `user` (an address), oldest first, byte for byte as IMAP gives them (CRLF). */
export async function fetchByImap(port: number, user: string): Promise<Buffer[]> {
  const peer = await Peer.connect(port);
  try {
    await peer.until(/^\* OK.*\r\n/);
    await peer.ask(`a LOGIN "${user}" "${PASSWORD}"\r\n`, /(?:^|\r\n)a OK.*\r\n$/);
    const selected = await peer.ask('b SELECT INBOX\r\n', /(?:^|\r\n)b OK.*\r\n$/);
    const count = Number(/\* (\d+) EXISTS/.exec(selected.toString('latin1'))?.[1] ?? 0);
    const messages: Buffer[] = [];
    for (let i = 1; i <= count; i++) {
      await peer.send(`c FETCH ${i} BODY.PEEK[]\r\n`);
      const head = await peer.until(/\{(\d+)\}\r\n/);
      messages.push(await peer.take(Number(/\{(\d+)\}/.exec(head.toString('latin1'))?.[1])));
      await peer.until(/\)\r\nc OK.*\r\n/);
    }
    await peer.send('d LOGOUT\r\n');
    return messages;
  } finally {
    peer.close();
  }
}

/** The same by POP3, dots unstuffed. */
export async function fetchByPop3(port: number, user: string): Promise<Buffer[]> {
  const peer = await Peer.connect(port);
  try {
    await peer.until(/^\+OK.*\r\n/);
    await peer.ask(`USER ${user}\r\n`, /^\+OK.*\r\n/);
    await peer.ask(`PASS ${PASSWORD}\r\n`, /^\+OK.*\r\n/);
    const status = await peer.ask('STAT\r\n', /^\+OK.*\r\n/);
    const count = Number(/^\+OK (\d+)/.exec(status.toString('latin1'))?.[1] ?? 0);
    const messages: Buffer[] = [];
    for (let i = 1; i <= count; i++) {
      await peer.ask(`RETR ${i}\r\n`, /^\+OK.*\r\n/);
      const stuffed = (await peer.until(/\r\n\.\r\n/)).toString('latin1');
      messages.push(Buffer.from(stuffed.slice(0, -3).replace(/^\./gm, ''), 'latin1'));
    }
    await peer.send('QUIT\r\n');
    return messages;
  } finally {
    peer.close();
  }
}

/** Asks again until `count` messages are there: delivery may still be under way. Gives up after 20 seconds. */
export async function waitForMail(port: number, user: string, count = 1): Promise<Buffer[]> {
  const until = Date.now() + FETCH_MS;
  for (;;) {
    const messages = await fetchByImap(port, user);
    if (messages.length >= count) return messages;
    if (Date.now() > until) throw new Error(`${user} has ${messages.length} messages, not ${count}`);
    await new Promise(resolve => setTimeout(resolve, 50));
  }
}

/** Ports that are free now. */
export async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer().listen(0, '127.0.0.1'));
  await Promise.all(servers.map(server => once(server, 'listening')));
  const ports = servers.map(server => {
    const address = server.address();
    return typeof address === 'object' && address !== null ? address.port : 0;
  });
  await Promise.all(servers.map(server => new Promise(resolve => server.close(resolve))));
  return ports;
}

/** Resolves when something answers there; rejects when the child has ended, or after 20 seconds. */
export async function listening(port: number, child: ChildProcess): Promise<void> {
  const until = Date.now() + START_MS;
  for (;;) {
    const isThere = await new Promise<boolean>(resolve => {
      const socket = connect(port, '127.0.0.1');
      socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
      socket.once('connect', () => socket.destroy());
    });
    if (isThere) return;
    if (child.exitCode !== null || Date.now() > until) throw new Error(`nothing listens on port ${port}`);
    await new Promise(resolve => setTimeout(resolve, 30));
  }
}

/** SIGTERM, and SIGKILL where that does not help. */
export async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exit = once(child, 'exit');
  child.kill('SIGTERM');
  const timer = setTimeout(() => child.kill('SIGKILL'), 10_000);
  await exit;
  clearTimeout(timer);
}

function configuration(
  folder: string,
  { lmtpPort, imapPort, pop3Port }: { lmtpPort: number; imapPort: number; pop3Port: number },
): string {
  const listener = (port: number) => `inet_listener X {\n address = 127.0.0.1\n port = ${port}\n }`;
  return `
base_dir = ${folder}/run
state_dir = ${folder}
log_path = ${folder}/log
protocols = imap pop3 lmtp
listen = 127.0.0.1
ssl = no
disable_plaintext_auth = no
mail_location = maildir:${folder}/mail/%u
mail_uid = nobody
mail_gid = nogroup
first_valid_uid = 1
mail_save_crlf = yes
auth_username_format = %Lu
submission_host =
quota_full_tempfail = no
lmtp_save_to_detail_mailbox = no
recipient_delimiter =
passdb {
  driver = static
  args = password=${PASSWORD}
}
service imap-login {
  chroot =
  ${listener(imapPort).replace('X', 'imap')}
  inet_listener imaps {
    port = 0
  }
}
service pop3-login {
  chroot =
  ${listener(pop3Port).replace('X', 'pop3')}
  inet_listener pop3s {
    port = 0
  }
}
service anvil {
  chroot =
}
service lmtp {
  ${listener(lmtpPort).replace('X', 'lmtp')}
  unix_listener lmtp {
    mode = 0666
  }
}
`;
}

function allUsers(folder: string): string {
  return `userdb {\n driver = static\n args = uid=nobody gid=nogroup home=${folder}/mail/%u allow_all_users=yes\n}\n`;
}

function listedUsers(folder: string): string {
  return `userdb {
  driver = passwd-file
  args = username_format=%u ${folder}/users
  override_fields = uid=nobody gid=nogroup home=${folder}/mail/%u
}
`;
}

/** A line protocol with binary pieces in it. */
class Peer {
  readonly #socket: Socket;
  #received = Buffer.alloc(0);
  #isClosed = false;
  #wake: () => void = () => undefined;

  constructor(socket: Socket) {
    this.#socket = socket;
    socket.setTimeout(FETCH_MS, () => socket.destroy());
    socket.on('data', bytes => {
      this.#received = Buffer.concat([this.#received, bytes]);
      this.#wake();
    });
    socket.on('error', () => undefined);
    socket.on('close', () => {
      this.#isClosed = true;
      this.#wake();
    });
  }

  static async connect(port: number): Promise<Peer> {
    const socket = connect(port, '127.0.0.1');
    const peer = new Peer(socket);
    await once(socket, 'connect');
    return peer;
  }

  async send(text: string): Promise<void> {
    this.#socket.write(text);
  }

  /** Sends and reads up to the answer; throws where it is none of the good ones. */
  async ask(text: string, answer: RegExp): Promise<Buffer> {
    await this.send(text);
    const heard = await this.until(new RegExp(`${answer.source}|(?:^|\\r\\n)(?:-ERR|[a-d] NO|[a-d] BAD).*\\r\\n`));
    if (!answer.test(heard.toString('latin1'))) throw new Error(`${text.trim()}: ${heard.toString('latin1')}`);
    return heard;
  }

  /** What was received up to the end of the pattern. */
  async until(pattern: RegExp): Promise<Buffer> {
    for (;;) {
      const found = pattern.exec(this.#received.toString('latin1'));
      if (found !== null) return this.take(found.index + found[0].length);
      await this.#more();
    }
  }

  async take(count: number): Promise<Buffer> {
    while (this.#received.length < count) await this.#more();
    const taken = this.#received.subarray(0, count);
    this.#received = this.#received.subarray(count);
    return taken;
  }

  close(): void {
    this.#socket.destroy();
  }

  async #more(): Promise<void> {
    if (this.#isClosed) throw new Error(`closed; last heard: ${this.#received.subarray(-200).toString('latin1')}`);
    await new Promise<void>(resolve => {
      this.#wake = resolve;
    });
  }
}
