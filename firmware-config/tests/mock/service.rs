//! The Redfish service in front of a machine.

use super::{
    PASSWORD, USER,
    state::{Misbehaviour, State},
};
use axum::{
    body::{Body, Bytes, to_bytes},
    extract::Request,
    http::{HeaderMap, Method, StatusCode, header},
    response::Response,
};
use flate2::{Compression, write::GzEncoder};
use serde_json::{Value, json};
use std::{
    io::Write,
    sync::{Arc, Mutex},
};

type Shared = axum::extract::State<Arc<Mutex<State>>>;

const TOKEN: &str = "a token";

pub async fn answer(axum::extract::State(state): Shared, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let body = to_bytes(body, 1 << 20).await.unwrap();
    let body: Value = if body.is_empty() { Value::Null } else { serde_json::from_slice(&body).unwrap() };
    let path = head.uri.path().trim_end_matches('/').to_owned();
    let hangs = match state.lock().unwrap().misbehaviour {
        Misbehaviour::Hangs => head.method == Method::PATCH,
        Misbehaviour::HangsOnBios => path.ends_with("/Bios"),
        _ => false,
    };
    if hangs {
        std::future::pending::<()>().await;
    }
    let mut state = state.lock().unwrap();
    if head.method != Method::GET {
        state.written.push((head.method.to_string(), path.clone(), body.clone()));
    }
    if path != "/redfish/v1" && path != "/redfish/v1/SessionService/Sessions" && !is_let_in(&head.headers) {
        return problem(StatusCode::UNAUTHORIZED, "Base.1.0.NoValidSession");
    }
    match (head.method.as_str(), misbehaved(&mut state, &head.method, &path)) {
        (_, Some(response)) => response,
        ("GET", None) => read(&mut state, &path),
        ("PATCH", None) => change(&mut state, &path, &head.headers, &body),
        ("POST", None) => make(&mut state, &path, &body),
        ("DELETE", None) => remove(&mut state, &path),
        _ => problem(StatusCode::METHOD_NOT_ALLOWED, "Base.1.0.OperationNotAllowed"),
    }
}

fn is_let_in(headers: &HeaderMap) -> bool {
    let basic = format!("Basic {}", base64(format!("{USER}:{PASSWORD}").as_bytes()));
    let is = |name, expected: &str| headers.get(name).is_some_and(|value| value == expected);
    is("x-auth-token", TOKEN) || is("authorization", &basic)
}

fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let word = chunk.iter().fold(0u32, |word, byte| word << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for index in 0..4 {
            let letter = LETTERS[(word >> (18 - 6 * index)) as usize & 63];
            text.push(if index <= chunk.len() { letter as char } else { '=' });
        }
    }
    text
}

fn misbehaved(state: &mut State, method: &Method, path: &str) -> Option<Response> {
    let is_change = *method == Method::PATCH;
    match state.misbehaviour {
        Misbehaviour::Breaks if is_change => Some(problem(StatusCode::INTERNAL_SERVER_ERROR, "Base.1.0.InternalError")),
        Misbehaviour::IsBusy(left) if *method == Method::GET && left > 0 => {
            state.misbehaviour = Misbehaviour::IsBusy(left - 1);
            let mut busy = problem(StatusCode::SERVICE_UNAVAILABLE, "Base.1.0.ServiceTemporarilyUnavailable");
            busy.headers_mut().insert(header::RETRY_AFTER, "0".parse().unwrap());
            Some(busy)
        }
        Misbehaviour::NeverEnds if path.ends_with("/Bios") => {
            let endless = futures::stream::repeat_with(|| Ok::<_, std::io::Error>(Bytes::from(vec![b' '; 1 << 20])));
            Some(Response::new(Body::from_stream(endless)))
        }
        Misbehaviour::Babbles if path.ends_with("/Bios") => Some(Response::new(Body::from("<html>Log in</html>"))),
        Misbehaviour::Redirects if path.ends_with("/Systems") => {
            let to = Response::builder().status(308).header("location", "https://elsewhere.example/redfish/v1/Systems");
            Some(to.body(Body::empty()).unwrap())
        }
        _ => None,
    }
}

fn read(state: &mut State, path: &str) -> Response {
    let system = state.systems[0].clone();
    let base = format!("/redfish/v1/Systems/{system}");
    let bios = format!("{base}/Bios");
    let secure_boot = format!("{base}/SecureBoot");
    let links = |names: &[String]| names.iter().map(|name| json!({ "@odata.id": name })).collect::<Vec<_>>();
    if let Some(rest) = path.strip_prefix(&bios) {
        return read_bios(state, &bios, rest);
    }
    if let Some(rest) = path.strip_prefix(&secure_boot) {
        return read_secure_boot(state, &secure_boot, rest);
    }
    let body = match path {
        "/redfish/v1" => json!({
            "Vendor": state.service_vendor, "RedfishVersion": "1.11.0",
            "Systems": { "@odata.id": "/redfish/v1/Systems" },
        }),
        "/redfish/v1/Systems" => {
            let mut paths: Vec<_> = state.systems.iter().map(|id| format!("/redfish/v1/Systems/{id}")).collect();
            if state.misbehaviour == Misbehaviour::LinksElsewhere {
                paths = vec!["https://elsewhere.example/redfish/v1/Systems/1".into()];
            }
            let mut page = json!({ "Members": links(&paths) });
            if state.misbehaviour == Misbehaviour::PagesForEver {
                page["Members@odata.nextLink"] = json!("/redfish/v1/Systems");
            }
            page
        }
        "/redfish/v1/Registries" => json!({ "Members": links(&["/redfish/v1/Registries/Own".into()]) }),
        "/redfish/v1/Registries/Own" => json!({ "Location": [{ "Language": "en", "Uri": "/registries/own.json" }] }),
        "/registries/own.json" => return registry(state),
        "/redfish/v1/Managers/1" => json!({ "FirmwareVersion": "6.10.80.00" }),
        "/redfish/v1/Chassis/1" => json!({ "Power": { "@odata.id": "/redfish/v1/Chassis/1/Power" } }),
        "/redfish/v1/Chassis/1/Power" if state.power_limit.is_some() => {
            let limit = state.power_limit.flatten();
            json!({ "PowerControl": [{ "PowerLimit": { "LimitInWatts": limit } }, { "Name": "CPUs" }] })
        }
        _ if path.starts_with(&base) || state.systems.iter().any(|id| path.ends_with(&format!("/{id}"))) => {
            if path.strip_prefix(&base).is_some_and(|rest| !rest.is_empty()) {
                return problem(StatusCode::NOT_FOUND, "Base.1.0.ResourceMissingAtURI");
            }
            json!({
                "Id": system, "Manufacturer": state.manufacturer, "Model": "Mock 650", "UUID": state.uuid,
                "BiosVersion": "1.2.4",
                "Bios": { "@odata.id": bios }, "SecureBoot": { "@odata.id": secure_boot },
                "Links": {
                    "Chassis": links(&["/redfish/v1/Chassis/1".into()]),
                    "ManagedBy": links(&["/redfish/v1/Managers/1".into()]),
                },
                "Actions": { "#ComputerSystem.Reset": {
                    "target": format!("{base}/Actions/ComputerSystem.Reset"),
                    "ResetType@Redfish.AllowableValues": ["On", "ForceOff", "GracefulRestart"],
                } },
            })
        }
        _ => return problem(StatusCode::NOT_FOUND, "Base.1.0.ResourceMissingAtURI"),
    };
    json_answer(StatusCode::OK, &body)
}

fn read_bios(state: &mut State, bios: &str, rest: &str) -> Response {
    let etag = format!("W/\"{}\"", state.version);
    let mut body = json!({ "Id": "Bios", "Attributes": state.attributes });
    if rest.is_empty() {
        let settings = format!("{bios}/{}", state.settings);
        body["@Redfish.Settings"] = json!({ "SettingsObject": { "@odata.id": settings } });
        if let Some(times) = &state.apply_times {
            body["@Redfish.Settings"]["SupportedApplyTimes"] = json!(times);
        }
        if state.registry.is_some() {
            body["AttributeRegistry"] = json!("Own.v1_0_0");
        }
    } else if rest.trim_start_matches('/') == state.settings {
        let nothing_is_set = state.pending.is_empty() && !state.settings_are_whole;
        if nothing_is_set && !state.wants_apply_time {
            return problem(StatusCode::NOT_FOUND, "Base.1.0.ResourceMissingAtURI");
        }
        let mut shown = if state.settings_are_whole { state.attributes.clone() } else { Default::default() };
        shown.extend(state.pending.clone());
        body["Attributes"] = Value::Object(shown);
        if state.misbehaviour == Misbehaviour::IsWrittenByAnother {
            state.version += 1;
        }
    } else {
        return problem(StatusCode::NOT_FOUND, "Base.1.0.ResourceMissingAtURI");
    }
    let mut response = json_answer(StatusCode::OK, &body);
    response.headers_mut().insert(header::ETAG, etag.parse().unwrap());
    response
}

fn read_secure_boot(state: &State, base: &str, rest: &str) -> Response {
    let word = |on| if on { "Enabled" } else { "Disabled" };
    let body = match (rest, &state.certificates) {
        ("", certificates) => {
            let mut body = json!({
                "SecureBootEnable": state.secure_boot_next, "SecureBootMode": state.secure_boot_mode,
                "SecureBootCurrentBoot": word(state.secure_boot),
            });
            if certificates.is_some() {
                body["SecureBootDatabases"] = json!({ "@odata.id": format!("{base}/SecureBootDatabases") });
            }
            body
        }
        ("/SecureBootDatabases", Some(_)) => {
            let names = ["PK", "KEK", "db", "dbx", "dbDefault"];
            let paths = names.map(|name| json!({ "@odata.id": format!("{base}/SecureBootDatabases/{name}") }));
            json!({ "Members": paths })
        }
        ("/SecureBootDatabases/db", Some(_)) => {
            json!({ "Certificates": { "@odata.id": format!("{base}/SecureBootDatabases/db/Certificates") } })
        }
        ("/SecureBootDatabases/KEK", Some(_)) => json!({ "Id": "KEK" }),
        ("/SecureBootDatabases/db/Certificates", Some(found)) => {
            let one = |id: &u32| json!({ "@odata.id": format!("{base}/SecureBootDatabases/db/Certificates/{id}") });
            json!({ "Members": found.keys().map(one).collect::<Vec<_>>() })
        }
        (rest, Some(found)) => {
            let id = rest.rsplit('/').next().and_then(|id| id.parse::<u32>().ok());
            let Some(pem) = id.and_then(|id| found.get(&id)) else {
                return problem(StatusCode::NOT_FOUND, "Base.1.0.ResourceMissingAtURI");
            };
            json!({ "CertificateString": pem, "CertificateType": "PEM" })
        }
        _ => return problem(StatusCode::NOT_FOUND, "Base.1.0.ResourceMissingAtURI"),
    };
    json_answer(StatusCode::OK, &body)
}

fn registry(state: &State) -> Response {
    let bytes = serde_json::to_vec(&state.registry).unwrap();
    if !state.packs_registry {
        return Response::new(Body::from(bytes));
    }
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(&bytes).unwrap();
    let mut response = Response::new(Body::from(encoder.finish().unwrap()));
    response.headers_mut().insert(header::CONTENT_ENCODING, "gzip".parse().unwrap());
    response
}

fn change(state: &mut State, path: &str, headers: &HeaderMap, body: &Value) -> Response {
    if path.ends_with("/SecureBoot") {
        state.secure_boot_next = body["SecureBootEnable"].as_bool().unwrap();
        return json_answer(StatusCode::OK, &Value::Null);
    }
    if path.ends_with("/Power") {
        assert_eq!(body["PowerControl"].as_array().unwrap().len(), 2, "a part would be removed");
        let limit = &body["PowerControl"][0]["PowerLimit"]["LimitInWatts"];
        state.power_limit = Some(limit.as_u64().map(|watts| watts.try_into().unwrap()));
        return json_answer(StatusCode::OK, &Value::Null);
    }
    if !path.ends_with(&format!("/Bios/{}", state.settings)) {
        return problem(StatusCode::METHOD_NOT_ALLOWED, "Base.1.0.OperationNotAllowed");
    }
    let expected = format!("W/\"{}\"", state.version);
    match headers.get(header::IF_MATCH) {
        Some(given) if given != expected.as_str() => {
            return problem(StatusCode::PRECONDITION_FAILED, "Base.1.0.PreconditionFailed");
        }
        None if state.wants_etag => return problem(StatusCode::PRECONDITION_REQUIRED, "Base.1.0.PreconditionRequired"),
        _ => {}
    }
    let says_on_reset = body["@Redfish.SettingsApplyTime"]["ApplyTime"] == "OnReset";
    if says_on_reset != state.wants_apply_time {
        return problem(StatusCode::BAD_REQUEST, "Base.1.0.PropertyMissing: @Redfish.SettingsApplyTime");
    }
    for (name, value) in body["Attributes"].as_object().unwrap() {
        if state.misbehaviour == Misbehaviour::Refuses("") || !state.allows(name, value) {
            return problem(StatusCode::BAD_REQUEST, &format!("The value {value} for {name} is not in its list."));
        }
        if let Misbehaviour::Refuses(refused) = state.misbehaviour
            && refused == name
        {
            return problem(StatusCode::BAD_REQUEST, &format!("The attribute {name} is read-only."));
        }
    }
    if state.misbehaviour != Misbehaviour::ForgetsWrites {
        state.pending.extend(body["Attributes"].as_object().unwrap().clone());
        state.version += 1;
    }
    if !state.wants_apply_time {
        return json_answer(StatusCode::OK, &Value::Null);
    }
    let job = Response::builder().status(202).header("location", "/redfish/v1/TaskService/Tasks/JID_1");
    job.body(Body::empty()).unwrap()
}

fn make(state: &mut State, path: &str, body: &Value) -> Response {
    if path.ends_with("/Sessions") {
        if body["UserName"] != USER || body["Password"] != PASSWORD {
            return problem(StatusCode::UNAUTHORIZED, "Base.1.0.ResourceAtUriUnauthorized");
        }
        state.sessions += 1;
        let session = Response::builder().status(201).header("x-auth-token", TOKEN);
        return session.header("location", format!("{path}/1")).body(Body::empty()).unwrap();
    }
    if path.ends_with("/Actions/ComputerSystem.Reset") {
        assert_eq!(body["ResetType"], "GracefulRestart");
        state.reset();
        return Response::builder().status(204).body(Body::empty()).unwrap();
    }
    match &mut state.certificates {
        Some(found) if path.ends_with("/db/Certificates") => {
            let id = found.keys().next_back().map_or(1, |id| id + 1);
            found.insert(id, body["CertificateString"].as_str().unwrap().to_owned());
            Response::builder().status(201).header("location", format!("{path}/{id}")).body(Body::empty()).unwrap()
        }
        _ => problem(StatusCode::NOT_FOUND, "Base.1.0.ResourceMissingAtURI"),
    }
}

fn remove(state: &mut State, path: &str) -> Response {
    if path.contains("/Sessions/") {
        state.sessions -= 1;
        return Response::builder().status(204).body(Body::empty()).unwrap();
    }
    let id = path.rsplit('/').next().and_then(|id| id.parse::<u32>().ok());
    let found = state.certificates.as_mut().zip(id).and_then(|(found, id)| found.remove(&id));
    if found.is_none() {
        return problem(StatusCode::NOT_FOUND, "Base.1.0.ResourceMissingAtURI");
    }
    Response::builder().status(204).body(Body::empty()).unwrap()
}

fn json_answer(status: StatusCode, body: &Value) -> Response {
    let response = Response::builder().status(status).header("content-type", "application/json");
    response.body(Body::from(body.to_string())).unwrap()
}

fn problem(status: StatusCode, message: &str) -> Response {
    let info = json!([{ "Message": message, "Resolution": "None." }]);
    json_answer(status, &json!({ "error": { "code": "Base.1.0.GeneralError", "@Message.ExtendedInfo": info } }))
}
