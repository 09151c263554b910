//! Items: written, read, replaced under conditions, patched, deleted, and in batches.
use azure_core::http::Etag;
use azure_data_cosmos::models::{PatchInstructions, PatchOperation};
use azure_data_cosmos::options::{
    BatchReplaceOptions, ContentResponseOnWrite, ItemReadOptions, ItemWriteOptions, OperationOptions,
    OperationOptionsBuilder, PatchItemOptions, PatchStrategy, Precondition,
};
use azure_data_cosmos::{ContainerClient, TransactionalBatch};
use serde_json::{json, Value};

use crate::check;
use crate::ground::{fresh, item, orders_as, refused, Failure, Outcome, Report, PK};

pub async fn run(report: &mut Report) -> Result<(), Failure> {
    let orders = &orders_as("worker").await?;
    report.test("an item is created, read, replaced and deleted", life(orders)).await;
    report.test("an item keeps every kind of value", values(orders)).await;
    report.test("etags decide about writes", conditional_writes(orders)).await;
    report.test("etags decide about reads", conditional_reads(orders)).await;
    report.test("a patch at the server", patch(orders, PatchStrategy::ServerSide)).await;
    report.test("a patch that the SDK makes of a read and a write", patch(orders, PatchStrategy::ClientSide)).await;
    report.test("a batch does all or nothing", batch(orders)).await;
    report.test("what is not there is not found", missing(orders)).await;
    report.test("ids of every kind", ids(orders)).await;
    report.test("items as long as they may be, and longer", long(orders)).await;
    report.test("many at once", at_once(orders)).await;
    Ok(())
}

fn with_body() -> OperationOptions {
    OperationOptionsBuilder::new().with_content_response_on_write(ContentResponseOnWrite::Enabled).build()
}

async fn life(orders: &ContainerClient) -> Outcome {
    let id = fresh("life");
    let created = orders.create_item(PK, &id, item(&id, 1), None).await?;
    check!(u16::from(created.status().status_code()) == 201, created.status());
    check!(created.headers().request_charge().is_some(), created.headers());
    check!(created.into_body().is_empty(), "a write answers without a body by default");
    refused(orders.create_item(PK, &id, item(&id, 1), None).await, 409, 0)?;
    let read: Value = orders.read_item(PK, &id, None).await?.into_model()?;
    check!(read["n"] == 1 && read["_etag"].is_string(), read);
    let options = ItemWriteOptions::default().with_operation_options(with_body());
    let replaced: Value = orders.replace_item(PK, &id, item(&id, 2), Some(options)).await?.into_model()?;
    check!(replaced["n"] == 2 && replaced["_rid"] == read["_rid"], replaced);
    let upserted = orders.upsert_item(PK, &id, item(&id, 3), None).await?;
    check!(u16::from(upserted.status().status_code()) == 200, upserted.status());
    orders.delete_item(PK, &id, None).await?;
    refused(orders.read_item(PK, &id, None).await, 404, 0)?;
    Ok(())
}

async fn values(orders: &ContainerClient) -> Outcome {
    let id = fresh("values");
    let mut given = item(&id, i64::from(u32::MAX));
    given["whole"] = json!([0, 31, 32, -1, 9007199254740991i64, 9007199254740993i64, i64::MIN]);
    given["broken"] = json!([0.5, -1.25e-7, 1e300]);
    given["others"] = json!([null, true, false, "", "é🦀\"\\\n", {}, [], { "": { "ü": [1] } }]);
    given["long"] = json!(["x".repeat(64), "y".repeat(300), "z".repeat(70_000)]);
    orders.upsert_item(PK, &id, &given, None).await?;
    let found: Value = orders.read_item(PK, &id, None).await?.into_model()?;
    for name in ["n", "whole", "broken", "others", "long"] {
        check!(found[name] == given[name], name, &found[name]);
    }
    Ok(())
}

async fn conditional_writes(orders: &ContainerClient) -> Outcome {
    let id = fresh("etag");
    let first = orders.create_item(PK, &id, item(&id, 1), None).await?;
    let etag = first.headers().etag().ok_or("an etag")?.clone();
    let only_if = || Some(ItemWriteOptions::default().with_precondition(Precondition::IfMatch(etag.clone())));
    orders.replace_item(PK, &id, item(&id, 2), only_if()).await?;
    refused(orders.replace_item(PK, &id, item(&id, 3), only_if()).await, 412, 0)?;
    refused(orders.upsert_item(PK, &id, item(&id, 3), only_if()).await, 412, 0)?;
    refused(orders.delete_item(PK, &id, only_if()).await, 412, 0)?;
    Ok(())
}

async fn conditional_reads(orders: &ContainerClient) -> Outcome {
    let id = fresh("unchanged");
    let written = orders.create_item(PK, &id, item(&id, 1), None).await?;
    let etag = written.headers().etag().ok_or("an etag")?.clone();
    let unless = |etag: Etag| Some(ItemReadOptions::default().with_precondition(Precondition::IfNoneMatch(etag)));
    let unchanged = orders.read_item(PK, &id, unless(etag)).await;
    let status = match &unchanged {
        Ok(response) => response.status(),
        Err(error) => error.status(),
    };
    check!(u16::from(status.status_code()) == 304, status);
    let changed: Value = orders.read_item(PK, &id, unless("\"another\"".into())).await?.into_model()?;
    check!(changed["n"] == 1, changed);
    Ok(())
}

async fn patch(orders: &ContainerClient, strategy: PatchStrategy) -> Outcome {
    let id = fresh(&format!("patch-{strategy:?}").to_lowercase());
    orders.create_item(PK, &id, item(&id, 1), None).await?;
    let options = || Some(PatchItemOptions::default().with_strategy(strategy));
    let steps = PatchInstructions::from(vec![
        PatchOperation::set("/color", json!("red")),
        PatchOperation::replace("/n", json!(5)),
        PatchOperation::add("/list", json!([1, 2])),
    ]);
    let patched: Value = orders.patch_item(PK, &id, steps, options()).await?.into_model()?;
    check!(patched["color"] == "red" && patched["n"] == 5 && patched["list"] == json!([1, 2]), patched);
    let absent = PatchInstructions::from(vec![PatchOperation::replace("/absent", json!(1))]);
    refused(orders.patch_item(PK, &id, absent, options()).await, 400, 0)?;
    Ok(())
}

async fn batch(orders: &ContainerClient) -> Outcome {
    let (one, two) = (fresh("batch-1"), fresh("batch-2"));
    let work = TransactionalBatch::new(PK)
        .create_item(item(&one, 1))?
        .upsert_item(item(&two, 2), None)?
        .replace_item(one.clone(), item(&one, 3), None)?
        .read_item(two.clone(), None)
        .delete_item(two.clone(), None);
    let done = orders.execute_transactional_batch(work, None).await?.into_model()?;
    let codes: Vec<u16> = done.results().iter().map(|result| result.status_code()).collect();
    check!(codes == [201, 201, 200, 200, 204], codes);
    let stale = BatchReplaceOptions::default().with_precondition(Precondition::IfMatch("\"stale\"".into()));
    let failing = TransactionalBatch::new(PK).upsert_item(item(&two, 1), None)?.replace_item(
        one.clone(),
        item(&one, 4),
        Some(stale),
    )?;
    let failed = orders.execute_transactional_batch(failing, None).await?.into_model()?;
    let codes: Vec<u16> = failed.results().iter().map(|result| result.status_code()).collect();
    check!(codes == [424, 412], codes);
    refused(orders.read_item(PK, &two, None).await, 404, 0)?;
    Ok(())
}

async fn missing(orders: &ContainerClient) -> Outcome {
    let id = fresh("missing");
    refused(orders.read_item(PK, &id, None).await, 404, 0)?;
    refused(orders.replace_item(PK, &id, item(&id, 1), None).await, 404, 0)?;
    refused(orders.delete_item(PK, &id, None).await, 404, 0)?;
    refused(orders.create_item("another-partition", &id, item(&id, 1), None).await, 400, 1001)?;
    Ok(())
}

async fn ids(orders: &ContainerClient) -> Outcome {
    // Not "..": the SDK's URLs lose it, and what it asks for is the container.
    for id in ["a b", "ü🦀", "a%2Fb", "a+b&c=d", "\"'<>", "a;b,c|d^e`f{g}", "...", "~"] {
        orders.upsert_item(PK, id, item(id, 1), None).await?;
        let read: Value = orders.read_item(PK, id, None).await?.into_model()?;
        check!(read["id"] == id, id, read);
        orders.delete_item(PK, id, None).await?;
        refused(orders.read_item(PK, id, None).await, 404, 0)?;
    }
    Ok(())
}

async fn long(orders: &ContainerClient) -> Outcome {
    let (id, mut given) = (fresh("long"), item("", 1));
    given["id"] = json!(id);
    given["text"] = json!("é".repeat(900_000));
    orders.upsert_item(PK, &id, &given, None).await?;
    let read: Value = orders.read_item(PK, &id, None).await?.into_model()?;
    check!(read["text"] == given["text"], "1.8 MB come back");
    given["text"] = json!("x".repeat(2_100_000));
    refused(orders.upsert_item(PK, &id, &given, None).await, 413, 0)?;
    orders.delete_item(PK, &id, None).await?;
    Ok(())
}

async fn at_once(orders: &ContainerClient) -> Outcome {
    let written = futures::future::join_all((0..200).map(|n| async move {
        let id = format!("many-{n}");
        orders.upsert_item(PK, &id, item(&id, n), None).await?;
        let read: Value = orders.read_item(PK, &id, None).await?.into_model()?;
        azure_data_cosmos::Result::Ok(read["n"] == n)
    }))
    .await;
    for (n, held) in written.into_iter().enumerate() {
        check!(held?, n);
    }
    Ok(())
}
