/** The requests under way, and how many have ever begun; the relay yields to them. */
export interface Traffic {
  inFlight: number;
  begun: number;
  /** The process is stopping: clients are asked to close their connections. */
  stopping: boolean;
}
