//! Reads a machine. Links are followed as the BMC gives them, one step at a time, and only so many.

use super::{
    client::Client,
    machine::{Bios, CertificateDatabase, Machine, Power, RegistryEntry, Reset, SecureBoot},
};
use crate::{
    catalog::Maker,
    certificate,
    error::FirmwareError,
    model::{Raw, printable},
    profile::Database,
};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Most members of a collection that are looked at.
const MEMBERS_MAX: usize = 256;
/// Most pages of a collection.
const PAGES_MAX: usize = 8;
/// Most attributes of a BIOS; real ones have some hundreds.
const ATTRIBUTES_MAX: usize = 8192;

impl Machine {
    /// Reads the machine behind a BMC: the only one, or the one that is named.
    ///
    /// # Errors
    /// When it must be said which one, when the BMC does not answer, and when what it answers is no Redfish.
    pub async fn read(client: &Client, system: Option<&str>) -> Result<Self, FirmwareError> {
        let root = client.root().await?.body;
        let systems = link(&root, "Systems").ok_or_else(|| {
            FirmwareError::malformed("GET /redfish/v1/", "a Redfish service root with Systems", kind(&root))
        })?;
        let path = chosen(members(client, &systems).await?, system)?;
        let body = client.get(&path).await?.body;
        let manufacturer = text(&body, "Manufacturer").ok_or_else(|| {
            FirmwareError::malformed(format!("GET {path}"), "a system with a Manufacturer", kind(&body))
        })?;
        let bios = match link(&body, "Bios") {
            Some(link) => read_bios(client, &link).await?,
            None => None,
        };
        let secure_boot = match link(&body, "SecureBoot") {
            Some(link) => read_secure_boot(client, &link).await?,
            None => None,
        };
        let links = &body["Links"];
        let power = match first_link(&links["Chassis"]) {
            Some(chassis) => read_power(client, &chassis).await?,
            None => None,
        };
        let bmc_version = match first_link(&links["ManagedBy"]) {
            Some(manager) => client.find(&manager).await?.and_then(|found| text(&found.body, "FirmwareVersion")),
            None => None,
        };
        let reset = &body["Actions"]["#ComputerSystem.Reset"];
        Ok(Self {
            maker: Maker { service_vendor: text(&root, "Vendor"), manufacturer },
            model: text(&body, "Model").unwrap_or_default(),
            id: text(&body, "Id").unwrap_or_else(|| last_part(&path).to_owned()),
            uuid: text(&body, "UUID"),
            bios_version: text(&body, "BiosVersion"),
            bmc_version,
            bios,
            secure_boot,
            power,
            reset: reset["target"].as_str().map(|target| Reset {
                target: target.to_owned(),
                types: words(&reset["ResetType@Redfish.AllowableValues"]),
            }),
            path,
        })
    }
}

/// The path of the system that is meant.
fn chosen(mut systems: Vec<String>, wanted: Option<&str>) -> Result<String, FirmwareError> {
    let ids = |systems: &[String]| systems.iter().map(|path| printable(last_part(path))).collect();
    match wanted {
        Some(id) => match systems.iter().position(|path| last_part(path) == id) {
            Some(index) => Ok(systems.swap_remove(index)),
            None => Err(FirmwareError::UnknownSystem { id: id.to_owned(), ids: ids(&systems) }),
        },
        None if systems.len() > 1 => Err(FirmwareError::SeveralSystems { ids: ids(&systems) }),
        None => systems.pop().ok_or(FirmwareError::NoSystem),
    }
}

async fn read_bios(client: &Client, path: &str) -> Result<Option<Bios>, FirmwareError> {
    let Some(current) = client.find(path).await? else { return Ok(None) };
    let attributes = attributes(path, &current.body)?;
    let settings = &current.body["@Redfish.Settings"];
    let (settings_path, pending, etag) = match link(settings, "SettingsObject") {
        None => (path.to_owned(), BTreeMap::new(), current.etag),
        // A BMC makes the settings object when there is something to set.
        Some(path) => match client.find(&path).await? {
            None => (path, BTreeMap::new(), None),
            Some(answer) => {
                let pending = match &answer.body["Attributes"] {
                    Value::Null => BTreeMap::new(),
                    _ => self::attributes(&path, &answer.body)?,
                };
                (path, pending, answer.etag)
            }
        },
    };
    let times = &settings["SupportedApplyTimes"];
    let registry = match text(&current.body, "AttributeRegistry") {
        Some(name) => read_registry(client, &name).await?,
        None => None,
    };
    Ok(Some(Bios {
        path: path.to_owned(),
        settings_path,
        etag,
        apply_times: times.is_array().then(|| words(times)),
        attributes,
        pending,
        registry,
    }))
}

fn attributes(path: &str, body: &Value) -> Result<BTreeMap<String, Raw>, FirmwareError> {
    let Some(attributes) = body["Attributes"].as_object() else {
        return Err(FirmwareError::malformed(
            format!("GET {path}"),
            "an object, Attributes",
            kind(&body["Attributes"]),
        ));
    };
    if attributes.len() > ATTRIBUTES_MAX {
        let got = attributes.len().to_string();
        return Err(FirmwareError::malformed(
            format!("GET {path}"),
            format!("at most {ATTRIBUTES_MAX} attributes"),
            got,
        ));
    }
    Ok(attributes.iter().filter_map(|(name, value)| Some((name.clone(), Raw::from_json(value)?))).collect())
}

/// The registry of the BIOS' attributes. A BMC need not have it; one that is there and is none is an error.
async fn read_registry(client: &Client, name: &str) -> Result<Option<BTreeMap<String, RegistryEntry>>, FirmwareError> {
    let Some(registries) = client.find("/redfish/v1/Registries").await? else { return Ok(None) };
    let paths = members_of(client, registries.body).await?;
    // Some BMCs name the file without its version.
    let stem = name.split(".v").next().unwrap_or(name);
    let exact = paths.iter().find(|path| last_part(path) == name);
    let Some(path) = exact.or_else(|| paths.iter().find(|path| last_part(path) == stem)) else { return Ok(None) };
    let Some(file) = client.find(path).await? else { return Ok(None) };
    let locations = file.body["Location"].as_array().map(Vec::as_slice).unwrap_or_default();
    let english = locations.iter().find(|location| location["Language"].as_str().is_some_and(|l| l.starts_with("en")));
    let uri = english.or(locations.first()).and_then(|location| match &location["Uri"] {
        Value::Object(extended) => extended.get("extref").and_then(Value::as_str),
        uri => uri.as_str(),
    });
    let Some(uri) = uri.filter(|uri| uri.starts_with('/')) else { return Ok(None) };
    let Some(registry) = client.find(uri).await? else { return Ok(None) };
    let Some(entries) = registry.body["RegistryEntries"]["Attributes"].as_array() else {
        let expected = "an attribute registry with RegistryEntries.Attributes";
        return Err(FirmwareError::malformed(format!("GET {}", printable(uri)), expected, kind(&registry.body)));
    };
    Ok(Some(entries.iter().take(ATTRIBUTES_MAX).filter_map(registry_entry).collect()))
}

fn registry_entry(entry: &Value) -> Option<(String, RegistryEntry)> {
    let values = entry["Value"].as_array().or_else(|| entry["Values"].as_array());
    let is_list = entry["Type"].as_str() == Some("Enumeration");
    let values = values.filter(|_| is_list).map(|values| {
        let names = values.iter().filter_map(|value| value["ValueName"].as_str().map(str::to_owned));
        names.collect::<BTreeSet<_>>()
    });
    let read_only = entry["ReadOnly"].as_bool().unwrap_or(false);
    Some((text(entry, "AttributeName")?, RegistryEntry { read_only, values }))
}

async fn read_secure_boot(client: &Client, path: &str) -> Result<Option<SecureBoot>, FirmwareError> {
    let Some(answer) = client.find(path).await? else { return Ok(None) };
    let mut databases = Vec::new();
    if let Some(collection) = link(&answer.body, "SecureBootDatabases") {
        for path in members(client, &collection).await? {
            let found = [Database::Db, Database::Kek].into_iter().find(|database| last_part(&path) == database.name());
            if let Some(database) = found {
                databases.extend(read_database(client, database, &path).await?);
            }
        }
    }
    Ok(Some(SecureBoot {
        path: path.to_owned(),
        enabled: answer.body["SecureBootEnable"].as_bool(),
        in_force: match answer.body["SecureBootCurrentBoot"].as_str() {
            Some("Enabled") => Some(true),
            Some("Disabled") => Some(false),
            _ => None,
        },
        mode: text(&answer.body, "SecureBootMode"),
        etag: answer.etag,
        databases,
    }))
}

async fn read_database(
    client: &Client,
    database: Database,
    path: &str,
) -> Result<Option<CertificateDatabase>, FirmwareError> {
    let Some(answer) = client.find(path).await? else { return Ok(None) };
    let Some(path) = link(&answer.body, "Certificates") else { return Ok(None) };
    let mut found = CertificateDatabase { database, path, certificates: BTreeMap::new(), unreadable: 0 };
    for member in members(client, &found.path).await? {
        let body = client.get(&member).await?.body;
        let pem = body["CertificateString"].as_str().unwrap_or_default();
        match certificate::fingerprints(pem).pop() {
            Some(fingerprint) => drop(found.certificates.insert(fingerprint, member)),
            None => found.unreadable += 1,
        }
    }
    Ok(Some(found))
}

async fn read_power(client: &Client, chassis: &str) -> Result<Option<Power>, FirmwareError> {
    let Some(chassis) = client.find(chassis).await? else { return Ok(None) };
    let Some(path) = link(&chassis.body, "Power") else { return Ok(None) };
    let Some(answer) = client.find(&path).await? else { return Ok(None) };
    let parts = answer.body["PowerControl"].as_array().map(Vec::as_slice).unwrap_or_default();
    let Some(limit) = parts.first().and_then(|part| part.get("PowerLimit")) else { return Ok(None) };
    let limit = limit["LimitInWatts"].as_f64().filter(|watts| (1.0..=1e6).contains(watts));
    let limit_watts = limit.map(|watts| watts.round() as u32);
    Ok(Some(Power { path, etag: answer.etag, limit_watts, parts: parts.len().min(MEMBERS_MAX) }))
}

/// The paths of a collection's members.
async fn members(client: &Client, path: &str) -> Result<Vec<String>, FirmwareError> {
    let body = client.get(path).await?.body;
    members_of(client, body).await
}

async fn members_of(client: &Client, mut page: Value) -> Result<Vec<String>, FirmwareError> {
    let mut found = Vec::new();
    for _ in 0..PAGES_MAX {
        let Some(members) = page["Members"].as_array() else {
            return Err(FirmwareError::malformed("a collection", "an array, Members", kind(&page["Members"])));
        };
        found.extend(members.iter().filter_map(|member| member["@odata.id"].as_str().map(str::to_owned)));
        if found.len() > MEMBERS_MAX {
            let got = found.len().to_string();
            return Err(FirmwareError::malformed("a collection", format!("at most {MEMBERS_MAX} members"), got));
        }
        let Some(next) = page["Members@odata.nextLink"].as_str() else { return Ok(found) };
        page = client.get(next).await?.body;
    }
    Err(FirmwareError::malformed("a collection", format!("at most {PAGES_MAX} pages"), "one more"))
}

fn link(body: &Value, name: &str) -> Option<String> {
    body[name]["@odata.id"].as_str().map(str::to_owned)
}

fn first_link(links: &Value) -> Option<String> {
    links[0]["@odata.id"].as_str().map(str::to_owned)
}

fn text(body: &Value, name: &str) -> Option<String> {
    body[name].as_str().map(str::trim).filter(|text| !text.is_empty()).map(str::to_owned)
}

fn words(list: &Value) -> BTreeSet<String> {
    list.as_array().into_iter().flatten().filter_map(|word| word.as_str().map(str::to_owned)).collect()
}

fn last_part(path: &str) -> &str {
    path.trim_end_matches('/').rsplit('/').next().unwrap_or_default()
}

/// What a value is, for a message about one that should be another.
fn kind(value: &Value) -> String {
    match value {
        Value::Null => "nothing".into(),
        Value::Bool(_) | Value::Number(_) => value.to_string(),
        Value::String(text) => format!("{:?}", printable(text)),
        Value::Array(items) => format!("an array of {}", items.len()),
        Value::Object(fields) => {
            let names: Vec<_> = fields.keys().take(8).map(|name| printable(name)).collect();
            format!("an object with {}", if names.is_empty() { "nothing".into() } else { names.join(", ") })
        }
    }
}
