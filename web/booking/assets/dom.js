/**
 * An element: `h('button', { type: 'button', onclick: go }, 'Go')`. Functions become listeners, true and false set
 * or leave out an attribute, children are elements or text. Text is always text, never HTML.
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {Record<string, any>} [properties]
 * @param {...(Node | string | false | null | undefined)} children
 */
export function h(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name.startsWith('on')) element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, '');
    else if (value !== false && value !== undefined && value !== null) element.setAttribute(name, value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

/** An element that every version of the page has (web/booking/pages.tsx). */
export function byId(id) {
  const element = document.getElementById(id);
  if (!element) throw new Error(`This page has no element "${id}".`);
  return element;
}

/** Names and values, one below the other. */
export const facts = (rows) =>
  h(
    'dl',
    { class: 'facts' },
    ...rows.map(([name, value]) => h('div', {}, h('dt', {}, name), h('dd', {}, value))),
  );

/**
 * Replaces the children of an element. If one of them had the focus, the new element with the same id gets it.
 * @param {HTMLElement} place
 * @param {...(Node | string)} children
 */
export function repaint(place, ...children) {
  const active = document.activeElement;
  const focused = active && place.contains(active) ? active.id : '';
  place.replaceChildren(...children);
  if (focused) focusOn(place.querySelector(`#${CSS.escape(focused)}`));
}

export function focusOn(element) {
  if (element instanceof HTMLElement) element.focus();
}

/**
 * A labelled field. `showFieldErrors` shows its error.
 * @param {{ id: string, label: string, hint?: string, control?: HTMLElement, [attribute: string]: any }} parts
 */
export function field({ id, label, hint, control, ...attributes }) {
  const input = control ?? h('input', { id, name: id, 'aria-describedby': `${id}-note`, ...attributes });
  const note = h('p', { class: 'note', id: `${id}-note` }, hint ?? '');
  return h('div', { class: 'field' }, h('label', { for: id }, label), input, note);
}

/** @returns {HTMLInputElement | null} */
const inputIn = (form, id) => form.querySelector(`#${CSS.escape(id)}`);

/** The value of a field; empty when the form has no such field. */
export const valueIn = (form, id) => inputIn(form, id)?.value ?? '';

/**
 * Types into fields.
 * @param {HTMLFormElement} form
 * @param {Record<string, string>} values by the ids of the fields
 */
export function fillIn(form, values) {
  for (const [id, value] of Object.entries(values)) {
    const input = inputIn(form, id);
    if (input) input.value = value;
  }
}

/**
 * Shows errors at their fields. Returns whether there was at least one such field.
 * @param {HTMLFormElement} form
 * @param {import('./api.js').FieldError[] | undefined} errors
 * @param {Record<string, string>} [names] the API's names to ids
 */
export function showFieldErrors(form, errors, names = {}) {
  /** @type {HTMLElement | null} */
  let first = null;
  for (const { field: name, message } of errors ?? []) {
    const input = inputIn(form, names[name] ?? name);
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

/** Runs `work` once at a time, and shows the button as busy meanwhile. */
export async function whileBusy(button, work) {
  if (button.getAttribute('aria-busy') === 'true') return;
  button.setAttribute('aria-busy', 'true');
  try {
    await work();
  } finally {
    button.removeAttribute('aria-busy');
  }
}

/** Calls `work` now and then repeatedly while the page is visible. Returns a function that stops it. */
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
