//! Owns: hawkBit's device interface over HTTP: routes, codes, who may ask.
//! Never: keeps anything (rollout does).
//! Called by: ddi.

use super::door::Peer;
use super::fault::{How, On, word};
use super::rollout::{Action, No, Rollout, State};
use super::says::{self, ConfigData, Feedback, Mode};
use super::{Desk, download};
use axum::Router;
use axum::body::Bytes;
use axum::extract::{ConnectInfo, DefaultBodyLimit, FromRequestParts, Path};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post, put};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use sha2::Digest as _;
use std::sync::Arc;
use std::time::Duration;

/// Most bytes of what a box says.
pub const MAX_BODY: usize = 64 * 1024;
/// Most attributes of a box (hawkBit's bound).
pub const MAX_ATTRIBUTES: usize = 100;
/// Most bytes of an attribute's name, and of its value (hawkBit's bound).
pub const MAX_ATTRIBUTE: usize = 128;

/// All of it.
pub fn routes(desk: Arc<Desk>) -> Router {
    let base = "/{tenant}/controller/v1/{controller}";
    let under = |rest: &str| format!("{base}/{rest}");
    Router::new()
        .route(base, get(poll))
        .route(&under("configData"), put(config))
        .route(&under("deploymentBase/{id}"), get(deployment))
        .route(&under("deploymentBase/{id}/feedback"), post(feedback))
        .route(&under("cancelAction/{id}"), get(cancellation))
        .route(&under("cancelAction/{id}/feedback"), post(cancel_feedback))
        .route(&under("installedBase/{id}"), get(installation))
        .route(&under("softwaremodules/{module}/artifacts"), get(artifacts))
        .route(&under("softwaremodules/{module}/artifacts/{file}"), get(artifact))
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .with_state(desk)
}

/// A request before anybody looked at who asks.
struct Asked {
    desk: Arc<Desk>,
    peer: Peer,
    uri: Uri,
    headers: HeaderMap,
}

impl FromRequestParts<Arc<Desk>> for Asked {
    type Rejection = StatusCode;

    async fn from_request_parts(parts: &mut Parts, desk: &Arc<Desk>) -> Result<Self, StatusCode> {
        let ConnectInfo(peer) = parts.extensions.get::<ConnectInfo<Peer>>().cloned().ok_or(StatusCode::INTERNAL_SERVER_ERROR)?;
        Ok(Self { desk: Arc::clone(desk), peer, uri: parts.uri.clone(), headers: parts.headers.clone() })
    }
}

/// A request of the box.
struct Visit {
    desk: Arc<Desk>,
    peer: Peer,
    headers: HeaderMap,
    path: String,
    query: Option<String>,
    fault: Option<How>,
}

impl Visit {
    /// Knows the box by its certificate, and the fault that is due; else the answer.
    async fn enter(asked: Asked, on: On) -> Result<Self, Box<Response>> {
        let Asked { desk, peer, uri, headers } = asked;
        let (path, query) = (uri.path().to_owned(), uri.query().map(str::to_owned));
        let mut parts = path.split('/').skip(1);
        let (tenant, controller) = (parts.next(), parts.nth(2));
        let why = match &peer.certificate {
            None => Some("no client certificate"),
            Some(own) if !desk.is_box(own) => Some("a certificate of another role"),
            Some(_) if tenant != Some(&desk.tenant) || controller != Some(&desk.controller) => Some("another box's resource"),
            Some(_) => None,
        };
        if let Some(why) = why {
            desk.tell(json!({"event": "ddi-refused", "status": 401, "path": path, "why": why}));
            return Err(Box::new(StatusCode::UNAUTHORIZED.into_response()));
        }
        let fault = desk.fault(on);
        if let Some(how) = &fault {
            desk.tell(json!({"event": "ddi-fault", "on": word(&on), "how": word(how), "path": path}));
        }
        let answer = match fault {
            Some(How::Status { code, retry_after }) => {
                let code = StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
                let body = says::exception("hawkbit.server.error.scripted", "as ordered");
                let mut answer = (code, axum::Json(body)).into_response();
                if let Some(after) = retry_after {
                    answer.headers_mut().insert(header::RETRY_AFTER, after.into());
                }
                answer
            }
            Some(How::Hang(seconds)) => {
                tokio::time::sleep(Duration::from_secs(seconds.into())).await;
                peer.cut();
                StatusCode::SERVICE_UNAVAILABLE.into_response()
            }
            Some(How::Garbage) => ([(header::CONTENT_TYPE, HAL)], "<html>Welcome to this network</html>").into_response(),
            Some(How::Huge(size)) => ([(header::CONTENT_TYPE, HAL)], huge(size)).into_response(),
            fault => return Ok(Self { desk, peer, headers, path, query, fault }),
        };
        Err(Box::new(answer))
    }

    fn leave(self, answer: Response) -> Response {
        if self.fault == Some(How::LostAnswer) {
            self.peer.cut();
        }
        answer
    }

    /// JSON with its entity tag, or 304 if the box has it.
    fn json(self, value: &Value) -> Response {
        let text = value.to_string();
        let etag = format!("\"{}\"", &download::hex(&sha2::Sha256::digest(text.as_bytes()))[..32]);
        let known = self.headers.get(header::IF_NONE_MATCH).is_some_and(|v| v.as_bytes() == etag.as_bytes());
        let answer = if known {
            (StatusCode::NOT_MODIFIED, [(header::ETAG, etag)]).into_response()
        } else {
            ([(header::CONTENT_TYPE, HAL.to_owned()), (header::ETAG, etag)], text).into_response()
        };
        self.leave(answer)
    }

    fn no(self, no: No) -> Response {
        let (status, code, message) = match no {
            No::NotFound => {
                (StatusCode::NOT_FOUND, "hawkbit.server.error.repo.entityNotFound", "no such action of this box here")
            }
            No::Gone => (StatusCode::GONE, "hawkbit.server.error.action.gone", "this action is over"),
            No::NotCanceling => {
                (StatusCode::METHOD_NOT_ALLOWED, "hawkbit.server.error.action.notCancelable", "nobody takes this action back")
            }
            No::TooMuch => {
                (StatusCode::TOO_MANY_REQUESTS, "hawkbit.server.error.quota.tooManyEntries", "more than an action holds")
            }
        };
        self.refuse(status, code, message)
    }

    fn refuse(self, status: StatusCode, code: &str, message: &str) -> Response {
        self.desk.tell(json!({"event": "ddi-refused", "status": status.as_u16(), "path": self.path, "why": message}));
        self.leave((status, axum::Json(says::exception(code, message))).into_response())
    }

    /// What the box says, as JSON.
    fn read<T: DeserializeOwned>(&self, body: &[u8]) -> Result<T, (StatusCode, String)> {
        let kind = self.headers.get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
        if kind.split(';').next() != Some("application/json") {
            return Err((StatusCode::UNSUPPORTED_MEDIA_TYPE, format!("`{kind}`, where application/json is spoken")));
        }
        serde_json::from_slice(body).map_err(|e| (StatusCode::BAD_REQUEST, e.to_string()))
    }

    fn root(&self) -> String {
        let host = self.headers.get(header::HOST).and_then(|v| v.to_str().ok()).unwrap_or("localhost");
        format!("https://{host}/{}/controller/v1/{}", self.desk.tenant, self.desk.controller)
    }
}

const HAL: &str = "application/hal+json;charset=UTF-8";

fn huge(size: usize) -> String {
    let head = r#"{"config":{"polling":{"sleep":"00:05:00"}},"more":""#;
    format!("{head}{}\"}}", "x".repeat(size.saturating_sub(head.len() + 2)))
}

/// Tenant, box, action (or module).
type OfAction = Path<(String, String, u64)>;

async fn poll(asked: Asked) -> Response {
    let visit = match Visit::enter(asked, On::Poll).await {
        Ok(visit) => visit,
        Err(answer) => return *answer,
    };
    let mut value = visit.desk.with(|inner| says::base(&inner.rollout, &inner.sleep, &visit.root()));
    if let Some(How::Repeat(id)) = visit.fault {
        value["_links"] = json!({"deploymentBase": {"href": format!("{}/deploymentBase/{id}?c=1", visit.root())}});
    }
    let (action, link) = visit.desk.with(|inner| {
        let open = inner.rollout.open();
        let link = open.map(|a| if a.is_canceling_or_canceled() { "cancelAction" } else { "deploymentBase" });
        (open.map(|a| a.id), link)
    });
    visit.desk.tell(json!({"event": "ddi-poll", "action": action, "link": link}));
    visit.json(&value)
}

async fn config(asked: Asked, body: Bytes) -> Response {
    let visit = match Visit::enter(asked, On::Config).await {
        Ok(visit) => visit,
        Err(answer) => return *answer,
    };
    let said: ConfigData = match visit.read(&body) {
        Ok(said) => said,
        Err((status, why)) => return visit.refuse(status, NOT_READABLE, &why),
    };
    let fits = said.data.iter().all(|(k, v)| !k.is_empty() && k.len() <= MAX_ATTRIBUTE && v.len() <= MAX_ATTRIBUTE);
    if said.data.is_empty() || !fits {
        return visit.refuse(StatusCode::BAD_REQUEST, "hawkbit.server.error.repo.invalidTargetAttributes", "attributes");
    }
    let taken = visit.desk.change(|rollout| learn(rollout, said));
    match taken {
        Ok(Some(data)) => {
            visit.desk.tell(json!({"event": "ddi-config", "data": data}));
            visit.leave(StatusCode::OK.into_response())
        }
        Ok(None) => visit.no(No::TooMuch),
        Err(why) => visit.refuse(StatusCode::INTERNAL_SERVER_ERROR, "hawkbit.server.error.unknown", &why),
    }
}

const NOT_READABLE: &str = "hawkbit.server.error.rest.body.notReadable";

fn learn(rollout: &mut Rollout, said: ConfigData) -> Option<Value> {
    let mut attributes = rollout.attributes.clone();
    match said.mode.unwrap_or(Mode::Merge) {
        Mode::Merge => attributes.extend(said.data),
        Mode::Replace => attributes = said.data,
        Mode::Remove => attributes.retain(|name, _| !said.data.contains_key(name)),
    }
    if attributes.len() > MAX_ATTRIBUTES {
        return None;
    }
    (rollout.attributes, rollout.has_attributes) = (attributes, true);
    Some(json!(rollout.attributes))
}

async fn deployment(asked: Asked, Path((_, _, id)): OfAction) -> Response {
    let visit = match Visit::enter(asked, On::Deployment).await {
        Ok(visit) => visit,
        Err(answer) => return *answer,
    };
    let (root, history) = (visit.root(), history(visit.query.as_deref()));
    let read = visit.desk.change(|rollout| rollout.deployment(id).map(|action| says::deployment(action, &root, history)));
    match read {
        Ok(Ok(mut value)) => {
            spoil(&mut value["deployment"]["chunks"][0]["artifacts"][0], visit.fault.as_ref());
            visit.desk.tell(json!({"event": "ddi-deployment", "action": id}));
            visit.json(&value)
        }
        Ok(Err(no)) => visit.no(no),
        Err(why) => visit.refuse(StatusCode::INTERNAL_SERVER_ERROR, "hawkbit.server.error.unknown", &why),
    }
}

/// `actionHistory`, of which less than zero is all.
fn history(query: Option<&str>) -> i64 {
    let pairs = query.unwrap_or_default().split('&').filter_map(|pair| pair.split_once('='));
    pairs.filter(|(name, _)| *name == "actionHistory").find_map(|(_, n)| n.parse().ok()).unwrap_or(0)
}

/// What is said of the bundle, made wrong.
fn spoil(artifact: &mut Value, fault: Option<&How>) {
    match fault {
        Some(How::HashWrong) => {
            artifact["hashes"] = json!({"sha1": "0".repeat(40), "md5": "0".repeat(32), "sha256": "0".repeat(64)});
        }
        Some(How::SizeWrong(more)) => {
            let size = artifact["size"].as_u64().unwrap_or(0);
            artifact["size"] = json!(size.saturating_add_signed(*more));
        }
        Some(How::Link(to)) => artifact["_links"]["download"]["href"] = json!(to),
        _ => {}
    }
}

async fn feedback(asked: Asked, path: OfAction, body: Bytes) -> Response {
    said(asked, path, &body, On::Feedback).await
}

async fn cancel_feedback(asked: Asked, path: OfAction, body: Bytes) -> Response {
    said(asked, path, &body, On::CancelFeedback).await
}

async fn said(asked: Asked, Path((_, _, id)): OfAction, body: &[u8], on: On) -> Response {
    let visit = match Visit::enter(asked, on).await {
        Ok(visit) => visit,
        Err(answer) => return *answer,
    };
    let feedback: Feedback = match visit.read(body) {
        Ok(feedback) => feedback,
        Err((status, why)) => return visit.refuse(status, NOT_READABLE, &why),
    };
    let of_cancel = on == On::CancelFeedback;
    let taken = visit.desk.change(|rollout| {
        let said = feedback.clone();
        if of_cancel { rollout.cancel_feedback(id, said) } else { rollout.feedback(id, said) }
    });
    let version = visit.desk.with(|inner| inner.rollout.action(id).map(|a| a.version.clone()));
    let event = |status: u16, state: Option<State>| {
        let s = &feedback.status;
        json!({"event": "ddi-feedback", "action": id, "version": version, "of": if of_cancel { "cancel" } else { "deployment" },
            "execution": word(&s.execution), "finished": word(&s.result.finished), "progress": s.result.progress, "code": s.code,
            "details": s.details, "timestamp": feedback.timestamp, "status": status, "state": state.map(State::word)})
    };
    match taken {
        Ok(Ok(state)) => {
            visit.desk.tell(event(200, Some(state)));
            visit.leave(StatusCode::OK.into_response())
        }
        Ok(Err(no)) => {
            let answer = visit.desk.clone();
            let response = visit.no(no);
            answer.tell(event(response.status().as_u16(), None));
            response
        }
        Err(why) => visit.refuse(StatusCode::INTERNAL_SERVER_ERROR, "hawkbit.server.error.unknown", &why),
    }
}

async fn cancellation(asked: Asked, Path((_, _, id)): OfAction) -> Response {
    let visit = match Visit::enter(asked, On::Cancel).await {
        Ok(visit) => visit,
        Err(answer) => return *answer,
    };
    let read = visit.desk.with(|inner| inner.rollout.cancellation(id).map(says::cancellation));
    match read {
        Ok(mut value) => {
            if let Some(How::Stop(other)) = visit.fault {
                value["cancelAction"]["stopId"] = json!(other.to_string());
            }
            visit.desk.tell(json!({"event": "ddi-cancel-read", "action": id}));
            visit.json(&value)
        }
        Err(no) => visit.no(no),
    }
}

async fn installation(asked: Asked, Path((_, _, id)): OfAction) -> Response {
    let visit = match Visit::enter(asked, On::Installed).await {
        Ok(visit) => visit,
        Err(answer) => return *answer,
    };
    let (root, history) = (visit.root(), history(visit.query.as_deref()));
    let read = visit.desk.with(|inner| inner.rollout.installation(id).map(|a| says::deployment(a, &root, history)));
    match read {
        Ok(value) => visit.json(&value),
        Err(no) => visit.no(no),
    }
}

async fn artifacts(asked: Asked, Path((_, _, module)): OfAction) -> Response {
    let visit = match Visit::enter(asked, On::Deployment).await {
        Ok(visit) => visit,
        Err(answer) => return *answer,
    };
    let root = visit.root();
    let read = visit.desk.with(|inner| {
        let action: Option<&Action> = inner.rollout.action(module).filter(|a| a.is_active());
        action.map(|action| says::artifacts(action, &root))
    });
    match read {
        Some(value) => visit.json(&value),
        None => visit.no(No::NotFound),
    }
}

async fn artifact(asked: Asked, Path((_, _, module, file)): Path<(String, String, u64, String)>) -> Response {
    let visit = match Visit::enter(asked, On::Download).await {
        Ok(visit) => visit,
        Err(answer) => return *answer,
    };
    let (name, sum) = file.strip_suffix(".MD5SUM").map_or((&file[..], false), |name| (name, true));
    let Some(artifact) = visit.desk.with(|inner| inner.rollout.artifact(module, name).cloned()) else {
        return visit.no(No::NotFound);
    };
    if sum {
        let line = format!("{}  {}", artifact.md5, artifact.file);
        return visit.leave(([(header::CONTENT_TYPE, "text/plain")], line).into_response());
    }
    let answer = download::send(module, &artifact, &visit.headers, visit.fault.clone(), visit.desk.teller()).await;
    visit.leave(answer)
}
