import {
  byId,
  clearFieldErrors,
  field,
  fillIn,
  focusOn,
  h,
  showFieldErrors,
  valueIn,
  whileBusy,
} from './dom.js';
import { settings } from './settings.js';

const names = { email: 'email', password: 'password', confirm_password: 'confirmation' };

/**
 * The dialog for signing in or creating an account. `ask()` resolves to whether the guest is signed in.
 * @param {{ session: import('./session.js').Session }} parts
 */
export function createSignIn({ session }) {
  const dialog = /** @type {HTMLDialogElement} */ (byId('sign-in'));
  let mode = 'signIn';
  /** @type {(signedIn: boolean) => void} */
  let answer = () => {};
  dialog.addEventListener('close', () => answer(session.signedIn()));

  function show() {
    const isNew = mode === 'register';
    const message = h('p', { class: 'notice bad', role: 'alert', hidden: true });
    const submit = h('button', { type: 'submit', class: 'primary' }, isNew ? 'Create account' : 'Sign in');
    const form = h(
      'form',
      { novalidate: true, onsubmit: (event) => void send(event, form, message, submit) },
      field({ id: 'email', label: 'E-mail', type: 'email', autocomplete: 'username', maxlength: 254 }),
      field({
        id: 'password',
        label: 'Password',
        type: 'password',
        autocomplete: isNew ? 'new-password' : 'current-password',
        hint: isNew ? 'At least 8 characters.' : '',
      }),
      isNew &&
        field({
          id: 'confirmation',
          label: 'Confirm password',
          type: 'password',
          autocomplete: 'new-password',
        }),
      message,
      h(
        'div',
        { class: 'actions' },
        submit,
        h('button', { type: 'button', class: 'quiet', onclick: () => dialog.close() }, 'Not now'),
      ),
    );
    dialog.replaceChildren(
      h('h2', { id: 'sign-in-title' }, isNew ? 'Create account' : 'Sign in'),
      form,
      h(
        'p',
        { class: 'aside' },
        isNew ? 'Already have an account? ' : 'New here? ',
        h(
          'button',
          { type: 'button', class: 'link', onclick: switchMode },
          isNew ? 'Sign in' : 'Create account',
        ),
      ),
      settings.demo && !isNew ? demoButton(form, settings.demo) : '',
    );
    focusOn(form.querySelector('input'));
  }

  function demoButton(form, { email, password }) {
    const fill = () => {
      fillIn(form, { email, password });
      form.requestSubmit();
    };
    return h(
      'p',
      { class: 'aside' },
      'Debug: ',
      h('button', { type: 'button', class: 'link', onclick: fill }, 'use the demo account'),
    );
  }

  function switchMode() {
    mode = mode === 'signIn' ? 'register' : 'signIn';
    show();
  }

  async function send(event, form, message, submit) {
    event.preventDefault();
    await whileBusy(submit, async () => {
      clearFieldErrors(form);
      message.hidden = true;
      const value = (id) => valueIn(form, id);
      try {
        if (mode === 'register')
          await session.register(value('email'), value('password'), value('confirmation'));
        await session.signIn(value('email'), value('password'));
        dialog.close();
      } catch (refusal) {
        if (showFieldErrors(form, refusal.errors, names)) return;
        message.textContent = refusal.message;
        message.hidden = false;
      }
    });
  }

  return {
    ask() {
      mode = 'signIn';
      show();
      dialog.showModal();
      return new Promise((resolve) => (answer = resolve));
    },
  };
}
