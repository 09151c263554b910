/** The account key that Microsoft's Cosmos DB emulator publishes: known to everybody, so never a secret. */
export const wellKnownKey =
  "C2y6yDjf5/R+ob0N8A7Cgv30VRDJIWEHLM+4QDU5DE2nQ9nDuVTqobD4b8mGGyPMbIZnqyMsEcaGQy67XIw/Jw==";
