// The sample messages of the first run: five mails that a newcomer sends through the new gateway, to see what becomes of
// each. The test virus and GTUBE are put together here, so that no file of ours sets off a scanner.

export interface Sample {
  readonly name: string;
  readonly mailFrom: string;
  readonly rcptTo: string;
  /** HELO of the client that plays the sender. */
  readonly helo: string;
  readonly content: string;
}

/** https://spamassassin.apache.org/gtube/ */
const GTUBE = `XJS*C4JDBQADN1.NSBN3*2IDNEN*${'GTUBE-STANDARD'}-ANTI-UBE-TEST-EMAIL*C.34X`;
/** https://www.eicar.org/download-anti-malware-testfile/ */
const EICAR = `X5O!P%@AP[4\\PZX54(P^)7CC)7}$${'EICAR-STANDARD'}-ANTIVIRUS-TEST-FILE!$H+H*`;

/** For the domain that the gateway takes mail for. */
export function samples(domain: string, date: string): Sample[] {
  const you = `you@${domain}`;
  const fields = (from: string, subject: string, more: readonly string[] = []) => [
    `From: ${from}`,
    `To: <${you}>`,
    `Subject: ${subject}`,
    `Date: ${date}`,
    `Message-ID: <${subject.toLowerCase().replace(/[^a-z]+/g, '-')}@sample.example>`,
    'MIME-Version: 1.0',
    ...more,
  ];
  const mail = (name: string, mailFrom: string, lines: readonly string[]): Sample => ({
    name,
    mailFrom,
    rcptTo: you,
    helo: 'client.sample.example',
    content: `${lines.join('\r\n')}\r\n`,
  });
  return [
    mail('plain mail', 'alice@sample.example', [
      ...fields('Alice <alice@sample.example>', 'Lunch on Friday?'),
      '',
      'Hello,',
      'shall we have lunch on Friday at noon? The place at the corner has soup again.',
      'Alice',
    ]),
    mail('newsletter', 'bounce@news.sample.example', [
      ...fields('Garden News <news@news.sample.example>', 'What to sow in November', [
        'List-Id: Garden News <garden.news.sample.example>',
        'List-Unsubscribe: <https://news.sample.example/unsubscribe>',
        'Precedence: bulk',
      ]),
      '',
      'Broad beans and garlic may go into the ground now.',
      'Read on: https://news.sample.example/november',
      'To leave this list: https://news.sample.example/unsubscribe',
    ]),
    mail('GTUBE, the test spam', 'spammer@sample.example', [
      ...fields('Spammer <spammer@sample.example>', 'Test spam'),
      '',
      GTUBE,
    ]),
    mail('EICAR, the test virus', 'infected@sample.example', [
      ...fields('Infected <infected@sample.example>', 'The file you asked for', [
        'Content-Type: multipart/mixed; boundary="sample"',
      ]),
      '',
      '--sample',
      'Content-Type: text/plain',
      '',
      'See the attachment.',
      '--sample',
      'Content-Type: application/octet-stream; name="report.com"',
      'Content-Disposition: attachment; filename="report.com"',
      'Content-Transfer-Encoding: base64',
      '',
      Buffer.from(EICAR).toString('base64'),
      '--sample--',
    ]),
    mail('from outside, with your own address', 'director@fraud.sample.example', [
      ...fields(`The Director <director@${domain}>`, 'Urgent wire transfer'),
      '',
      'Are you at your desk? I need you to make an urgent wire transfer today and keep it confidential.',
      'I am in a meeting and cannot talk. Reply with the bank details you need.',
      'The Director',
    ]),
  ];
}
