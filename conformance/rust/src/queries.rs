//! Queries: in one partition and across them, planned by the SDK and by the service, page by page.
use std::num::NonZeroU32;

use azure_data_cosmos::feed::ContinuationToken;
use azure_data_cosmos::models::ThroughputProperties;
use azure_data_cosmos::options::{MaxItemCountHint, QueryOptions, QueryPlanMode, ReadFeedRangesOptions};
use azure_data_cosmos::{ContainerClient, FeedScope, Query};
use futures::StreamExt;
use serde_json::{json, Value};

use crate::check;
use crate::ground::{item, make_container, orders_as, refused, rows, with_database, Failure, Outcome, Report, PK};

pub async fn run(report: &mut Report) -> Result<(), Failure> {
    let orders = &orders_as("worker").await?;
    for n in 0..9 {
        let id = format!("query-{n}");
        orders.upsert_item(PK, &id, item(&id, n), None).await?;
    }
    report.test("a query with parameters in one partition", parameters(orders)).await;
    report.test("aggregates in one partition", aggregates(orders)).await;
    report.test("what is no query is refused", mistakes(orders)).await;
    report.test("metrics of a query", metrics(orders)).await;
    report.test("pages, and going on from a token", pages(orders, FeedScope::partition(PK))).await;
    with_database("queries", |_, database| async move {
        // 40,000 RU/s: several physical partitions.
        let spread = &make_container(&database, "spread", "/pk", Some(40_000)).await?;
        for n in 0..60 {
            let row = json!({ "id": format!("query-{n}"), "pk": format!("p{}", n % 20), "n": n, "half": n / 2 });
            let (pk, id) = (format!("p{}", n % 20), format!("query-{n}"));
            spread.create_item(pk, &id, row, None).await?;
        }
        for mode in [QueryPlanMode::LocalPreferred, QueryPlanMode::GatewayOnly] {
            report.test(&format!("across partitions, planned {mode:?}"), across(spread, mode)).await;
        }
        report.test("pages across partitions", pages(spread, FeedScope::full_container())).await;
        report.test("the query of one feed range", ranges(spread)).await;
        report.test("on over a split", split(spread)).await;
        Ok(())
    })
    .await
}

async fn parameters(orders: &ContainerClient) -> Outcome {
    let text = "SELECT VALUE c.n FROM c WHERE c.n >= @n AND STARTSWITH(c.id, @start) ORDER BY c.n DESC";
    let query = Query::from(text).with_parameter("@n", 5)?.with_parameter("@start", "query-")?;
    let found = rows(orders, query, FeedScope::partition(PK), None).await?;
    check!(found == [8, 7, 6, 5], found);
    let none = rows(orders, "SELECT * FROM c", FeedScope::partition("nobody"), None).await?;
    check!(none.is_empty(), none);
    Ok(())
}

async fn aggregates(orders: &ContainerClient) -> Outcome {
    let text = "SELECT COUNT(1) AS count, SUM(c.n) AS sum, MAX(c.n) AS max FROM c WHERE STARTSWITH(c.id, 'query-')";
    let found = rows(orders, text, FeedScope::partition(PK), None).await?;
    check!(found == [json!({ "count": 9, "sum": 36, "max": 8 })], found);
    Ok(())
}

async fn mistakes(orders: &ContainerClient) -> Outcome {
    for text in ["SELEC * FROM c", "SELECT * FROM c WHERE", "SELECT nothing.n FROM c"] {
        refused(rows(orders, text, FeedScope::partition(PK), None).await, 400, 0)?;
    }
    Ok(())
}

async fn across(spread: &ContainerClient, mode: QueryPlanMode) -> Outcome {
    let ask = |text: &'static str| {
        let options = QueryOptions::default().with_query_plan_mode(mode);
        rows(spread, text, FeedScope::full_container(), Some(options))
    };
    let every = ask("SELECT VALUE c.n FROM c").await?;
    check!(every.len() == 60, every.len());
    let ordered = ask("SELECT VALUE c.n FROM c WHERE c.n > 40 ORDER BY c.n DESC").await?;
    check!(ordered.len() == 19 && ordered[0] == 59 && ordered[18] == 41, ordered);
    let some = ask("SELECT VALUE c.n FROM c ORDER BY c.n OFFSET 10 LIMIT 3").await?;
    check!(some == [10, 11, 12], some);
    let top = ask("SELECT TOP 2 VALUE c.n FROM c ORDER BY c.n DESC").await?;
    check!(top == [59, 58], top);
    let distinct = ask("SELECT DISTINCT VALUE c.half FROM c ORDER BY c.half").await?;
    check!(distinct.len() == 30 && distinct[29] == 29, distinct);
    Ok(())
}

async fn pages(container: &ContainerClient, scope: FeedScope) -> Outcome {
    let text = "SELECT VALUE c.n FROM c WHERE c.n < 9 AND STARTSWITH(c.id, 'query-') ORDER BY c.n";
    let mut token: Option<ContinuationToken> = None;
    let mut found: Vec<Value> = Vec::new();
    let mut count = 0;
    loop {
        let two = MaxItemCountHint::Limit(NonZeroU32::new(2).ok_or("not zero")?);
        let mut options = QueryOptions::default().with_max_item_count(two);
        if let Some(token) = token.take() {
            // As a program would that keeps it between two requests of its own.
            options = options.with_continuation_token(ContinuationToken::from_string(token.as_str().to_owned()));
        }
        let mut pages = container.query_items::<Value>(text, scope.clone(), Some(options)).await?.into_pages();
        let Some(page) = pages.next().await else { break };
        let page = page?;
        check!(page.items().len() <= 2, page.items());
        found.extend(page.into_items());
        count += 1;
        if found.len() >= 9 || count > 20 {
            break;
        }
        token = Some(pages.to_continuation_token()?);
    }
    check!(found == [0, 1, 2, 3, 4, 5, 6, 7, 8] && count >= 5, found, count);
    Ok(())
}

async fn ranges(spread: &ContainerClient) -> Outcome {
    let ranges = spread.read_feed_ranges(None).await?;
    check!(ranges.len() > 1, ranges.len());
    let mut total = 0;
    for range in ranges {
        total += rows(spread, "SELECT c.id FROM c", FeedScope::range(range), None).await?.len();
    }
    check!(total == 60, total);
    let own = spread.feed_range_from_partition_key("p7", None).await?;
    check!(own.len() == 1, own);
    let found =
        rows(spread, "SELECT VALUE c.pk FROM c WHERE c.pk = 'p7'", FeedScope::range(own[0].clone()), None).await?;
    check!(found.len() == 3, found);
    Ok(())
}

async fn metrics(orders: &ContainerClient) -> Outcome {
    let options = QueryOptions::default().with_populate_query_metrics(true).with_populate_index_metrics(true);
    let text = "SELECT * FROM c WHERE c.n = 3";
    let mut pages = orders.query_items::<Value>(text, FeedScope::partition(PK), Some(options)).await?.into_pages();
    let page = pages.next().await.ok_or("a page")??;
    let timed = page.query_metrics().unwrap_or_default();
    check!(timed.contains("retrievedDocumentCount="), timed);
    let indexed = page.index_metrics().unwrap_or_default();
    check!(indexed.contains("/n/?"), indexed);
    Ok(())
}

/// The client knows the old ranges and learns of the new ones by 410/1002.
async fn split(spread: &ContainerClient) -> Outcome {
    let before = spread.read_feed_ranges(None).await?;
    let more = ThroughputProperties::manual(80_000);
    spread.begin_replace_throughput(more, None).await?.await?;
    let text = "SELECT VALUE c.n FROM c ORDER BY c.n";
    let found = rows(spread, text, FeedScope::full_container(), None).await?;
    check!(found == (0..60).collect::<Vec<i64>>(), found);
    let read: Value = spread.read_item("p7", "query-7", None).await?.into_model()?;
    check!(read["n"] == 7, read);
    let old = rows(spread, "SELECT c.id FROM c", FeedScope::range(before[0].clone()), None).await?;
    check!(!old.is_empty() && old.len() < 60, old.len());
    let after = spread.read_feed_ranges(Some(ReadFeedRangesOptions::default().with_force_refresh(true))).await?;
    check!(after.len() > before.len(), before.len(), after.len());
    Ok(())
}
