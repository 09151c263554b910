/**
 * Loaded into a JavaScript program before its own code (`node --import`): connections to our public names go to this
 * machine instead. Libraries that bring their own agent, as @azure/cosmos does, look at no proxy variable. Names,
 * certificates and everything above the socket stay as they are; the address of this file carries the settings.
 */
import net from "node:net";

interface ConnectOptions {
  readonly host?: string;
  readonly port?: number | string;
  readonly path?: string | null;
}

const settings = new URL(import.meta.url).searchParams;
const patterns = (settings.get("names") ?? "").split(",");
const tlsPort = Number(settings.get("tls"));
const metadataPort = Number(settings.get("metadata") ?? 0);
const isolated = settings.get("isolated") === "true";

const loopback = /^(localhost|127\.\d+\.\d+\.\d+|::1|\[::1\])$/i;

/** Where a connection leads instead; `undefined` leaves it alone. */
function redirected({ host = "localhost", port, path }: ConnectOptions): number | undefined {
  // A local socket; the http module says null when it means none.
  if (typeof path === "string") return undefined;
  const name = host.toLowerCase().replace(/\.$/, "");
  if (name === "169.254.169.254" && Number(port) === 80 && metadataPort > 0) return metadataPort;
  const ours = patterns.some((pattern) =>
    pattern.startsWith(".") ? name.slice(name.indexOf(".")) === pattern : name === pattern,
  );
  if (ours && Number(port) === 443) return tlsPort;
  if (isolated && !loopback.test(name)) {
    throw new Error(`celestite: ${name}:${port} is not ours, and this run is isolated`);
  }
  return undefined;
}

type Connect = (this: net.Socket, ...args: unknown[]) => net.Socket;

const original = net.Socket.prototype.connect as unknown as Connect;

/** Reads the forms in which Node and programs call it: options, port and host, or Node's own list of both. */
function connect(this: net.Socket, ...args: unknown[]): net.Socket {
  const [first, second] = args;
  if (Array.isArray(first)) {
    const options = (first[0] ?? {}) as ConnectOptions;
    const port = redirected(options);
    // Node marks this list as its own, so it is changed in place.
    if (port !== undefined) first[0] = { ...options, host: "127.0.0.1", port };
  } else if (typeof first === "object" && first !== null) {
    const port = redirected(first as ConnectOptions);
    if (port !== undefined) args[0] = { ...first, host: "127.0.0.1", port };
  } else if (typeof first === "number" || /^\d+$/.test(String(first))) {
    const host = typeof second === "string" ? second : "localhost";
    const port = redirected({ host, port: Number(first) });
    if (port !== undefined) args.splice(0, typeof second === "string" ? 2 : 1, port, "127.0.0.1");
  }
  return original.apply(this, args);
}

net.Socket.prototype.connect = connect as unknown as typeof net.Socket.prototype.connect;
