//! Partition keys of each kind: of one path with every type of value, and hierarchical ones.
use azure_data_cosmos::models::{PartitionKeyDefinition, PartitionKeyVersion};
use azure_data_cosmos::{ContainerClient, FeedScope, PartitionKey};
use serde_json::{json, Value};

use crate::check;
use crate::ground::{make_container, refused, rows, with_database, Failure, Outcome, Report};

pub async fn run(report: &mut Report) -> Result<(), Failure> {
    with_database("keys", |_, database| async move {
        for version in [PartitionKeyVersion::V1, PartitionKeyVersion::V2] {
            let definition = PartitionKeyDefinition::from("/pk").with_version(version);
            // Several physical partitions: the SDK hashes the key itself to find the right one.
            let own = &make_container(&database, &format!("v{version:?}"), definition, Some(40_000)).await?;
            report.test(&format!("a key of every type, {version:?}"), every_type(own)).await;
        }
        let nested = &make_container(&database, "nested", "/a/b", None).await?;
        report.test("a key inside an object", inside(nested)).await;
        let tenants = &make_container(&database, "tenants", ("/tenant", "/user", "/session"), Some(40_000)).await?;
        report.test("a key of three levels", three_levels(tenants)).await;
        Ok(())
    })
    .await
}

async fn every_type(own: &ContainerClient) -> Outcome {
    let long = "k".repeat(150);
    let given: Vec<(PartitionKey, Option<Value>)> = vec![
        ("a text".into(), Some(json!("a text"))),
        ("".into(), Some(json!(""))),
        ("ü🦀\"\\".into(), Some(json!("ü🦀\"\\"))),
        (long.clone().into(), Some(json!(long))),
        (7.into(), Some(json!(7))),
        ((-3).into(), Some(json!(-3))),
        (0.5f64.try_into()?, Some(json!(0.5))),
        (1e21f64.try_into()?, Some(json!(1e21))),
        (true.into(), Some(json!(true))),
        (false.into(), Some(json!(false))),
        (PartitionKey::NULL.into(), Some(Value::Null)),
        (PartitionKey::UNDEFINED.into(), None),
    ];
    for (n, (key, value)) in given.into_iter().enumerate() {
        let id = n.to_string();
        let mut row = json!({ "id": id, "n": n });
        if let Some(value) = value {
            row["pk"] = value;
        }
        own.create_item(key.clone(), &id, &row, None).await?;
        let read: Value = own.read_item(key.clone(), &id, None).await?.into_model()?;
        check!(read["n"] == n, key, read);
        let found = rows(own, "SELECT VALUE c.n FROM c", FeedScope::partition(key.clone()), None).await?;
        check!(found == [n], key, found);
        own.delete_item(key, &id, None).await?;
    }
    refused(own.create_item("one", "wrong", json!({ "id": "wrong", "pk": "another" }), None).await, 400, 1001)?;
    Ok(())
}

async fn inside(nested: &ContainerClient) -> Outcome {
    nested.create_item("x", "1", json!({ "id": "1", "a": { "b": "x" } }), None).await?;
    let read: Value = nested.read_item("x", "1", None).await?.into_model()?;
    check!(read["a"]["b"] == "x", read);
    refused(nested.read_item("y", "1", None).await, 404, 0)?;
    Ok(())
}

async fn three_levels(tenants: &ContainerClient) -> Outcome {
    for (tenant, user, session) in [("t1", "u1", 1), ("t1", "u1", 2), ("t1", "u2", 1), ("t2", "u1", 1)] {
        let id = format!("{tenant}-{user}-{session}");
        let row = json!({ "id": id, "tenant": tenant, "user": user, "session": session });
        tenants.create_item((tenant, user, session), &id, row, None).await?;
    }
    let read: Value = tenants.read_item(("t1", "u1", 2), "t1-u1-2", None).await?.into_model()?;
    check!(read["session"] == 2, read);
    refused(tenants.read_item(("t1", "u2", 2), "t1-u1-2", None).await, 404, 0)?;
    for (scope, count) in [
        (FeedScope::partition(("t1", "u1", 1)), 1),
        (FeedScope::partition(("t1", "u1")), 2),
        (FeedScope::partition("t1"), 3),
        (FeedScope::partition("t3"), 0),
        (FeedScope::full_container(), 4),
    ] {
        let found = rows(tenants, "SELECT VALUE c.id FROM c", scope, None).await?;
        check!(found.len() == count, count, found);
    }
    let ranges = tenants.feed_range_from_partition_key("t1", None).await?;
    check!(!ranges.is_empty(), ranges);
    tenants.delete_item(("t1", "u2", 1), "t1-u2-1", None).await?;
    let left = rows(tenants, "SELECT VALUE c.id FROM c", FeedScope::partition("t1"), None).await?;
    check!(left.len() == 2, left);
    Ok(())
}
