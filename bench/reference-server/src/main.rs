//! The reference implementation of the TaskChampion sync server, as far as it is published, to be
//! measured against.
//!
//! The server program itself is not on crates.io. The crates that decide and keep everything are:
//! `taskchampion-sync-server-core` (the protocol's rules), `taskchampion-sync-server-storage-sqlite`
//! and `taskchampion-sync-server-storage-postgres` (transactions, durability). This program uses
//! them as they come and adds the missing HTTP front, which is ours. Like the original it is made
//! with actix-web and runs a transaction on the thread that received the request. Unlike the
//! original it writes no access log, which is to the reference's advantage.
//!
//! Durability is the crates' own. PostgreSQL's has SERIALIZABLE transactions on up to ten pooled
//! connections, and needs a database with its tables (bench/harness/servers.py makes them).
//! SQLite's is WAL with `synchronous=FULL`, one connection per
//! transaction. Seen by strace: an add-version on a lone connection to the server does two fsyncs
//! of the WAL, one of its directory and one of the database, because closing the last connection
//! to a database also ends its WAL; under load, when another connection is open, it does the WAL's
//! alone.

use actix_web::error::{ErrorBadRequest, ErrorInternalServerError, ErrorNotFound};
use actix_web::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use actix_web::middleware::DefaultHeaders;
use actix_web::{web, App, Error, HttpMessage, HttpRequest, HttpResponse, HttpServer, Result};
use anyhow::{bail, Context};
use taskchampion_sync_server_core::{
    AddVersionResult, GetVersionResult, Server, ServerConfig, ServerError, SnapshotUrgency,
    NIL_VERSION_ID,
};
use taskchampion_sync_server_storage_postgres::PostgresStorage;
use taskchampion_sync_server_storage_sqlite::SqliteStorage;
use uuid::Uuid;

const SEGMENT_TYPE: &str = "application/vnd.taskchampion.history-segment";
const SNAPSHOT_TYPE: &str = "application/vnd.taskchampion.snapshot";
const BODY_BYTES_MAX: usize = 100 * 1024 * 1024; // what the reference server takes

fn internal_error(error: impl std::fmt::Display) -> Error {
    eprintln!("error: {error:#}");
    ErrorInternalServerError("the server failed; its log says why")
}

fn server_error(error: ServerError) -> Error {
    match error {
        ServerError::NoSuchClient => ErrorNotFound("no such client"),
        ServerError::Other(error) => internal_error(error),
    }
}

fn client_id(request: &HttpRequest) -> Result<Uuid> {
    let header = request.headers().get("X-Client-Id");
    header
        .and_then(|value| value.to_str().ok())
        .and_then(|text| Uuid::parse_str(text).ok())
        .ok_or_else(|| ErrorBadRequest("X-Client-Id is missing or is not a UUID"))
}

fn check_body(request: &HttpRequest, body: &[u8], content_type: &str) -> Result<()> {
    if request.content_type() != content_type {
        return Err(ErrorBadRequest("the content type is not the endpoint's"));
    }
    if body.is_empty() {
        return Err(ErrorBadRequest("the body is empty"));
    }
    Ok(())
}

/// The first add-version of a client creates it. Two may arrive at once, so the transaction looks
/// again whether the client exists.
async fn create_client(server: &Server, client_id: Uuid) -> Result<()> {
    let mut transaction = server.txn(client_id).await.map_err(server_error)?;
    if transaction.get_client().await.map_err(internal_error)?.is_none() {
        transaction.new_client(NIL_VERSION_ID).await.map_err(internal_error)?;
        transaction.commit().await.map_err(internal_error)?;
    }
    Ok(())
}

async fn add_version(
    server: web::Data<Server>,
    request: HttpRequest,
    parent: web::Path<Uuid>,
    body: web::Bytes,
) -> Result<HttpResponse> {
    let client_id = client_id(&request)?;
    check_body(&request, &body, SEGMENT_TYPE)?;
    let mut result = server.add_version(client_id, *parent, body.to_vec()).await;
    if let Err(ServerError::NoSuchClient) = result {
        create_client(&server, client_id).await?;
        result = server.add_version(client_id, *parent, body.to_vec()).await;
    }
    let (result, urgency) = result.map_err(server_error)?;
    Ok(match result {
        AddVersionResult::Ok(version) => {
            let mut answer = HttpResponse::Ok();
            answer.insert_header(("X-Version-Id", version.to_string()));
            match urgency {
                SnapshotUrgency::None => {}
                SnapshotUrgency::Low => {
                    answer.insert_header(("X-Snapshot-Request", "urgency=low"));
                }
                SnapshotUrgency::High => {
                    answer.insert_header(("X-Snapshot-Request", "urgency=high"));
                }
            }
            answer.finish()
        }
        AddVersionResult::ExpectedParentVersion(latest) => HttpResponse::Conflict()
            .insert_header(("X-Parent-Version-Id", latest.to_string()))
            .finish(),
    })
}

async fn get_child_version(
    server: web::Data<Server>,
    request: HttpRequest,
    parent: web::Path<Uuid>,
) -> Result<HttpResponse> {
    let client_id = client_id(&request)?;
    let result = server.get_child_version(client_id, *parent).await.map_err(server_error)?;
    Ok(match result {
        GetVersionResult::NotFound => HttpResponse::NotFound().body("no such version"),
        GetVersionResult::Gone => HttpResponse::Gone().body("the version has been deleted"),
        GetVersionResult::Success { version_id, parent_version_id, history_segment } => {
            HttpResponse::Ok()
                .insert_header((CONTENT_TYPE, SEGMENT_TYPE))
                .insert_header(("X-Version-Id", version_id.to_string()))
                .insert_header(("X-Parent-Version-Id", parent_version_id.to_string()))
                .body(history_segment)
        }
    })
}

async fn add_snapshot(
    server: web::Data<Server>,
    request: HttpRequest,
    version: web::Path<Uuid>,
    body: web::Bytes,
) -> Result<HttpResponse> {
    let client_id = client_id(&request)?;
    check_body(&request, &body, SNAPSHOT_TYPE)?;
    server.add_snapshot(client_id, *version, body.to_vec()).await.map_err(server_error)?;
    Ok(HttpResponse::Ok().finish())
}

async fn get_snapshot(server: web::Data<Server>, request: HttpRequest) -> Result<HttpResponse> {
    let client_id = client_id(&request)?;
    let snapshot = server.get_snapshot(client_id).await.map_err(server_error)?;
    Ok(match snapshot {
        None => HttpResponse::NotFound().body("no snapshot"),
        Some((version, data)) => HttpResponse::Ok()
            .insert_header((CONTENT_TYPE, SNAPSHOT_TYPE))
            .insert_header(("X-Version-Id", version.to_string()))
            .body(data),
    })
}

/// Where the data is kept.
enum Place {
    DataDir(String),
    Postgres(String),
}

/// Reads `--listen ADDRESS:PORT` and one of `--data-dir DIRECTORY` and `--postgres CONNECTION-STRING`.
fn parse_arguments() -> anyhow::Result<(String, Place)> {
    let (mut listen, mut place) = (None, None);
    let mut arguments = std::env::args().skip(1);
    while let Some(flag) = arguments.next() {
        let value = arguments.next().with_context(|| format!("{flag} needs a value"))?;
        match flag.as_str() {
            "--listen" => listen = Some(value),
            "--data-dir" => place = Some(Place::DataDir(value)),
            "--postgres" => place = Some(Place::Postgres(value)),
            _ => bail!("unknown flag {flag}; there are --listen ADDRESS:PORT, --data-dir DIR and --postgres URL"),
        }
    }
    Ok((
        listen.context("--listen ADDRESS:PORT is missing")?,
        place.context("--data-dir DIR or --postgres URL is missing")?,
    ))
}

#[actix_web::main]
async fn main() -> anyhow::Result<()> {
    let (listen, place) = parse_arguments()?;
    let configuration = ServerConfig::default();
    let server = web::Data::new(match place {
        Place::DataDir(directory) => Server::new(configuration, SqliteStorage::new(&directory)?),
        Place::Postgres(url) => Server::new(configuration, PostgresStorage::new(url).await?),
    });
    let listening = HttpServer::new(move || {
        App::new()
            .app_data(server.clone())
            .app_data(web::PayloadConfig::new(BODY_BYTES_MAX))
            .wrap(DefaultHeaders::new().add((CACHE_CONTROL, "no-store, max-age=0")))
            .route("/", web::get().to(|| async { "TaskChampion reference crates 0.7.1" }))
            .route("/v1/client/add-version/{parent}", web::post().to(add_version))
            .route("/v1/client/get-child-version/{parent}", web::get().to(get_child_version))
            .route("/v1/client/add-snapshot/{version}", web::post().to(add_snapshot))
            .route("/v1/client/snapshot", web::get().to(get_snapshot))
    })
    .bind(&listen)
    .with_context(|| format!("cannot listen on {listen}"))?;
    println!("listening on http://{}", listening.addrs()[0]);
    listening.run().await.context("the server failed")
}
