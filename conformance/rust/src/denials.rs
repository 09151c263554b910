//! What identities may not do, each beside what they may.
use std::sync::Arc;

use azure_core::credentials::{AccessToken, TokenCredential, TokenRequestOptions};
use azure_core::time::{Duration, OffsetDateTime};
use azure_data_cosmos::models::{ContainerProperties, PatchInstructions, PatchOperation, ThroughputProperties};
use azure_data_cosmos::options::ChangeFeedStartFrom;
use azure_data_cosmos::{ContainerClient, FeedScope, TransactionalBatch};
use futures::StreamExt;
use serde_json::{json, Value};

use crate::check;
use crate::ground::{client_with, item, managed_identity, orders_as, refused, rows, Failure, Outcome, Report, PK};

pub async fn run(report: &mut Report) -> Result<(), Failure> {
    let worker = &orders_as("worker").await?;
    worker.upsert_item(PK, "seen", item("seen", 1), None).await?;
    let reader = &orders_as("reader").await?;
    report.test("a reader reads", reads(reader)).await;
    report.test("a reader does not write", writes(reader)).await;
    report.test("a role for one container ends there", scoped()).await;
    report.test("an identity without a role gets nothing", guest()).await;
    report.test("containers and databases are not changed with a token", management(worker)).await;
    report.test("tokens of nobody's making are refused", forged()).await;
    Ok(())
}

async fn reads(reader: &ContainerClient) -> Outcome {
    let read: Value = reader.read_item(PK, "seen", None).await?.into_model()?;
    check!(read["n"] == 1, read);
    let found = rows(reader, "SELECT * FROM c WHERE c.id = 'seen'", FeedScope::partition(PK), None).await?;
    check!(found.len() == 1, found);
    let scope = FeedScope::partition(PK);
    let mut feed = reader.query_change_feed::<Value>(scope, ChangeFeedStartFrom::Beginning, None).await?;
    feed.next().await.ok_or("a page")??;
    reader.read(None).await?;
    Ok(())
}

async fn writes(reader: &ContainerClient) -> Outcome {
    let told = refused(reader.create_item(PK, "no", item("no", 1), None).await, 403, 5302)?;
    check!(told.contains("does not have required RBAC permissions"), told);
    check!(told.contains("Microsoft.DocumentDB/databaseAccounts/sqlDatabases/containers/items/create"), told);
    refused(reader.upsert_item(PK, "no", item("no", 1), None).await, 403, 5302)?;
    refused(reader.replace_item(PK, "seen", item("seen", 2), None).await, 403, 5302)?;
    refused(reader.delete_item(PK, "seen", None).await, 403, 5302)?;
    let patch = PatchInstructions::from(vec![PatchOperation::set("/n", json!(2))]);
    refused(reader.patch_item(PK, "seen", patch, None).await, 403, 5302)?;
    let batch = TransactionalBatch::new(PK).read_item("seen", None).create_item(item("no", 1))?;
    refused(reader.execute_transactional_batch(batch, None).await.map(|_| ()), 403, 5302)?;
    let read: Value = reader.read_item(PK, "seen", None).await?.into_model()?;
    check!(read["n"] == 1, read);
    Ok(())
}

async fn scoped() -> Outcome {
    let database = client_with(managed_identity("scoped")?).await?.database_client("shop");
    let orders = database.container_client("orders", None).await?;
    orders.upsert_item(PK, "scoped", item("scoped", 1), None).await?;
    // The SDK reads the container's properties first, which is denied already.
    refused(database.container_client("customers", None).await.map(|_| ()), 403, 5301)?;
    Ok(())
}

async fn guest() -> Outcome {
    let Err(error) = client_with(managed_identity("guest")?).await else {
        return Err("the account's properties were given".into());
    };
    let told = error.to_string();
    check!(told.contains("403/5301"), told);
    Ok(())
}

async fn management(worker: &ContainerClient) -> Outcome {
    let client = client_with(managed_identity("worker")?).await?;
    let database = client.database_client("shop");
    refused(client.create_database("no", None).await, 403, 5300)?;
    refused(database.delete(None).await, 403, 5300)?;
    let properties = ContainerProperties::new("no", "/pk".into());
    refused(database.create_container(properties, None).await, 403, 5300)?;
    let own = worker.read(None).await?.into_model()?;
    refused(worker.replace(own, None).await, 403, 5300)?;
    refused(worker.delete(None).await, 403, 5300)?;
    refused(worker.read_throughput(None).await.map(|_| ()), 403, 5300)?;
    let more = ThroughputProperties::manual(500);
    refused(worker.begin_replace_throughput(more, None).await.map(|_| ()), 403, 5300)?;
    Ok(())
}

/// Gives whatever text it holds as a token.
#[derive(Debug)]
struct Forged(String);

#[async_trait::async_trait]
impl TokenCredential for Forged {
    async fn get_token(&self, _: &[&str], _: Option<TokenRequestOptions<'_>>) -> azure_core::Result<AccessToken> {
        let later = OffsetDateTime::now_utc() + Duration::hours(1);
        Ok(AccessToken::new(self.0.clone(), later))
    }
}

async fn forged() -> Outcome {
    let scope = ["https://cosmos.azure.com/.default"];
    let token = managed_identity("worker")?.get_token(&scope, None).await?.token.secret().to_owned();
    let (head, _) = token.rsplit_once('.').ok_or("three parts")?;
    let another = managed_identity("worker")?.get_token(&["https://management.azure.com/.default"], None).await?;
    for bad in ["nonsense".to_owned(), format!("{head}."), format!("{head}.AAAA"), another.token.secret().to_owned()] {
        let Err(error) = client_with(Arc::new(Forged(bad))).await else {
            return Err("a forged token was taken".into());
        };
        let text = error.to_string();
        check!(text.contains("401"), text);
    }
    client_with(Arc::new(Forged(token))).await?;
    Ok(())
}
