/** Signs tokens in debug mode where no `SECRET_KEY` is set. */
export const debugSecret = 'debug-only-secret-key-that-signs-nothing-real';
