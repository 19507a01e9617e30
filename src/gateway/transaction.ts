// One mail transaction: one policy, one next hop, so one verdict and one true reply (DESIGN section 2, step 2).
// The connection calls it command by command; it never writes to the socket. Whatever happens, each recipient that was
// named ends in a recorded state (I4).

import type { Disposition, State } from '../mail/disposition.ts';
import type { Envelope, Recipient } from '../mail/envelope.ts';
import { MailError, replyOf } from '../mail/error.ts';
import type { Report } from '../mail/finding.ts';
import type { MailId } from '../mail/mail-id.ts';
import type { HopTransaction, LedgerRecord, MarkClaim, Route, SpoolDraft, SpoolEntry } from '../mail/ports.ts';
import { hopWords, mirrored, REPLIES, type Reply, replyText } from '../mail/reply.ts';
import type { Session } from '../mail/session.ts';
import { stamp } from '../mail/stamp.ts';
import { decide, type Verdict } from '../mail/verdict.ts';
import { failpoint } from '../platform/failpoint.ts';
import { errorText } from '../platform/log.ts';
import { type Acted, act, refusalState } from './act/act.ts';
import { type Answered, isSameRoute, Recipients, refusedByUs, routeFor, unreachable, withId } from './asked.ts';
import { type Ended, messageFields, noMessageFields, whyOf } from './end-line.ts';
import type { GatewayPorts, GatewayRules } from './gateway.ts';
import { type Incoming, takeIn } from './intake/intake.ts';
import { LineGuard } from './intake/line-guard.ts';
import { throwNotReady } from './readiness.ts';
import { lackOf, type Offers } from './smtp/offers.ts';
import { isBeyondAscii, type MailArguments, parseRcptArguments } from './smtp/parameters.ts';

/** Of the time from dot to reply, until the message is with the next hop: the rest is for its own reply to the dot. */
const PASS_SHARE = 0.8;

export class Transaction {
  readonly id: MailId;
  readonly #session: Session;
  readonly #mail: MailArguments;
  readonly #ports: GatewayPorts;
  readonly #rules: GatewayRules;
  readonly #startedAt = Date.now();
  readonly #ms: Record<string, number> = {};
  readonly #asked = new Recipients();
  readonly #gone: AbortSignal;
  readonly #ending: AbortSignal;
  readonly #offers: Offers;
  /** Epoch milliseconds; 0 before the client's dot. */
  #dotAt = 0;
  #route: Route | null = null;
  #hop: HopTransaction | null = null;
  /** Why the next hop cannot be used in this transaction: every further RCPT hears the same. */
  #hopRefusal: { reply: Reply; disposition: Disposition } | null = null;
  #draft: SpoolDraft | null = null;
  #guard: LineGuard | null = null;
  /** Of a released copy that came back. */
  #mark: MarkClaim | null = null;
  #isOver = false;

  constructor(
    id: MailId,
    session: Session,
    mail: MailArguments,
    world: { ports: GatewayPorts; rules: GatewayRules; gone: AbortSignal; ending: AbortSignal; offers: Offers },
  ) {
    this.id = id;
    this.#session = session;
    this.#mail = mail;
    this.#ports = world.ports;
    this.#rules = world.rules;
    this.#gone = world.gone;
    this.#ending = world.ending;
    this.#offers = world.offers;
  }

  get hasRecipients(): boolean {
    return this.#asked.accepted.length > 0;
  }

  /** RCPT: the next hop's answer becomes ours. `argument` is what follows `RCPT TO:`. Throws what is in no books. */
  async rcpt(argument: string): Promise<Reply> {
    const recipient = this.#read(argument);
    if (this.#asked.accepted.some(asked => asked.recipient.address.text === recipient.address.text))
      return REPLIES.recipientOk;
    if (this.#asked.all.length >= this.#rules.recipients)
      throw new MailError('tooManyRecipients', 'too many recipients');
    const end = this.#asked.begin(recipient);
    try {
      const asked = await this.#ask(recipient);
      if (!this.#isOver) end(asked);
      return asked.isAccepted ? asked.reply : withId(asked.reply, this.id);
    } catch (error) {
      const reply = replyOf(error);
      // Comes back in a transaction of its own, which will have its own record.
      const isOurs = reply !== REPLIES.otherTransaction;
      if (!this.#isOver) end(isOurs ? refusedByUs(recipient, error) : null);
      if (!isOurs || !(error instanceof MailError)) throw error;
      return withId(reply, this.id);
    }
  }

  /** Before 354: is there a place for the message? Throws MailError. */
  async prepare(): Promise<void> {
    if (!this.hasRecipients) throw new MailError('noRecipients', 'DATA without an accepted recipient');
    throwNotReady(this.#ports);
    const draft = await this.#ports.spool.create(this.id);
    // The client may have gone in the meantime, and nobody would come back for the draft.
    if (this.#isOver) return draft.discard();
    this.#draft = draft;
  }

  /** DATA: takes the message in, has it judged, acts. Never rejects: what fails is a reply. */
  async data(incoming: Incoming): Promise<Reply> {
    this.#isOver = true;
    let entry: SpoolEntry | null = null;
    try {
      const taken = await this.#takeIn(incoming);
      entry = taken.entry;
      return await this.#judge(entry, taken.guard);
    } catch (error) {
      return await this.#fail(error, entry);
    } finally {
      this.#hop?.release();
      await this.#settleMark(false);
      await this.#draft?.discard().catch(error => this.#warn(error, 'draft not removed'));
    }
  }

  /** RSET, a new MAIL, QUIT or the client's disappearance: the transaction ends without a message. */
  async abandon(): Promise<void> {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#hop?.release();
    await this.#draft?.discard().catch(error => this.#warn(error, 'draft not removed'));
    if (this.#asked.isEmpty) return;
    this.#ports.log.info(noMessageFields(this.#ended()), 'no message');
    this.#countRecipients('abandoned');
    if (this.#asked.all.length === 0) return;
    const disposition: Disposition = { state: 'abandoned', words: 'the transaction ended without a message', host: '' };
    await this.#record({ ...this.#outline('', disposition), entry: null, report: null, verdict: null });
  }

  #read(argument: string): Recipient {
    try {
      return parseRcptArguments(argument);
    } catch (error) {
      this.#asked.notRead({ raw: argument, reply: replyText(replyOf(error)) });
      throw error;
    }
  }

  async #ask(recipient: Recipient): Promise<Answered> {
    if (!this.#mail.smtpUtf8 && isBeyondAscii(recipient))
      throw new MailError('utf8NotSaid', `address beyond ASCII without SMTPUTF8: ${recipient.raw}`);
    const route = routeFor(this.#ports.route, this.#session.direction, recipient.address);
    if (this.#route !== null && !isSameRoute(this.#route, route)) {
      throw new MailError(
        'otherTransaction',
        `${recipient.address.text} needs policy ${route.policy.name} at ${route.hop.name}`,
      );
    }
    if (route.hop.oneRecipient && this.hasRecipients)
      throw new MailError('otherTransaction', 'one recipient a transaction');
    this.#route ??= route;
    const hop = await this.#openHop(route, recipient);
    if (hop === null || this.#hopRefusal !== null) {
      const refusal = this.#hopRefusal ?? { reply: REPLIES.hopUnreachable, disposition: unreachable('') };
      return { recipient, isAccepted: false, ...refusal };
    }
    const said = await hop.rcpt(recipient);
    if (this.#isOver) throw new MailError('unknownError', 'the client had gone');
    const isAccepted = said.code >= 200 && said.code <= 299;
    const reply = isAccepted ? REPLIES.recipientOk : mirrored(said, this.#rules.passHopText);
    const words = hopWords(said);
    return { recipient, reply, isAccepted, disposition: { state: refusalState(reply), words, host: hop.host } };
  }

  /** Opens the next hop's transaction at the first RCPT. null, with the refusal kept, where it cannot be used. */
  async #openHop(route: Route, first: Recipient): Promise<HopTransaction | null> {
    if (this.#hop !== null || this.#hopRefusal !== null) return this.#hop;
    try {
      const hop = await route.hop.open(this.#gone);
      if (this.#isOver) {
        hop.release();
        throw new MailError('unknownError', 'the client had gone');
      }
      this.#hop = hop;
      const lack = lackOf(this.#mail, hop.capabilities, this.#offers);
      if (lack !== null) throw new MailError(lack, `${hop.host} has no SMTPUTF8 or no 8BITMIME`);
      const said = await hop.mail(this.#mail.mailFrom, this.#mail, first);
      if (this.#isOver) throw new MailError('unknownError', 'the client had gone');
      if (said.code < 200 || said.code > 299) {
        const reply = mirrored(said, this.#rules.passHopText);
        const words = hopWords(said);
        this.#hopRefusal = { reply, disposition: { state: refusalState(reply), words, host: hop.host } };
      }
    } catch (error) {
      const why = errorText(error);
      const { clientAddress: client } = this.#session;
      const from = this.#mail.mailFrom.address?.text ?? '';
      const fields = { id: this.id, client, from, rcpt: first.address.text, hop: route.hop.name, error: why };
      this.#ports.log.warn(fields, 'next hop cannot be used');
      const reply = replyOf(error);
      const disposition = { state: refusalState(reply), words: why, host: this.#hop?.host ?? '' };
      this.#hopRefusal = { reply, disposition };
    }
    return this.#hop;
  }

  async #takeIn(incoming: Incoming): Promise<{ entry: SpoolEntry; guard: LineGuard }> {
    const draft = this.#draft;
    if (draft === null) throw new MailError('badSequence', 'DATA was not prepared');
    const guard = new LineGuard({ ...this.#rules.guard, messageBytes: this.#messageBytes() });
    this.#guard = guard;
    const entry = await this.#timed('data', async () => {
      await takeIn(incoming, draft, guard, this.#rules.intake);
      this.#dotAt = Date.now();
      return draft.seal(this.#session, this.#envelope());
    });
    return { entry, guard };
  }

  /** Ours or the next hop's limit, whichever is smaller. */
  #messageBytes(): number {
    return Math.min(this.#rules.guard.messageBytes, this.#hop?.capabilities.sizeBytes || Number.POSITIVE_INFINITY);
  }

  async #judge(entry: SpoolEntry, { releaseMark, beginsFolded }: LineGuard): Promise<Reply> {
    const route = this.#route;
    const hop = this.#hop;
    if (route === null || hop === null) throw new MailError('noRecipients', 'no next hop at the end of DATA');
    const replyBy = this.#dotAt + this.#rules.replyMs;
    const passBy = this.#dotAt + this.#rules.replyMs * PASS_SHARE;
    const deadline = Math.min(Date.now() + this.#rules.scanMs, passBy);
    const report = await this.#timed('scan', () => this.#report(entry, releaseMark, deadline));
    await failpoint('decide');
    const verdict = decide(report, route.policy);
    await failpoint('stamp');
    const header = stamp({
      id: this.id,
      hostname: this.#rules.guard.hostname,
      session: this.#session,
      envelope: entry.envelope,
      report,
      verdict,
      requiredScore: route.policy.thresholds.tag,
      receivedAt: entry.receivedAt,
    });
    // Its first line would continue our last one. It is no header, so the header ends before it.
    const block = beginsFolded ? `${header}\r\n` : header;
    const before = await this.#ports.ledger.unknownBefore(entry);
    const notes = before === null ? [] : [`sent again: ${before} had ended with the next hop silent after the dot`];
    const acted = await this.#timed('act', () =>
      act({
        outcome: verdict.outcome,
        hop,
        gone: this.#gone,
        passBy,
        replyBy,
        ending: this.#ending,
        passHopText: this.#rules.passHopText,
        body: () => this.#ports.deliverable(entry.content, block),
        hold: said => this.#hold({ said, entry, report, verdict, block, notes }),
      }),
    );
    await this.#settleMark(acted.disposition.state === 'relayed');
    if (acted.disposition.state !== 'held') {
      const outline = this.#outline(replyText(acted.reply), acted.disposition);
      await this.#recordActed({ ...outline, entry, report, verdict, notes }, acted);
    }
    this.#logEnd(replyText(acted.reply), { state: acted.disposition.state, entry, report, verdict, acted });
    return acted.reply;
  }

  /** A copy that we released and that came back is not judged a second time. */
  async #report(entry: SpoolEntry, mark: string | null, deadline: number): Promise<Report> {
    if (mark !== null) this.#mark = await this.#ports.marks.claim(mark, entry);
    if (this.#mark !== null) {
      this.#ports.log.info({ id: this.id }, 'released message came back, not filtered again');
      return { version: 1, id: this.id, findings: [], score: 0, ms: {}, rulesDigest: 'released', summary: null };
    }
    return this.#ports.scan.scan(entry, deadline, this.#gone);
  }

  /** A try that failed leaves the mark to the sender's next one. */
  async #settleMark(isRelayed: boolean): Promise<void> {
    await this.#mark?.settle(isRelayed).catch(error => this.#warn(error, 'release mark not recorded as used'));
  }

  async #hold(held: {
    said: Reply;
    entry: SpoolEntry;
    report: Report;
    verdict: Verdict;
    block: string;
    notes: string[];
  }): Promise<void> {
    const { said, entry, report, verdict, block, notes } = held;
    const disposition: Disposition = { state: 'held', words: replyText(said), host: '' };
    const outline = this.#outline(replyText(said), disposition);
    await this.#ports.quarantine.hold({ ...outline, entry, report, verdict, notes }, block);
  }

  /** Rows are written before the reply; but what the next hop has taken is taken, even if we cannot write it down. */
  async #recordActed(record: LedgerRecord, acted: Acted): Promise<void> {
    try {
      await this.#ports.ledger.record(record);
    } catch (error) {
      if (acted.disposition.state === 'discarded') throw error;
      this.#ports.ledger.recordLater(record, error);
    }
  }

  async #fail(error: unknown, entry: SpoolEntry | null): Promise<Reply> {
    const isGone = this.#gone.aborted;
    const reply = replyOf(error);
    const state = isGone ? 'abandoned' : refusalState(reply);
    const words = isGone ? 'the client had gone before the message was taken' : replyText(reply);
    const said = isGone ? '' : replyText(reply);
    const outline = this.#outline(said, { state, words, host: '' });
    const notes = [whyOf(error)];
    await this.#record({ ...outline, entry, report: null, verdict: null, notes });
    this.#logEnd(said, { state, entry, error });
    return reply;
  }

  async #record(record: LedgerRecord): Promise<void> {
    await this.#ports.ledger.record(record).catch(error => this.#warn(error, 'not recorded'));
  }

  /** Accepted recipients end as `disposition` says, the others as their RCPT did. */
  #outline(reply: string, disposition: Disposition): Omit<LedgerRecord, 'entry' | 'report' | 'verdict'> {
    return {
      id: this.id,
      session: this.#session,
      mailFrom: this.#mail.mailFrom,
      startedAt: this.#startedAt,
      endedAt: Date.now(),
      nextHop: this.#route?.hop.name ?? '',
      reply,
      copies: this.#asked.copies(this.id, disposition),
      ms: this.#ms,
    };
  }

  #envelope(): Envelope {
    const { mailFrom, smtpUtf8, body, declaredSize } = this.#mail;
    return { mailFrom, smtpUtf8, body, declaredSize, rcptTo: this.#asked.accepted.map(asked => asked.recipient) };
  }

  async #timed<T>(step: string, work: () => Promise<T>): Promise<T> {
    const start = performance.now();
    try {
      return await work();
    } finally {
      this.#ms[step] = Math.round(performance.now() - start);
    }
  }

  /** The one line per message, and the metrics. */
  #logEnd(
    reply: string,
    end: { state: State; entry: SpoolEntry | null; report?: Report; verdict?: Verdict; acted?: Acted; error?: unknown },
  ): void {
    const { state, entry, report = null, verdict, acted = null, error } = end;
    // What was refused or given up before there was a verdict is no failure of ours.
    const outcome = verdict?.outcome ?? (state === 'deferred' ? 'failed' : state);
    const bytes = entry?.sizeBytes ?? this.#guard?.sizeBytes ?? 0;
    const ms = this.#ms;
    const why = error === undefined ? '' : whyOf(error);
    const fields = messageFields(this.#ended(), { outcome, state, reply, bytes, report, acted, error: why, ms });
    this.#ports.log.info(fields, 'message');
    this.#ports.counted({ outcome, state, bytes, report, ms });
    this.#countRecipients(state);
  }

  /** Accepted recipients ended as `state` says, the others as their RCPT did. */
  #countRecipients(state: State): void {
    this.#ports.countedRecipients(this.#asked.states(state));
  }

  #ended(): Ended {
    const { mailFrom } = this.#mail;
    return { id: this.id, session: this.#session, mailFrom, ...this.#asked.told };
  }

  #warn(error: unknown, what: string): void {
    this.#ports.log.error({ id: this.id, error: errorText(error) }, what);
  }
}
