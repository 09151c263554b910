//! Databases, containers and throughput with an account key: the SDK's feature `control_plane`.
use azure_data_cosmos::models::{
    ContainerProperties, IndexingPolicy, ThroughputProperties, UniqueKey, UniqueKeyPolicy,
};
use azure_data_cosmos::options::CreateContainerOptions;
use azure_data_cosmos::{CosmosClient, DatabaseClient, FeedScope, ResourceId};
use futures::TryStreamExt;
use serde_json::json;

use crate::check;
use crate::ground::{make_container, refused, rows, with_database, Failure, Outcome, Report};

pub async fn run(report: &mut Report) -> Result<(), Failure> {
    with_database("management", |client, database| async move {
        report.test("databases", databases(&client, &database)).await;
        report.test("containers", containers(&database)).await;
        report.test("a container that was made anew", made_anew(&database)).await;
        report.test("databases and containers by resource id", by_rid(&client, &database)).await;
        report.test("manual throughput", manual(&database)).await;
        report.test("autoscale", autoscale(&database)).await;
        Ok(())
    })
    .await
}

async fn databases(client: &CosmosClient, database: &DatabaseClient) -> Outcome {
    let name = database.name().ok_or("a name")?;
    let read = database.read(None).await?.into_model()?;
    check!(read.id.as_deref() == Some(name), read);
    refused(client.create_database(name, None).await, 409, 0)?;
    let text = format!("SELECT * FROM r WHERE r.id = '{name}'");
    let found: Vec<_> = client.query_databases(text, None).await?.try_collect().await?;
    check!(found.len() == 1, found.len());
    check!(database.read_throughput(None).await?.is_none(), "no throughput of its own");
    refused(client.database_client("nowhere").read(None).await, 404, 0)?;
    refused(client.database_client("nowhere").delete(None).await, 404, 0)?;
    Ok(())
}

async fn containers(database: &DatabaseClient) -> Outcome {
    let properties = ContainerProperties::new("whole", "/pk".into())
        .with_default_ttl(1000u32)
        .with_unique_key_policy(UniqueKeyPolicy::default().with_unique_key(UniqueKey::default().with_path("/email")))
        .with_indexing_policy(IndexingPolicy::default());
    let created = database.create_container(properties.clone(), None).await?.into_model()?;
    check!(created.id == "whole" && created.system_properties.resource_id.is_some(), created);
    refused(database.create_container(properties, None).await, 409, 0)?;
    let own = database.container_client("whole", None).await?;
    own.create_item("p", "1", json!({ "id": "1", "pk": "p", "email": "a@example.com" }), None).await?;
    let twin = json!({ "id": "2", "pk": "p", "email": "a@example.com" });
    refused(own.create_item("p", "2", twin, None).await, 409, 0)?;
    let mut read = own.read(None).await?.into_model()?;
    read.default_ttl = 50.into();
    let replaced = own.replace(read, None).await?.into_model()?;
    check!(replaced.default_ttl == 50.into(), replaced);
    let moved = ContainerProperties::new("whole", "/another".into());
    refused(own.replace(moved, None).await, 400, 0)?;
    let listed: Vec<_> = database.query_containers("SELECT * FROM r", None).await?.try_collect().await?;
    check!(listed.len() == 1, listed.len());
    own.delete(None).await?;
    refused(own.read(None).await, 404, 0)?;
    Ok(())
}

/// A client that knew the old one goes on: the SDK asks for the new one's id when it is told of the difference.
async fn made_anew(database: &DatabaseClient) -> Outcome {
    let old = make_container(database, "phoenix", "/pk", None).await?;
    old.create_item("p", "1", json!({ "id": "1", "pk": "p" }), None).await?;
    let again = make_container_again(database, "phoenix").await?;
    again.create_item("p", "2", json!({ "id": "2", "pk": "p" }), None).await?;
    refused(old.read_item("p", "1", None).await, 404, 0)?;
    old.read_item("p", "2", None).await?;
    Ok(())
}

async fn make_container_again(
    database: &DatabaseClient,
    name: &'static str,
) -> Result<azure_data_cosmos::ContainerClient, Failure> {
    database.container_client(name, None).await?.delete(None).await?;
    make_container(database, name, "/pk", None).await
}

async fn manual(database: &DatabaseClient) -> Outcome {
    let own = make_container(database, "manual", "/pk", Some(500)).await?;
    let read = own.read_throughput(None).await?.ok_or("a throughput")?;
    check!(read.throughput() == Some(500), read);
    let replaced = own.begin_replace_throughput(ThroughputProperties::manual(700), None).await?.await?.into_model()?;
    check!(replaced.throughput() == Some(700), replaced);
    let odd = own.begin_replace_throughput(ThroughputProperties::manual(750), None).await;
    refused(odd.map(|_| ()), 400, 0)?;
    Ok(())
}

async fn autoscale(database: &DatabaseClient) -> Outcome {
    let options = CreateContainerOptions::default().with_throughput(ThroughputProperties::autoscale(4000, Some(10)));
    database.create_container(ContainerProperties::new("auto", "/pk".into()), Some(options)).await?;
    let own = database.container_client("auto", None).await?;
    let read = own.read_throughput(None).await?.ok_or("a throughput")?;
    check!(read.autoscale_maximum() == Some(4000), read);
    let wider = ThroughputProperties::autoscale(6000, None);
    let replaced = own.begin_replace_throughput(wider, None).await?.await?.into_model()?;
    check!(replaced.autoscale_maximum() == Some(6000), replaced);
    Ok(())
}

async fn by_rid(client: &CosmosClient, database: &DatabaseClient) -> Outcome {
    let own = make_container(database, "by-rid", "/pk", None).await?;
    own.create_item("p", "1", json!({ "id": "1", "pk": "p" }), None).await?;
    let rid = |found: Option<String>| found.map(ResourceId::from).ok_or("a resource id");
    let database_rid = rid(database.read(None).await?.into_model()?.system_properties.resource_id)?;
    let container_rid = rid(own.read(None).await?.into_model()?.system_properties.resource_id)?;
    let same = client.database_client(database_rid).container_client(container_rid, None).await?;
    let read = same.read(None).await?.into_model()?;
    check!(read.id == "by-rid", read);
    // The SDK's own rule: what is below must be addressed the same way, and items are addressed by name.
    refused(same.read_item("p", "1", None).await, 400, 20121)?;
    let found = rows(&same, "SELECT VALUE c.id FROM c", FeedScope::partition("p"), None).await?;
    check!(found == ["1"], found);
    refused(client.database_client(ResourceId::from("AAAAAA==")).read(None).await, 404, 0)?;
    Ok(())
}
