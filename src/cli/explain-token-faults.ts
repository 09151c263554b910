/** What to say of each fault of a token, where more can be said than the service's own words do: a table of texts. */
import type { TokenFault } from "../azure/principal.ts";
import type { Trap } from "./explain-traps.ts";

/** For tokens of the account's own tenant; one of another tenant is a trap of its own. */
export const tokenFaults: Readonly<Partial<Record<TokenFault["kind"], Trap>>> = {
  expired: {
    name: "expired token",
    says: [
      "The token is older than its time. Credentials of the SDKs renew it; a program that keeps one must, too.",
    ],
    fix: ["Ask the credential for a token at each use (getToken), and look at both clocks if it is new."],
  },
  notYetValid: {
    name: "token from the future",
    says: [
      "The token's time has not come: it was made while the server's clock was ahead of where it is now.",
    ],
    fix: ["Ask for a new token: start the program again."],
  },
  unknownKey: {
    name: "token of another server",
    says: [
      "No key of this server signed the token: it is of another server, of this one before its data directory was made anew, or its key was revoked.",
    ],
    fix: [
      "Ask this server for a new one: start the program again with 'celestite run', or the variables of 'celestite env'.",
    ],
  },
  signature: {
    name: "token that was changed",
    says: ["The token is not as it was signed: something cut it off, or changed it."],
    fix: ["Send the token as the credential returns it."],
  },
  revoked: {
    name: "revoked token",
    says: [
      "Every token that the principal had been given was refused from some moment on ('celestite identity revoke').",
    ],
    fix: ["Ask for a new token: start the program again."],
  },
};
