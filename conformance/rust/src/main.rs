//! The official Rust SDK against a running server: each chapter is a file. The last line counts. With arguments it does
//! one thing instead, as identity.rs says.
mod denials;
mod feeds;
mod ground;
mod identity;
mod items;
mod management;
mod partition_keys;
mod queries;

use ground::Report;

#[tokio::main]
async fn main() {
    let order: Vec<String> = std::env::args().skip(1).collect();
    if !order.is_empty() {
        return identity::obey(&order).await;
    }
    let mut report = Report::default();
    let chapters = [
        ("items", items::run(&mut report).await),
        ("queries", queries::run(&mut report).await),
        ("feeds", feeds::run(&mut report).await),
        ("partition keys", partition_keys::run(&mut report).await),
        ("management", management::run(&mut report).await),
        ("denials", denials::run(&mut report).await),
    ];
    for (chapter, outcome) in chapters {
        if let Err(error) = outcome {
            report.failed += 1;
            println!("not ok - {chapter} came to no end: {error}");
        }
    }
    println!("{} passed, {} failed", report.passed, report.failed);
    std::process::exit(i32::from(report.failed > 0));
}
