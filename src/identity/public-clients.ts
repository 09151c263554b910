/** Clients that every tenant has without registering them: Microsoft's own developer tools, which keep no secret. */

export interface PublicClient {
  readonly appId: string;
  readonly displayName: string;
  /** Matched without regard to the port, as for all loopback addresses. */
  readonly redirectUris: readonly string[];
}

const loopback: readonly string[] = ["http://localhost", "http://127.0.0.1"];

const publicClients: readonly PublicClient[] = [
  {
    appId: "04b07795-8ddb-461a-bbee-02f9e1bf7b46",
    displayName: "Microsoft Azure CLI",
    redirectUris: loopback,
  },
  {
    appId: "1950a258-227b-4e31-a9cf-717495945fc2",
    displayName: "Microsoft Azure PowerShell",
    redirectUris: loopback,
  },
  {
    appId: "aebc6443-996d-45c2-90f0-388ff96faa56",
    displayName: "Visual Studio Code",
    redirectUris: loopback,
  },
];

/** The built-in public client with this application id. The services of the platform take it without consent. */
export function findPublicClient(appId: string): PublicClient | undefined {
  const wanted = appId.toLowerCase();
  return publicClients.find((client) => client.appId === wanted);
}
