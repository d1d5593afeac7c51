import type { Settings } from './shape.ts';

const clientCertificate = (env: Partial<Settings>) => ({
  crt: env.TEMPORAL_TLS_CLIENT_CERT_PATH ?? env.TEMPORAL_TLS_CLIENT_CERT_DATA,
  key: env.TEMPORAL_TLS_CLIENT_KEY_PATH ?? env.TEMPORAL_TLS_CLIENT_KEY_DATA,
});

/**
 * The TLS options of Temporal's client, read as Temporal's own tools read the settings: any of them, or an API key,
 * turns TLS on, unless `TEMPORAL_TLS` says otherwise
 * (https://docs.temporal.io/references/client-environment-configuration).
 * @returns undefined for a connection without TLS
 */
export function temporalTls(env: Partial<Settings>) {
  const ca = env.TEMPORAL_TLS_SERVER_CA_CERT_PATH ?? env.TEMPORAL_TLS_SERVER_CA_CERT_DATA;
  const { crt, key } = clientCertificate(env);
  const name = env.TEMPORAL_TLS_SERVER_NAME;
  if (!(env.TEMPORAL_TLS ?? Boolean(env.TEMPORAL_API_KEY ?? ca ?? crt ?? name))) return undefined;
  return {
    ...(ca && { serverRootCACertificate: ca }),
    ...(name && { serverNameOverride: name }),
    ...(crt && key && { clientCertPair: { crt, key } }),
  };
}

/** Settings of TLS that contradict each other, or that Temporal's client cannot follow. */
export function tlsFaults(env: Partial<Settings>): string[] {
  const faults: string[] = [];
  for (const name of ['SERVER_CA_CERT', 'CLIENT_CERT', 'CLIENT_KEY'] as const) {
    const [path, text] = [`TEMPORAL_TLS_${name}_PATH`, `TEMPORAL_TLS_${name}_DATA`] as const;
    if (env[path] && env[text]) faults.push(`${text}: ${path} is set as well`);
  }
  const { crt, key } = clientCertificate(env);
  if (Boolean(crt) !== Boolean(key)) {
    const missing = crt ? 'TEMPORAL_TLS_CLIENT_KEY' : 'TEMPORAL_TLS_CLIENT_CERT';
    faults.push(`${missing}_PATH: a certificate and its key: set both or none (_PATH or _DATA)`);
  }
  if (env.TEMPORAL_TLS_DISABLE_HOST_VERIFICATION) {
    const cure = 'say which name the certificate has by TEMPORAL_TLS_SERVER_NAME';
    faults.push(`TEMPORAL_TLS_DISABLE_HOST_VERIFICATION: Temporal's client cannot do that; ${cure}`);
  }
  return faults;
}

/** A remote server that would be spoken to without TLS, though nobody has allowed it. */
export function plaintextFaults(env: Partial<Settings>): string[] {
  const { TEMPORAL_ADDRESS: address, TEMPORAL_ALLOW_PLAINTEXT: allowed } = env;
  // Besides true, the setting may name the one address that does without: compose names that of its own server.
  const isAllowed = allowed === true || allowed === address;
  if (!address || isLoopback(address) || temporalTls(env) || isAllowed) return [];
  const cure = 'set TEMPORAL_TLS, TEMPORAL_API_KEY or, on a private network, TEMPORAL_ALLOW_PLAINTEXT=true';
  return [`TEMPORAL_ADDRESS: a remote server without TLS; ${cure}`];
}

function isLoopback(address: string): boolean {
  const host = address.replace(/:\d+$/, '').replace(/^\[|\]$/g, '');
  return host === 'localhost' || host === '::1' || host.startsWith('127.');
}
