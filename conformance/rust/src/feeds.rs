//! Change feeds and session tokens.
use std::num::NonZeroU32;
use std::time::Duration;

use azure_data_cosmos::feed::ContinuationToken;
use azure_data_cosmos::models::{ChangeFeedOperationType, ChangeFeedPolicy, ContainerProperties};
use azure_data_cosmos::options::{
    ChangeFeedMode, ChangeFeedOptions, ChangeFeedStartFrom, ItemReadOptions, MaxItemCountHint,
};
use azure_data_cosmos::{ContainerClient, DatabaseClient, FeedScope};
use futures::StreamExt;
use serde_json::{json, Value};

use crate::check;
use crate::ground::{fresh, item, make_container, orders_as, refused, with_database, Failure, Outcome, Report, PK};

pub async fn run(report: &mut Report) -> Result<(), Failure> {
    let orders = &orders_as("worker").await?;
    report.test("the change feed of a partition", changes(orders)).await;
    report.test("all versions and deletes from the beginning are refused", versions(orders)).await;
    report.test("the change feed from now on", from_now(orders)).await;
    report.test("session tokens", sessions(orders)).await;
    with_database("feeds", |_, database| async move {
        let spread = &make_container(&database, "spread", "/pk", Some(40_000)).await?;
        report.test("the change feed of every range, resumed", resumed(spread)).await;
        report.test("all versions and deletes", all_versions(&database)).await;
        Ok(())
    })
    .await
}

fn at_most(count: u32) -> Result<ChangeFeedOptions, Failure> {
    let hint = MaxItemCountHint::Limit(NonZeroU32::new(count).ok_or("not zero")?);
    Ok(ChangeFeedOptions::default().with_max_item_count(hint))
}

async fn changes(orders: &ContainerClient) -> Outcome {
    let pk = fresh("changes");
    for (id, n) in [("a", 1), ("b", 2), ("a", 3)] {
        let row = json!({ "id": id, "partitionKey": pk, "n": n });
        orders.upsert_item(pk.clone(), id, row, None).await?;
    }
    let scope = FeedScope::partition(pk);
    let mut feed = orders.query_change_feed::<Value>(scope, ChangeFeedStartFrom::Beginning, None).await?;
    let page = feed.next().await.ok_or("a page")??;
    let found: Vec<_> = page.items().iter().filter_map(|change| change.current().map(|row| row["n"].clone())).collect();
    check!(found == [2, 3], found);
    Ok(())
}

async fn versions(orders: &ContainerClient) -> Outcome {
    let options = ChangeFeedOptions::default().with_mode(ChangeFeedMode::AllVersionsAndDeletes);
    let begun = orders
        .query_change_feed::<Value>(FeedScope::partition(PK), ChangeFeedStartFrom::Beginning, Some(options))
        .await;
    match begun {
        Err(error) => refused::<()>(Err(error), 400, 0)?,
        Ok(mut feed) => refused(feed.next().await.ok_or("an answer")?, 400, 0)?,
    };
    Ok(())
}

async fn from_now(orders: &ContainerClient) -> Outcome {
    let pk = fresh("now");
    let write = |n: i64| {
        let row = json!({ "id": "a", "partitionKey": pk, "n": n });
        orders.upsert_item(pk.clone(), "a", row, None)
    };
    write(1).await?;
    let scope = FeedScope::partition(pk.clone());
    let mut feed = orders.query_change_feed::<Value>(scope, ChangeFeedStartFrom::Now, None).await?;
    let none = feed.next().await.ok_or("a page")??;
    check!(none.items().is_empty(), none.items().len());
    write(2).await?;
    let page = feed.next().await.ok_or("a page")??;
    let found: Vec<_> = page.items().iter().filter_map(|change| change.current().map(|row| row["n"].clone())).collect();
    check!(found == [2], found);
    Ok(())
}

async fn sessions(orders: &ContainerClient) -> Outcome {
    let id = fresh("session");
    let written = orders.create_item(PK, &id, item(&id, 1), None).await?;
    let token = written.headers().session_token().ok_or("a session token")?.clone();
    let after = |token: String| Some(ItemReadOptions::default().with_session_token(token));
    let read: Value = orders.read_item(PK, &id, after(token.to_string())).await?.into_model()?;
    check!(read["n"] == 1, read);
    // The SDK tells of 404/1002 as 503/20310, after its retries.
    let (range, rest) = token.as_ref().split_once(':').ok_or("a range")?;
    let parts: Vec<&str> = rest.split('#').collect();
    let ahead = format!("{range}:{}#{}", parts[0], 1u64 << 40);
    refused(orders.read_item(PK, &id, after(ahead)).await, 503, 20310)?;
    Ok(())
}

async fn resumed(spread: &ContainerClient) -> Outcome {
    for n in 0..40 {
        let (pk, id) = (format!("p{}", n % 20), n.to_string());
        spread.create_item(pk.clone(), &id, json!({ "id": id, "pk": pk, "n": n }), None).await?;
    }
    let mut seen: Vec<i64> = Vec::new();
    let mut token: Option<ContinuationToken> = None;
    // Twice: until some were seen, and from there until all were.
    for enough in [15, 40] {
        let mut options = at_most(3)?;
        if let Some(token) = token.take() {
            // As a program would that kept it while it did not run.
            options = options.with_continuation_token(ContinuationToken::from_string(token.as_str().to_owned()));
        }
        let everything = FeedScope::full_container();
        let mut feed =
            spread.query_change_feed::<Value>(everything, ChangeFeedStartFrom::Beginning, Some(options)).await?;
        for _ in 0..60 {
            let page = feed.next().await.ok_or("a page")??;
            check!(page.items().len() <= 3, page.items().len());
            seen.extend(page.items().iter().filter_map(|change| change.current()?["n"].as_i64()));
            if seen.len() >= enough {
                break;
            }
        }
        token = Some(feed.to_continuation_token()?);
    }
    seen.sort_unstable();
    check!(seen == (0..40).collect::<Vec<i64>>(), seen);
    Ok(())
}

async fn all_versions(database: &DatabaseClient) -> Outcome {
    let policy = ChangeFeedPolicy::default().with_retention_duration(Duration::from_secs(600));
    let properties = ContainerProperties::new("versions", "/pk".into()).with_change_feed_policy(policy);
    database.create_container(properties, None).await?;
    let own = database.container_client("versions", None).await?;
    let options = ChangeFeedOptions::default().with_mode(ChangeFeedMode::AllVersionsAndDeletes);
    let scope = FeedScope::full_container();
    let mut feed = own.query_change_feed::<Value>(scope, ChangeFeedStartFrom::Now, Some(options)).await?;
    let none = feed.next().await.ok_or("a page")??;
    check!(none.items().is_empty(), none.items().len());
    let row = |n: i64| json!({ "id": "a", "pk": "p", "n": n });
    own.create_item("p", "a", row(1), None).await?;
    own.replace_item("p", "a", row(2), None).await?;
    own.delete_item("p", "a", None).await?;
    let page = feed.next().await.ok_or("a page")??;
    let kinds: Vec<_> = page.items().iter().map(|change| change.operation_type()).collect();
    let expected = [ChangeFeedOperationType::Create, ChangeFeedOperationType::Replace, ChangeFeedOperationType::Delete];
    check!(kinds == expected.map(Some), kinds);
    let current: Vec<_> = page.items().iter().map(|change| change.current().map(|row| row["n"].clone())).collect();
    check!(current[0] == Some(json!(1)) && current[1] == Some(json!(2)), current);
    Ok(())
}
