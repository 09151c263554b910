//! Who a credential makes of the program: `whoami KIND` prints one line of JSON, like the other languages' apps. The kinds
//! are this SDK's credentials, as it has no DefaultAzureCredential.
use std::sync::Arc;

use azure_core::base64;
use azure_core::credentials::TokenCredential;
use azure_identity::{
    AzureCliCredential, ClientSecretCredential, DeveloperToolsCredential, ManagedIdentityCredential,
    ManagedIdentityCredentialOptions, UserAssignedId, WorkloadIdentityCredential,
};
use serde_json::{json, Value};

use crate::ground::{client_with, item, setting, Failure, PK};

/// Carries out an order of the driver's and prints what came of it.
pub async fn obey(order: &[String]) {
    let told = match order {
        [deed, kind] if deed == "whoami" => whoami(kind).await,
        [deed] if deed == "whoami" => whoami("managed").await,
        [deed, kind, id] if deed == "keep" => keep(kind, id).await,
        _ => Err(format!("no such order: {order:?}").into()),
    };
    let line = told.unwrap_or_else(|error| json!({ "ok": false, "message": whole(error.as_ref()) }));
    println!("{line}");
}

fn whole(error: &(dyn std::error::Error + 'static)) -> String {
    let causes = std::iter::successors(Some(error), |cause| cause.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

fn credential(kind: &str) -> Result<Arc<dyn TokenCredential>, Failure> {
    let assigned = |id: Option<UserAssignedId>| {
        let options = ManagedIdentityCredentialOptions { user_assigned_id: id, ..Default::default() };
        ManagedIdentityCredential::new(Some(options))
    };
    Ok(match kind {
        // The SDK does not read the variable for managed identities: its programs hand it over.
        "managed" => assigned(Some(UserAssignedId::ClientId(setting("AZURE_CLIENT_ID"))))?,
        "object" => assigned(Some(UserAssignedId::ObjectId(setting("OBJECT_ID"))))?,
        "resource" => assigned(Some(UserAssignedId::ResourceId(setting("RESOURCE_ID"))))?,
        // A virtual machine's only identity needs no name.
        "unnamed" => assigned(None)?,
        "secret" => {
            let secret = setting("AZURE_CLIENT_SECRET").into();
            ClientSecretCredential::new(&setting("AZURE_TENANT_ID"), setting("AZURE_CLIENT_ID"), secret, None)?
        }
        "workload" => WorkloadIdentityCredential::new(None)?,
        "developer" => DeveloperToolsCredential::new(None)?,
        "az" => AzureCliCredential::new(None)?,
        _ => return Err(format!("no such credential: {kind}").into()),
    })
}

async fn whoami(kind: &str) -> Result<Value, Failure> {
    let token = credential(kind)?.get_token(&["https://cosmos.azure.com/.default"], None).await?;
    let payload = token.token.secret().split('.').nth(1).ok_or("a payload")?;
    let claims: Value = serde_json::from_slice(&base64::decode_url_safe(payload)?)?;
    Ok(json!({ "ok": true, "oid": claims["oid"] }))
}

/// Writes an item and reads it.
async fn keep(kind: &str, id: &str) -> Result<Value, Failure> {
    let database = client_with(credential(kind)?).await?.database_client("shop");
    let orders = database.container_client("orders", None).await?;
    orders.upsert_item(PK, id, item(id, 1), None).await?;
    let kept: Value = orders.read_item(PK, id, None).await?.into_model()?;
    Ok(json!({ "ok": true, "id": kept["id"] }))
}
