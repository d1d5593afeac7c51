/** The requests under way, and all that have ever begun. The relay yields to them. */
export interface Traffic {
  inFlight: number;
  begun: number;
  /** The process is stopping, so answers ask clients to close their connections. */
  stopping: boolean;
}
