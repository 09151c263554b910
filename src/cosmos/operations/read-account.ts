/** `GET /`: what every SDK asks first. Locations point back through the door that the client came in by. */
import type { Operation } from "./operation.ts";

/** Limits that the .NET client hands to its own query planner, as a JSON string inside the JSON. */
const queryEngineConfiguration = JSON.stringify({
  maxSqlQueryInputLength: 524288,
  maxJoinsPerSqlQuery: 10,
  maxLogicalAndPerSqlQuery: 2147483647,
  maxLogicalOrPerSqlQuery: 2147483647,
  maxUdfRefPerSqlQuery: 10,
  maxInExpressionItemsCount: 2147483647,
  queryMaxInMemorySortDocumentCount: -1000,
  maxQueryRequestTimeoutFraction: 0.9,
  sqlAllowNonFiniteNumbers: false,
  sqlAllowAggregateFunctions: true,
  sqlAllowSubQuery: true,
  sqlAllowScalarSubQuery: true,
  allowNewKeywords: true,
  sqlAllowLike: true,
  sqlAllowGroupByClause: true,
  maxSpatialQueryCells: 2147483647,
  spatialMaxGeometryPointCount: 256,
  sqlDisableOptimizationFlags: 0,
  sqlAllowTop: true,
  enableSpatialIndexing: true,
});

export const readAccount: Operation = async (context) => {
  const { account } = context.account.record;
  const location = { name: account.location, databaseAccountEndpoint: `${context.origin}/` };
  const body = {
    _self: "",
    id: account.name,
    _rid: `${account.name}.sql.cosmos.azure.com`,
    media: "//media/",
    addresses: "//addresses/",
    _dbs: "//dbs/",
    writableLocations: [location],
    readableLocations: [location],
    enableMultipleWriteLocations: false,
    continuousBackupEnabled: false,
    enableNRegionSynchronousCommit: false,
    enablePerPartitionFailoverBehavior: false,
    userReplicationPolicy: { asyncReplication: false, minReplicaSetSize: 1, maxReplicasetSize: 4 },
    userConsistencyPolicy: { defaultConsistencyLevel: account.defaultConsistencyLevel },
    systemReplicationPolicy: { minReplicaSetSize: 1, maxReplicasetSize: 4 },
    readPolicy: { primaryReadCoefficient: 1, secondaryReadCoefficient: 1 },
    queryEngineConfiguration,
  };
  return { status: 200, body, charge: 0 };
};
