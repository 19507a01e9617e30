// One SMTP connection: smtp-server's socket, greeting and STARTTLS, with every command answered by us. What the library
// lacks and we add: refusal before 354, one table of replies, raw arguments, absolute deadlines, no bare LF in commands.
// It relies on names of the library that its types declare; test/unit/gateway/smtp watches them at each update.

import { randomBytes } from 'node:crypto';
import { SMTPConnection } from 'smtp-server/lib/smtp-connection';
import type { SMTPStream } from 'smtp-server/lib/smtp-stream';
import { MailError, replyOf } from '../../mail/error.ts';
import { type MailId, mailId } from '../../mail/mail-id.ts';
import { REPLIES, type Reply, replyText } from '../../mail/reply.ts';
import type { Session, TlsInfo } from '../../mail/session.ts';
import { failpoint } from '../../platform/failpoint.ts';
import { errorText } from '../../platform/log.ts';
import { commandFields } from '../end-line.ts';
import { throwNotReady } from '../readiness.ts';
import { Transaction } from '../transaction.ts';
import { CommandStream } from './command-stream.ts';
import { HeldReplies } from './held-replies.ts';
import type { Home } from './home.ts';
import { keywords, NO_OFFERS, type Offers } from './offers.ts';
import { commandArgument, parseMailArguments } from './parameters.ts';
import { Patience } from './patience.ts';
import { Turn } from './turn.ts';
import { type Answer, helloName, readCommand, type SessionVerb } from './verbs.ts';

const EMPTY = Buffer.alloc(0);

export class Connection extends SMTPConnection {
  readonly listener: Home;
  /** Fires when the client has gone or is sent away. */
  readonly #gone = new AbortController();
  readonly #startedAt = Date.now();
  #transaction: Transaction | null = null;
  #messages = 0;
  readonly #patience = new Patience();
  /** Of the last EHLO. */
  #offers: Offers = NO_OFFERS;
  readonly #turn = new Turn();
  readonly #held = new HeldReplies();

  constructor(listener: Home, socket: SMTPConnection['_socket'], options?: { id?: string }) {
    super(listener, socket, { ...options, id: newId() });
    this.listener = listener;
  }

  get isIdle(): boolean {
    return this.#transaction === null && !this._handlerPending;
  }

  /**
   * Called every second: closes what has outlived its deadlines. Bytes that drip in do not extend them (I7). A command
   * or message that is being answered has deadlines of its own, and may end first.
   */
  checkDeadlines(now: number): void {
    const { commandMs, connectionMs } = this.listener.rules;
    const isLate = this.#turn.isLate(now, commandMs);
    const isServed = this._handlerPending || Boolean(this._dataStream);
    const isOld = now > this.#startedAt + connectionMs && !isServed;
    if ((isLate || isOld) && !this._closing) this.#say(REPLIES.deadline);
  }

  /** How long the client has kept us waiting, milliseconds: whoever must make room is chosen by it. */
  waitedMs(now: number): number {
    if (this._closing) return Number.POSITIVE_INFINITY;
    return this.#hasWholeContent ? 0 : this.#turn.waitedMs(now, this._socket.bytesRead);
  }

  /** The dot has come: the client waits for our verdict. */
  get #hasWholeContent(): boolean {
    return Boolean(this._dataStream) && this._parser !== false && !this._parser._dataMode;
  }

  /** Sent away to make room: its place is another's now, so not even its farewell is waited for. */
  dismiss(): void {
    this.#say(REPLIES.tooManyConnections);
    if (this._upgrading || this._socket.writableLength > 0) this.cutOff();
    else this._socket.destroySoon();
  }

  /** The end, whatever is under way. */
  cutOff(): void {
    this._socket.destroy();
  }

  /** What is known of the client, as it travels with a message. */
  get snapshot(): Session {
    return {
      id: this.id,
      clientAddress: this.remoteAddress,
      clientPort: this.remotePort,
      ptr: this.clientHostname === false || this.clientHostname.startsWith('[') ? null : this.clientHostname,
      helo: this.hostNameAppearsAs === false ? '' : this.hostNameAppearsAs,
      esmtp: this.openingCommand === 'EHLO',
      tls: this.#tls(),
      listener: this.listener.name,
      direction: this.listener.direction,
      startedAt: this.#startedAt,
    };
  }

  // ------------------------------------------------------------ the library's hooks

  override _createParser(): SMTPStream {
    return new CommandStream({
      command: (line, next) => {
        this.#turn.ours();
        if (this.#patience.hasCommand()) this._onCommand(line, next);
        else this.#say(REPLIES.tooManyErrors);
      },
      badLine: (_line, next) => {
        if (this._upgrading || !this._ready) return this._onCommand(EMPTY, next);
        this.#answer({ reply: REPLIES.bareLineFeed }, next);
      },
      tooLong: () => this.#say(REPLIES.lineTooLong),
    });
  }

  /** As the library's, whose wait before the greeting is fixed. The client's time begins with the greeting, not before. */
  override init(): void {
    const waitMs = this.listener.direction === 'incoming' ? this.listener.rules.greetMs : 0;
    this.#turn.theirs(waitMs);
    this._setListeners(() => void setTimeout(() => this.connectionReady(() => this.#turn.theirs()), waitMs).unref());
  }

  /** The answer is given. The next line is due from now, also from a client that does not read our answers. */
  override _whenWritable(next: () => void): void {
    this.#turn.theirs();
    this.#held.after(this._socket, this.#hasLine);
    super._whenWritable(next);
  }

  override _onClose(): void {
    this.#gone.abort(GONE);
    this.#dropTransaction();
    this.listener.left(this);
    super._onClose();
  }

  /** Errors of the socket end the connection; they are no errors of ours. */
  override _onError(error: Error): void {
    this.listener.ports.log.debug({ session: this.id, error: error.message }, 'socket error');
    this.close();
    this._socket.destroy();
  }

  /** In place of the library's, whose own words are no rows of our table (I5). */
  override _onCommand(command: Buffer, next: () => void = () => undefined): void {
    // RFC 3207 section 4.2: what came in clear behind STARTTLS is thrown away, unanswered.
    if (this._upgrading) return this._whenWritable(next);
    if (this._server._closeTimeout) return this.#say(REPLIES.shuttingDown);
    // RFC 5321 4.3.1. Mail clients wait; what does not is a program that throws its lines at whatever is there.
    if (!this._ready) return this.#say(REPLIES.tooSoon);
    const asked = readCommand(decode(command));
    if (typeof asked !== 'string') return this.#answer(asked, next);
    this._handlerPending = true;
    this.#held.before(asked, this._socket, this.#hasLine);
    this.#perform(asked, command, () => {
      this._handlerPending = false;
      this._whenWritable(next);
    });
  }

  // ------------------------------------------------------------ commands

  #answer({ reply, isUnknown }: Answer, next: () => void): void {
    if (isUnknown && !this.#patience.hasUnknown()) return this.#say(REPLIES.tooManyErrors);
    this.#held.before(null, this._socket, false);
    this.#refuse(reply);
    this._whenWritable(next);
  }

  #perform(verb: SessionVerb, command: Buffer, callback: () => void): void {
    const needsHello = verb === 'MAIL' || verb === 'RCPT' || verb === 'DATA';
    if (needsHello && this.hostNameAppearsAs === false) return this.#run(callback, async () => REPLIES.helloFirst);
    const perform: Record<SessionVerb, () => void> = {
      EHLO: () => this.#hello(verb, command, callback),
      HELO: () => this.#hello(verb, command, callback),
      MAIL: () => this.#mail(command, callback),
      RCPT: () => this.#rcpt(command, callback),
      DATA: () => this.#data(callback),
      RSET: () => this.#reset(callback),
      STARTTLS: () => this.#startTls(callback),
      QUIT: () => this.#quit(callback),
    };
    perform[verb]();
  }

  /** RFC 3207 4.2: what was begun in clear ends here. */
  #startTls(callback: () => void): void {
    if (this.secure || !this._isSupported('STARTTLS')) {
      return this.#run(callback, async () => (this.secure ? REPLIES.badSequence : REPLIES.notImplemented));
    }
    this.#dropTransaction();
    this.#offers = NO_OFFERS;
    this.#say(REPLIES.startTls);
    this.upgrade(callback);
  }

  #quit(callback: () => void): void {
    this.#say(REPLIES.goodbye);
    this.close();
    callback();
  }

  #reset(callback: () => void): void {
    this.#run(callback, () => this.#endTransaction().then(() => REPLIES.flushed));
  }

  #mail(command: Buffer, callback: () => void): void {
    this.#run(
      callback,
      async () => {
        await failpoint('mail');
        if (this.#transaction !== null) throw new MailError('badSequence', 'nested MAIL');
        const mail = parseMailArguments(commandArgument(decode(command), 'MAIL FROM') ?? '');
        await this.#admit(mail.mailFrom.address === null);
        if ((mail.declaredSize ?? 0) > this.listener.sizeOffer())
          throw new MailError('tooLarge', `SIZE=${mail.declaredSize}`);
        if (mail.smtpUtf8 && !this.#offers.smtpUtf8 && !this.listener.offersSmtpUtf8())
          throw new MailError('needsSmtpUtf8', 'SMTPUTF8 is not offered');
        const { ports, rules, ending } = this.listener;
        const world = { ports, rules, ending, gone: this.#gone.signal, offers: this.#offers };
        this.#transaction = new Transaction(newId(), this.snapshot, mail, world);
        return REPLIES.senderOk;
      },
      command,
    );
  }

  #rcpt(command: Buffer, callback: () => void): void {
    this.#run(callback, async () => {
      await failpoint('rcpt');
      const transaction = this.#transaction;
      if (transaction === null) throw new MailError('badSequence', 'RCPT without MAIL');
      return transaction.rcpt(commandArgument(decode(command), 'RCPT TO') ?? '');
    });
  }

  #data(callback: () => void): void {
    const transaction = this.#transaction;
    // A refusal is said instead of 354: the client keeps its message to itself. One that has sent it all the same
    // (RFC 2920 3.1 forbids that) is cut off, or its message would be run as commands (I10).
    const refused = () => {
      if (this.#hasInput) this.#say(REPLIES.outOfStep);
      callback();
    };
    this.#run(
      () => (this.#isTaking ? this.#takeData(callback) : refused()),
      async () => {
        if (transaction === null) throw new MailError('badSequence', 'DATA without MAIL');
        await transaction.prepare();
        this.#isTaking = this._parser !== false;
        return null;
      },
    );
  }

  #isTaking = false;

  #takeData(callback: () => void): void {
    const parser = this._parser;
    const transaction = this.#transaction;
    this.#isTaking = false;
    if (parser === false || transaction === null) return callback();
    const stream = parser.startDataMode();
    this._dataStream = stream;
    this.send(354, 'End data with <CR><LF>.<CR><LF>', false);
    callback();
    this.#turn.content(this._socket.bytesRead);
    this.listener.finish(
      transaction
        .data(this.#turn.timed(stream))
        .then(async reply => {
          await failpoint('reply');
          this.#endData(reply, transaction, stream);
        })
        .catch(error => {
          this.#log(error, 'DATA');
          // Its client would wait for ever: no deadline ends what is being answered.
          this.cutOff();
        }),
    );
  }

  #endData(reply: Reply, transaction: Transaction, stream: { readableEnded: boolean }): void {
    // A message that was cut off before its dot leaves the connection out of step.
    const mustClose = !stream.readableEnded;
    this._dataStream = false;
    this.#transaction = null;
    this.#messages++;
    this.#patience.hasAnswer(reply, this.listener.rules.recipients);
    if (reply.code === 250) this.#patience.renew();
    this.#say({ ...reply, text: `${reply.text} (${transaction.id})` });
    if (mustClose) return this.close();
    this.#turn.theirs();
    if (this._parser !== false) this._parser.continue();
  }

  // ------------------------------------------------------------ parts

  #hello(verb: SessionVerb, command: Buffer, callback: () => void): void {
    this.#run(callback, async () => {
      const name = helloName(decode(command));
      if (name === null) throw new MailError('badSyntax', 'HELO name');
      await this.#endTransaction();
      this.hostNameAppearsAs = name;
      this.openingCommand = verb;
      this._resetSession();
      this.#offers = NO_OFFERS;
      this.send(250, verb === 'EHLO' ? this.#capabilities() : [this.name], false);
      return null;
    });
  }

  /** The lines of the reply to EHLO, and what was offered in them. */
  #capabilities(): string[] {
    this.#offers = { smtpUtf8: this.listener.offersSmtpUtf8(), eightBitMime: this.listener.offersEightBitMime() };
    const startTls = !this.secure && this._isSupported('STARTTLS');
    return [this.name, ...keywords(this.#offers, this.listener.sizeOffer(), startTls)];
  }

  /** Has the client sent more than it has been answered? */
  get #hasInput(): boolean {
    return this._parser instanceof CommandStream && this._parser.hasInput;
  }

  get #hasLine(): boolean {
    return this._parser instanceof CommandStream && this._parser.hasLine;
  }

  /** Limits that count messages. A null sender is always heard: it carries the reports of what went wrong. */
  async #admit(isNullSender: boolean): Promise<void> {
    const { rules, ports } = this.listener;
    if (this.#messages >= rules.messagesPerConnection)
      throw new MailError('enoughMessages', 'enough messages in one connection');
    throwNotReady(ports);
    if (isNullSender || (await ports.allows('message', this.remoteAddress, this.listener.direction))) return;
    throw new MailError('tooManyMessages', 'message rate');
  }

  /** As endTransaction, where nobody can wait for it. */
  #dropTransaction(): void {
    this.listener.finish(this.#endTransaction().catch(error => this.#log(error, 'transaction not ended')));
  }

  async #endTransaction(): Promise<void> {
    const transaction = this.#transaction;
    this.#transaction = null;
    await transaction?.abandon();
  }

  /** Runs a command to its reply; null has answered already. Any error becomes one (I5); a refused `mail` is logged. */
  #run(callback: () => void, work: () => Promise<Reply | null>, mail?: Buffer): void {
    work()
      .catch((error: unknown) => {
        const { log } = this.listener.ports;
        const reply = replyOf(error);
        if (!(error instanceof MailError)) this.#log(error, 'command failed');
        else log.debug({ session: this.id, error: errorText(error) }, 'refused');
        if (mail !== undefined) log.info(commandFields(this.snapshot, decode(mail), replyText(reply)), 'MAIL refused');
        return reply;
      })
      .then(reply => {
        if (reply !== null) this.#refuse(reply);
        callback();
      })
      .catch(error => this.#log(error, 'reply failed'));
  }

  #refuse(reply: Reply): void {
    const isPatient = this.#patience.hasAnswer(reply, this.listener.rules.recipients);
    this.#say(isPatient ? reply : REPLIES.tooManyErrors);
  }

  #say(reply: Reply): void {
    this.send(reply.code, `${reply.enhanced} ${reply.text}`, false);
  }

  #tls(): TlsInfo | null {
    if (!this.secure || this.tlsOptions === false) return null;
    return { version: this.tlsOptions.version, cipher: this.tlsOptions.name };
  }

  #log(error: unknown, what: string): void {
    this.listener.ports.log.error({ session: this.id, error: errorText(error) }, what);
  }
}

/** Every connection ends with it: not worth a stack each time. */
const GONE = new Error('the client has gone');
function newId(): MailId {
  return mailId(Date.now(), randomBytes(5));
}

/** SMTPUTF8 makes UTF-8 of a command line; what is none becomes U+FFFD, which no address may hold. */
function decode(command: Buffer): string {
  return command.toString('utf8');
}
