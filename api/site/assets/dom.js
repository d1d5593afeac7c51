/**
 * An element: `h('button', { type: 'button', onclick: go }, 'Go')`. Functions become listeners, true and false set
 * or leave out an attribute, children are elements or text. Text is always text, never HTML.
 */
export function h(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name.startsWith('on')) element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, '');
    else if (value !== false && value !== undefined && value !== null) element.setAttribute(name, value);
  }
  element.append(
    ...children.flat().filter((child) => child !== null && child !== undefined && child !== false),
  );
  return element;
}

export const byId = (id) => document.getElementById(id);

/** A labelled field; what is wrong with it is shown by `showFieldErrors`. */
export function field({ id, label, hint, control, ...attributes }) {
  const input = control ?? h('input', { id, name: id, 'aria-describedby': `${id}-note`, ...attributes });
  const note = h('p', { class: 'note', id: `${id}-note` }, hint ?? '');
  return h('div', { class: 'field' }, h('label', { for: id }, label), input, note);
}

/** Marks the fields that a refusal names; returns whether there was one. `names` maps the API's names to ids. */
export function showFieldErrors(form, errors, names = {}) {
  let first = null;
  for (const { field: name, message } of errors ?? []) {
    const input = form.querySelector(`#${CSS.escape(names[name] ?? name)}`);
    const note = input && form.querySelector(`#${CSS.escape(`${input.id}-note`)}`);
    if (!note) continue;
    input.setAttribute('aria-invalid', 'true');
    note.textContent = message;
    note.classList.add('wrong');
    first ??= input;
  }
  first?.focus();
  return first !== null;
}

export function clearFieldErrors(form) {
  for (const input of form.querySelectorAll('[aria-invalid]')) input.removeAttribute('aria-invalid');
  for (const note of form.querySelectorAll('.note.wrong')) {
    note.classList.remove('wrong');
    note.textContent = '';
  }
}

/** Runs `work` at most once at a time while the button shows that it does. */
export async function whileBusy(button, work) {
  if (button.getAttribute('aria-busy') === 'true') return;
  button.setAttribute('aria-busy', 'true');
  try {
    await work();
  } finally {
    button.removeAttribute('aria-busy');
  }
}

/** Calls `work` now and then again and again, while the page is visible. Returns the way to stop it. */
export function repeat(work, everyMs) {
  let timer;
  let stopped = false;
  const round = async () => {
    clearTimeout(timer);
    if (stopped || document.hidden) return;
    await work();
    if (!stopped) timer = setTimeout(round, everyMs);
  };
  const wake = () => void round();
  document.addEventListener('visibilitychange', wake);
  void round();
  return () => {
    stopped = true;
    clearTimeout(timer);
    document.removeEventListener('visibilitychange', wake);
  };
}
