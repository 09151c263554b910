/** Template functions that take addresses apart and put them together. */
import { type Json, member, stringMember } from "../../json.ts";
import { type FunctionTable, object, refuse, text } from "./arguments.ts";

const defaultPorts: ReadonlyMap<string, number> = new Map([
  ["http", 80],
  ["https", 443],
  ["ftp", 21],
]);

function parse(name: string, address: string): URL {
  if (!/^[a-z][a-z0-9+.-]*:\/\//i.test(address) || !URL.canParse(address)) {
    throw refuse(name, "the value is not an absolute URI");
  }
  return new URL(address);
}

function parseUri(values: readonly Json[], name: string): Json {
  const { protocol, hostname, port, pathname, search } = parse(name, text(name, values, 0));
  const scheme = protocol.slice(0, -1);
  const number = port === "" ? defaultPorts.get(scheme) : Number(port);
  return {
    scheme,
    host: hostname,
    ...(number === undefined ? {} : { port: number }),
    path: pathname,
    query: search,
  };
}

function buildUri(values: readonly Json[], name: string): Json {
  const components = object(name, values, 0);
  const [scheme, host] = [stringMember(components, "scheme"), stringMember(components, "host")];
  if (scheme === undefined || host === undefined) throw refuse(name, "'scheme' and 'host' are required");
  const port = member(components, "port") ?? null;
  if (port !== null && typeof port !== "number") throw refuse(name, "'port' must be an integer");
  const own = port === null || port === defaultPorts.get(scheme.toLowerCase()) ? "" : `:${port}`;
  const path = stringMember(components, "path") ?? "";
  const query = stringMember(components, "query") ?? "";
  const address = `${scheme}://${host}${own}${path.startsWith("/") ? "" : "/"}${path}${query === "" || query.startsWith("?") ? "" : "?"}${query}`;
  return parse(name, address).href;
}

export const addressFunctions: FunctionTable = {
  builduri: { min: 1, max: 1, run: (values, _, name) => buildUri(values, name) },
  parseuri: { min: 1, max: 1, run: (values, _, name) => parseUri(values, name) },
};
