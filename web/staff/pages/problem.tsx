import type { Problem } from '../../../domain/problems.ts';
import { Document } from '../layout.tsx';

/** A refusal or an internal error as a page. */
export function ProblemPage({ problem, requestId }: { problem: Problem; requestId: string }) {
  const { detail } = problem.extras;
  return (
    <Document title={problem.title}>
      <main class="alone">
        <section class="card">
          <p class="code">{problem.status}</p>
          <h1>{problem.title}</h1>
          {detail && detail !== problem.title && <p>{detail}</p>}
          <p>
            <a href="/admin">Back to the overview</a>
          </p>
          <p class="hint">Request id: {requestId}</p>
        </section>
      </main>
    </Document>
  );
}
