import { problemHeaders } from '../../http/problems.ts';
import type { ComponentChildren } from 'preact';
import { Problem } from '../../domain/problems.ts';
import { Page, type Section } from './layout.tsx';
import { type PanelRequest, type PanelRoute, respond } from './panel-request.ts';
import { Alert } from './parts.tsx';

/** The question before an action: what will happen, a way back, and the button that does it. */
export interface Question {
  section: Section;
  title: string;
  back: string;
  submit: string;
  /** The action takes something away from somebody, so the button is red. */
  harmful: boolean;
  /** What will happen, in sentences. */
  text: ComponentChildren;
  fields?: ComponentChildren;
}

/**
 * The two routes of an action that is confirmed first: GET asks the question, POST acts. A refusal shows the question
 * again with its reason, unless what the action is about does not exist.
 */
export function confirmFirst(
  path: string,
  ask: (request: PanelRequest) => Promise<Question>,
  act: (request: PanelRequest) => Promise<void>,
): PanelRoute[] {
  async function show(request: PanelRequest, status: number, fault?: string): Promise<void> {
    const question = await ask(request);
    respond(request.ctx, status, <Confirm request={request} question={question} fault={fault} />);
  }

  async function tryToAct(request: PanelRequest): Promise<void> {
    try {
      await act(request);
    } catch (error) {
      if (!(error instanceof Problem) || error.status === 404) throw error;
      request.ctx.set(problemHeaders(error));
      await show(request, error.status, `${error.title} ${error.extras.detail ?? ''}`.trim());
    }
  }

  return [
    { method: 'GET', path, serve: (request) => show(request, 200) },
    { method: 'POST', path, serve: tryToAct },
  ];
}

function Confirm(props: { request: PanelRequest; question: Question; fault: string | undefined }) {
  const { request, question, fault } = props;
  const { section, title, back, submit, harmful, text, fields } = question;
  return (
    <Page request={request} section={section} title={title}>
      <section class="card narrow">
        {fault && <Alert>{fault}</Alert>}
        {text}
        <form method="post" action={request.ctx.path}>
          <input type="hidden" name="csrf" value={request.csrf} />
          {fields}
          <div class="buttons">
            <button type="submit" class={harmful ? 'danger' : undefined}>
              {submit}
            </button>
            <a class="button quiet" href={back}>
              Go back
            </a>
          </div>
        </form>
      </section>
    </Page>
  );
}
