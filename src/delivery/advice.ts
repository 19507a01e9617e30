// What to do about a next hop that cannot be used, from what it or the system said. Pure. Called by smtp-hop.ts for
// health and doctor; the words here are for the administrator, never for a sender.

const REACH = 'check that the server runs, and that its firewall lets this machine connect';
const AUTHORITY =
  'name the PEM file of the authority that made its certificate in nextHop.ca, or take tls: must, which encrypts and checks no certificate';

/** The first that fits; the codes are the system's, the rest OpenSSL's and our own words. */
const ADVICE: readonly (readonly [RegExp, string])[] = [
  [
    /\b(?:ENOTFOUND|EAI_NONAME)\b/,
    'correct the name in nextHop, or make an address record for it; this machine looks it up in /etc/hosts and /etc/resolv.conf',
  ],
  [/\bEAI_[A-Z]+\b/, 'check the name servers in /etc/resolv.conf: the name could not be looked up'],
  [/\bECONNREFUSED\b/, 'start the server, or correct the port in nextHop: the machine is there, nothing listens'],
  [/\b(?:EHOSTUNREACH|ENETUNREACH)\b/, 'check the network, and the address in nextHop: there is no way to it'],
  [/\bENOENT\b/, 'start the server, or correct the path in nextHop: there is no such socket'],
  [/\bEACCES\b/, 'let the user that runs Postern use the socket'],
  [/altnames|does not match certificate/i, 'name the host in nextHop as its certificate does, or take tls: must'],
  [/certificate has expired|not yet valid/i, 'renew the certificate of the next hop; tls: must does not check it'],
  [/self[- ]signed|unable to (?:verify|get) |issuer certificate/i, AUTHORITY],
  [/offers no STARTTLS/, 'switch STARTTLS on there, or take tls: may'],
  [
    /handshake|\bSSL\b|\bTLS\b|ERR_SSL/i,
    'check TLS there: openssl s_client -starttls smtp -connect HOST:PORT shows what it does',
  ],
  [/greeted with|answered (?:EHLO|LHLO|HELO) with/, "let it accept mail from this machine's address: it refuses us"],
];

export function adviceFor(said: string): string {
  return ADVICE.find(([words]) => words.test(said))?.[1] ?? REACH;
}

/** Node tells its developers how to start it: nothing that an administrator of Postern could do. */
export function withoutNodeHints(said: string): string {
  return said.replace(/; if the root CA is installed locally, try running Node\.js with --use-system-ca/g, '');
}
