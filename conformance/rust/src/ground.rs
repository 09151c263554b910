//! What every chapter stands on: clients as each identity, expectations, and the count of what held.
use std::future::Future;
use std::sync::Arc;

use azure_core::credentials::TokenCredential;
use azure_data_cosmos::models::{ContainerProperties, PartitionKeyDefinition, ThroughputProperties};
use azure_data_cosmos::options::{CreateContainerOptions, QueryOptions};
use azure_data_cosmos::{
    AccountReference, ContainerClient, CosmosClient, CosmosRuntime, DatabaseClient, FeedScope, Query, RoutingStrategy,
};
use azure_identity::{ManagedIdentityCredential, ManagedIdentityCredentialOptions, UserAssignedId};
use futures::TryStreamExt;
use serde_json::{json, Value};

pub type Failure = Box<dyn std::error::Error + Send + Sync>;
pub type Outcome = Result<(), Failure>;

/// Fails the test that it stands in, with what was found instead.
#[macro_export]
macro_rules! check {
    ($holds:expr, $($found:expr),+) => {
        if !$holds {
            return Err(format!("{} - found: {:?}", stringify!($holds), ($($found),+)).into());
        }
    };
}

#[derive(Default)]
pub struct Report {
    pub passed: u32,
    pub failed: u32,
}

impl Report {
    pub async fn test(&mut self, name: &str, work: impl Future<Output = Outcome>) {
        match work.await {
            Ok(()) => {
                self.passed += 1;
                println!("ok - {name}");
            }
            Err(error) => {
                self.failed += 1;
                println!("not ok - {name}\n    {error}");
            }
        }
    }
}

/// A setting that the driver gives; the names of main.json's outputs begin with CONFORMANCE_.
pub fn setting(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set"))
}

pub fn managed_identity(who: &str) -> Result<Arc<dyn TokenCredential>, Failure> {
    let id = UserAssignedId::ClientId(setting(&format!("CONFORMANCE_{who}ClientId")));
    let options = ManagedIdentityCredentialOptions { user_assigned_id: Some(id), ..Default::default() };
    Ok(ManagedIdentityCredential::new(Some(options))?)
}

fn somewhere() -> RoutingStrategy {
    RoutingStrategy::ProximityTo("East US".into())
}

/// Each client has a runtime of its own: those of one runtime share what they know of containers, which includes the
/// credential of whoever asked first, so that a second identity would act as the first.
async fn client_of(account: AccountReference) -> Result<CosmosClient, Failure> {
    let runtime = CosmosRuntime::builder().build().await?;
    Ok(CosmosClient::builder().with_runtime(runtime).build(account, somewhere()).await?)
}

pub async fn client_with(credential: Arc<dyn TokenCredential>) -> Result<CosmosClient, Failure> {
    client_of(AccountReference::with_credential(setting("COSMOS_ENDPOINT").parse()?, credential)).await
}

/// The container `orders`, whose partition key is /partitionKey, as one of the identities.
pub async fn orders_as(who: &str) -> Result<ContainerClient, Failure> {
    let client = client_with(managed_identity(who)?).await?;
    Ok(client.database_client("shop").container_client("orders", None).await?)
}

/// The account that has keys; databases and containers are made there.
pub async fn client_with_key() -> Result<CosmosClient, Failure> {
    let endpoint = setting("CONFORMANCE_keyEndpoint").parse()?;
    client_of(AccountReference::with_authentication_key(endpoint, setting("CONFORMANCE_key"))).await
}

pub const PK: &str = "rust-items";

pub fn item(id: &str, n: i64) -> Value {
    json!({ "id": id, "partitionKey": PK, "n": n })
}

/// A name that no other run uses.
pub fn fresh(name: &str) -> String {
    format!("rust-{}-{name}", std::process::id())
}

/// The message of a refusal with this status and, unless it is 0, this substatus.
#[track_caller]
pub fn refused<T>(result: azure_data_cosmos::Result<T>, status: u16, substatus: u16) -> Result<String, Failure> {
    let here = std::panic::Location::caller();
    let error = match result {
        Ok(_) => return Err(format!("expected {status}/{substatus}, and it was done ({here})").into()),
        Err(error) => error,
    };
    let found = error.status();
    let sub = found.sub_status().map_or(0, |code| code.value());
    let text = error.to_string();
    if u16::from(found.status_code()) != status || (substatus != 0 && sub != substatus) {
        return Err(
            format!("expected {status}/{substatus}, found {:?}/{sub} ({here}): {text}", found.status_code()).into()
        );
    }
    Ok(text)
}

/// Runs `work` with a database of the account with keys that lives as long.
pub async fn with_database<F: Future<Output = Result<(), Failure>>>(
    name: &str,
    work: impl FnOnce(CosmosClient, DatabaseClient) -> F,
) -> Result<(), Failure> {
    let client = client_with_key().await?;
    let name = fresh(name);
    client.create_database(&name, None).await?;
    let database = client.database_client(name.clone());
    let done = work(client.clone(), client.database_client(name)).await;
    database.delete(None).await?;
    done
}

pub async fn make_container(
    database: &DatabaseClient,
    name: &str,
    partition_key: impl Into<PartitionKeyDefinition>,
    throughput: Option<u64>,
) -> Result<ContainerClient, Failure> {
    let properties = ContainerProperties::new(name.to_owned(), partition_key.into());
    let options =
        throughput.map(|value| CreateContainerOptions::default().with_throughput(ThroughputProperties::manual(value)));
    database.create_container(properties, options).await?;
    Ok(database.container_client(name.to_owned(), None).await?)
}

/// All rows of a query.
pub async fn rows(
    container: &ContainerClient,
    query: impl Into<Query>,
    scope: FeedScope,
    options: Option<QueryOptions>,
) -> azure_data_cosmos::Result<Vec<Value>> {
    container.query_items::<Value>(query, scope, options).await?.try_collect().await
}
