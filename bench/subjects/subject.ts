/** A server that the bench started and can send items to. */
import type { Access } from "../items.ts";

export interface Subject {
  readonly name: string;
  /** What it is, for a reader of the table. */
  readonly what: string;
  readonly pid: number;
  readonly access: Access;
  stop(): Promise<void>;
}
