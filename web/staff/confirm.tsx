import type { ComponentChildren } from 'preact';
import { Page, type Section } from './layout.tsx';
import { Alert } from './parts.tsx';
import type { Visit } from './visit.ts';

/** The question before an action: what will happen, a way back, and the button that does it. */
export interface Question {
  section: Section;
  title: string;
  /** Where the form goes: the address of the question itself. */
  action: string;
  back: string;
  submit: string;
  /** Does it take something from somebody? */
  harmful: boolean;
  /** What will happen, in sentences. */
  text: ComponentChildren;
  fields?: ComponentChildren;
  /** Why the last try did not work. */
  fault?: string | undefined;
}

export function Confirm({ visit, question }: { visit: Visit; question: Question }) {
  const { section, title, action, back, submit, harmful, text, fields, fault } = question;
  return (
    <Page visit={visit} section={section} title={title}>
      <section class="card narrow">
        {fault && <Alert>{fault}</Alert>}
        {text}
        <form method="post" action={action}>
          <input type="hidden" name="csrf" value={visit.csrf} />
          {fields}
          <div class="buttons">
            <button type="submit" class={harmful ? 'danger' : undefined}>
              {submit}
            </button>
            <a class="button quiet" href={back}>
              Back, change nothing
            </a>
          </div>
        </form>
      </section>
    </Page>
  );
}
