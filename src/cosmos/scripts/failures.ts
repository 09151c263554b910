/**
 * What a client is told when a script fails, in the service's words: a script that throws or does not compile is the
 * request's fault (400), one that does not end in time is 408.
 */
import { CosmosError } from "../errors.ts";
import type { Refusal } from "./protocol.ts";

/** An exception of a script, described inside its sandbox. */
export interface Thrown {
  /** The exception as text, e.g. `Error: no stock`. */
  readonly text: string;
  /** Lines of the form `at function (file:line:column)`. */
  readonly frames: readonly string[];
  /** The status in `new Error(404, "..")` or of a failed call to the collection. */
  readonly number?: number;
}

/** The service tells what ran when a script failed: its main function, or a callback. */
export type Phase = "executing Javascript" | "executing function";

const textMax = 4000;
const framesMax = 20;
const compileErrorSubstatus = 65535;

/** A script that threw; a number in the exception becomes the substatus. */
export function scriptThrew(phase: Phase, { text, frames, number }: Thrown): Refusal {
  const shown = text.slice(0, textMax);
  const trace = frames.slice(0, framesMax).map((frame) => `\n   ${frame}`);
  return refusal(
    400,
    "BadRequest",
    `Encountered exception while ${phase}. Exception = ${shown}\r\nStack trace: ${shown}${trace.join("")}`,
    number !== undefined && Number.isInteger(number) && number > 0 && number < 65536 ? number : 0,
  );
}

/** A script that is not JavaScript; line and column count from 1, in the source as the server wraps it. */
export function scriptDoesNotCompile(text: string, line: number, column: number, source: string): Refusal {
  return refusal(
    400,
    "BadRequest",
    `Encountered exception while compiling Javascript. Exception = ${text}\r\nSource information: line: ${line}, column: ${column}, source line:\n${source.slice(0, textMax)}`,
    compileErrorSubstatus,
  );
}

/** Scripts that do not end in time are 408, as the service documents it for procedures, triggers and functions. */
export function scriptTimedOut(): Refusal {
  const message =
    "The requested operation exceeded maximum alloted time. Learn more: https://aka.ms/cosmosdb-tsg-service-request-timeout";
  return refusal(408, "RequestTimeout", message, 0);
}

/** The engine of the thread gave up; nothing more is known of the script. */
export function scriptCrashed(): Refusal {
  const message = "The script was ended because it exhausted the resources of its engine.";
  return refusal(400, "BadRequest", message, 0);
}

/** The response of a script is larger than any response may be. */
export function scriptResultTooLarge(): Refusal {
  return refusal(413, "RequestEntityTooLarge", "The response of the script is too large.", 0);
}

/** A refusal that arose around the script, such as a query that does not parse. */
export function refusalOf(error: CosmosError): Refusal {
  const { status, code, message, substatus } = error;
  return { status, code, message, substatus };
}

/** The error that the request ends with; what the script logged goes with it. */
export function asError(refused: Refusal, log: string): CosmosError {
  const { status, code, message, substatus } = refused;
  return new CosmosError(status, code, message, { substatus, headers: logHeader(log) });
}

/** `x-ms-documentdb-script-log-results`, when anything was logged. */
export function logHeader(log: string): Readonly<Record<string, string>> {
  return log === "" ? {} : { "x-ms-documentdb-script-log-results": encodeURIComponent(log) };
}

function refusal(status: number, code: string, text: string, substatus: number): Refusal {
  return { status, code, message: `Message: ${JSON.stringify({ Errors: [text] })}`, substatus };
}
