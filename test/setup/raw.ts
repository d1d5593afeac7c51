import { connect } from 'node:net';
import type { Answer } from './system.ts';

/** Sends exactly this text on its own connection. @returns the answer, once the server has closed it */
export function sendRaw(url: string, text: string): Promise<string> {
  const { port, hostname } = new URL(url);
  return new Promise((resolve) => {
    let came = '';
    const socket = connect(Number(port), hostname, () => socket.write(text));
    socket.on('data', (chunk) => (came += chunk.toString()));
    socket.on('error', () => {});
    socket.on('close', () => resolve(came));
  });
}

/** An answer as it came over the wire. @throws when it is not HTTP, or its body is not JSON */
export function readAnswer(text: string): Answer {
  const [head = '', body = ''] = text.split('\r\n\r\n');
  const [statusLine = '', ...lines] = head.split('\r\n');
  const headers = new Headers(lines.map((line) => line.split(': ', 2) as [string, string]));
  return { status: Number(statusLine.split(' ')[1]), headers, body: JSON.parse(body) };
}
