import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { findFreePort, listens, loopback } from '../../dev/ports.ts';
import type { Stack as Processes } from '../../dev/stack.ts';
import { runTool } from '../../dev/run-tool.ts';
import { SetupProblem } from '../../dev/setup-problem.ts';
import { until } from '../../dev/until.ts';
import type { Tools } from './tools.ts';

interface NginxOptions {
  apiPorts: readonly number[];
  processes: Processes;
  tools: Tools;
}

/**
 * nginx before the APIs, as docs/operations.md asks for: HTTPS, `Host` and `X-Forwarded-For`. HTTP too, for the webhooks
 * of the emulator, which trusts no certificate of ours.
 */
export async function startNginx({ apiPorts, processes, tools }: NginxOptions) {
  const home = join(processes.dataDir, 'nginx');
  mkdirSync(home, { recursive: true });
  const ca = await makeCertificate(home, tools);
  const [httpPort, httpsPort] = [await findFreePort(), await findFreePort()];
  writeFileSync(join(home, 'nginx.conf'), configuration({ home, apiPorts, httpPort, httpsPort }));
  const running = await processes.processes.start({
    name: 'nginx',
    command: tools.nginx,
    args: ['-e', join(home, 'error.log'), '-c', join(home, 'nginx.conf')],
    // Its own quick end is SIGTERM; SIGQUIT waits for the connections that clients keep.
    stopSteps: [
      { signal: 'SIGTERM', waitMs: 5_000 },
      { signal: 'SIGKILL', waitMs: 5_000 },
    ],
    ready: (_, starting) => until('nginx', () => listens(loopback, httpsPort), starting),
  });
  return {
    url: `https://127.0.0.1:${httpsPort}`,
    plainUrl: `http://127.0.0.1:${httpPort}`,
    ca,
    pid: running.pid,
  };
}

/** A certificate for this machine, which is its own authority. @returns its PEM text */
async function makeCertificate(home: string, { openssl }: Tools): Promise<string> {
  const [key, certificate] = [join(home, 'key.pem'), join(home, 'certificate.pem')];
  const made = await runTool(
    openssl,
    [
      ...['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', '-subj', '/CN=localhost'],
      ...['-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1', '-keyout', key, '-out', certificate],
    ],
    { timeoutMs: 60_000 },
  );
  if (made.code !== 0) throw new SetupProblem(`openssl made no certificate: ${made.stderr.trim()}`);
  return readFileSync(certificate, 'utf8');
}

function configuration(options: {
  home: string;
  apiPorts: readonly number[];
  httpPort: number;
  httpsPort: number;
}): string {
  const { home, apiPorts, httpPort, httpsPort } = options;
  const servers = apiPorts.map((port) => `server 127.0.0.1:${port} max_fails=1 fail_timeout=2s;`);
  const folders = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
    (name) => `${name}_temp_path ${home}/${name};`,
  );
  return `
    daemon off;
    ${process.getuid?.() === 0 ? 'user root;' : ''}
    pid ${home}/nginx.pid;
    error_log ${home}/error.log;
    events { worker_connections 1024; }
    http {
      access_log ${home}/access.log;
      ${folders.join(' ')}
      upstream api { ${servers.join(' ')} keepalive 32; }
      server {
        listen 127.0.0.1:${httpPort};
        listen 127.0.0.1:${httpsPort} ssl;
        ssl_certificate ${home}/certificate.pem;
        ssl_certificate_key ${home}/key.pem;
        location / {
          proxy_pass http://api;
          proxy_http_version 1.1;
          proxy_set_header Connection "";
          proxy_set_header Host $http_host;
          proxy_set_header X-Forwarded-For $remote_addr;
          proxy_set_header X-Forwarded-Proto https;
        }
      }
    }
  `;
}
