import { createHmac } from 'node:crypto';
import { request, type Agent } from 'node:http';

/** `t=…,v1=…` over `<timestamp>.<payload>`: https://docs.stripe.com/webhooks#verify-manually */
export function signatureOf(payload: string, secret: string, timestampSeconds: number): string {
  const v1 = createHmac('sha256', secret).update(`${timestampSeconds}.${payload}`).digest('hex');
  return `t=${timestampSeconds},v1=${v1}`;
}

interface WebhookRequest {
  url: string;
  payload: string;
  signature: string;
  timeoutMs: number;
  agent: Agent;
}

/** What the endpoint said: its status, or why there was none. */
export type WebhookReply = { status: number } | { error: string };

/** Posts once, follows no redirect (Stripe counts one as a failure), never throws. */
export function postWebhook({
  url,
  payload,
  signature,
  timeoutMs,
  agent,
}: WebhookRequest): Promise<WebhookReply> {
  return new Promise((resolve) => {
    const deadline = setTimeout(() => sent.destroy(new Error(`no answer in ${timeoutMs} ms`)), timeoutMs);
    const finish = (reply: WebhookReply) => {
      clearTimeout(deadline);
      resolve(reply);
    };
    const sent = request(
      url,
      {
        method: 'POST',
        agent,
        headers: {
          'content-type': 'application/json; charset=utf-8',
          'content-length': Buffer.byteLength(payload),
          'stripe-signature': signature,
          'user-agent': 'Stripe/1.0 (+https://stripe.com/docs/webhooks)',
          'cache-control': 'no-cache',
          accept: '*/*; q=0.5, application/xml',
        },
      },
      (response) => {
        response.resume();
        response.on('end', () => finish({ status: response.statusCode ?? 0 }));
        response.on('error', (error) => finish({ error: error.message }));
        response.on('close', () => finish({ error: 'the answer was cut short' }));
      },
    );
    sent.on('error', (error) => finish({ error: error.message || String(error) }));
    sent.end(payload);
  });
}

export function isAccepted(reply: WebhookReply): boolean {
  return 'status' in reply && reply.status >= 200 && reply.status < 300;
}
