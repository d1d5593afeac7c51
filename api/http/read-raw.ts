import type { Context } from 'koa';
import { Problem } from '../../domain/problems.ts';

/** The bytes of the body as they came. @throws Problem payload_too_large, unsupported_media_type */
export async function readRaw(ctx: Context, bytesMax: number): Promise<Buffer> {
  if (ctx.request.type.toLowerCase() !== 'application/json' || ctx.get('Content-Encoding') !== '') {
    throw new Problem('unsupported_media_type');
  }
  if ((ctx.request.length ?? 0) > bytesMax) throw new Problem('payload_too_large');
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of ctx.req as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > bytesMax) throw new Problem('payload_too_large', { headers: { Connection: 'close' } });
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}
