/** The account and the session that a request speaks for. */
export interface Caller {
  userId: number;
  sessionId: string;
  /** For staff as of this request. A guest's read may learn up to 5 s late that its caller has become staff. */
  isStaff: boolean;
}
